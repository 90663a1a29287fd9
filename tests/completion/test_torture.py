"""`complete` at the ends of the range, on degenerate data and on input that it refuses."""

import numpy as np
import pytest
import scipy.sparse
from completion.matrices import relative_error, sampled

import lowrank_la as lr


def test_empty_rows_and_columns_get_zeros():
    A, (rows, columns, values) = sampled(60, 50, 2, 6.0)
    keep = (rows != 7) & (columns != 11)
    result = lr.complete((rows[keep], columns[keep], values[keep]), 2, shape=A.shape, rng=0, tol=1e-10)
    found = result.U @ result.V.T
    assert not found[7].any()
    assert not found[:, 11].any()
    others = np.ix_(np.arange(60) != 7, np.arange(50) != 11)
    assert np.linalg.norm(found[others] - A[others]) <= 1e-8 * np.linalg.norm(A)


def test_one_entry_gives_that_entry_and_says_that_it_is_little():
    with pytest.warns(lr.ConvergenceWarning, match="fewer entries"):
        result = lr.complete(([2], [3], [5.0]), 1, shape=(4, 6), rng=0)
    found = result.U @ result.V.T
    assert abs(found[2, 3] - 5.0) <= 1e-5
    found[2, 3] = 0.0
    assert not found.any()
    assert result.info.error is None


def test_one_entry_of_a_matrix_of_one_is_enough():
    result = lr.complete([[3.0]], 1, rng=0)
    assert result.info.converged
    assert abs(float((result.U @ result.V.T)[0, 0]) - 3.0) <= 1e-5


@pytest.mark.parametrize("shape", [(5, 30), (30, 5), (6, 6), (1, 8), (8, 1)])
def test_full_rank_of_full_data_fits_exactly(shape):
    A = np.random.default_rng(0).standard_normal(shape)
    result = lr.complete(A, min(shape), rng=0, tol=1e-10, holdout=0)
    assert relative_error(result, A) <= 1e-9


def test_a_rank_above_the_sides_is_refused():
    with pytest.raises(ValueError, match=r"min\(m, n\) = 5"):
        lr.complete(np.ones((5, 7)), 6)


@pytest.mark.parametrize("rank", [1, 3, None])
def test_equal_values_are_a_matrix_of_rank_one(rank):
    known = np.where(np.random.default_rng(0).random((40, 30)) < 0.5, 2.5, np.nan)
    result = lr.complete(known, rank, rng=0)
    np.testing.assert_allclose(result.U @ result.V.T, 2.5, rtol=1e-4)


def test_zeros_give_zeros():
    known = np.where(np.random.default_rng(0).random((40, 30)) < 0.5, 0.0, np.nan)
    result = lr.complete(known, 2, rng=0)
    assert result.info.converged
    assert not (result.U @ result.V.T).any()


@pytest.mark.parametrize("scale", [1e150, 1e-150, 1e300, 1e-290])
def test_extreme_scales_are_recovered(scale):
    A, (rows, columns, values) = sampled(60, 50, 2, 6.0)
    A, values = A / np.abs(values).max(), values / np.abs(values).max()
    result = lr.complete((rows, columns, values * scale), 2, shape=A.shape, rng=0, tol=1e-9)
    found = (result.U / np.sqrt(scale)) @ (result.V / np.sqrt(scale)).T
    assert np.linalg.norm(found - A) <= 1e-7 * np.linalg.norm(A)
    again = lr.complete((rows, columns, values * scale), 2, shape=A.shape, rng=0, tol=1e-10, init=result)
    assert again.info.converged


@pytest.mark.parametrize("scale", [1e30, 1e-30])
def test_extreme_scales_of_single_precision_are_recovered(scale):
    A, (rows, columns, values) = sampled(60, 50, 2, 6.0, "float32")
    given = (values.astype(np.float64) * scale).astype(np.float32)
    result = lr.complete((rows, columns, given), 2, shape=A.shape, rng=0, tol=1e-5)
    found = (result.U.astype(float) @ result.V.astype(float).T) / scale
    assert np.linalg.norm(found - A) <= 1e-3 * np.linalg.norm(A)


def test_half_precision_comes_back_in_half():
    A, (rows, columns, values) = sampled(60, 50, 2, 6.0)
    result = lr.complete((rows, columns, (values / 10).astype(np.float16)), 2, shape=A.shape, rng=0, tol=5e-3)
    assert result.U.dtype == result.V.dtype == np.float16
    assert result.predict([0], [0]).dtype == np.float16


def test_integers_are_promoted():
    known = np.where(np.random.default_rng(0).random((40, 30)) < 0.5, 3, 0)
    result = lr.complete(scipy.sparse.csr_array(known), 1, rng=0)
    assert result.U.dtype == np.float64


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match="observed entries holds NaN or infinite"):
        lr.complete(([0, 1], [0, 1], [1.0, bad]), 1, shape=(3, 3))


def test_infinite_entries_of_a_dense_array_are_refused():
    with pytest.raises(ValueError, match="infinite"):
        lr.complete(np.array([[1.0, np.inf], [np.nan, 2.0]]), 1)


def test_repeated_places_are_refused_or_averaged():
    A, (rows, columns, values) = sampled(60, 50, 2, 6.0)
    twice = np.append(rows, rows[:5]), np.append(columns, columns[:5]), np.append(values, values[:5])
    with pytest.raises(ValueError, match="5 of the"):
        lr.complete(twice, 2, shape=A.shape)
    with pytest.raises(ValueError, match="repeat a place"):
        lr.complete(scipy.sparse.coo_array((twice[2], twice[:2]), shape=A.shape), 2)
    result = lr.complete(twice, 2, shape=A.shape, duplicates="average", rng=0, tol=1e-10)
    assert relative_error(result, A) <= 1e-8


@pytest.mark.parametrize(
    ("observed", "rank", "options", "error", "match"),
    [
        (([0], [0], [1.0]), 1, {}, ValueError, "shape="),
        (([0], [0], [1.0]), 1, {"shape": (0, 3)}, ValueError, "shape"),
        (([0], [0], [1.0]), 1, {"shape": 3}, TypeError, "pair"),
        (([5], [0], [1.0]), 1, {"shape": (3, 3)}, ValueError, "rows must lie in 0…2"),
        (([0], [-1], [1.0]), 1, {"shape": (3, 3)}, ValueError, "columns must lie"),
        (([0.5], [0], [1.0]), 1, {"shape": (3, 3)}, TypeError, "integers"),
        (([0, 1], [0], [1.0]), 1, {"shape": (3, 3)}, ValueError, "one number an entry"),
        (([], [], []), 1, {"shape": (3, 3)}, (ValueError, TypeError), "observed|integers"),
        (np.full((3, 3), np.nan), 1, {}, ValueError, "no entry is observed"),
        (np.ones(3), 1, {}, ValueError, "shape"),
        ("text", 1, {}, TypeError, "sparse matrix"),
        ((np.ones((3, 3)), np.ones((3, 3))), 1, {}, ValueError, "boolean"),
        (np.ones((3, 3)), 1, {"shape": (4, 4)}, ValueError, "leave it out"),
        (np.ones((3, 3)), 0, {}, ValueError, "rank"),
        (np.ones((3, 3)), 2.0, {}, TypeError, "rank"),
        (np.ones((3, 3)), 1, {"tol": 0.0}, ValueError, "tol"),
        (np.ones((3, 3)), 1, {"method": "magic"}, ValueError, "altmin"),
        (np.ones((3, 3)), 1, {"solver": "magic"}, ValueError, "cholesky"),
        (np.ones((3, 3)), 1, {"duplicates": "sum"}, ValueError, "average"),
        (np.ones((3, 3)), 1, {"holdout": 1.5}, ValueError, "holdout"),
        (np.ones((3, 3)), 1, {"maxiter": 0}, ValueError, "maxiter"),
        (np.ones((3, 3)), 1, {"regularization": -1.0}, ValueError, "regularization"),
        (np.ones((3, 3)), 1, {"regularization": (np.ones(2), 1.0)}, ValueError, r"\(3,\)"),
        (np.ones((3, 3)), 1, {"weights": -np.ones((3, 3))}, ValueError, "negative"),
        (np.ones((3, 3)), 1, {"weights": np.ones(4)}, ValueError, "one number an entry"),
        (np.ones((3, 3)), 1, {"init": "random"}, ValueError, "spectral"),
        (np.ones((3, 3)), 1, {"init": (np.ones((3, 2)), np.ones((3, 2)))}, ValueError, "shapes"),
        (np.ones((3, 3)), 1, {"init": 3}, TypeError, "init"),
    ],
)
def test_bad_input_is_named(observed, rank, options, error, match):
    with pytest.raises(error, match=match):
        lr.complete(observed, rank, **options)


def test_tensors_that_record_gradients_are_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="gradients"):
        lr.complete(torch.ones((3, 3), requires_grad=True), 1)
