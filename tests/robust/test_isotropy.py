"""Measurements that are far from isotropic: what tells them, and what `recover` says of its answer then."""

import warnings

import numpy as np
import pytest
from robust.sensing import error, sensed, spoilt, target

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.robust.isotropy import _LIMIT, far_from_isotropic, spread
from lowrank_la.robust.reading import read_measurements
from lowrank_la.robust.subgradient import Task

SIDE, COUNT = 8, 300
DAMPING = np.logspace(0.0, -2.0, SIDE)
FAR = {
    "one sign": np.abs,
    "log-normal": np.exp,
    "condition 100": lambda g: DAMPING[: g.shape[1], None] * g * DAMPING[: g.shape[2]],
    "a common part": lambda g: g + 2.0 * np.eye(*g.shape[1:]),
}


def gaussian(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def entries(m, n, share, seed=0):
    return np.nonzero(np.random.default_rng(seed).random((m, n)) < share)


def near(kind):
    """``measure, count, shape, symmetric`` of an isotropic problem."""
    if kind == "dense":
        return gaussian(COUNT, 12, 9), COUNT, (12, 9), False
    if kind == "dense symmetric":
        return gaussian(COUNT, SIDE, SIDE), COUNT, (SIDE, SIDE), True
    if kind in ("bilinear", "quadratic"):
        x, w = gaussian(COUNT, 7), gaussian(COUNT, 6, seed=1)
        return ((x, w), COUNT, (7, 6), False) if kind == "bilinear" else ((x,), COUNT, (7, 7), True)
    share = 1.0 if kind == "all entries" else 0.2
    rows, cols = entries(40, 40, share)
    return (rows, cols), rows.size, (40, 40), kind == "symmetric entries"


def task_of(measure, count, shape, symmetric, backend=None, rng=0):
    """A `Task` with arbitrary values, on a backend."""
    name = backend.nearest("float64") if backend else "float64"

    def moved(x):
        x = x if x.dtype.kind == "i" else x.astype(name)
        return backend.asarray(x) if backend else x

    if isinstance(measure, tuple):
        parts = tuple(moved(part) for part in measure)
        measure = parts if measure[0].dtype.kind == "i" else lr.RankOne(*parts)
    else:
        measure = moved(measure)
    measurement, y, _ = read_measurements(measure, moved(gaussian(count, seed=9)), shape, symmetric, True)
    return Task(measurement, y, 1, symmetric, be.resolve_rng(rng))


KINDS = ["dense", "dense symmetric", "bilinear", "quadratic", "entries", "symmetric entries", "all entries"]


@pytest.mark.parametrize("kind", KINDS)
def test_isotropic_kinds_are_below_the_limit_on_every_backend(kind, backend):
    with be.single_blas():
        found, reference = (spread(task_of(*near(kind), on)) for on in (backend, None))
    assert found.ratio <= 0.75 * _LIMIT * found.edge
    assert found.edge == reference.edge
    assert abs(found.ratio - reference.ratio) <= 1e-3 * reference.ratio


@pytest.mark.parametrize("kind", ["dense", "dense symmetric", "bilinear", "entries"])
@pytest.mark.parametrize("seed", range(3))
def test_isotropic_kinds_are_below_the_limit_whatever_the_draw(kind, seed):
    found = spread(task_of(*near(kind), rng=seed))
    assert 0.0 < found.ratio <= 0.75 * _LIMIT * found.edge


@pytest.mark.parametrize("kind", FAR)
@pytest.mark.parametrize("symmetric", [True, False])
def test_the_ratio_is_that_of_the_singular_values(kind, symmetric):
    A = FAR[kind](gaussian(COUNT, SIDE, SIDE))
    seen = (A + A.transpose(0, 2, 1)) / 2 if symmetric else A
    squares = np.linalg.svd(seen.reshape(COUNT, -1), compute_uv=False) ** 2
    free = SIDE * (SIDE + 1) / 2 if symmetric else SIDE**2
    ratios = [spread(task_of(A, COUNT, (SIDE, SIDE), symmetric, rng=seed)).ratio for seed in range(5)]
    assert abs(np.mean(ratios) / (squares[0] * free / squares.sum()) - 1.0) <= 0.25
    assert "isotropic" in far_from_isotropic(task_of(A, COUNT, (SIDE, SIDE), symmetric))


def test_scales_and_zeros_leave_the_ratio_alone():
    A = gaussian(COUNT, SIDE, SIDE)
    ratios = [spread(task_of(A * scale, COUNT, (SIDE, SIDE), False)).ratio for scale in (1.0, 1e100, 1e-100)]
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-10)
    assert spread(task_of(A * 0.0, COUNT, (SIDE, SIDE), False)).ratio == 0.0


def recovered(kind, m, n, symmetric, seed, rank=2, **options):
    """Result and error on exact data."""
    X = target(m, n, (1.0, 0.5), seed, symmetric)
    A = FAR[kind](gaussian(COUNT, m, n, seed=seed + 100))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        result = lr.recover(A, A.reshape(COUNT, -1) @ X.ravel(), (m, n), rank, symmetric=symmetric, **options)
    return result, error(result, X)


def test_measurements_of_one_sign_are_not_called_recovered_where_a_direction_is_missing():
    result, missed = recovered("one sign", SIDE, SIDE, True, 0)
    assert missed <= 1e-3 or not result.info.converged


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("kind", ["one sign", "condition 100"])
@pytest.mark.parametrize(("m", "n", "symmetric"), [(SIDE, SIDE, True), (SIDE, 6, False)])
def test_what_is_called_recovered_is_so_whatever_the_measurements(kind, m, n, symmetric, seed):
    result, missed = recovered(kind, m, n, symmetric, seed)
    assert missed <= 1e-3 or not result.info.converged


def test_values_that_are_not_met_by_measurements_of_one_sign_give_a_warning():
    X = target(SIDE, SIDE, (1.0, 0.5), symmetric=True)
    A = np.abs(gaussian(COUNT, SIDE, SIDE, seed=100))
    y = spoilt(A.reshape(COUNT, -1) @ X.ravel(), 0.0, noise=0.1)
    with pytest.warns(lr.ConvergenceWarning, match="far from isotropic"):
        result = lr.recover(A, y, X.shape, 2, symmetric=True, init_scale=1e-2, tol=1e-3)
    assert result.info.converged is False


def test_noise_in_isotropic_measurements_is_no_reason_for_doubt():
    X = target(SIDE, SIDE, (1.0, 0.5), symmetric=True)
    A, y = sensed(X, 600, noise=0.1)
    assert lr.recover(A, y, X.shape, 2, symmetric=True, init_scale=1e-2, tol=1e-3).info.converged


def test_values_that_are_met_are_recovered_whatever_the_measurements():
    A = np.abs(gaussian(COUNT, 6, 6))
    X = target(6, 6, (1.0,), symmetric=True)
    result = lr.recover(A, A.reshape(COUNT, -1) @ X.ravel(), (6, 6), 1, symmetric=True)
    assert far_from_isotropic(task_of(A, COUNT, (6, 6), True)) is not None
    assert result.info.converged
    assert error(result, X) <= 1e-6
