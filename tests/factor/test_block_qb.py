"""Bases and eigenpairs of data in slabs."""

import numpy as np
import pytest
from factor.slab_data import Counting

import lowrank_la as lr
from lowrank_la import testing

A = testing.matrix(900, 60, np.arange(1.0, 61) ** -1, rng=0)
B = testing.matrix(900, 60, np.arange(1.0, 61) ** -1, dtype="complex128", rng=0)


@pytest.mark.parametrize("matrix", [A, B], ids=["real", "complex"])
@pytest.mark.parametrize("power", [0, 1, 2])
def test_a_basis_takes_one_read_more_than_power_iterations(matrix, power):
    source = Counting(matrix)
    Q, coefficients = result = lr.qb(source, 8, power=power, rng=0)
    assert source.passes == result.info.passes == power + 1
    Q = Q.gather()
    np.testing.assert_allclose(Q.conj().T @ Q, np.eye(8), atol=1e-12)
    error = np.linalg.norm(matrix - Q @ coefficients) / np.linalg.norm(matrix)
    np.testing.assert_allclose(result.info.error, error, rtol=1e-10)


@pytest.mark.parametrize("tol", [0.3, 0.1])
def test_a_tolerance_is_met_by_few_columns(tol):
    source = Counting(A)
    result = lr.qb(source, tol=tol, rng=0)
    assert source.passes == result.info.passes
    assert np.linalg.norm(A - result.Q.gather() @ result.B) <= tol * np.linalg.norm(A)
    assert result.B.shape[0] <= lr.qb(A, tol=tol, rng=0).B.shape[0] + 1


def test_fewer_columns_than_asked_for_are_the_numerical_rank():
    low = np.outer(np.arange(200.0), np.arange(30.0)) + np.outer(np.ones(200), np.arange(30.0) ** 2)
    with pytest.warns(lr.RankWarning, match="2 of the 5"):
        result = lr.qb(lr.block_source(low, rows=64), 5, rng=0)
    np.testing.assert_allclose(result.Q.gather() @ result.B, low, atol=1e-9 * np.linalg.norm(low))


@pytest.mark.parametrize("which", ["LM", "LA", "SA"])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_eigenpairs_are_those_of_the_matrix_in_memory(which, dtype):
    H = testing.hermitian(200, np.linspace(-3, 2, 200) ** 3, dtype=dtype, rng=0)
    source = Counting(H)
    result = lr.eigh(source, 4, which=which, rng=0)
    np.testing.assert_allclose(result.w, lr.eigh(H, 4, which=which, method="dense").w, rtol=0, atol=1e-9)
    assert np.linalg.norm(H @ result.V - result.V * result.w) <= 1e-4 * 27
    assert source.passes == result.info.passes


@pytest.mark.parametrize("scale", [1e200, 1e100, 1e-100, 1e-200])
def test_a_scale_whose_squares_leave_the_range_is_that_of_the_answer(scale):
    A = testing.hermitian(40, np.arange(1.0, 41) ** -1, rng=0)
    source = Counting(A * scale, 9)
    op = lr.as_operator(source)
    for _ in range(2):
        assert op.fro_norm() == pytest.approx(np.linalg.norm(A) * scale, rel=1e-14)
    result = lr.eigh(source, 4, rng=0)
    np.testing.assert_allclose(result.w, 1.0 / np.arange(1.0, 5) * scale, rtol=1e-10)


def test_a_matrix_that_is_not_hermitian_is_refused():
    with pytest.raises(ValueError, match="not Hermitian"):
        lr.eigh(lr.block_source(np.triu(np.ones((50, 50))), rows=9), 2)


def test_results_are_operators_and_can_be_saved(tmp_path):
    result = lr.qb(lr.block_source(A, rows=100), 60, rng=0)
    np.testing.assert_allclose(result @ np.eye(60), A, atol=1e-10)
    result.save(tmp_path / "q.npz")
    np.testing.assert_array_equal(lr.load(tmp_path / "q.npz").Q, result.Q.gather())
