"""What `interpolative` promises: exact columns, the error of the projection on them, few columns for an error."""

import numpy as np
import pytest
import scipy.sparse
from factor.oracles import eps, relative_error, tails
from hypothesis import given, settings
from strategies import matrices

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la import testing
from lowrank_la.exceptions import RankWarning
from lowrank_la.skeleton.selection import METHODS

SPECTRA = ("polynomial_one", "exponential_medium")


def rebuilt(r):
    """The approximation in double precision on the host."""
    C = be.to_numpy(r.coefficients).astype(complex)
    skeleton = r.skeleton.toarray() if scipy.sparse.issparse(r.skeleton) else be.to_numpy(r.skeleton)
    return skeleton @ C if r.axis == 1 else C @ skeleton


def projection_error(A, columns):
    Q = np.linalg.qr(A[:, columns])[0]
    return np.linalg.norm(A - Q @ (Q.conj().T @ A)) / np.linalg.norm(A)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("method", METHODS)
def test_a_matrix_of_exact_rank_is_recovered(backend, method, axis):
    for dtype in backend.dtypes:
        host = testing.matrix(40, 30, np.linspace(3.0, 1.0, 5), dtype=dtype, rng=1)
        r = lr.interpolative(backend.asarray(host), 5, axis=axis, method=method, rng=0)
        assert relative_error(host, rebuilt(r)) <= 500 * eps(dtype)


@pytest.mark.parametrize("axis", [0, 1])
def test_factors_live_where_the_data_live(backend, axis):
    for dtype in backend.dtypes:
        r = lr.interpolative(
            backend.asarray(testing.matrix(20, 15, "polynomial_one", dtype=dtype)), 4, axis=axis, rng=0
        )
        for part in (r.indices, r.coefficients, r.skeleton):
            assert backend.holds(part)
        assert be.dtype_name(r.coefficients.dtype) == dtype
        assert r.coefficients.shape == ((4, 15) if axis == 1 else (20, 4))


def test_every_backend_chooses_the_same_columns_from_one_seed(backend):
    for dtype in backend.dtypes:
        host = testing.matrix(40, 50, "polynomial_one", dtype=dtype)
        ours, reference = (lr.interpolative(A, 8, rng=7) for A in (backend.asarray(host), host))
        np.testing.assert_array_equal(backend.to_numpy(ours.indices), reference.indices)
        assert relative_error(reference.coefficients, backend.to_numpy(ours.coefficients)) <= 1e3 * eps(dtype)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("method", METHODS)
def test_chosen_columns_are_exact_and_distinct_and_their_coefficients_the_identity(method, axis):
    A = testing.matrix(60, 40, "polynomial_one", rng=2)
    r = lr.interpolative(A, 9, axis=axis, method=method, rng=0)
    indices = r.indices.tolist()
    assert len(set(indices)) == 9
    np.testing.assert_array_equal(r.skeleton, A[:, indices] if axis == 1 else A[indices])
    own = r.coefficients[:, indices] if axis == 1 else r.coefficients[indices]
    np.testing.assert_array_equal(own, np.eye(9))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_the_error_is_that_of_the_projection_on_the_columns(method, spectrum):
    A = testing.matrix(80, 60, spectrum, rng=3)
    r = lr.interpolative(A, 10, method=method, rng=0)
    assert r.info.error_kind == "exact"
    assert r.info.error == pytest.approx(projection_error(A, r.indices), rel=1e-8)
    assert r.info.error == pytest.approx(relative_error(A, rebuilt(r)), rel=1e-8)


def test_errors_below_the_floor_of_the_difference_are_estimated():
    A = testing.matrix(80, 60, "exponential_fast", rng=3)
    errors = []
    for seed in range(20):
        r = lr.interpolative(A, 18, rng=seed)
        assert r.info.error_kind == "estimate"
        errors.append(r.info.error / relative_error(A, rebuilt(r)))
    assert min(errors) >= 0.4
    assert max(errors) <= 2.5


@pytest.mark.parametrize(("method", "limit"), [("auto", 1.7), ("sketched_qr", 2.0), ("rrqr", 2.0), ("maxvol", 2.0)])
@pytest.mark.parametrize("spectrum", [*SPECTRA, "staircase", "low_rank_noise"])
def test_the_error_is_close_to_that_of_the_best_rank(method, limit, spectrum):
    values = testing.spectra[spectrum](120)
    A = testing.matrix(150, 120, values, rng=4)
    r = lr.interpolative(A, 20, method=method, rng=0)
    assert r.info.error <= limit * tails(values)[20]


def test_more_columns_than_the_rank_come_closer_to_the_best_of_that_rank():
    values = testing.spectra["polynomial_one"](200)
    A = testing.matrix(200, 200, values, rng=4)
    plain, more = lr.interpolative(A, 20, rng=0), lr.interpolative(A, 20, oversample=10, rng=0)
    assert more.indices.shape == (30,)
    assert more.coefficients.shape == (30, 200)
    assert np.linalg.matrix_rank(more.coefficients) == 20
    assert more.info.error == pytest.approx(relative_error(A, rebuilt(more)), rel=1e-8)
    assert more.info.error < plain.info.error
    assert more.info.error <= 1.35 * tails(values)[20]
    Q = np.linalg.qr(A[:, more.indices])[0]
    best = np.linalg.svd(Q.T @ A, compute_uv=False)
    expected = np.sqrt(np.linalg.norm(A) ** 2 - (best[:20] ** 2).sum()) / np.linalg.norm(A)
    assert more.info.error == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("tol", [0.3, 1e-2, 1e-4, 1e-9])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_tolerance_is_met_with_few_columns(tol, axis):
    values = testing.spectra["exponential_medium"](120)
    A = testing.matrix(150, 120, values, rng=5)
    r = lr.interpolative(A, tol=tol, axis=axis, rng=0)
    assert r.info.reason == "tolerance met"
    assert relative_error(A, rebuilt(r)) <= tol * (1.2 if tol < 1e-6 else 1.0)
    least = int(np.argmax(tails(values) <= tol))
    assert r.indices.shape[0] <= 1.3 * least + 4
    if tol > 1e-6:
        fewer = r.indices[:-1]
        assert projection_error(A if axis == 1 else A.T, fewer) > tol


def test_a_rank_too_small_for_the_tolerance_warns_or_raises():
    A = testing.matrix(50, 40, "polynomial_one")
    with pytest.warns(lr.ConvergenceWarning, match="rank reached before tol"):
        r = lr.interpolative(A, 3, tol=1e-3, rng=0)
    assert r.indices.shape == (3,)
    assert r.info.converged is False
    with pytest.raises(lr.ConvergenceError):
        lr.interpolative(A, 3, tol=1e-3, rng=0, on_failure="raise")


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("layout", ["csr", "csc", "coo"])
def test_sparse_matrices_keep_sparse_rows_and_columns(layout, axis):
    A = testing.sparse_tfidf(200, 120, 2000, rng=1)
    r = lr.interpolative(getattr(scipy.sparse, f"{layout}_array")(A), 15, axis=axis, rng=0)
    assert scipy.sparse.issparse(r.skeleton)
    taken = A.toarray()[:, r.indices] if axis == 1 else A.toarray()[r.indices]
    np.testing.assert_array_equal(r.skeleton.toarray(), taken)
    assert r.info.error == pytest.approx(relative_error(A.toarray(), rebuilt(r)), rel=1e-8)
    x = np.arange(120.0)
    np.testing.assert_allclose(r @ x, rebuilt(r) @ x, rtol=0, atol=1e-10)


@pytest.mark.parametrize("axis", [0, 1])
def test_an_operator_of_products_alone_is_answered(axis):
    A = testing.matrix(60, 50, "exponential_medium", rng=6)
    wrapped = lr.operator(lambda X: A @ X, lambda Y: A.T @ Y, A.shape, A.dtype)
    r = lr.interpolative(wrapped, 8, axis=axis, rng=0)
    known = lr.interpolative(A, 8, axis=axis, rng=0)
    np.testing.assert_array_equal(r.indices, known.indices)
    assert 0.5 <= r.info.error / known.info.error <= 2.0
    assert lr.interpolative(wrapped, tol=1e-3, rng=0).info.converged


@settings(max_examples=30)
@given(matrices(low=1, high=12))
def test_any_shape_dtype_and_layout_is_answered_at_full_rank(A):
    rank = min(A.shape)
    r = lr.interpolative(A, rank, rng=0)
    kappa = np.linalg.cond(A.astype(complex)[:, r.indices])
    assert relative_error(A, rebuilt(r)) <= 200 * eps(A.dtype) * kappa


# Hard cases.


@pytest.mark.parametrize("method", METHODS)
def test_a_rank_deficient_matrix_gives_its_rank(method):
    A = testing.matrix(30, 20, np.linspace(2.0, 1.0, 4), rng=1)
    with pytest.warns(RankWarning, match="numerical rank"):
        r = lr.interpolative(A, 10, method=method, rng=0)
    assert r.indices.shape == (4,)
    assert r.info.reason == "numerical rank reached"
    assert relative_error(A, rebuilt(r)) <= 500 * eps("float64")


def test_repeated_columns_are_chosen_once():
    A = np.repeat(testing.matrix(30, 6, np.ones(6), rng=1), 5, axis=1)
    r = lr.interpolative(A, 6, rng=0)
    assert sorted(r.indices // 5) == list(range(6))
    assert lr.interpolative(A, tol=1e-10, rng=0).indices.shape == (6,)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("oversample", [0, 2])
def test_an_operator_whose_products_are_zero_is_answered_like_the_zero_matrix(method, oversample):
    zero = lr.operator(lambda X: np.zeros((9, X.shape[1])), lambda Y: np.zeros((7, Y.shape[1])), (9, 7), np.float64)
    for axis in (0, 1):
        with pytest.warns(RankWarning):
            r = lr.interpolative(zero, 3, axis=axis, method=method, oversample=oversample, rng=0)
        np.testing.assert_array_equal(r.indices, [0])
        np.testing.assert_array_equal(rebuilt(r), np.zeros((9, 7)))
        assert r.info.error == 0.0
    for options in ({"tol": 0.1}, {"rank": 3, "tol": 0.1}):
        r = lr.interpolative(zero, rng=0, **options)
        np.testing.assert_array_equal(r.indices, [0])
        assert r.info.reason == "tolerance met"


def test_the_zero_matrix_has_one_column():
    for options in ({"rank": 1}, {"tol": 0.1}):
        r = lr.interpolative(np.zeros((4, 3)), **options, rng=0)
        assert r.info.error == 0.0
        np.testing.assert_array_equal(rebuilt(r), np.zeros((4, 3)))
    with pytest.warns(RankWarning):
        assert lr.interpolative(np.zeros((4, 3)), 2, rng=0).indices.shape == (1,)


def test_one_row_and_one_column():
    for A in (np.array([[1.0, 4.0, 2.0]]), np.array([[1.0], [4.0], [2.0]])):
        for axis in (0, 1):
            r = lr.interpolative(A, 1, axis=axis, rng=0)
            np.testing.assert_allclose(rebuilt(r), A, rtol=1e-14)


@pytest.mark.parametrize("scale", [1e-150, 1e150])
@pytest.mark.parametrize("method", METHODS)
def test_the_scale_changes_nothing(scale, method):
    A = testing.matrix(30, 25, "polynomial_one", rng=1)
    r, known = (lr.interpolative(M, 5, method=method, rng=0) for M in (A * scale, A))
    np.testing.assert_array_equal(r.indices, known.indices)
    np.testing.assert_allclose(r.coefficients, known.coefficients, rtol=0, atol=1e-12)
    assert r.info.error == pytest.approx(known.info.error, rel=1e-10)


def test_an_ill_conditioned_matrix_is_recovered_to_rounding():
    A = testing.matrix(60, 50, "exponential_fast", rng=1)
    with pytest.warns(RankWarning):
        r = lr.interpolative(A, 50, rng=0)
    assert relative_error(A, rebuilt(r)) <= 500 * eps("float64")
    assert np.abs(r.coefficients).max() < 100


def test_half_precision_comes_back_in_half():
    A = testing.matrix(20, 15, "polynomial_one").astype(np.float16)
    r = lr.interpolative(A, 4, rng=0)
    assert r.skeleton.dtype == r.coefficients.dtype == np.float16
    np.testing.assert_array_equal(r.skeleton, A[:, r.indices])


def test_the_same_seed_gives_the_same_bits_and_the_key_repeats_it():
    A = testing.matrix(50, 40, "polynomial_one")
    first, second = lr.interpolative(A, 5, rng=3), lr.interpolative(A, 5, rng=3)
    np.testing.assert_array_equal(first.coefficients, second.coefficients)
    fresh = lr.interpolative(A, 5)
    np.testing.assert_array_equal(lr.interpolative(A, 5, rng=fresh.info.rng).coefficients, fresh.coefficients)


@pytest.mark.parametrize("sparse", [False, True])
def test_results_can_be_saved(tmp_path, sparse):
    A = testing.sparse_tfidf(60, 40, 500) if sparse else testing.matrix(60, 40, "polynomial_one")
    r = lr.interpolative(A, 5, rng=0)
    r.save(tmp_path / "skeleton.npz")
    again = lr.load(tmp_path / "skeleton.npz")
    np.testing.assert_array_equal(again.indices, r.indices)
    x = np.arange(40.0)
    np.testing.assert_allclose(again @ x, r @ x, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "error", "name"),
    [
        ({}, ValueError, "rank"),
        ({"rank": 3.0}, TypeError, "rank"),
        ({"rank": 9}, ValueError, "rank"),
        ({"tol": 1.5}, ValueError, "tol"),
        ({"rank": 2, "axis": 2}, ValueError, "axis"),
        ({"rank": 2, "method": "best"}, ValueError, "method"),
        ({"tol": 0.1, "method": "deim"}, ValueError, "method"),
        ({"tol": 0.1, "oversample": 3}, ValueError, "oversample"),
        ({"rank": 2, "oversample": -1}, ValueError, "oversample"),
        ({"rank": 2, "rng": 1.5}, TypeError, "rng"),
        ({"rank": 2, "on_failure": "no"}, ValueError, "on_failure"),
    ],
)
def test_arguments_are_checked_by_name(options, error, name):
    with pytest.raises(error, match=name):
        lr.interpolative(testing.matrix(10, 8, "flat"), **options)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_entries_that_are_not_finite_are_refused(value):
    A = testing.matrix(10, 8, "flat")
    A[3, 4] = value
    with pytest.raises(ValueError, match="NaN or infinite"):
        lr.interpolative(A, 2)


def test_an_empty_matrix_is_refused():
    with pytest.raises(ValueError, match="empty"):
        lr.interpolative(np.zeros((0, 3)), 1)
