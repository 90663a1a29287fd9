"""What `svd` promises of every matrix, whatever the method."""

import numpy as np
import pytest
from factor import oracles
from hypothesis import given, settings
from strategies import matrices, random_array, seeds

import lowrank_la as lr
from lowrank_la import testing
from lowrank_la.factor import signs

SHAPES = ((70, 30), (30, 70), (40, 40))


def known(backend, m, n, spectrum, dtype, rng=0):
    """A matrix with a known spectrum on a backend, and the same on the host."""
    host = testing.matrix(m, n, spectrum, dtype=backend.nearest(dtype), rng=rng)
    return backend.asarray(host), host


@pytest.mark.parametrize("shape", SHAPES)
def test_a_matrix_of_exact_rank_is_recovered(backend, shape):
    for dtype in backend.dtypes:
        A, host = known(backend, *shape, np.linspace(3.0, 1.0, 5), dtype)
        r = lr.svd(A, 5, rng=0)
        assert oracles.true_error(host, r) <= 50 * oracles.eps(dtype)


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_vectors_are_orthonormal(backend, shape):
    for dtype in backend.dtypes:
        A, _ = known(backend, *shape, "exponential_medium", dtype)
        U, _, Vh = lr.svd(A, 6, rng=0)
        assert oracles.departure(U) <= 50 * oracles.eps(dtype)
        assert oracles.departure(oracles.wide(Vh).conj().T) <= 50 * oracles.eps(dtype)


def test_factors_live_where_the_data_live(backend):
    for dtype in backend.dtypes:
        A, _ = known(backend, 20, 12, "polynomial_one", dtype)
        U, s, Vh = lr.svd(A, 3, rng=0)
        assert all(backend.holds(part) for part in (U, s, Vh))
        assert U.dtype == Vh.dtype == A.dtype
        assert s.dtype == backend.dtype({"complex64": "float32", "complex128": "float64"}.get(dtype, dtype))
        assert (tuple(U.shape), tuple(s.shape), tuple(Vh.shape)) == ((20, 3), (3,), (3, 12))


def test_singular_values_are_those_of_the_matrix_in_falling_order(backend):
    values = testing.spectra["polynomial_two"](30)
    for dtype in backend.dtypes:
        A, _ = known(backend, 50, 30, values, dtype)
        s = oracles.wide(lr.svd(A, 8, rng=0).s)
        assert np.all(np.diff(s) <= 0)
        assert np.max(np.abs(s - values[:8])) <= max(1e-6, 50 * oracles.eps(dtype))


def test_the_exact_error_is_the_error_of_the_factors(backend):
    for dtype in backend.dtypes:
        A, host = known(backend, 60, 40, "polynomial_one", dtype)
        r = lr.svd(A, 4, rng=0)
        assert r.info.error_kind == "exact"
        assert abs(r.info.error**2 - oracles.true_error(host, r) ** 2) <= 60 * oracles.eps(dtype)


@pytest.mark.parametrize("method", ["krylov", "fused", "subspace", "gram", "dense"])
def test_what_is_kept_and_what_is_lost_add_up(method):
    A = testing.matrix(150, 110, "polynomial_half", rng=1)
    r = lr.svd(A, 7, method=method, rng=0)
    kept = np.sum(r.s**2) / np.linalg.norm(A) ** 2
    assert abs(kept + oracles.true_error(A, r) ** 2 - 1.0) <= 50 * oracles.eps("float64")


@pytest.mark.parametrize("which", ["tall", "wide"])
def test_the_adjoint_has_the_same_values_and_the_vectors_exchanged(which):
    A = testing.matrix(*((80, 50) if which == "tall" else (50, 80)), "exponential_medium", dtype="complex128", rng=2)
    r, t = lr.svd(A, 5, accuracy=1e-10, rng=0), lr.svd(A.conj().T, 5, accuracy=1e-10, rng=0)
    np.testing.assert_allclose(r.s, t.s, rtol=0, atol=1e-10)
    overlap = np.abs(np.sum(r.U.conj() * t.Vh.conj().T, axis=0))
    np.testing.assert_allclose(overlap, 1.0, rtol=0, atol=1e-8)


def test_residuals_in_info_are_true():
    A = testing.matrix(300, 200, "polynomial_half", rng=3)
    for method in ("krylov", "fused", "subspace", "gram"):
        r = lr.svd(A, 10, method=method, accuracy=1e-4, rng=0)
        true = oracles.residuals(A, *r)
        assert r.info.residuals.shape == (10,)
        assert np.max(np.abs(true - r.info.residuals)) <= 0.1 * true.max() + 100 * oracles.eps("float64")


def test_residuals_in_info_have_the_scale_of_the_matrix():
    A = 1e6 * testing.matrix(300, 200, "polynomial_half", rng=3)
    r = lr.svd(A, 10, method="krylov", accuracy=1e-4, rng=0)
    true = oracles.residuals(A, *r)
    assert abs(true.max() - r.info.residuals.max()) <= 0.01 * true.max()


@pytest.mark.parametrize("method", ["auto", "krylov", "fused", "subspace", "gram"])
@pytest.mark.parametrize("accuracy", [1e-3, 1e-6, 1e-10])
def test_accuracy_is_met_by_every_triplet(method, accuracy):
    A = testing.matrix(200, 120, "exponential_medium", rng=4)
    r = lr.svd(A, 8, method=method, accuracy=accuracy, rng=0)
    assert r.info.converged
    assert oracles.residuals(A, *r).max() <= 1.01 * accuracy * r.s[0] + 50 * oracles.eps("float64")


@pytest.mark.parametrize("method", ["auto", "krylov", "fused", "subspace", "gram", "dense"])
@pytest.mark.parametrize("hidden", [False, True])
def test_missing_rank_is_filled_with_zeros_and_orthonormal_vectors(method, hidden):
    if hidden and method == "dense":
        pytest.skip("LAPACK needs the array")
    A = testing.matrix(130, 100, [5.0, 4.0, 3.0], rng=5)
    r = lr.svd(oracles.Counted(A) if hidden else A, 9, method=method, rng=0)
    assert r.info.converged
    np.testing.assert_allclose(r.s, [5, 4, 3] + [0] * 6, rtol=0, atol=100 * oracles.eps("float64"))
    assert oracles.departure(r.U) <= 1e-13
    assert oracles.departure(r.Vh.T) <= 1e-13
    assert oracles.true_error(A, r) <= 100 * oracles.eps("float64")


@pytest.mark.parametrize("method", ["auto", "krylov", "fused", "subspace", "gram"])
@pytest.mark.parametrize("copies", [17, 20, 33, 60])
@pytest.mark.parametrize("accuracy", [1e-9, 1e-3])
@pytest.mark.parametrize("hidden", [False, True])
def test_a_value_of_higher_multiplicity_than_a_block_is_found_as_often_as_it_occurs(method, copies, accuracy, hidden):
    A = testing.matrix(200, 150, [2.0] * copies + [1.0] * 20 + [0.5**i for i in range(2, 40)], rng=6)
    s = lr.svd(oracles.Counted(A) if hidden else A, copies, method=method, accuracy=accuracy, rng=0).s
    np.testing.assert_allclose(s, 2.0, rtol=0, atol=2.2 * accuracy)


def test_a_square_matrix_that_equals_its_adjoint_goes_by_its_eigenpairs():
    values = testing.spectra["polynomial_one"](600) * np.where(np.arange(600) % 3 == 0, -1, 1)
    A = testing.hermitian(600, values, rng=7)
    r = lr.svd(A, 6, rng=0)
    assert r.info.method == "hermitian"
    np.testing.assert_allclose(r.s, np.abs(values[:6]), rtol=0, atol=1e-6)
    assert oracles.residuals(A, *r).max() <= 1.1e-6


def test_a_square_matrix_that_nearly_equals_its_adjoint_does_not():
    A = testing.hermitian(600, testing.spectra["polynomial_one"](600), rng=7)
    A = A + 1e-6 * testing.matrix(600, 600, "flat", rng=8)
    r = lr.svd(A, 6, accuracy=1e-9, rng=0)
    assert r.info.method != "hermitian"
    assert oracles.residuals(A, *r).max() <= 1.1e-9


def test_signs_are_fixed_by_the_right_vectors(backend):
    for dtype in backend.dtypes:
        A, _ = known(backend, 40, 25, "exponential_medium", dtype)
        Vh = oracles.wide(lr.svd(A, 5, rng=0).Vh)
        for row in Vh:
            first = row[np.flatnonzero(np.abs(row) >= 0.989 * np.abs(row).max())[0]]
            assert first.real > 0
            assert abs(first.imag) <= 10 * oracles.eps(dtype)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_all_methods_and_seeds_give_the_same_vectors(dtype):
    A = testing.matrix(220, 140, "exponential_medium", dtype=dtype, rng=11)
    reference = lr.svd(A, 5, method="dense")
    for method in ("krylov", "fused", "subspace", "gram"):
        for rng in (0, 1):
            r = lr.svd(A, 5, method=method, accuracy=1e-11, rng=rng)
            np.testing.assert_allclose(r.Vh, reference.Vh, rtol=0, atol=1e-9)
            np.testing.assert_allclose(r.U, reference.U, rtol=0, atol=1e-9)


def test_turning_the_phases_does_not_change_what_the_factors_multiply_to():
    U, Vh = random_array((6, 3), "complex128", 1), random_array((3, 5), "complex128", 2)
    turned = signs.fix_phases(U, Vh)
    np.testing.assert_allclose(turned[0] @ turned[1], U @ Vh, rtol=0, atol=1e-14)


def test_products_and_passes_are_those_that_the_operator_saw():
    for method in ("krylov", "fused", "subspace", "gram", "auto"):
        for shape in SHAPES:
            counted = oracles.Counted(testing.matrix(*shape, "polynomial_one", rng=12))
            info = lr.svd(counted, 4, method=method, rng=0).info
            assert (info.products, info.passes) == (counted.columns, counted.calls)


def test_a_tolerance_counts_its_products_too():
    counted = oracles.Counted(testing.matrix(70, 50, "exponential_medium", rng=12))
    info = lr.svd(counted, tol=1e-3, rng=0).info
    assert (info.products, info.passes) == (counted.columns, counted.calls)


def test_info_says_what_happened():
    info = lr.svd(testing.matrix(300, 200, "polynomial_half", rng=13), 5, method="krylov", rng=14).info
    assert (info.method, info.reason, info.converged, info.rng) == ("krylov", "accuracy reached", True, 14)
    assert info.iterations >= 1
    assert info.backward_error is None


def test_a_result_unpacks_multiplies_and_comes_back_from_disk(tmp_path):
    A = testing.matrix(30, 20, "exponential_medium", rng=15)
    r = lr.svd(A, 6, center=True, rng=0)
    U, s, Vh = r
    x = np.arange(20.0)
    np.testing.assert_allclose(r @ x, U @ (s * (Vh @ x)), rtol=0, atol=1e-13)
    r.save(tmp_path / "factors.npz")
    back = lr.load(tmp_path / "factors.npz")
    assert all(np.array_equal(a, b) for a, b in zip(r, back, strict=True))
    assert np.array_equal(back.mean, r.mean)
    assert np.array_equal(back.info.residuals, r.info.residuals)
    assert back.info.error == r.info.error
    assert back.info.rng == r.info.rng


def test_a_result_can_be_decomposed_again():
    r = lr.svd(testing.matrix(60, 40, "exponential_medium", rng=16), 8, rng=0)
    again = lr.svd(r, 3, rng=1)
    np.testing.assert_allclose(again.s, r.s[:3], rtol=0, atol=1e-9)


@settings(max_examples=40)
@given(a=matrices(), data=seeds())
def test_a_full_rank_request_reproduces_any_matrix(a, data):
    r = lr.svd(a, min(a.shape), rng=data)
    assert oracles.true_error(a, r) <= 100 * oracles.eps(a.dtype.name)


@settings(max_examples=25)
@given(a=matrices(low=2), rank=seeds(), seed=seeds())
def test_krylov_finds_the_leading_values_of_any_matrix(a, rank, seed):
    rank = 1 + rank % min(a.shape)
    r = lr.svd(a, rank, method="krylov", accuracy=1e-4, rng=seed)
    expected = np.linalg.svd(oracles.wide(a), compute_uv=False)
    assert np.max(np.abs(oracles.wide(r.s) - expected[:rank])) <= (2e-4 + 100 * oracles.eps(a.dtype.name)) * expected[0]
