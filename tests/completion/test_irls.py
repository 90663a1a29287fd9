"""Iteratively reweighted least squares: its step, and what it recovers from few entries."""

import numpy as np
import pytest
from completion.matrices import entries, factors, places, relative_error, sampled
from factor import oracles

import lowrank_la as lr
from lowrank_la.completion import irls
from lowrank_la.completion.smoothing import Smoothing
from lowrank_la.completion.tangent import Tangent
from lowrank_la.operators.observed import Observed

QUIET = {"holdout": 0, "rng": 0}


def dense_step(X, eps, rows, columns, values):
    """The matrix of least weighted norm with the given entries, weights from the full SVD of `X`."""
    U, s, Vh = np.linalg.svd(X)
    m, n = X.shape
    left, right = np.full(m, eps), np.full(n, eps)
    left[: s.size] = right[: s.size] = np.maximum(s, eps)
    inverse = np.einsum("ia,a,ka->ik", U, left, U.conj()), np.einsum("aj,a,al->jl", Vh.conj(), right, Vh)
    # The inverse of the weight operator takes E_ij to (left inverse) E_ij (right inverse).
    G = inverse[0][np.ix_(rows, rows)] * inverse[1][np.ix_(columns, columns)].T
    lam = np.linalg.solve(G, values)
    Z = np.zeros((m, n), values.dtype)
    Z[rows, columns] = lam
    return inverse[0] @ Z @ inverse[1]


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_a_step_is_the_dense_weighted_solution(dtype, monkeypatch):
    monkeypatch.setattr(irls, "_CG_RATIO", 0.0)
    m, n, k = 14, 11, 2
    U, V = factors(m, n, k, dtype, 1, 3.0)
    rows, columns = places(m, n, 100, 1, 3)
    order = np.lexsort((columns, rows))
    rows, columns = rows[order], columns[order]
    values = entries(U, V, rows, columns)
    observed = Observed.from_entries(rows, columns, values, (m, n))
    X = np.zeros((m, n), dtype)
    X[rows, columns] = values
    left, s, right = np.linalg.svd(X)
    smoothing = Smoothing(k, 0.0)
    smoothing.eps = 0.5 * (s[2] + s[3])
    R = smoothing.above(s)
    tangent = Tangent(observed, left[:, :R], right[:R].conj().T)
    iterate = irls._Iterate(observed, observed.values)
    g, _ = irls._reweighted(tangent, s[:R], smoothing, iterate)
    found = irls._Iterate(observed, observed.values - tangent.entries(g), tangent.factors(g)).matrix
    assert R == 3
    expected = dense_step(X, smoothing.eps, rows, columns, values)
    assert np.linalg.norm(found @ np.eye(n) - expected) <= 1e-12 * np.linalg.norm(expected)
    assert np.linalg.norm((found @ np.eye(n))[rows, columns] - values) <= 1e-13 * np.linalg.norm(values)


@pytest.mark.parametrize(("condition", "oversampling"), [(1.0, 1.8), (10.0, 1.8), (1e3, 1.8), (1e5, 2.0)])
@pytest.mark.parametrize("seed", [0, 1])
def test_few_entries_of_an_ill_conditioned_matrix_suffice(condition, oversampling, seed):
    A, given = sampled(120, 100, 4, oversampling, seed=seed, condition=condition)
    result = lr.complete(given, 4, shape=A.shape, method="irls", tol=1e-12, **QUIET)
    assert relative_error(result, A) <= 1e-10
    assert result.info.converged


def test_singular_values_over_ten_decades_are_all_found():
    A, given = sampled(150, 150, 5, 4.0, condition=1e10)
    result = lr.complete(given, 5, shape=A.shape, method="irls", tol=1e-14, **QUIET)
    exact = np.geomspace(1e10, 1.0, 5) * 150
    assert np.max(np.abs(result.svd().s / exact - 1)) <= 1e-3
    assert relative_error(result, A) <= 1e-12


def test_every_backend_recovers_the_matrix(backend):
    for dtype in backend.dtypes[::3]:
        A, (rows, columns, values) = sampled(24, 20, 2, 3.0, dtype)
        given = tuple(backend.asarray(x) for x in (rows, columns, values))
        result = lr.complete(given, 2, shape=A.shape, method="irls", tol=100 * oracles.eps(dtype), **QUIET)
        assert backend.holds(result.U)
        assert relative_error(tuple(oracles.wide(x) for x in result), A) <= 2000 * oracles.eps(dtype)


@pytest.mark.parametrize("scale", [1e-150, 1e-6, 1e150])
def test_the_scale_of_the_values_plays_no_part(scale):
    A, (rows, columns, values) = sampled(60, 50, 3, 2.2, condition=10.0)
    result = lr.complete((rows, columns, values * scale), 3, shape=A.shape, method="irls", tol=1e-12, **QUIET)
    assert relative_error((result.U / scale**0.5, result.V / scale**0.5), A) <= 1e-10


def test_the_adjoint_and_a_permutation_are_completed_alike():
    A, (rows, columns, values) = sampled(60, 50, 3, 2.2, condition=10.0)
    result = lr.complete((columns, rows, values), 3, shape=A.T.shape, method="irls", tol=1e-12, **QUIET)
    assert relative_error(result, A.T) <= 1e-10
    shuffled = np.random.default_rng(0).permutation(60)
    result = lr.complete((shuffled[rows], columns, values), 3, shape=A.shape, method="irls", tol=1e-12, **QUIET)
    assert relative_error((result.U[shuffled], result.V), A) <= 1e-10


def test_a_rank_above_that_of_the_matrix_still_recovers_it():
    A, given = sampled(80, 70, 3, 5.0)
    result = lr.complete(given, 5, shape=A.shape, method="irls", tol=1e-10, **QUIET)
    assert relative_error(result, A) <= 1e-7


def test_noisy_data_end_at_least_squares():
    A, (rows, columns, values) = sampled(80, 70, 3, 4.0)
    noise = 1e-3 * np.random.default_rng(0).standard_normal(values.size)
    given = (rows, columns, values + noise)
    with pytest.warns(lr.ConvergenceWarning):
        found = lr.complete(given, 3, shape=A.shape, method="irls", **QUIET)
    U, V = factors(80, 70, 3)
    with pytest.warns(lr.ConvergenceWarning):
        best = lr.complete(given, 3, shape=A.shape, method="altmin", init=(U, V), **QUIET)
    assert found.info.train_error <= 1.001 * best.info.train_error
    assert found.info.refined > 0


def test_zeros_are_completed_by_zeros():
    rows, columns = places(20, 15, 120)
    result = lr.complete((rows, columns, np.zeros(120)), 2, shape=(20, 15), method="irls", **QUIET)
    assert not np.any(result.U @ result.V.T)


def test_a_full_matrix_needs_no_step():
    U, V = factors(20, 15, 2)
    result = lr.complete(U @ V.T, 2, method="irls", **QUIET)
    assert relative_error(result, U @ V.T) <= 1e-13
    assert result.info.iterations == 1


def test_the_smoothing_falls_gently_until_the_rank_is_decided():
    smoothing = Smoothing(2, 1e-15)
    smoothing.lower(np.asarray([10.0, 5.0, 1.0]))
    assert smoothing.eps == 1.0
    smoothing.lower(np.asarray([10.0, 5.0, 0.1]))
    assert smoothing.eps == 0.9
    smoothing.lower(np.asarray([10.0, 5.0, 1e-4]))
    assert smoothing.eps == 1e-4
    smoothing.lower(np.asarray([10.0, 5.0, 1.0]))
    assert smoothing.eps == 1e-4


def test_a_smoothing_that_halts_is_raised_and_at_last_given_up():
    smoothing, highest = Smoothing(1, 1e-15), 0.0
    for _ in range(1000):
        smoothing.lower(np.asarray([10.0, 1.0]))
        highest = max(highest, smoothing.eps)
        if smoothing.stuck:
            break
    assert smoothing.stuck
    assert smoothing.reheats > 1
    assert highest == 1.0
