"""Gradient, projection and Gauss-Newton methods on the factors."""

import numpy as np
import pytest
from completion.matrices import entries, factors, places, relative_error, sampled
from factor import oracles

import lowrank_la as lr
from lowrank_la.completion.gauss_newton import Linearised
from lowrank_la.factor.iteration import Watch
from lowrank_la.operators.observed import Observed
from lowrank_la.solve.lsqr import lsqr

METHODS = ("gauss_newton", "lmafit", "riemannian", "scaled_gd")
QUIET = {"holdout": 0, "rng": 0, "maxiter": 2000}


@pytest.mark.parametrize("method", METHODS)
def test_every_backend_recovers_the_matrix(backend, method):
    for dtype in backend.dtypes:
        A, (rows, columns, values) = sampled(30, 24, 2, 5.0, dtype)
        given = tuple(backend.asarray(x) for x in (rows, columns, values))
        result = lr.complete(given, 2, shape=A.shape, method=method, tol=100 * oracles.eps(dtype), **QUIET)
        assert backend.holds(result.V)
        assert relative_error(tuple(oracles.wide(x) for x in result), A) <= 3000 * oracles.eps(dtype)


@pytest.mark.parametrize("method", METHODS)
def test_the_residual_is_brought_below_the_tolerance(method):
    A, given = sampled(100, 90, 3, 4.0, condition=2.0)
    result = lr.complete(given, 3, shape=A.shape, method=method, tol=1e-8, **QUIET)
    assert result.info.converged
    assert result.info.train_error <= 1e-8
    assert relative_error(result, A) <= 1e-6


@pytest.mark.parametrize("method", ["lmafit", "riemannian", "scaled_gd"])
def test_the_residual_never_grows(method):
    A, (rows, columns, values) = sampled(60, 50, 3, 3.0, condition=5.0)
    noisy = values + 0.1 * np.random.default_rng(0).standard_normal(values.size)
    with pytest.warns(lr.ConvergenceWarning):
        result = lr.complete((rows, columns, noisy), 3, shape=A.shape, method=method, **QUIET)
    history = np.asarray(result.info.history)
    assert np.all(np.diff(history) <= 1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_a_full_matrix_is_brought_to_its_truncated_svd(method):
    U, V = factors(30, 25, 3)
    A = U @ V.T + 0.05 * np.random.default_rng(1).standard_normal((30, 25))
    with pytest.warns(lr.ConvergenceWarning):
        result = lr.complete(A, 3, method=method, **QUIET)
    s = np.linalg.svd(A)[1]
    assert relative_error(result, A) <= (1 + 1e-6) * np.linalg.norm(s[3:]) / np.linalg.norm(s)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_a_gauss_newton_step_is_the_solution_of_least_norm(dtype):
    m, n, k = 12, 10, 2
    U, V = factors(m, n, k, dtype)
    U, V = U / 10, V * 2
    rows, columns = places(m, n, 90, 0, 3)
    values = entries(U, V, rows, columns) + 0.1
    observed = Observed.from_entries(rows, columns, values.astype(dtype), (m, n))
    linear = Linearised(observed, U, V)
    size = (m + n) * k
    M = np.concatenate([linear.matmat(e[:, None]) for e in np.eye(size, dtype=dtype)], axis=1)
    H = np.concatenate([linear.rmatmat(e[:, None]) for e in np.eye(90, dtype=dtype)], axis=1)
    assert np.linalg.norm(M - H.conj().T) <= 1e-13 * np.linalg.norm(M)
    expected = np.linalg.lstsq(M, linear.target, rcond=1e-10)[0]
    found = lsqr(linear, linear.target[:, None], 1e-15, np.linalg.norm(M, 2), Watch(500))[:, 0]
    assert np.linalg.norm(found - expected) <= 1e-9 * np.linalg.norm(expected)


def test_gauss_newton_needs_few_steps_at_low_oversampling():
    A, given = sampled(100, 100, 3, 2.0)
    result = lr.complete(given, 3, shape=A.shape, method="gauss_newton", tol=1e-9, **QUIET)
    assert relative_error(result, A) <= 1e-7
    assert result.info.iterations <= 15


@pytest.mark.parametrize("method", METHODS)
def test_zeros_are_completed_by_zeros(method):
    rows, columns = places(20, 15, 120)
    result = lr.complete((rows, columns, np.zeros(120)), 2, shape=(20, 15), method=method, **QUIET)
    assert not np.any(result.U @ result.V.T)
