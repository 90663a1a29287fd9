"""Degrees that Chebyshev-Tucker approximations of functions are given, and the errors that they tell."""

import numpy as np
import pytest
from tensors.chebtuck_cases import random_points

import lowrank_la as lr
from lowrank_la.tensors.chebtuck_function import Sampler
from lowrank_la.tensors.chebtuck_judge import Judge

KINKS = {
    "one variable": (1, 400, lambda x: np.abs(x[:, 0] - 0.123)),
    "across both axes": (2, 60, lambda x: np.abs(x[:, 0] - 0.3 * x[:, 1] - 0.1)),
    "along an axis": (2, 40, lambda x: np.abs(x[:, 0] - 0.3) + x[:, 1]),
    "a tip": (2, 50, lambda x: np.hypot(x[:, 0] - 0.1, x[:, 1] + 0.2)),
    "a root": (1, 300, lambda x: np.sqrt(np.abs(x[:, 0] - 0.3))),
}


def deepest(f, g, order, count=20000):
    """The largest deviation found from many random points on, relative to the largest value."""
    points = random_points(count, order)
    gaps = np.abs(g(points) - f(points))
    for _ in range(12):  # closer and closer to the worst places
        best = points[np.argsort(-gaps)[:20]]
        near = best[:, None, :] + random_points(200, order)[None] * 0.5 / max(g.degrees)
        points = np.clip(np.concatenate([best, near.reshape(-1, order)]), -1.0, 1.0)
        gaps = np.abs(g(points) - f(points))
    return np.max(gaps) / np.max(np.abs(f(random_points(2000, order))))


@pytest.mark.parametrize("name", KINKS)
def test_a_function_with_a_kink_says_by_how_much_it_falls_short(name):
    order, degree, f = KINKS[name]
    with pytest.warns(lr.ConvergenceWarning, match="tail"):
        g = lr.ChebTuck.fit(f, [(-1, 1)] * order, tol=1e-8, degree=degree, rng=0)
    assert deepest(f, g, order) / 2.0 <= g.info.error <= 2.0 * deepest(f, g, order)


def test_a_kink_is_met_to_a_loose_tolerance_as_told():
    f = KINKS["one variable"][2]
    g = lr.ChebTuck.fit(f, [(-1, 1)], tol=1e-3, rng=0)
    assert g.info.converged
    assert deepest(f, g, 1) <= 1.1e-3


def test_a_kink_that_no_degree_resolves_takes_a_bounded_number_of_evaluations():
    with pytest.warns(lr.ConvergenceWarning, match="degrees"):
        g = lr.ChebTuck.fit(lambda x: np.abs(np.sum(x, axis=1) - 0.2), [(-1, 1)] * 3, tol=1e-8, rng=0)
    assert g.info.evaluations <= 1.2 * 2**18
    assert g.degrees == (63, 63, 63)


def test_a_function_that_lines_through_the_box_show_too_simple_is_still_met():
    g = lr.ChebTuck.fit(lambda x: np.cos(40 * x[:, 0] * x[:, 1]), [(-1, 1)] * 2, tol=1e-10, rng=0)
    points = random_points(2000, 2)
    assert np.max(np.abs(g(points) - np.cos(40 * points[:, 0] * points[:, 1]))) <= 1e-10


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.cos(64 * np.arccos(np.clip(x[:, 0], -1, 1))) + x[:, 1],  # one on any coarser grid of nodes
        lambda x: 1.0 + np.exp(-1e3 * np.sum((x - 0.3) ** 2, axis=1)),
    ],
)
def test_functions_that_coarse_nodes_do_not_show_are_met(f):
    g = lr.ChebTuck.fit(f, [(-1.0, 1.0)] * 2, tol=1e-8, rng=0)
    points = np.random.default_rng(1).uniform(-1, 1, (2000, 2))
    assert np.max(np.abs(g(points) - f(points))) <= 1e-7


def test_degrees_found_without_being_asked_for_are_bounded(monkeypatch):
    from lowrank_la.tensors import chebtuck_function

    monkeypatch.setattr(chebtuck_function, "_LONGEST", 64)
    with pytest.warns(lr.ConvergenceWarning):
        g = lr.ChebTuck.fit(lambda x: np.abs(x[:, 0] + x[:, 1]), [(-1.0, 1.0)] * 2, tol=1e-6, rng=0)
    assert max(g.degrees) == 63
    with pytest.raises(ValueError, match="give lower degrees with degree="):
        lr.ChebTuck.fit(lambda x: np.sum(x, axis=1), [(-1.0, 1.0)] * 25)


@pytest.mark.parametrize("k", [0, 1, 2])
def test_along_a_line_the_whole_approximation_is_looked_at(k):
    f = lambda x: np.abs(x[:, 0] - 0.3 * x[:, 1] - 0.1 * x[:, 2])  # noqa: E731
    box, here, angles = np.array([[-1.0, 1.0]] * 3), np.array([0.3, -0.7, 0.1]), np.linspace(0.0, 3.0, 50)
    g = lr.ChebTuck.fit(f, box, degree=30, tol=1e-1, rng=0)
    judge = Judge(None, None, Sampler(f, box, g.core, True, largest=2.0), 1e-1)
    points = np.tile(here, (50, 1))
    points[:, k] = np.cos(angles)
    gaps = np.abs(g(points) - f(points)) / 2.0
    error, place = judge._along(g.core, g.factors, np.arccos(here), k, angles)
    assert error == pytest.approx(np.max(gaps), rel=1e-10)
    assert place == np.argmax(gaps)
