"""Alternating minimisation: the solvers of its rows, and what its sweeps converge to."""

import numpy as np
import pytest
from completion.matrices import entries, factors, places, relative_error, sampled

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.completion import altmin, row_solvers
from lowrank_la.completion.problem import Problem
from lowrank_la.completion.row_solvers import Effort, Lines
from lowrank_la.operators.observed import Observed

DTYPES = ("float32", "float64", "complex64", "complex128")
SOLVERS = ("cholesky", "cg", "sketch")


def lines_of(dtype, k=5, weights=False, ridge=0.0, seed=0, n=40, count=700):
    """Problem, factors off its solution, and its rows and columns as least squares."""
    U, V = factors(30, n, k, dtype, seed)
    rows, columns = places(30, n, count, seed, k + 2)
    values = entries(U, V, rows, columns).astype(dtype)
    generator = np.random.default_rng(seed)
    values = (values + generator.standard_normal(values.shape)).astype(dtype)
    given = generator.random(values.size).astype(values.real.dtype) + 0.5 if weights else None
    made = Observed.from_entries(rows, columns, values, (30, n), weights=given)
    observed, given = made if weights else (made, None)
    penalties = (ridge, np.linspace(ridge, 2 * ridge, n).astype(values.real.dtype)) if ridge else (0.0, 0.0)
    return Problem(observed, k, given, penalties), U, V


def by_lstsq(problem, B, mirrored):
    """Each line by LAPACK."""
    observed = problem.observed
    lines = np.repeat(np.arange(observed.shape[0]), np.diff(observed.row_pointers))
    of, other = (observed.columns, lines) if mirrored else (lines, observed.columns)
    values = observed.values.conj() if mirrored else observed.values
    weights = np.ones(values.shape) if problem.weights is None else problem.weights
    penalty = np.broadcast_to(problem.regularization[int(mirrored)], (observed.shape[int(mirrored)],))
    out = []
    for line, ridge in enumerate(penalty):
        chosen = of == line
        root = np.sqrt(weights[chosen])
        A = np.vstack([B[other[chosen]].conj() * root[:, None], np.sqrt(ridge) * np.eye(B.shape[1])])
        b = np.concatenate([values[chosen] * root, np.zeros(B.shape[1])])
        out.append(np.linalg.lstsq(A, b, rcond=None)[0])
    return np.array(out)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("weights", "ridge"), [(False, 0.0), (True, 0.5)])
def test_a_step_ends_at_the_least_squares_solution(dtype, solver, compiled, weights, ridge, monkeypatch):
    monkeypatch.setattr(row_solvers, "_KERNEL_FROM", 0 if compiled else 1 << 40)
    problem, U, V = lines_of(dtype, weights=weights, ridge=ridge)
    for mirrored, (B, X) in enumerate(((V * 6, U), (U / 30, V))):
        lines = Lines.of(problem, solver)[mirrored]
        Y = X
        for _ in range(4):
            Y = lines.solve(B, Y, 1.0, Effort(0.0, 40))[0]
        expected = by_lstsq(problem, B, bool(mirrored))
        scale = np.linalg.norm(expected)
        assert np.linalg.norm(Y - expected) <= 2e3 * be.eps(dtype) * scale
        assert Y.dtype == X.dtype


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_residuals_before_and_after_are_those_of_the_factors(dtype, solver, compiled, monkeypatch):
    monkeypatch.setattr(row_solvers, "_KERNEL_FROM", 0 if compiled else 1 << 40)
    problem, U, V = lines_of(dtype, weights=True, ridge=0.3)
    for relax in (1.0, 1.3):
        X, before, after = Lines.of(problem, solver)[0].solve(V, U, relax, Effort(0.1, 3))
        for found, factor in ((before, U), (after, X)):
            assert abs(found - problem.size(problem.observed.residual(factor, V)) ** 2) <= 1e-11 * before


def test_long_lines_are_gathered_in_chunks(monkeypatch):
    monkeypatch.setattr(row_solvers, "_KERNEL_FROM", 0)
    for weights in (False, True):
        problem, U, V = lines_of("complex128", weights=weights, n=300, count=6000)
        for solver in SOLVERS:
            monkeypatch.setattr(row_solvers, "_GATHERED", 1 << 18)
            whole = Lines.of(problem, solver)[0].solve(V, U, 1.0, Effort(1e-3, 10))
            monkeypatch.setattr(row_solvers, "_GATHERED", 64)
            parts = Lines.of(problem, solver)[0].solve(V, U, 1.0, Effort(1e-3, 10))
            assert np.linalg.norm(whole[0] - parts[0]) <= 1e-8 * np.linalg.norm(whole[0])
            np.testing.assert_allclose(whole[1:], parts[1:], rtol=1e-9)


def test_bits_do_not_depend_on_the_number_of_workers(monkeypatch):
    from lowrank_la._backend import threads

    A, given = sampled(120, 100, 4, 4.0)
    found = []
    for workers in (1, 2, 3):
        monkeypatch.setattr(threads, "worker_count", lambda workers=workers: workers)
        found.append(lr.complete(given, 4, shape=A.shape, rng=0))
    for other in found[1:]:
        np.testing.assert_array_equal(found[0].U, other.U)
        np.testing.assert_array_equal(found[0].V, other.V)


def test_a_full_mask_gives_the_truncated_svd():
    generator = np.random.default_rng(0)
    U, V = factors(40, 30, 3, condition=3.0)
    A = 5.0 * U @ V.T + generator.standard_normal((40, 30))
    with pytest.warns(lr.ConvergenceWarning, match="noise"):
        result = lr.complete(A, 3, rng=0, holdout=0, tol=1e-12, maxiter=2000)
    U, s, Vh = np.linalg.svd(A)
    best = (U[:, :3] * s[:3]) @ Vh[:3]
    assert abs(np.linalg.norm(A - result.U @ result.V.T) / np.linalg.norm(A - best) - 1.0) <= 1e-6


def test_a_full_mask_with_regularization_gives_the_soft_thresholded_svd():
    generator = np.random.default_rng(0)
    A = generator.standard_normal((40, 30))
    U, s, Vh = np.linalg.svd(A, full_matrices=False)
    shrunk = np.maximum(s - 5.0, 0.0)
    best = (U * shrunk) @ Vh
    result = lr.complete(A, 25, rng=0, holdout=0, tol=1e-14, maxiter=5000, regularization=5.0)
    assert result.info.converged
    assert np.linalg.norm(result.U @ result.V.T - best) <= 1e-4 * np.linalg.norm(best)


def test_the_residual_does_not_rise_without_relaxation(monkeypatch):
    monkeypatch.setattr(altmin._Pace, "_adapt", lambda self, ratio: None)
    A, given = sampled(100, 80, 3, 5.0, condition=3.0)
    history = np.array(lr.complete(given, 3, shape=A.shape, rng=0, tol=1e-10, method="altmin").info.history)
    assert np.all(history[1:] <= history[:-1] * (1.0 + 1e-9))


def test_relaxation_halves_the_sweeps(monkeypatch):
    A, given = sampled(200, 200, 5, 3.0)
    fast = lr.complete(given, 5, shape=A.shape, rng=0, tol=1e-8).info.iterations
    monkeypatch.setattr(altmin._Pace, "_adapt", lambda self, ratio: None)
    assert fast <= 0.65 * lr.complete(given, 5, shape=A.shape, rng=0, tol=1e-8).info.iterations


def test_single_precision_is_left_in_time(monkeypatch):
    monkeypatch.setattr(altmin, "_SINGLE_FROM", 0)
    A, given = sampled(200, 150, 3, 4.0)
    result = lr.complete(given, 3, shape=A.shape, rng=0, tol=1e-12)
    assert result.info.search == "single"
    assert result.U.dtype == np.float64
    assert relative_error(result, A) <= 1e-11


@pytest.mark.parametrize("seed", range(10))
def test_random_places_and_rank_are_recovered(seed):
    A, given = sampled(90 + 7 * seed, 80, 2 + seed % 4, 4.0, seed=seed, condition=3.0)
    result = lr.complete(given, 2 + seed % 4, shape=A.shape, rng=seed, tol=1e-9)
    assert relative_error(result, A) <= 1e-7


def test_the_cost_model_takes_cg_where_the_rank_is_large():
    class Sizes:
        shape, dtype, form = (10_000, 10_000), np.dtype("float64"), "factors"

        class observed:
            count = 5_000_000

    for rank, solver in ((10, "cholesky"), (128, "cg")):
        Sizes.rank = rank
        assert row_solvers.choose_solver(Sizes) == solver


@pytest.mark.parametrize("seed", range(2))
def test_a_small_penalty_is_reached_by_way_of_larger_ones(seed):
    A, given = sampled(300, 300, 5, 3.0, condition=10.0, seed=seed)
    result = lr.complete(given, 5, shape=A.shape, rng=0, regularization=1e-6, maxiter=150)
    assert result.info.converged
    assert relative_error(result, A) <= 1e-6
    assert len(result.info.history) == result.info.iterations
    objectives = np.array(result.info.objectives)
    assert objectives.size < result.info.iterations
    assert np.all(objectives[1:] <= objectives[:-1] * (1 + 1e-9))
    again = lr.complete(given, 5, shape=A.shape, rng=0, regularization=1e-6, init=result)
    assert again.info.iterations <= 5
