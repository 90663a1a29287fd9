"""What `lewis_weights` promises."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse
from factor import oracles
from strategies import random_array

import lowrank_la as lr
from lowrank_la.exceptions import ConvergenceError, ConvergenceWarning

POWERS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.9, 4.0, 6.0)


def leverage(A):
    """Scores that hold for rows of any size: each is solved with the triangular factor by itself."""
    return (np.abs(np.linalg.solve(np.linalg.qr(A)[1].T, A.T)) ** 2).sum(axis=0)


def largest_ratio(A, w, p):
    """max(leverage(W^(1/2-1/p) A) / w) in rational arithmetic, for rows of any size."""
    rows = [[Fraction(x) for x in row] for row in (w[:, None] ** (0.5 - 1 / p) * A).tolist()]
    n = A.shape[1]
    G = [[sum(row[i] * row[j] for row in rows) for j in range(n)] for i in range(n)]
    for k in range(n):  # elimination: G = L D Lᵀ, with L below the diagonal
        for i in range(k + 1, n):
            factor = G[i][k] / G[k][k]
            G[i][k + 1 :] = [x - factor * y for x, y in zip(G[i][k + 1 :], G[k][k + 1 :], strict=True)]
            G[i][k] = factor
    best = Fraction(0)
    for row, weight in zip(rows, w.tolist(), strict=True):
        y = list(row)
        for i in range(n):
            y[i] -= sum(G[i][k] * y[k] for k in range(i))
        best = max(best, sum(y[i] ** 2 / G[i][i] for i in range(n)) / Fraction(weight))
    return float(best)


def residual(A, w, p):
    """Largest |log(leverage(W^(1/2-1/p) A) / w)|, by Householder reflections."""
    return np.abs(np.log(leverage(w[:, None] ** (0.5 - 1 / p) * A) / w)).max()


def skewed(shape, dtype="float64", seed=0):
    """Rows of sizes that differ by a factor of a hundred."""
    return random_array(shape, dtype, seed) * np.exp(np.random.default_rng(seed).standard_normal((shape[0], 1))).astype(
        np.dtype(dtype).type(0).real.dtype
    )


@pytest.mark.parametrize("p", POWERS)
def test_weights_are_the_leverage_scores_of_the_reweighted_matrix(backend, p):
    for dtype in backend.dtypes:
        A = skewed((60, 4), dtype)
        r = lr.lewis_weights(backend.asarray(A), p, tol=1e-8)
        eps = oracles.eps(dtype)
        assert backend.holds(r.weights)
        w = oracles.wide(r.weights)
        assert r.info.converged
        assert residual(oracles.wide(A), w, p) <= max(2e-8, 400 * eps)
        assert abs(w.sum() - 4) <= 4 * max(1e-8, 200 * eps)


@pytest.mark.parametrize("p", [*POWERS, 12.0])
def test_one_column_has_the_weights_of_its_norm(p):
    a = skewed((60, 1))
    w = lr.lewis_weights(a, p, tol=1e-10, on_failure="raise").weights
    np.testing.assert_allclose(w, (np.abs(a[:, 0]) ** p) / (np.abs(a) ** p).sum(), rtol=1e-8)


@pytest.mark.parametrize("p", POWERS)
def test_copies_of_an_orthonormal_basis_share_its_weight(p):
    A = np.concatenate([np.eye(4)] * 5)
    np.testing.assert_allclose(lr.lewis_weights(A, p).weights, np.full(20, 0.2), rtol=1e-6)


def test_weights_at_two_are_leverage_scores():
    A = skewed((200, 6))
    np.testing.assert_allclose(lr.lewis_weights(A, 2).weights, leverage(A), rtol=1e-12)


@pytest.mark.parametrize("p", [0.5, 1.0, 3.0, 6.0])
def test_a_change_of_basis_changes_nothing(p):
    A, T = skewed((150, 4)), random_array((4, 4), "float64", 3)
    first, second = (lr.lewis_weights(M, p, tol=1e-10).weights for M in (A, A @ T))
    np.testing.assert_allclose(first, second, rtol=1e-8)


def test_zero_rows_have_no_weight_and_change_nothing(backend):
    A = skewed((100, 4))
    padded = np.insert(A, [0, 50, 100], 0.0, axis=0)
    tol = 1e-8 if "float64" in backend.dtypes else 1e-4
    w = oracles.wide(lr.lewis_weights(backend.asarray(padded), 1.0, tol=tol).weights)
    assert np.all(w[[0, 51, 102]] == 0)
    expected = lr.lewis_weights(A, 1.0, tol=1e-10).weights
    np.testing.assert_allclose(np.delete(w, [0, 51, 102]), expected, rtol=20 * tol)


def test_a_zero_matrix_has_no_weights():
    r = lr.lewis_weights(np.zeros((5, 3)), 1.0)
    assert np.all(r.weights == 0)
    assert r.info.rank == 0


def test_deficient_rank_and_sparse_data_give_the_weights_of_the_column_space():
    A = skewed((300, 3)) @ random_array((3, 7), "float64", 2)
    w = lr.lewis_weights(A, 1.0, tol=1e-10)
    assert w.info.rank == 3
    np.testing.assert_allclose(w.weights, lr.lewis_weights(A[:, :3], 1.0, tol=1e-10).weights, rtol=1e-6)
    S = skewed((200, 6)) * (np.random.default_rng(5).random((200, 6)) < 0.4)
    dense, sparse = (lr.lewis_weights(M, 1.5, tol=1e-10).weights for M in (S, scipy.sparse.csr_array(S)))
    np.testing.assert_allclose(dense, sparse, rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("exponent", [-150, 150])
def test_extreme_scales_are_harmless(exponent):
    A = skewed((80, 3))
    first, second = (lr.lewis_weights(M, 1.0, tol=1e-10).weights for M in (A, A * 10.0**exponent))
    np.testing.assert_allclose(first, second, rtol=1e-8)


@pytest.mark.parametrize("p", [0.3, 1.0, 3.0, 3.99])
def test_rows_of_very_different_size_still_converge(p):
    A = random_array((300, 5), "float64", 4) * np.logspace(-8, 8, 300)[:, None]
    r = lr.lewis_weights(A, p, on_failure="raise")
    assert residual(A, r.weights, p) <= 1e-4


@pytest.mark.parametrize("p", [4.0, 6.0, 10.0, 20.0])
def test_outlier_rows_leave_at_least_a_one_sided_certificate(p):
    A = random_array((500, 5), "float64", 6)
    A[:10] *= 1e4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        r = lr.lewis_weights(A, p)
    assert r.info.one_sided <= 0.2
    assert abs(largest_ratio(A, r.weights, p) - 1 - r.info.one_sided) <= 1e5 * oracles.eps("float64")
    if p <= 6:
        assert r.info.converged


@pytest.mark.parametrize(("p", "steps"), [(1.0, 30), (1.5, 20), (3.0, 25), (3.9, 32)])
def test_the_longer_step_converges_in_as_many_iterations_as_its_rate_says(p, steps):
    r = lr.lewis_weights(random_array((2000, 10), "float64", 7), p, tol=1e-10)
    assert r.info.iterations <= steps


def test_weights_that_are_off_by_a_power_would_have_been_noticed():
    A = skewed((120, 5))
    mutant = leverage(A) ** 0.5
    assert residual(A, mutant / mutant.sum() * 5, 1.0) > 1e-2


def test_the_error_reported_is_that_of_an_independent_computation():
    A = skewed((120, 5))
    with pytest.warns(ConvergenceWarning, match="maxiter=3"):
        r = lr.lewis_weights(A, 1.0, maxiter=3)
    assert not r.info.converged
    assert abs(residual(A, r.weights, 1.0) - r.info.error) <= 1e-10
    ratio = leverage(r.weights[:, None] ** -0.5 * A) / r.weights
    assert abs(ratio.max() - 1 - r.info.one_sided) <= 1e-10
    with pytest.raises(ConvergenceError, match="one-sided"):
        lr.lewis_weights(A, 1.0, maxiter=3, on_failure="raise")


def test_a_callback_sees_every_iteration_and_can_stop():
    seen = []
    with pytest.warns(ConvergenceWarning, match="stopped by callback"):
        lr.lewis_weights(skewed((50, 3)), 1.0, callback=lambda state: seen.append(state.error) or len(seen) == 4)
    assert len(seen) == 4
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("p", [0, -1.0, np.inf, np.nan])
def test_powers_that_are_not_positive_and_finite_are_refused(p):
    with pytest.raises(ValueError, match="p must be positive"):
        lr.lewis_weights(np.eye(3), p)
