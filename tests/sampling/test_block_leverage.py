"""Leverage scores of data in slabs."""

import numpy as np
import pytest
from factor.slab_data import Counting

import lowrank_la as lr
from lowrank_la import testing

EPS = np.finfo(float).eps


def matrix(exponent, dtype="float64"):
    return testing.matrix(1200, 30, np.logspace(0, -exponent, 30), dtype=dtype, rng=0)


def exact(A, ridge=0.0):
    wide = A.astype("complex128" if "complex" in A.dtype.name else "float64")
    U, s, _ = np.linalg.svd(wide, full_matrices=False)
    kept = s > 1e-14 * s[0]
    return np.sum(np.abs(U[:, kept]) ** 2 * (s[kept] ** 2 / (s[kept] ** 2 + ridge)), axis=1)


@pytest.mark.parametrize("dtype", ["float64", "complex128", "float32"])
def test_two_reads_give_the_scores(dtype):
    A = matrix(1, dtype)
    source = Counting(A)
    result = lr.leverage_scores(source)
    assert source.passes == result.info.passes == 2
    np.testing.assert_allclose(result.scores, exact(A), rtol=0, atol=100 * np.finfo(dtype).eps)
    assert abs(result.info.total - 30) <= 1e-4


def test_ill_conditioned_columns_take_a_third_read():
    A = matrix(9)
    source = Counting(A)
    result = lr.leverage_scores(source)
    assert source.passes == result.info.passes == 3
    np.testing.assert_allclose(result.scores, exact(A), rtol=0, atol=1e-5)


def test_columns_of_any_size_leave_the_scores_as_they_are():
    A = matrix(1)
    scaled = A * np.logspace(-100, 100, 30)
    np.testing.assert_allclose(
        lr.leverage_scores(lr.block_source(scaled, rows=100)).scores, exact(A), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("scale", [1.0, 1e-180, 1e180])
def test_a_ridge_is_that_of_the_data_at_their_scale(scale):
    A = matrix(2)
    result = lr.leverage_scores(lr.block_source(A * scale, rows=100), ridge=1e-2 * min(scale, 1e150) ** 2 or 5e-324)
    if scale == 1.0:
        np.testing.assert_allclose(result.scores, exact(A, 1e-2), rtol=0, atol=1e-12)
    assert np.all(np.isfinite(result.scores))


def test_the_scores_of_a_rank_are_those_of_the_leading_vectors():
    A = matrix(2)
    source = Counting(A)
    result = lr.leverage_scores(source, rank=4, rng=0)
    U = np.linalg.svd(A, full_matrices=False)[0][:, :4]
    np.testing.assert_allclose(result.scores, np.sum(U**2, axis=1), rtol=0, atol=1e-9)
    assert source.passes == result.info.passes


@pytest.mark.parametrize("A", [np.outer(np.arange(90.0), [1, 2, 3]), np.ones((3, 8)), np.zeros((50, 4))])
def test_rank_deficient_and_wide_data_have_the_scores_of_their_space(A):
    result = lr.leverage_scores(lr.block_source(A, rows=16))
    np.testing.assert_allclose(result.scores, lr.leverage_scores(A).scores, rtol=0, atol=1e-12)
    assert result.info.rank == np.linalg.matrix_rank(A)


def test_what_can_not_be_scored_is_refused():
    with pytest.raises(ValueError, match="read once"):
        lr.leverage_scores(iter([np.ones((5, 2))]))
    with pytest.raises(ValueError, match="sketched"):
        lr.leverage_scores(lr.block_source(matrix(1), rows=100), method="sketched")
    with pytest.raises(ValueError, match="NaN or infinite"):
        lr.leverage_scores(lr.block_source(np.full((50, 3), np.nan), rows=10))


def test_more_columns_than_one_slab_has_rows_are_scored():
    A = np.random.default_rng(0).standard_normal((900, 600))
    found = lr.leverage_scores(lr.block_source(A, rows=100)).scores
    np.testing.assert_allclose(found, (np.linalg.qr(A)[0] ** 2).sum(axis=1), rtol=1e-10)
