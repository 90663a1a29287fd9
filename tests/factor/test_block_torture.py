"""Data in slabs at the edges: what is said of the answer is true, where rounding and repeated values decide."""

import numpy as np
import pytest
from factor.slab_data import Counting, errors

import lowrank_la as lr
from lowrank_la import testing
from lowrank_la.factor import projection

STEEP = 10.0 ** (-np.arange(60) / 3)
LEVELS = np.concatenate([np.ones(10), np.full(50, 1e-3)])
SPECTRA = {"flat": np.ones(60), "steep": STEEP, "two levels": LEVELS}


def matrix(values, dtype="float64", shape=(500, 80)):
    return testing.matrix(*shape, values, dtype=dtype, rng=0)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("tol", [2e-2, 2e-4, 2e-6])
@pytest.mark.parametrize("name", SPECTRA)
def test_a_tolerance_is_met_though_values_repeat_or_fall_steeply(name, tol, dtype):
    A = matrix(SPECTRA[name], dtype)
    result = lr.svd(Counting(A), tol=tol, method="fused", rng=0)
    energy = np.cumsum(SPECTRA[name][::-1] ** 2)[::-1]
    fewest = int((energy > tol**2 * energy[0]).sum())
    error, residual, lean = errors(A, result)
    assert result.info.converged
    assert fewest <= len(result.s) <= fewest + 2
    assert error <= tol * (1 + 1e-6)
    assert residual <= 1e-8
    assert lean <= 1e-9
    assert error / 2 <= result.info.error + 1e4 * np.finfo(dtype).eps


def test_columns_that_are_rounding_decide_nothing(monkeypatch):
    A = matrix(np.ones(60))
    monkeypatch.setattr(projection, "strayed", lambda *_: 0.0)
    monkeypatch.setattr(lr.factor.block_svd.Lanczos, "revive", lambda *_: False)
    with pytest.warns(lr.ConvergenceWarning):
        wrong = lr.svd(Counting(A), tol=1e-2, method="fused", rng=0)
    assert errors(A, wrong)[1] > 0.1
    monkeypatch.undo()
    monkeypatch.setattr(lr.factor.block_svd.Lanczos, "revive", lambda *_: False)
    with pytest.warns(lr.ConvergenceWarning):
        short = lr.svd(Counting(A), tol=1e-2, method="fused", rng=0)
    assert errors(A, short)[1] <= 1e-7
    assert abs(errors(A, short)[0] - short.info.error) <= 1e-7


@pytest.mark.parametrize("method", ["gram", "fused"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "complex64"])
@pytest.mark.parametrize("orthonormal", [False, True])
def test_columns_of_u_beyond_the_rank_of_the_data_are_zero(method, dtype, orthonormal):
    A = matrix(np.ones(3), dtype)
    result = lr.svd(Counting(A), 10, method=method, orthonormal_u=orthonormal, rng=0)
    U = result.U.gather()
    eps = np.finfo(dtype).eps
    assert np.abs(U[:, :3].conj().T @ U[:, :3] - np.eye(3)).max() <= 100 * eps
    assert not U[:, 3:].any()
    assert errors(A, result)[0] <= 100 * eps


@pytest.mark.parametrize("values", [np.ones(60), 1 / np.arange(1.0, 61)], ids=["flat", "1/i"])
@pytest.mark.parametrize("method", ["gram", "fused"])
def test_the_error_of_single_precision_is_not_below_its_rounding(values, method):
    A = matrix(values, "float32")
    result = lr.svd(Counting(A), tol=1e-6, method=method, rng=0)
    error = errors(A.astype("float64"), result)[0]
    assert result.info.error_kind != "exact"
    assert error <= 3 * result.info.error


def test_a_tolerance_that_squares_can_not_reach_is_not_called_met():
    A = matrix(STEEP, "float32")
    with pytest.warns(lr.ConvergenceWarning, match="above tol"):
        result = lr.svd(Counting(A), tol=1e-6, method="fused", rng=0)
    error = errors(A, result)[0]
    assert error / 2 <= result.info.error <= 2 * error
    assert not result.info.converged
    assert lr.svd(Counting(A), tol=1e-6, rng=0).info.converged


def test_rows_that_can_be_read_once_take_a_tolerance_by_their_triangle():
    A = matrix(STEEP)
    with pytest.raises(ValueError, match=r"fused.*read once.*gram"):
        lr.svd(Counting(A, once=True), tol=1e-3, method="fused", rng=0)
    assert lr.svd(Counting(A, once=True), tol=1e-3, rng=0).info.method == "qr"


def test_fewer_rows_than_the_rank_are_named_by_both_methods():
    for method in ("gram", "fused"):
        with pytest.raises(ValueError, match="rank=5 is more than the 3"):
            lr.svd(iter([np.ones((3, 30))]), 5, method=method, rng=0)


@pytest.mark.parametrize("method", ["gram", "fused"])
@pytest.mark.parametrize("shape", [(1, 30), (30, 1), (7, 30), (30, 7)])
def test_full_rank_is_the_whole_matrix(method, shape):
    A = np.random.default_rng(0).standard_normal(shape)
    source = Counting(A, rows=4)
    result = lr.svd(source, min(shape), method=method, rng=0)
    assert source.passes == result.info.passes
    assert max(errors(A, result)) <= 1e-9


@pytest.mark.parametrize("method", ["gram", "fused"])
def test_single_precision_with_a_large_mean_is_centred_rightly(method):
    A = (matrix(1 / np.arange(1.0, 61)) * 50 + 1e6).astype("float32")
    result = lr.svd(Counting(A), 5, method=method, center=True, rng=0)
    exact = A.astype("float64") - A.astype("float64").mean(axis=0)
    np.testing.assert_allclose(result.s, np.linalg.svd(exact, compute_uv=False)[:5], rtol=1e-6)
    assert abs(errors(exact, result)[0] - result.info.error) <= 1e-6
