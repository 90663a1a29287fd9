"""Input that nobody should hand in and everybody does."""

import warnings

import numpy as np
import pytest
import scipy.sparse
from factor import oracles
from strategies import random_array

import lowrank_la as lr
from lowrank_la import testing

SVD_METHODS = ("auto", "krylov", "fused", "subspace", "gram", "dense")
CALLS = {
    "svd": lambda A, **o: lr.svd(A, 2, rng=0, **o),
    "svd krylov": lambda A, **o: lr.svd(A, 2, method="krylov", rng=0, **o),
    "svd fused": lambda A, **o: lr.svd(A, 2, method="fused", rng=0, **o),
    "svd subspace": lambda A, **o: lr.svd(A, 2, method="subspace", rng=0, **o),
    "svd gram": lambda A, **o: lr.svd(A, 2, method="gram", rng=0, **o),
    "svd tol": lambda A, **o: lr.svd(A, tol=0.1, rng=0, **o),
    "svd tol krylov": lambda A, **o: lr.svd(A, tol=0.1, method="krylov", rng=0, **o),
    "svd centred": lambda A, **o: lr.svd(A, 2, center=True, rng=0, **o),
    "eigh": lambda A, **o: lr.eigh(A, 2, rng=0, **o),
    "eigh krylov": lambda A, **o: lr.eigh(A, 2, method="krylov", rng=0, **o),
    "qb": lambda A, **o: lr.qb(A, 2, rng=0, **o),
    "qb tol": lambda A, **o: lr.qb(A, tol=0.1, rng=0, **o),
    "nystrom": lambda A, **o: lr.nystrom(A, 2, rng=0, **o),
    "nystrom krylov": lambda A, **o: lr.nystrom(A, 2, method="krylov", rng=0, **o),
}
TO_RANK = ("svd", "qb", "eigh", "nystrom")


def by_name(name):
    return getattr(lr, name)


def finite(result):
    return all(np.all(np.isfinite(oracles.wide(part))) for part in result) and np.isfinite(result.info.error)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("call", CALLS)
def test_entries_that_are_not_finite_are_refused_by_name(call, bad):
    A = np.eye(12)
    A[5, 5] = bad
    with pytest.raises(ValueError, match="A holds NaN or infinite values"):
        CALLS[call](A)


@pytest.mark.parametrize("name", TO_RANK)
def test_nan_is_refused_on_every_backend(backend, name):
    for dtype in backend.dtypes:
        A = np.eye(6, dtype=dtype)
        A[2, 2] = np.nan
        with pytest.raises(ValueError, match="NaN or infinite"):
            by_name(name)(backend.asarray(A), 2, rng=0)


@pytest.mark.parametrize("name", TO_RANK)
def test_nan_in_a_sparse_matrix_is_refused(name):
    S = scipy.sparse.eye_array(30, format="csr")
    S.data[7] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        by_name(name)(S, 2, rng=0)


@pytest.mark.parametrize("call", CALLS)
def test_without_the_check_nan_ends_in_an_error_or_in_nan_but_never_in_numbers(call):
    A = np.eye(12)
    A[5, 5] = np.nan
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            r = CALLS[call](A, check_finite=False)
    except (ValueError, ArithmeticError, np.linalg.LinAlgError):
        return
    assert not finite(r)


@pytest.mark.parametrize("call", CALLS)
def test_the_check_changes_nothing_of_a_finite_matrix(call):
    A = testing.hermitian(30, testing.spectra["exponential_medium"](30), rng=1)
    first, second = CALLS[call](A), CALLS[call](A, check_finite=False)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128", "int64"])
@pytest.mark.parametrize("call", [c for c in CALLS if "tol" not in c])
def test_the_zero_matrix_has_zero_factors_orthonormal_vectors_and_no_error(call, dtype):
    A = np.zeros((14, 14), dtype=dtype)
    r = CALLS[call](A)
    assert np.array_equal(oracles.product(r), np.zeros((14, 14)))
    assert r.info.error == 0.0
    assert r.info.converged
    assert all(oracles.departure(part) <= 1e-5 for part in r if part.shape == (14, 2))


@pytest.mark.parametrize("call", ["svd tol", "svd tol krylov", "qb tol"])
def test_the_zero_matrix_meets_every_tolerance(call):
    r = CALLS[call](np.zeros((14, 9)))
    assert r.info.converged
    assert r.info.error == 0.0
    assert np.array_equal(oracles.product(r), np.zeros((14, 9)))


@pytest.mark.parametrize("name", TO_RANK)
def test_a_sparse_matrix_without_entries_is_zero(name):
    r = by_name(name)(scipy.sparse.csr_array((14, 14)), 3, rng=0)
    assert np.array_equal(oracles.product(r), np.zeros((14, 14)))
    assert r.info.error == 0.0


def test_the_zero_operator_of_unknown_norm_is_zero():
    r = lr.svd(oracles.Counted(np.zeros((14, 9))), 2, rng=0)
    assert np.array_equal(oracles.product(r), np.zeros((14, 9)))
    assert r.info.error == 0.0


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
@pytest.mark.parametrize("name", ["svd", "qb"])
def test_an_empty_matrix_is_refused(backend, name, shape):
    with pytest.raises(ValueError, match=f"{shape[0]}×{shape[1]} is empty"):
        by_name(name)(backend.asarray(np.zeros(shape)), 1)


@pytest.mark.parametrize("name", ["eigh", "nystrom"])
def test_an_empty_square_matrix_is_refused(name):
    with pytest.raises(ValueError, match="empty"):
        by_name(name)(np.zeros((0, 0)), 1)


@pytest.mark.parametrize("method", SVD_METHODS)
@pytest.mark.parametrize("shape", [(1, 7), (7, 1), (1, 1), (2, 50), (50, 2)])
def test_single_rows_and_columns_have_their_norm(backend, method, shape):
    for dtype in backend.dtypes:
        A = random_array(shape, dtype, 2)
        r = lr.svd(backend.asarray(A), 1, method=method, rng=0)
        expected = np.linalg.svd(oracles.wide(A), compute_uv=False)[0]
        assert abs(float(oracles.wide(r.s)[0]) - expected) <= (50 * oracles.eps(dtype) + 1e-6) * expected


@pytest.mark.parametrize("shape", [(1, 7), (7, 1), (1, 1)])
def test_single_rows_and_columns_have_a_basis(backend, shape):
    for dtype in backend.dtypes:
        A = random_array(shape, dtype, 2)
        for options in ({"rank": 1}, {"tol": 0.5}):
            r = lr.qb(backend.asarray(A), rng=0, **options)
            assert oracles.true_error(A, r) <= 50 * oracles.eps(dtype)


@pytest.mark.parametrize("name", ["eigh", "nystrom"])
def test_a_number_is_its_own_eigenvalue(backend, name):
    for dtype in backend.dtypes:
        w, V = by_name(name)(backend.asarray(np.full((1, 1), 3.0, dtype=dtype)), 1, rng=0)
        assert abs(float(oracles.wide(w)[0].real) - 3.0) <= 20 * oracles.eps(dtype)
        assert abs(abs(complex(oracles.wide(V)[0, 0])) - 1.0) <= 4 * oracles.eps(dtype)


@pytest.mark.parametrize("method", SVD_METHODS)
def test_duplicate_rows_and_columns_are_harmless(method):
    A = np.repeat(np.repeat(random_array((8, 6), "float64", 3), 12, axis=0), 9, axis=1)
    r = lr.svd(A, 8, method=method, rng=0)
    expected = np.linalg.svd(A, compute_uv=False)
    assert np.max(np.abs(r.s - expected[:8])) <= 1e-6 * expected[0]
    assert oracles.departure(r.U) <= 1e-12
    assert oracles.departure(r.Vh.T) <= 1e-12


def test_duplicate_entries_of_a_sparse_matrix_are_summed():
    rows, cols = [0, 0, 1, 2, 2], [0, 0, 1, 0, 0]
    S = scipy.sparse.coo_array(([1.0, 2.0, 5.0, 2.0, 2.0], (rows, cols)), shape=(3, 2))
    assert S.nnz == 5
    np.testing.assert_allclose(lr.svd(S, 2, rng=0).s, [5, 5], rtol=1e-12)
    assert S.nnz == 5


@pytest.mark.parametrize("method", SVD_METHODS)
@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(dtype, scale) for dtype in ("float64", "complex128") for scale in (1e150, 1e-150)]
    + [(dtype, scale) for dtype in ("float32", "complex64") for scale in (1e19, 1e-19)]
    + [("float64", 1e300)],
)
def test_extreme_scales_scale_the_values_and_nothing_else(method, dtype, scale):
    A = testing.matrix(110, 100, "exponential_medium", dtype=dtype, rng=4)
    M = (A * np.dtype(dtype).type(scale)).astype(dtype)
    accuracy = 1e-4 if dtype in ("float32", "complex64") else 1e-7
    r, t = (lr.svd(X, 5, method=method, accuracy=accuracy, rng=0) for X in (M, A))
    assert r.info.converged
    np.testing.assert_allclose(oracles.wide(r.s) / scale, t.s, rtol=0, atol=2 * accuracy)
    assert abs(r.info.error - t.info.error) <= 2 * accuracy
    assert np.max(np.abs(oracles.wide(r.info.residuals))) / scale <= 1.1 * accuracy
    assert finite(r)


@pytest.mark.parametrize("scale", [1e150, 1e-150])
@pytest.mark.parametrize("options", [{"tol": 1e-3}, {"tol": 1e-10}, {"tol": 1e-3, "method": "krylov"}])
def test_extreme_scales_meet_tolerances(scale, options):
    A = testing.matrix(110, 100, "exponential_medium", rng=4)
    r, t = (lr.svd(X, rng=0, **options) for X in (A * scale, A))
    assert r.info.converged
    assert abs(len(r.s) - len(t.s)) <= 2


@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_extreme_scales_of_sparse_and_centred_matrices_are_harmless(scale):
    S = testing.sparse_tfidf(200, 80, 1500, rng=5)
    for options in ({}, {"center": True}):
        r, t = (lr.svd(X, 4, rng=0, **options) for X in (S * scale, S))
        np.testing.assert_allclose(r.s / scale, t.s, rtol=1e-9)
        assert abs(r.info.error - t.info.error) <= 1e-6


@pytest.mark.parametrize("method", SVD_METHODS)
def test_entries_of_very_different_sizes_are_harmless(method):
    A = np.diag(np.logspace(150, -150, 120))
    r = lr.svd(A, 3, method=method, rng=0)
    assert abs(r.s[0] / 1e150 - 1) <= 1e-6
    assert finite(r)


@pytest.mark.parametrize("name", TO_RANK)
def test_a_full_rank_request_is_answered_in_full(name):
    A = testing.hermitian(40, testing.spectra["linear"](40), rng=6)
    r = by_name(name)(A, 40, rng=0)
    assert oracles.true_error(A, r) <= 1e-10
    assert r.info.error <= 1e-9


@pytest.mark.parametrize("method", SVD_METHODS)
@pytest.mark.parametrize("spectrum", sorted(testing.spectra))
def test_every_spectrum_is_decomposed_by_every_method(method, spectrum):
    values = testing.spectra[spectrum](70)
    A = testing.matrix(110, 70, values, rng=7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        r = lr.svd(A, 12, method=method, rng=0)
    if r.info.converged:
        np.testing.assert_allclose(r.s, values[:12], rtol=0, atol=1.1e-6 * values[0])
    assert abs(r.info.error**2 - oracles.true_error(A, r) ** 2) <= 1e-12


@pytest.mark.parametrize("gap", [1e-3, 1e-8, 1e-14, 0.0])
def test_a_close_pair_at_the_cut_is_no_trouble(gap):
    values = testing.spectra["close_pair"](100).copy()
    values[10] = 1.0 - gap
    A = testing.matrix(150, 100, values, rng=8)
    for method in ("krylov", "fused", "gram"):
        r = lr.svd(A, 10, method=method, rng=0)
        assert r.info.converged
        np.testing.assert_allclose(r.s, 1.0, rtol=0, atol=1.1e-6)


@pytest.mark.parametrize("method", SVD_METHODS)
def test_kahan_hilbert_cauchy_and_one_heavy_row_are_decomposed(method):
    for A in (testing.kahan(100), testing.hilbert(100), testing.cauchy(120, 100), testing.heavy_row(120, 100)):
        expected = np.linalg.svd(A, compute_uv=False)
        r = lr.svd(A, 6, method=method, rng=0)
        assert np.max(np.abs(r.s - expected[:6])) <= 1.1e-6 * expected[0]
