"""What `cur` promises: exact rows and columns, the best core between them, and its error."""

import warnings

import numpy as np
import pytest
import scipy.sparse
from factor.oracles import eps, relative_error, tails

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la import testing
from lowrank_la.exceptions import RankWarning
from lowrank_la.skeleton.cur import _shortfall


def dense(part):
    return part.toarray() if scipy.sparse.issparse(part) else be.to_numpy(part)


def rebuilt(r):
    wide = [dense(part).astype(complex) for part in (r.C, r.U, r.R)]
    return wide[0] @ wide[1] @ wide[2]


def test_a_matrix_of_exact_rank_is_recovered(backend):
    for dtype in backend.dtypes:
        host = testing.matrix(40, 30, np.linspace(3.0, 1.0, 5), dtype=dtype, rng=1)
        r = lr.cur(backend.asarray(host), 5, rng=0)
        assert relative_error(host, rebuilt(r)) <= 2e3 * eps(dtype)
        assert relative_error(host, be.to_numpy(r.__lowrank_operator__().todense())) <= 500 * eps(dtype)


def test_factors_live_where_the_data_live(backend):
    for dtype in backend.dtypes:
        r = lr.cur(backend.asarray(testing.matrix(20, 15, "polynomial_one", dtype=dtype)), 4, rng=0)
        for part in (r.rows, r.cols, r.C, r.U, r.R):
            assert backend.holds(part)
        assert {be.dtype_name(part.dtype) for part in (r.C, r.U, r.R)} == {dtype}
        assert (r.C.shape, r.U.shape, r.R.shape) == ((20, 4), (4, 4), (4, 15))


def test_rows_and_columns_are_exact_and_the_core_is_the_best_one():
    A = testing.matrix(60, 40, "polynomial_one", rng=2)
    rows, cols = r = lr.cur(A, 8, rng=0)
    np.testing.assert_array_equal(r.C, A[:, cols])
    np.testing.assert_array_equal(r.R, A[rows])
    np.testing.assert_allclose(r.U, np.linalg.pinv(r.C) @ A @ np.linalg.pinv(r.R), rtol=0, atol=1e-10)


@pytest.mark.parametrize("method", ["auto", "sketched_qr", "rrqr", "arp", "deim", "qdeim", "maxvol"])
def test_the_error_is_that_of_the_product(method):
    values = testing.spectra["polynomial_one"](60)
    A = testing.matrix(80, 60, values, rng=3)
    r = lr.cur(A, 10, method=method, rng=0)
    assert r.info.error_kind == "exact"
    assert r.info.error == pytest.approx(relative_error(A, rebuilt(r)), rel=1e-8)
    assert r.info.error <= 3.0 * tails(values)[10]


def test_more_columns_and_rows_than_the_rank_come_closer_to_the_best_of_that_rank(backend):
    for dtype in backend.dtypes:
        values = testing.spectra["polynomial_one"](120)
        A = testing.matrix(120, 120, values, dtype=dtype, rng=4)
        plain, more = (lr.cur(backend.asarray(A), 12, oversample=count, rng=0) for count in (0, 8))
        assert more.rows.shape == more.cols.shape == (20,)
        assert be.to_numpy(more.core).shape == (20, 20)
        found = rebuilt(more)
        assert np.linalg.matrix_rank(found, tol=1e3 * eps(dtype)) == 12
        assert more.info.error == pytest.approx(relative_error(A, found), rel=1e-8 + 1e3 * eps(dtype))
        Qc, Qr = np.linalg.qr(A[:, be.to_numpy(more.cols)])[0], np.linalg.qr(A[be.to_numpy(more.rows)].conj().T)[0]
        kept = np.linalg.svd(Qc.conj().T @ A @ Qr, compute_uv=False)[:12]
        expected = np.sqrt(np.linalg.norm(A) ** 2 - (kept**2).sum()) / np.linalg.norm(A)
        assert more.info.error == pytest.approx(expected, rel=1e-8 + 1e3 * eps(dtype))
        assert tails(values)[12] <= more.info.error < plain.info.error


@pytest.mark.parametrize("tol", [0.3, 1e-2, 1e-4, 1e-9])
def test_a_tolerance_is_met_with_few_rows_and_columns(tol):
    values = testing.spectra["exponential_medium"](120)
    A = testing.matrix(150, 120, values, rng=5)
    r = lr.cur(A, tol=tol, rng=0)
    assert r.info.converged
    error = relative_error(A, be.to_numpy(r.__lowrank_operator__().todense()))
    assert error <= tol * (1.3 if tol < 1e-6 else 1.0)
    least = int(np.argmax(tails(values) <= tol))
    assert max(r.rows.shape[0], r.cols.shape[0]) <= 1.4 * least + 5


def test_an_ill_conditioned_choice_costs_no_digits():
    A = testing.matrix(80, 70, "exponential_fast", rng=1)
    r = lr.cur(A, tol=1e-13, rng=0)
    assert np.linalg.cond(r.C) > 1e10
    assert relative_error(A, be.to_numpy(r.__lowrank_operator__().todense())) <= 1e-12


@pytest.mark.parametrize("layout", ["csr", "csc"])
def test_sparse_matrices_keep_sparse_rows_and_columns(layout):
    A = testing.sparse_tfidf(200, 120, 2000, rng=1)
    r = lr.cur(getattr(scipy.sparse, f"{layout}_array")(A), 15, rng=0)
    assert scipy.sparse.issparse(r.C)
    assert scipy.sparse.issparse(r.R)
    np.testing.assert_array_equal(dense(r.C), A.toarray()[:, r.cols])
    np.testing.assert_array_equal(dense(r.R), A.toarray()[r.rows])
    assert r.info.error == pytest.approx(relative_error(A.toarray(), rebuilt(r)), rel=1e-6)


def test_an_operator_of_products_alone_is_answered():
    A = testing.matrix(60, 50, "exponential_medium", rng=6)
    wrapped = lr.operator(lambda X: A @ X, lambda Y: A.T @ Y, A.shape, A.dtype)
    r, known = lr.cur(wrapped, 8, rng=0), lr.cur(A, 8, rng=0)
    np.testing.assert_array_equal(r.rows, known.rows)
    np.testing.assert_array_equal(r.cols, known.cols)
    assert r.info.error_kind == "estimate"
    assert 0.5 <= r.info.error / known.info.error <= 2.0


def test_a_rank_deficient_matrix_gives_its_rank():
    A = testing.matrix(30, 20, np.linspace(2.0, 1.0, 4), rng=1)
    with pytest.warns(RankWarning):
        r = lr.cur(A, 10, rng=0)
    assert r.rows.shape == r.cols.shape == (4,)
    assert relative_error(A, rebuilt(r)) <= 1e3 * eps("float64")


def test_the_zero_matrix_is_answered(backend):
    for dtype in backend.dtypes:
        r = lr.cur(backend.asarray(np.zeros((4, 3), dtype)), 1, rng=0)
        assert r.info.error == 0.0
        np.testing.assert_array_equal(rebuilt(r), np.zeros((4, 3)))
        assert backend.holds(r.U)
        assert be.dtype_name(r.U.dtype) == dtype
        assert not be.to_numpy(r @ backend.asarray(np.ones(3, dtype))).any()


@pytest.mark.parametrize("options", [{"rank": 3}, {"rank": 3, "method": "arp"}, {"tol": 0.1}, {"rank": 3, "tol": 0.1}])
def test_an_operator_whose_products_are_zero_has_a_zero_core(options):
    zero = lr.operator(lambda X: np.zeros((9, X.shape[1])), lambda Y: np.zeros((7, Y.shape[1])), (9, 7), np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        r = lr.cur(zero, rng=0, **options)
    assert r.info.error == 0.0
    assert r.info.converged
    np.testing.assert_array_equal(r.C @ r.U @ r.R, np.zeros((9, 7)))


@pytest.mark.parametrize("tol", [1e-3, 1e-7])
def test_a_tolerance_is_met_where_the_error_is_only_estimated(tol):
    values = testing.spectra["exponential_medium"](60)
    A = testing.matrix(80, 60, values, rng=3)
    wrapped = lr.operator(lambda X: A @ X, lambda Y: A.T @ Y, A.shape, A.dtype)
    least = int(np.argmax(tails(values) <= tol))
    for seed in range(25):
        r = lr.cur(wrapped, tol=tol, rng=seed, on_failure="raise")
        error = relative_error(A, be.to_numpy(r.__lowrank_operator__().todense()))
        assert r.info.error_kind == "estimate"
        assert r.info.error <= tol
        assert 0.5 <= r.info.error / error <= 2.0
        assert max(r.rows.shape[0], r.cols.shape[0]) <= 1.4 * least + 5


def test_an_error_above_tol_is_not_called_a_tolerance_met():
    assert _shortfall("rank reached") == "rank reached before tol"
    assert "met" not in _shortfall("tolerance met")


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_the_scale_changes_nothing(scale):
    A = testing.matrix(30, 25, "polynomial_one", rng=1)
    r, known = lr.cur(A * scale, 5, rng=0), lr.cur(A, 5, rng=0)
    np.testing.assert_array_equal(r.cols, known.cols)
    np.testing.assert_allclose(r.U * scale, known.U, rtol=0, atol=1e-9 * np.abs(known.U).max())
    np.testing.assert_allclose(r @ np.ones(25) / scale, known @ np.ones(25), rtol=0, atol=1e-12)


@pytest.mark.parametrize("sparse", [False, True])
def test_results_can_be_saved(tmp_path, sparse):
    A = testing.sparse_tfidf(60, 40, 500) if sparse else testing.matrix(60, 40, "polynomial_one")
    r = lr.cur(A, 5, rng=0)
    r.save(tmp_path / "cur.npz")
    again = lr.load(tmp_path / "cur.npz")
    np.testing.assert_array_equal(again.rows, r.rows)
    np.testing.assert_allclose(again @ np.ones(40), r @ np.ones(40), rtol=1e-12)
    np.testing.assert_allclose(again.U, r.U, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "error", "name"),
    [
        ({}, ValueError, "rank"),
        ({"rank": True}, TypeError, "rank"),
        ({"rank": 9}, ValueError, "rank"),
        ({"tol": 0}, ValueError, "tol"),
        ({"rank": 2, "method": "best"}, ValueError, "method"),
        ({"tol": 0.1, "method": "arp"}, ValueError, "method"),
        ({"tol": 0.1, "oversample": 2}, ValueError, "oversample"),
        ({"rank": 2, "oversample": 1.0}, TypeError, "oversample"),
        ({"rank": 2, "callback": 5}, TypeError, "callback"),
    ],
)
def test_arguments_are_checked_by_name(options, error, name):
    with pytest.raises(error, match=name):
        lr.cur(testing.matrix(10, 8, "flat"), **options)
