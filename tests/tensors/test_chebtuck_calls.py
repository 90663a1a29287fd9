"""Chebyshev-Tucker approximations: files, seeds, threads, and what is refused by name."""

import threading

import numpy as np
import pytest
from tensors.chebtuck_cases import ANALYTIC, CUBE, quietly, random_points

import lowrank_la as lr


def test_results_survive_a_file_and_say_what_they_are(tmp_path):
    g = lr.ChebTuck.fit(ANALYTIC["Runge"], CUBE, tol=1e-6, rng=0)
    g.save(tmp_path / "g.npz")
    h = lr.load(tmp_path / "g.npz")
    points = random_points(5, 3)
    np.testing.assert_array_equal(h(points), g(points))
    core, _ = g
    assert core is g.core
    assert "automatic degree" in repr(g)
    assert "Benner" in lr.cite(g)


def test_the_same_seed_tries_the_same_points():
    a, b = (lr.ChebTuck.fit(ANALYTIC["Runge"], CUBE, tol=1e-6, rng=5) for _ in range(2))
    assert a.info.error == b.info.error
    assert np.array_equal(a.core, b.core)


def test_two_threads_with_different_libraries():
    torch = pytest.importorskip("torch")
    X = np.cos(np.arange(120.0).reshape(6, 5, 4) / 60.0)
    found = {}

    def work(name, data):
        found[name] = [quietly(data, tol=1e-4).core for _ in range(5)]

    threads = [threading.Thread(target=work, args=pair) for pair in (("numpy", X), ("torch", torch.asarray(X)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for a, b in zip(found["numpy"], found["torch"], strict=True):
        np.testing.assert_allclose(np.abs(a), np.abs(b.numpy()), rtol=0, atol=1e-12 * np.abs(a).max())


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: lr.ChebTuck.fit("f", CUBE), TypeError, "f must be a function"),
        (lambda: lr.ChebTuck.fit(ANALYTIC["Runge"]), ValueError, "domain is needed"),
        (lambda: lr.ChebTuck.fit(ANALYTIC["Runge"], [(1.0, 1.0)] * 3), ValueError, "low < high"),
        (lambda: lr.ChebTuck.fit(ANALYTIC["Runge"], [1.0, 2.0, 3.0]), ValueError, "pairs"),
        (lambda: lr.ChebTuck.fit(ANALYTIC["Runge"], "box"), TypeError, "pairs of numbers"),
        (lambda: lr.ChebTuck.fit(ANALYTIC["Runge"], CUBE, degree=(1, 2)), ValueError, "degree must be one int or 3"),
        (lambda: lr.ChebTuck.fit(ANALYTIC["Runge"], CUBE, degree=2.0), TypeError, "degree must be an integer"),
        (lambda: lr.ChebTuck.fit(ANALYTIC["Runge"], CUBE, degree=400), ValueError, "evaluations"),
        (lambda: lr.ChebTuck.fit(ANALYTIC["Runge"], CUBE, tol=0.0), ValueError, "tol must lie in"),
        (lambda: lr.ChebTuck.fit(lambda x: x, CUBE), ValueError, "f must return an array of shape"),
        (lambda: lr.ChebTuck.fit(lambda x: x[:, 0] / 0.0, CUBE), ValueError, "f returns NaN"),
        (lambda: lr.ChebTuck.fit(np.full((3, 3), np.nan)), ValueError, "f holds NaN"),
        (lambda: lr.ChebTuck.fit(np.zeros((3, 0))), ValueError, "none of length zero"),
        (lambda: lr.ChebTuck.fit(np.ones((3, 3)), CUBE), ValueError, "2 of them"),
        (lambda: lr.ChebTuck.fit((np.ones(2), [np.ones((3, 1))] * 2)), ValueError, r"shapes \(R,\)"),
        (lambda: lr.ChebTuck.fit((np.ones(1), [np.full((3, 1), np.inf)] * 2)), ValueError, "factors of f holds NaN"),
    ],
)
def test_bad_arguments_are_named(call, error, match):
    with np.errstate(all="ignore"), pytest.raises(error, match=match):
        call()


@pytest.mark.parametrize(
    ("points", "match"),
    [([[2.0, 0.0]], "coordinate 0 of point 0 is 2.0"), ([[0.0, np.nan]], "coordinate 1"), ([[0.0] * 3], "shape")],
)
def test_points_outside_the_domain_are_refused(points, match):
    g = lr.ChebTuck.fit(np.ones((3, 3)))
    with pytest.raises(ValueError, match=match):
        g(points)


def test_points_of_another_library_are_moved_and_what_is_no_point_is_named():
    torch = pytest.importorskip("torch")
    g = lr.ChebTuck.fit(np.ones((3, 3)))
    assert isinstance(g(torch.zeros((2, 2))), np.ndarray)
    assert isinstance(g.grad(torch.zeros((2, 2))), np.ndarray)
    with pytest.raises(TypeError, match="points must be real"):
        g([[1j, 0.0]])
    with pytest.raises(TypeError, match="points must hold numbers"):
        g([["a", "b"]])
    for call in (lambda: g.grid_points(7, 3), lambda: g.on_grid(0, 2.5), lambda: g.grid_points(0, -3)):
        with pytest.raises((ValueError, TypeError), match=r"axis must be|n must be"):
            call()


def test_functions_of_no_variable_are_named():
    with pytest.raises(ValueError, match="a factor for every variable"):
        lr.ChebTuck.fit((np.ones(2), []))
    with pytest.raises(ValueError, match="one mode or more"):
        lr.ChebTuck.fit(np.array(3.0))
    assert lr.ChebTuck.fit(([1.0], [[[1.0]] * 3, [[2.0]] * 3])).info.converged
