"""`recover`: an answer that is called converged is right, or the data do not tell."""

import warnings

import numpy as np
import pytest
from robust.sensing import error, sensed, target

import lowrank_la as lr


def answer(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        return lr.recover(*args, rng=0, **options)


@pytest.mark.parametrize("limit", [1.0, 1.2])
def test_values_cut_off_by_a_small_limit_can_object(limit):
    for seed in range(3):
        X = target(8, 8, (1.0, 1.0), seed, symmetric=True)
        A, y = sensed(X, 300, seed=seed)
        result = answer(A, y, X.shape, 2, symmetric=True, truncate=limit)
        assert not result.info.converged or error(result, X) < 1e-6


@pytest.mark.parametrize("rank", [2, 4])
@pytest.mark.parametrize("shift", [0.5, 2.0, 10.0])
def test_moderate_outliers_within_the_limit_are_not_called_recovered(rank, shift):
    for seed in range(3):
        X = target(10, 10, (1.0, 0.5), seed)
        A, y = sensed(X, 400, seed=seed)
        y[:120] += shift * np.median(abs(y))
        result = answer(A, y, X.shape, rank, loss="l2", preconditioned=True, truncate=3.0)
        assert not result.info.converged or error(result, X) < 1e-6


@pytest.mark.parametrize("optimum", [0.3, 1.0, 100.0])
def test_a_loss_below_the_optimum_disproves_it(optimum):
    X = target(6, 6, (2.0, 1.0))
    A, y = sensed(X, 200)
    result = answer(A, y, X.shape, 2, optimum=optimum)
    assert result.info.converged is False
    assert "optimum" in result.info.reason


def test_a_start_that_is_the_answer_is_at_the_optimum():
    a = np.random.default_rng(0).standard_normal((50, 1, 1))
    result = answer(a, 3 * a[:, 0, 0], (1, 1), 1, optimum=0.0)
    assert result.info.converged
    assert result.info.iterations < 10


@pytest.mark.parametrize("side", [3, pytest.param(4, marks=pytest.mark.slow)])
def test_small_sides_are_not_vouched_for_where_values_are_not_met(side):
    damping = np.logspace(0.0, -1.0, side)
    for seed in range(3):
        X = target(side, side, (1.0,), seed, symmetric=True)
        A = damping[:, None] * np.random.default_rng(seed).standard_normal((8 * side, side, side)) * damping
        result = answer(A, A.reshape(8 * side, -1) @ X.ravel(), X.shape, 2, symmetric=True)
        assert not result.info.converged or error(result, X) < 1e-3


@pytest.mark.parametrize("options", [{}, {"truncate": 3.0}, {"preconditioned": True}])
@pytest.mark.parametrize("share", [0.0, 0.1])
def test_zeros_that_are_met_do_not_vouch_for_the_rest(options, share):
    for seed in (1,):
        g = np.random.default_rng(seed)
        U, V = (g.standard_normal((n, 2)) * (g.random((n, 1)) < 0.5) for n in (80, 60))
        rows, cols = np.nonzero(g.random((80, 60)) < 0.5)
        X = U @ V.T
        bad = g.random(rows.size) < share
        y = X[rows, cols] + 5 * bad * g.standard_normal(rows.size)
        result = answer((rows, cols), y, X.shape, 2, **options)
        assert not result.info.converged or error(result, X) < 1e-5 * np.linalg.norm(X)


@pytest.mark.parametrize("options", [{}, {"preconditioned": True}])
@pytest.mark.parametrize(("shape", "rank", "share"), [((40, 30), 1, 1.0), ((80, 60), 2, 0.5)])
def test_weak_lines_of_clean_entries_are_not_given_up(options, shape, rank, share):
    for seed in range(2):
        g = np.random.default_rng(seed)
        X = g.standard_normal((shape[0], rank)) @ g.standard_normal((rank, shape[1]))
        rows, cols = np.nonzero(g.random(shape) < share)
        result = answer((rows, cols), X[rows, cols], shape, rank, **options)
        assert result.info.converged
        assert error(result, X) < 1e-6 * np.linalg.norm(X)


@pytest.mark.parametrize("options", [{}, {"preconditioned": True}, {"loss": "l2"}])
def test_blocks_that_share_no_line_are_not_vouched_for(options):
    g = np.random.default_rng(0)
    X = g.standard_normal((40, 1)) @ g.standard_normal((1, 30))
    known = np.zeros(X.shape, bool)
    known[:20, :15] = known[20:, 15:] = True
    rows, cols = np.nonzero(known)
    assert not answer((rows, cols), X[rows, cols], X.shape, 1, **options).info.converged


@pytest.mark.parametrize("preconditioned", [False, True])
def test_least_squares_of_too_few_measurements_is_not_vouched_for(preconditioned):
    X = target(6, 6, (1.0,))
    A, y = sensed(X, 3)
    assert not answer(A, y, X.shape, 1, loss="l2", preconditioned=preconditioned).info.converged


def test_messages_name_the_argument():
    X = target(6, 6, (1.0,))
    A, y = sensed(X, 100)
    with pytest.raises(ValueError, match="keep one of each, or their mean"):
        lr.recover(([0, 0], [1, 1]), np.ones(2), (3, 3), 1)
    with pytest.raises(ValueError, match="y holds NaN"):
        lr.recover(A, y * np.nan, X.shape, 1, check_finite=False)
    with pytest.raises(ValueError, match="a number ≥ 0 or 'median', got 'mean'"):
        lr.recover(A, y, X.shape, 1, optimum="mean")
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        lr.recover(A, y, X.shape, 1, tol=1.0)


def test_a_refusal_of_gradients_names_the_argument():
    torch = pytest.importorskip("torch")
    tracked = torch.eye(4, dtype=torch.float64, requires_grad=True)
    with pytest.raises(TypeError, match=r"robust_pca has no gradients: pass M\.detach\(\)"):
        lr.robust_pca(tracked, 1)
    with pytest.raises(TypeError, match=r"recover has no gradients: pass y\.detach\(\)"):
        lr.recover(torch.ones((4, 2, 2), dtype=torch.float64), tracked[0], (2, 2), 1)
