"""Tucker decomposition to a given error, and the ranks that takes."""

import math

import numpy as np
import pytest
from tensors.tucker_cases import (
    EPS,
    check_form,
    drawn,
    hilbert,
    least_ranks,
    low_rank,
    spectra,
    superdiagonal,
    true_error,
)

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.tensors import rank_choice


def decaying(rng, exponent):
    """A tensor all of whose unfoldings have falling singular values, in bases of their own."""
    generator = np.random.default_rng(rng)
    weights = [np.exp(-exponent * np.arange(n)) for n in (20, 22, 24)]
    X = generator.standard_normal((20, 22, 24)) * np.einsum("i,j,k->ijk", *weights)
    for k, n in enumerate(X.shape):
        X = np.moveaxis(np.tensordot(np.linalg.qr(generator.standard_normal((n, n)))[0], X, axes=(1, k)), 0, k)
    return X


TENSORS = {
    "superdiagonal": superdiagonal(40),
    "squares": superdiagonal(40, 2.0),
    "Hilbert": hilbert(30, 25, 20),
    "noisy": low_rank((30, 30, 30), (6, 6, 6), noise=0.05),
    "fast": decaying(0, 1.0),
    "slow": decaying(1, 0.3),
    "noise": drawn(np.random.default_rng(2), (12, 13, 14)),
    "order 4": hilbert(9, 8, 7, 6),
    "matrix": drawn(np.random.default_rng(5), (30, 20)) * 0.5 ** np.arange(20),
}


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("method", ["auto", "hooi", "randomized"])
@pytest.mark.parametrize("tol", [0.5, 0.1, 1e-2, 1e-4, 1e-8, 1e-12])
def test_the_tolerance_is_met(name, method, tol):
    X = TENSORS[name]
    result = lr.tucker(X, tol=tol, method=method, rng=0)
    assert result.info.converged
    assert true_error(X, result) <= tol * (1 + 1e-6) + 4 * EPS
    check_form(result)


@pytest.mark.parametrize("name", ["superdiagonal", "squares", "Hilbert", "noisy", "fast", "order 4", "matrix"])
@pytest.mark.parametrize("tol", [0.3, 0.1, 0.06, 1e-2, 1e-4, 1e-7])
def test_ranks_are_near_minimal(name, tol):
    X = TENSORS[name]
    if name == "noisy" and tol < 0.05:
        pytest.skip("noise is equally hard to every mode: no rank is near that of one mode alone")
    result = lr.tucker(X, tol=tol)
    for rank, least in zip(result.ranks, least_ranks(X, tol), strict=True):
        assert rank <= max(math.ceil(1.2 * least), least + 3)


@pytest.mark.parametrize("tol", [0.05, 0.055, 0.06, 0.08])
def test_ranks_are_stable_where_the_tolerance_is_close_to_the_noise(tol):
    X = low_rank((60, 60, 60), (8, 8, 8), noise=0.05)
    assert lr.tucker(X, tol=tol).ranks == (8, 8, 8)


def test_ranks_are_never_above_those_of_plain_sequential_truncation():
    for name, X in TENSORS.items():
        for tol in (0.2, 0.05, 1e-3):
            plain, core = [0] * X.ndim, X
            left = (tol * np.linalg.norm(X)) ** 2
            for done, k in enumerate(sorted(range(X.ndim), key=lambda k: X.shape[k])):
                U, s, _ = np.linalg.svd(np.moveaxis(core, k, 0).reshape(core.shape[k], -1), full_matrices=False)
                tails = np.append(np.cumsum(s[::-1] ** 2)[::-1], 0.0)
                plain[k] = max(1, int(np.argmax(tails <= left / (X.ndim - done))))
                left -= tails[plain[k]]
                core = np.moveaxis(np.tensordot(U[:, : plain[k]].T, core, axes=(1, k)), 0, k)
            result = lr.tucker(X, tol=tol, method="st_hosvd")
            assert all(ours <= theirs for ours, theirs in zip(result.ranks, plain, strict=True)), name


def test_ranks_and_tolerance_stop_at_whichever_comes_first():
    X = hilbert(20, 20, 20)
    assert lr.tucker(X, 2, tol=0.3).ranks == lr.tucker(X, tol=0.3).ranks
    with pytest.warns(lr.ConvergenceWarning, match="above tol"):
        result = lr.tucker(X, 2, tol=1e-6)
    assert result.ranks == (2, 2, 2)
    assert not result.info.converged
    with pytest.raises(lr.ConvergenceError, match="above tol"):
        lr.tucker(X, 2, tol=1e-6, on_failure="raise")


def test_the_randomized_method_says_when_ranks_were_too_large_for_it():
    thin, full = low_rank((140, 130, 150), (5, 5, 5)), TENSORS["noise"]
    assert lr.tucker(thin, tol=1e-6, method="randomized", rng=0).info.method == "randomized"
    assert lr.tucker(thin, tol=1e-6, method="randomized", rng=0).ranks == (5, 5, 5)
    assert lr.tucker(full, tol=0.1, method="randomized", rng=0).info.method == "st_hosvd"


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 3e-6])
def test_single_precision_meets_its_tolerances(tol):
    X = TENSORS["Hilbert"].astype("float32")
    result = lr.tucker(X, tol=tol)
    assert result.core.dtype == np.float32
    assert true_error(X, result) <= tol
    assert result.ranks == lr.tucker(TENSORS["Hilbert"], tol=tol).ranks


def test_libraries_and_devices_choose_the_same_ranks(backend):
    X = backend.asarray(TENSORS["Hilbert"])
    for tol in (0.1, 1e-2, 1e-3):
        result = lr.tucker(X, tol=tol)
        assert result.ranks == lr.tucker(TENSORS["Hilbert"], tol=tol).ranks
        assert backend.holds(result.core)
        assert true_error(X, result) <= tol


def test_a_tolerance_below_rounding_says_that_it_was_not_met():
    X = drawn(np.random.default_rng(0), (9, 8, 7)).astype("float32")
    with pytest.warns(lr.ConvergenceWarning, match="above tol"):
        assert not lr.tucker(X, tol=1e-9).info.converged


def test_modes_that_are_left_alone_keep_their_length_under_a_tolerance():
    X = low_rank((12, 11, 10), (3, 11, 2), noise=1e-3)
    result = lr.tucker(X, tol=0.01, modes=(0, 2))
    assert result.ranks == (3, 11, 2)
    assert true_error(X, result) <= 0.01


@pytest.mark.parametrize("seed", range(5))
def test_the_block_that_is_chosen_meets_the_error_and_none_of_its_slices_can_go(seed):
    generator = np.random.default_rng(seed)
    core = generator.standard_normal((7, 6, 5)) * np.einsum("i,j,k->ijk", *(0.6 ** np.arange(n) for n in (7, 6, 5)))
    allowed = 0.05 * np.sum(core**2)
    ranks = rank_choice.least_ranks(core, allowed, 0.0, range(3))

    def left_out(ranks):
        return np.sum(core**2) - np.sum(core[tuple(slice(0, r) for r in ranks)] ** 2)

    assert left_out(ranks) <= allowed * (1 + 1e-12)
    for k in range(3):
        if ranks[k] > 1:
            assert left_out([r - (j == k) for j, r in enumerate(ranks)]) > allowed


def test_a_block_taken_by_the_marginal_tails_alone_would_miss_the_error():
    core = np.diag(0.5 ** np.arange(6.0))[:, :, None] + np.random.default_rng(0).standard_normal((6, 6, 4)) * 0.05
    allowed, energy = 0.02 * np.sum(core**2), core**2
    naive = [int(np.argmax(np.append(np.cumsum(np.sum(energy, axis=axes)[::-1])[::-1], 0) <= allowed)) for axes in
             ((1, 2), (0, 2), (0, 1))]  # fmt: skip
    assert np.sum(energy) - np.sum(energy[: naive[0], : naive[1], : naive[2]]) > allowed
    chosen = rank_choice.least_ranks(core, allowed, 0.0, range(3))
    assert np.sum(energy) - np.sum(energy[: chosen[0], : chosen[1], : chosen[2]]) <= allowed


def test_tails_of_gram_matrices_and_triangles_agree():
    from lowrank_la.tensors.subspace import by_gram, by_triangle

    X = TENSORS["slow"]
    for k, s in enumerate(spectra(X)):
        for found in (by_gram(X, k), by_triangle(X, k)):
            np.testing.assert_allclose(found.energies, s**2, rtol=0, atol=50 * EPS * s[0] ** 2)


def test_a_triangle_tells_singular_values_apart_that_a_gram_matrix_does_not():
    from lowrank_la.tensors.subspace import by_gram, by_triangle

    X = superdiagonal(12)
    core = np.zeros((12, 12, 12))
    core[(np.arange(12),) * 3] = 10.0 ** -np.arange(12.0)
    X = core
    for k in range(3):
        turn = np.linalg.qr(np.random.default_rng(k).standard_normal((12, 12)))[0]
        X = np.moveaxis(np.tensordot(turn, X, axes=(1, k)), 0, k)
    expected = 10.0 ** -np.arange(12.0)
    np.testing.assert_allclose(np.sqrt(by_triangle(X, 1).energies), expected, rtol=1e-3)
    assert np.max(np.abs(np.sqrt(by_gram(X, 1).energies) / expected - 1)) > 1e-3


def test_a_hyperspectral_cube_takes_no_more_than_the_ranks_of_plain_truncation():
    datasets = pytest.importorskip("tensorly.datasets")
    cube = np.asarray(datasets.load_indian_pines().tensor, dtype=float)
    for tol, most in ((0.1, (16, 7, 2)), (0.05, (55, 33, 3)), (0.01, (137, 134, 59))):
        result = lr.tucker(cube, tol=tol)
        assert true_error(cube, result) <= tol
        assert result.info.error <= tol
        assert all(ours <= theirs for ours, theirs in zip(result.ranks, most, strict=True))


def test_the_widest_precision_decides_how_fine_a_gram_matrix_is():
    from lowrank_la.tensors.st_hosvd import coarsest_gram

    assert coarsest_gram(np.ones((2, 2))) == pytest.approx(1e-6, rel=1.0)
    assert coarsest_gram(np.ones((2, 2), "float32")) == coarsest_gram(np.ones((2, 2)))
    assert be.is_double(np.float64)


def test_tolerances_near_rounding_are_met_where_full_ranks_meet_them():
    for seed in range(60):
        generator = np.random.default_rng(seed)
        X = generator.standard_normal((8, 7, 6)) + 1j * generator.standard_normal((8, 7, 6))
        X = (X * 10.0 ** -generator.uniform(0, 6, (8, 1, 1))).astype("complex64")
        assert lr.tucker(X, tol=1e-6).info.converged


def test_the_advice_fits_the_arguments():
    X = np.random.default_rng(0).standard_normal((8, 8, 8))
    with pytest.warns(lr.ConvergenceWarning, match="allow larger ranks or loosen tol$"):
        lr.tucker(X, 2, tol=1e-3)
