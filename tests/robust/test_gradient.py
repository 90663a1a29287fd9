"""Gradient descent on the factors: rates, rebalancing, and what truncation does."""

import numpy as np
import pytest
from robust.sensing import error, product, sensed, target

import lowrank_la as lr
from lowrank_la.robust.gradient import rebalance_step

N, R, K = 20, 3, 5


def squared_losses(result, y):
    """``‖A(X) - y‖² / N`` before each step."""
    return np.asarray(result.info.history) ** 2 * float(y @ y) / y.size


def run(X, seed=0, count=2000, **options):
    A, y = sensed(X, count, seed=seed)
    result = lr.recover(A, y, X.shape, K, loss="l2", rng=0, **options)
    return result, squared_losses(result, y)


@pytest.mark.parametrize("scale", [1e-3, 1e-1, 1.0])
def test_one_rebalancing_reaches_rounding_from_any_start(scale):
    X = target(N, N, (1.0, 1.0, 1.0))
    result, losses = run(X, init_scale=scale, tol=0.0, maxiter=800)
    assert losses.min() < 1e-24
    assert result.info.method == "rebalanced"


def test_a_symmetric_answer_is_found_by_way_of_two_factors():
    X = target(N, N, (1.0, 1.0, 1.0), symmetric=True)
    result, losses = run(X, symmetric=True, tol=0.0, maxiter=800)
    assert losses.min() < 1e-24
    assert error(result, X) <= 1e-11
    assert len(result) == 1


def test_plain_gradient_descent_is_slow_where_the_rank_is_too_large():
    X = target(N, N, (1.0, 1.0, 1.0), symmetric=True)
    result, losses = run(X, symmetric=True, rebalance=False, tol=0.0, maxiter=3000)
    steps = np.arange(1, 3001)
    slope = np.polyfit(np.log(steps[1500:]), np.log(losses[1500:]), 1)[0]
    assert -2.1 <= slope <= -1.4
    assert result.info.method == "symmetric"


def test_imbalance_makes_gradient_descent_linear():
    X = target(N, N, (1.0, 1.0, 1.0))
    rates = []
    for scale, low in ((0.3, 1e-13), (0.6, 1e-20)):
        result, losses = run(X, init_scale=scale, rebalance=False, tol=0.0, maxiter=3000)
        inside = np.flatnonzero((losses < 1e-5) & (losses > low))
        rates.append(-np.polyfit(inside, np.log(losses[inside]), 1)[0] / scale**2)
        assert result.info.method == "asymmetric"
    assert 0.05 <= min(rates) <= max(rates) <= 0.2


def test_rebalancing_keeps_the_product_and_equals_the_columns():
    generator = np.random.default_rng(0)
    U, V = generator.standard_normal((9, 4)), generator.standard_normal((7, 4))
    F, G, beta2 = rebalance_step(U, V, np.linalg.norm(U @ V.T, 2))
    np.testing.assert_allclose(F @ G.T, U @ V.T, rtol=0, atol=1e-13 * np.linalg.norm(U @ V.T))
    np.testing.assert_allclose(F.T @ F, beta2 * np.eye(4), rtol=0, atol=1e-13 * beta2)


@pytest.mark.parametrize("rank", [3, 5])
@pytest.mark.parametrize("symmetric", [False, True])
def test_preconditioning_does_not_mind_the_condition(rank, symmetric):
    counts = []
    for spectrum in ((1.0, 1.0, 1.0), (1.0, 0.1, 0.01)):
        X = target(N, N, spectrum, symmetric=symmetric)
        A, y = sensed(X, 2000)
        result = lr.recover(A, y, X.shape, rank, loss="l2", preconditioned=True, symmetric=symmetric)
        assert error(result, X) <= 1e-10
        counts.append(result.info.iterations)
    assert counts[1] <= 2 * counts[0]


def test_noise_ends_the_descent_near_the_oracle():
    X = target(N, N, (1.0, 1.0, 1.0))
    A, y = sensed(X, 2000, noise=0.1)
    result = lr.recover(A, y, X.shape, R, loss="l2", rng=0)
    assert result.info.converged
    assert error(result, X) <= 1.2 * 0.1 * np.sqrt(R * (2 * N - R) / 2000)


def test_truncation_makes_least_squares_withstand_outliers():
    X = target(N, N, (1.0, 0.8))
    A, y = sensed(X, 1500, 0.1)
    plain = lr.recover(A, y, X.shape, 2, loss="l2", preconditioned=True)
    truncated = lr.recover(A, y, X.shape, 2, loss="l2", preconditioned=True, truncate=3.0)
    assert error(truncated, X) <= 1e-9
    assert error(plain, X) >= 0.1


@pytest.mark.parametrize("spectrum", [(1.0, 1.0), (1.0, 0.01)])
@pytest.mark.parametrize("symmetric", [False, True])
def test_scaled_polyak_steps_do_not_mind_the_condition(spectrum, symmetric):
    X = target(N, N, spectrum, symmetric=symmetric)
    A, y = sensed(X, 1500, 0.2)
    optimum = float(np.mean(np.abs(y - A.reshape(1500, -1) @ X.ravel())))
    known = lr.recover(A, y, X.shape, 2, symmetric=symmetric, preconditioned=True, optimum=optimum)
    guessed = lr.recover(A, y, X.shape, 2, symmetric=symmetric, preconditioned=True)
    assert error(known, X) <= 1e-7
    assert error(guessed, X) <= 1e-6
    assert guessed.info.converged
    assert known.info.iterations <= 60
    assert known.info.method == "polyak"


@pytest.mark.parametrize("share", [0.0, 0.1, 0.2, 0.3, 0.4])
@pytest.mark.parametrize("symmetric", [False, True])
def test_steps_by_the_median_need_no_optimum_and_no_outlier_is_too_large(share, symmetric):
    for spectrum in ((1.0, 1.0), (1.0, 0.01)):
        X = target(N, N, spectrum, symmetric=symmetric)
        for size in (10.0, 1e12):
            A, y = sensed(X, 1500, share, size)
            result = lr.recover(A, y, X.shape, 2, symmetric=symmetric, preconditioned=True, optimum="median")
            assert error(result, X) <= 1e-8
            assert result.info.converged
            assert result.info.iterations <= 90


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_steps_by_the_median_take_too_large_a_rank(share):
    X = target(N, N, (1.0, 0.01))
    A, y = sensed(X, 1500, share)
    result = lr.recover(A, y, X.shape, 5, preconditioned=True, optimum="median")
    assert error(result, X) <= 1e-7
    assert result.info.converged


def test_steps_by_the_median_end_in_noise_near_the_oracle():
    X = target(N, N, (1.0, 0.5))
    A, y = sensed(X, 1500, 0.1, noise=0.1)
    result = lr.recover(A, y, X.shape, 2, preconditioned=True, optimum="median")
    assert result.info.converged is None
    assert error(result, X) <= 1.5 * 0.1 * np.sqrt(2 * (2 * N - 2) / 1500)


def test_steps_by_the_median_do_not_vouch_for_values_that_are_all_spoilt():
    A, y = sensed(target(N, N, (1.0, 0.5)), 1500, 1.0)
    result = lr.recover(A, y, (N, N), 2, preconditioned=True, optimum="median")
    assert not result.info.converged
    assert result.info.median_residual > 0.5


@pytest.mark.parametrize("share", [0.3, 0.4])
def test_truncation_helps_the_sub_gradient_method_with_too_large_a_rank(share):
    X = target(N, N, (1.0, 1.0, 1.0), symmetric=True)
    A, y = sensed(X, 900, share)
    plain, truncated = (
        lr.recover(A, y, X.shape, N, symmetric=True, init_scale=1e-6, truncate=limit) for limit in (None, 3.0)
    )
    assert truncated.info.converged
    assert truncated.info.method == "subgradient"
    assert error(truncated, X) <= 1e-5
    assert error(truncated, X) <= 0.5 * error(plain, X)


def test_truncation_leaves_the_sub_gradient_method_as_good_at_the_right_rank():
    for spectrum in ((1.0, 1.0), (1.0, 0.2)):
        X = target(N, N, spectrum)
        A, y = sensed(X, 900, 0.2)
        assert error(lr.recover(A, y, X.shape, 2, truncate=5.0), X) <= 1e-7


def test_measurements_that_see_the_symmetric_part_alone_are_noticed():
    X = target(8, 8, (1.0, 0.5), symmetric=True)
    A = sensed(X, 400)[0]
    A = A + A.transpose(0, 2, 1)
    y = A.reshape(400, -1) @ X.ravel()
    result = lr.recover(A, y, (8, 8), 2, loss="l2", symmetric=True, rng=0)
    assert result.info.method == "symmetric"
    assert np.linalg.norm(product(result) - X) <= 1e-6
