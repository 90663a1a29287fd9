"""Least squares with a matrix in slabs."""

import numpy as np
import pytest
from factor.slab_data import Counting

import lowrank_la as lr
from lowrank_la import testing


def problem(exponent, dtype="float64", columns=None):
    A = testing.matrix(1500, 30, np.logspace(0, -exponent, 30), dtype=dtype, rng=0)
    shape = (30,) if columns is None else (30, columns)
    b = A @ np.ones(shape, dtype) + 1e-3 * np.random.default_rng(0).standard_normal(A.shape[:1] + shape[1:])
    return A, b.astype(dtype)


@pytest.mark.parametrize("columns", [None, 3])
@pytest.mark.parametrize("exponent", [0, 5, 10])
@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128"])
def test_two_reads_solve_to_rounding(dtype, exponent, columns):
    A, b = problem(exponent, dtype, columns)
    source = Counting(A)
    result = lr.lstsq(source, b)
    assert source.passes == result.info.passes
    assert result.info.passes <= 3
    assert result.info.backward_error <= 5 * np.finfo(dtype).eps
    assert result.info.converged
    reference = np.linalg.lstsq(A.astype(np.result_type(dtype, "float64")), b, rcond=None)[0]
    if exponent == 0:
        np.testing.assert_allclose(result.x, reference, rtol=0, atol=100 * np.finfo(dtype).eps)
    residual = np.linalg.norm(b - A @ result.x, axis=0)
    np.testing.assert_allclose(result.info.residuals, residual, rtol=1e-4 if dtype == "float32" else 1e-9)


def test_a_ridge_is_that_of_the_data_in_memory():
    A, b = problem(6)
    result = lr.lstsq(lr.block_source(A, rows=100), b, ridge=1e-4)
    np.testing.assert_allclose(result.x, np.linalg.solve(A.T @ A + 1e-4 * np.eye(30), A.T @ b), rtol=1e-9)


@pytest.mark.parametrize("method", ["qr", "lsqr"])
def test_a_ridge_too_large_beside_the_data_is_refused(method):
    A, b = problem(1)
    with pytest.raises(ValueError, match="too large beside the entries of A"):
        lr.lstsq(lr.block_source(A * 1e-200, rows=100), b, ridge=1e-3, method=method)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_extreme_scales_are_worked_on_at_a_safe_one(scale):
    A, _ = problem(2)
    np.testing.assert_allclose(
        lr.lstsq(lr.block_source(A * scale, rows=100), A @ np.ones(30) * scale).x, np.ones(30), rtol=1e-10
    )


def test_rank_deficient_data_have_the_solution_of_least_norm():
    A, b = problem(1)
    A = np.hstack([A, A[:, :2]])
    result = lr.lstsq(lr.block_source(A, rows=100), b)
    assert result.info.rank == 30
    np.testing.assert_allclose(A @ result.x, A @ np.linalg.lstsq(A, b, rcond=1e-12)[0], atol=1e-12)


def test_wide_data_take_products_alone():
    A = testing.matrix(30, 200, np.linspace(2, 1, 30), rng=0)
    source = Counting(A, rows=7)
    result = lr.lstsq(source, A @ np.ones(200))
    assert result.info.method == "lsqr"
    np.testing.assert_allclose(result.x, np.linalg.pinv(A) @ (A @ np.ones(200)), atol=1e-10)
    assert source.passes == result.info.passes


def test_right_hand_sides_in_blocks_are_gathered():
    array = pytest.importorskip("dask.array")
    A, b = problem(1)
    result = lr.lstsq(array.from_array(A, chunks=(400, 11)), array.from_array(b, chunks=100))
    np.testing.assert_allclose(result.x, np.linalg.lstsq(A, b, rcond=None)[0], rtol=1e-10)


def test_what_does_not_fit_is_refused():
    A, b = problem(1)
    with pytest.raises(ValueError, match="not for data in blocks"):
        lr.lstsq(lr.block_source(A, rows=100), b, method="cholesky")
    with pytest.raises(ValueError, match="b must have shape"):
        lr.lstsq(lr.block_source(A, rows=100), b[:-1])
    with pytest.raises(ValueError, match="read once"):
        lr.lstsq((A[i : i + 100] for i in range(0, len(A), 100)), b)
    A[4, 4] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        lr.lstsq(lr.block_source(A, rows=100), b)


@pytest.mark.parametrize("shape", [(40, 5), (1, 1)])
def test_a_zero_matrix_has_the_zero_solution_and_no_warning(shape):
    result = lr.lstsq(lr.block_source(np.zeros(shape), rows=7), np.ones(shape[0]))
    assert not result.x.any()
    assert (result.info.rank, result.info.reason) == (0, "the matrix is zero")


def test_one_row_and_one_column_are_solved():
    b = np.arange(1.0, 9)
    column = lr.lstsq(lr.block_source(np.ones((8, 1)), rows=3), b)
    np.testing.assert_allclose(column.x, [4.5], rtol=1e-15)
    row = lr.lstsq(lr.block_source(b[None, :]), np.ones(1))
    np.testing.assert_allclose(row.x, b / (b @ b), rtol=1e-14)


def test_more_columns_than_one_slab_has_rows_are_solved():
    A = np.random.default_rng(0).standard_normal((900, 600))
    result = lr.lstsq(lr.block_source(A, rows=100), A @ np.ones(600))
    np.testing.assert_allclose(result.x, 1.0, rtol=1e-10)
    assert result.info.passes == 2
