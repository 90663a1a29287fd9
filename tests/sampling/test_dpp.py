"""Processes given by a kernel or its factor: their laws, scales that overflow elsewhere, and bad kernels."""

import math

import numpy as np
import pytest
import scipy.sparse
from sampling import laws

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.sampling import dpp
from lowrank_la.sampling.dpp import conditioned_bernoulli, tilted

DRAWS = 6_000


def kernel(n, rank=None, rng=0, dtype="float64"):
    B = factor(n, n if rank is None else rank, rng, dtype)
    return B @ B.conj().T


def factor(n, r, rng=0, dtype="float64"):
    generator = np.random.default_rng(rng)
    B = generator.standard_normal((n, r))
    if np.dtype(dtype).kind == "c":
        B = B + 1j * generator.standard_normal((n, r))
    return (B * np.geomspace(0.3, 1.5, r)).astype(dtype)


def sizes_law(L):
    """Law of the number of rows of the DPP of `L`."""
    law = np.ones(1)
    for value in np.linalg.eigvalsh(L):
        p = value / (1 + value)
        law = np.convolve(law, [1 - p, p])
    return law


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_sets_of_k_are_drawn_with_their_determinants(k, dtype):
    L = kernel(7, rng=1, dtype=dtype)
    draws = lr.KDPP(k, L).sample(DRAWS, rng=k)
    assert laws.same_law(laws.counts(draws, 7), laws.kernel_law(L, k)) > laws.REJECT


def test_the_law_of_a_mixture_of_eigenvectors_is_that_of_the_kernel():
    L, k = kernel(6, rng=2), 3
    w, U = np.linalg.eigh(L)
    weights = np.asarray([np.prod(w[s]) for s in laws.subsets(6, k)])
    parts = np.asarray([laws.projection_law(U[:, s]) for s in laws.subsets(6, k)])
    np.testing.assert_allclose(weights / weights.sum() @ parts, laws.kernel_law(L, k), rtol=0, atol=1e-12)


def test_sets_of_any_size_are_drawn_with_their_determinants():
    L = kernel(5, rng=3)
    drawn = lr.DPP(L).sample(DRAWS, rng=4)
    sizes = np.bincount([len(s) for s in drawn], minlength=6).astype(float)
    assert laws.same_law(sizes, sizes_law(L)) > laws.REJECT
    for k in range(1, 5):
        sets = np.asarray([s for s in drawn if len(s) == k])
        assert laws.same_law(laws.counts(sets, 5), laws.kernel_law(L, k)) > laws.REJECT
    assert lr.DPP(L).expected_size == pytest.approx(np.arange(6) @ sizes_law(L))


@pytest.mark.parametrize("r", [3, 5, 9])
def test_a_factor_has_the_law_of_its_kernel(r):
    B = factor(5, r, 5)
    draws = lr.KDPP(2, factor=B).sample(DRAWS, rng=6)
    assert laws.same_law(laws.counts(draws, 5), laws.kernel_law(B @ B.T, 2)) > laws.REJECT


def test_operators_sparse_matrices_and_low_rank_results_have_the_law_of_their_kernel():
    B = factor(6, 3, 7)
    L = B @ B.T
    given = [
        lr.operator(lambda X: L @ X, lambda Y: L @ Y, L.shape, L.dtype),
        scipy.sparse.csr_array(L),
        lr.LowRank(B, None, B.T),
        lr.nystrom(L, 3, rng=0),
    ]
    for A in given:
        draws = lr.KDPP(2, A).sample(DRAWS // 2, rng=8)
        assert laws.same_law(laws.counts(draws, 6), laws.kernel_law(L, 2)) > laws.REJECT


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_all_backends_draw_the_same_sets(backend, dtype):
    L = kernel(20, rng=9, dtype=dtype)
    with_host = be.to_numpy(lr.KDPP(4, L).sample(10, rng=3))
    rows = lr.KDPP(4, backend.asarray(L)).sample(10, rng=3)
    assert backend.holds(rows)
    assert rows.shape == (10, 4)
    np.testing.assert_array_equal(np.sort(backend.to_numpy(rows), axis=1), np.sort(with_host, axis=1))
    sets = lr.DPP(backend.asarray(L)).sample(5, rng=3)
    assert all(backend.holds(s) for s in sets)
    assert [s.shape[0] for s in sets] == [len(s) for s in lr.DPP(L).sample(5, rng=3)]


def test_draws_depend_on_the_seed_and_their_number_alone():
    process = lr.KDPP(3, kernel(12, rng=10))
    batch = process.sample(6, rng=1)
    np.testing.assert_array_equal(process.sample(2, rng=1), batch[:2])
    np.testing.assert_array_equal(process.sample(rng=1), batch[0])
    assert lr.DPP(kernel(12, rng=10)).sample(0, rng=1) == []


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1.0, 1e6, 1e150, 1e300])
def test_scales_do_not_change_the_law_of_a_fixed_size(scale):
    L = kernel(8, rng=11) / 10
    np.testing.assert_array_equal(
        np.sort(lr.KDPP(3, scale * L).sample(200, rng=2), axis=1), np.sort(lr.KDPP(3, L).sample(200, rng=2), axis=1)
    )


def test_huge_and_tiny_kernels_take_all_rows_and_none():
    assert sorted(lr.DPP(1e300 * np.eye(9)).sample(rng=0).tolist()) == list(range(9))
    assert lr.DPP(1e-300 * np.eye(9)).sample(rng=0).shape == (0,)
    assert lr.DPP(np.zeros((4, 4))).sample(rng=0).shape == (0,)


def test_eigenvalues_lost_beside_a_huge_one_are_warned_of():
    with pytest.warns(lr.RankWarning, match="below 6.7e\\+04 can't be told from zero"):
        lr.DPP(np.diag([1e20, 1.0, 1.0]))
    lr.DPP(np.diag([1e10, 1.0, 1.0]))
    lr.DPP(np.diag([1e10, 0.0, 0.0]))


def test_equal_eigenvalues_of_a_million_draw_every_set_alike():
    draws = lr.KDPP(60, 1e6 * np.eye(120)).sample(300, rng=3)
    assert all(len(set(s)) == 60 for s in draws.tolist())
    found = np.bincount(draws.ravel(), minlength=120)
    # inclusion counts of uniform subsets: covariance N p (1 - p) n/(n - 1) on the complement of the ones
    statistic = float(np.sum((found - 150.0) ** 2)) / (300 * 0.25 * 120 / 119)
    assert laws.scipy.stats.chi2.sf(statistic, 119) > laws.REJECT


def test_spectra_with_a_huge_range_are_drawn():
    values = np.exp(-np.arange(150) / 3.0)
    U = np.linalg.qr(np.random.default_rng(4).standard_normal((150, 150)))[0]
    draws = lr.KDPP(100, factor=U * np.sqrt(values)).sample(3, rng=5)
    assert all(len(set(s)) == 100 for s in draws.tolist())


@pytest.mark.parametrize("k", [1, 3, 50, 200])
@pytest.mark.parametrize("spread", [0.0, 3.0, 300.0])
def test_tilted_probabilities_sum_to_k_and_keep_the_odds(k, spread):
    logs = spread * np.random.default_rng(0).standard_normal(400) + 690.0
    p = tilted(logs, k)
    assert abs(p.sum() - k) <= 1e-9 * k
    inside = (p > 1e-9) & (p < 1 - 1e-9)
    shift = np.log(p[inside]) - np.log1p(-p[inside]) - logs[inside]
    assert shift.size == 0 or np.ptp(shift) < 1e-5


def test_successes_given_their_number_have_the_law_of_the_products():
    logs = np.log([0.1, 0.5, 2.0, 7.0, 1e-3])
    p, key = tilted(logs, 2), be.resolve_rng(5)
    sets = np.asarray([conditioned_bernoulli(p, 2, key, i)[0] for i in range(40_000)])
    law = np.asarray([np.exp(logs[s].sum()) for s in laws.subsets(5, 2)])
    assert laws.same_law(laws.counts(sets, 5), law / law.sum()) > laws.REJECT


@pytest.mark.parametrize("k", [1, 5, 50])
def test_few_tries_are_needed(k):
    p, key = tilted(np.full(400, 690.0), k), be.resolve_rng(6)
    tries = np.asarray([conditioned_bernoulli(p, k, key, i)[1] for i in range(400)])
    variance = k * (1 - k / 400)
    expected = math.exp(-math.lgamma(401) + math.lgamma(k + 1) + math.lgamma(401 - k)) / (
        (k / 400) ** k * (1 - k / 400) ** (400 - k)
    )
    assert abs(tries.mean() - expected) <= 4 * math.sqrt(expected * (expected - 1) / 400)
    assert expected <= 1.1 * math.sqrt(2 * math.pi * variance) + 0.3


def test_the_kernel_and_its_twin_take_the_same_tries(monkeypatch):
    p, key = tilted(np.random.default_rng(1).standard_normal(300), 40), be.resolve_rng(7)
    compiled = [conditioned_bernoulli(p, 40, key, i) for i in range(30)]
    monkeypatch.setattr(dpp, "kernels_pay", lambda work: False)
    for (chosen, tries), (other, others) in zip(
        compiled, (conditioned_bernoulli(p, 40, key, i) for i in range(30)), strict=True
    ):
        assert tries == others
        np.testing.assert_array_equal(chosen, other)


@pytest.mark.parametrize("sampler", [lr.DPP, lambda L=None, **factor: lr.KDPP(1, L, **factor)], ids=["DPP", "KDPP"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either L, the kernel, or factor"),
        ({"L": np.eye(2), "factor": np.eye(2)}, "either L, the kernel, or factor"),
        ({"L": np.ones((3, 2))}, "square kernel"),
        ({"L": np.diag([1.0, -1.0])}, "positive semidefinite kernel, but an eigenvalue is -1"),
        ({"L": np.asarray([[1.0, 2.0], [0.0, 1.0]])}, "Hermitian"),
        ({"L": np.asarray([[1.0, np.nan], [np.nan, 1.0]])}, "NaN"),
        ({"factor": np.asarray([[np.inf]])}, "infinite"),
        ({"factor": np.ones((0, 2))}, "empty"),
        ({"L": lr.LowRank(np.eye(3)[:, :1], None, np.eye(3)[1:2])}, "different spaces"),
    ],
)
def test_bad_kernels_are_refused(sampler, arguments, message):
    with pytest.raises(ValueError, match=message):
        sampler(**arguments)


@pytest.mark.parametrize(("k", "error"), [(0, ValueError), (4, ValueError), (2.0, TypeError), (-1, ValueError)])
def test_a_size_beyond_the_rank_is_refused(k, error):
    with pytest.raises(error, match="k must be"):
        lr.KDPP(k, kernel(6, 3))


def test_rounding_of_a_singular_kernel_is_not_taken_for_eigenvalues():
    assert "rank=3" in repr(lr.KDPP(2, kernel(30, 3)))
    assert "rank=3" in repr(lr.DPP(factor=factor(30, 3) @ np.ones((3, 3)) + factor(30, 3)))


def test_columns_of_a_projection_set_approximate_within_k_plus_one_on_average():
    A, V = np.random.default_rng(12).standard_normal((5, 7)), laws.orthonormal(7, 3, 13)
    errors = [np.sum((A - A[:, s] @ np.linalg.solve(V[s].T, V.T)) ** 2) for s in laws.subsets(7, 3)]
    best = np.sum((A - A @ V @ V.T) ** 2)
    assert laws.projection_law(V) @ errors == pytest.approx(4 * best, rel=1e-12)


def test_the_mean_projection_error_of_a_fixed_size_is_a_ratio_of_symmetric_polynomials():
    A = np.random.default_rng(14).standard_normal((6, 7))
    errors = [np.sum((A - A[:, s] @ np.linalg.pinv(A[:, s]) @ A) ** 2) for s in laws.subsets(7, 3)]
    coefficients = np.abs(np.poly(np.linalg.svd(A, compute_uv=False) ** 2))
    assert laws.kernel_law(A.T @ A, 3) @ errors == pytest.approx(4 * coefficients[4] / coefficients[3], rel=1e-11)


@pytest.mark.parametrize("process", [lr.DPP(kernel(12, rng=15)), lr.KDPP(3, kernel(12, rng=15))], ids=["DPP", "KDPP"])
def test_a_draw_without_a_seed_is_recorded_and_repeated(process):
    first, key = process.sample(20), process.last_rng
    assert any(len(a) != len(b) or np.any(a != b) for a, b in zip(process.sample(20), first, strict=True))
    for a, b in zip(process.sample(20, rng=key), first, strict=True):
        np.testing.assert_array_equal(a, b)
    assert process.last_rng == key
