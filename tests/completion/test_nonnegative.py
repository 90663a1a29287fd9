"""Completion by two factors without negative numbers."""

import numpy as np
import pytest
import scipy.optimize
from completion.matrices import places, relative_error

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.completion import nonnegative, row_solvers
from lowrank_la.completion.problem import Problem
from lowrank_la.completion.row_solvers import Effort, Lines
from lowrank_la.operators.observed import Observed


def positive(m, n, k, oversampling, seed=0, dtype="float64"):
    """A matrix with nonnegative factors, a third of them zero, and some of its entries."""
    generator = np.random.default_rng(seed)
    U, V = (generator.random((size, k)) * (generator.random((size, k)) < 0.7) for size in (m, n))
    rows, columns = places(m, n, round(oversampling * k * (m + n - k)), seed, k + 2)
    A = (U @ V.T).astype(dtype)
    return A, (rows, columns, A[rows, columns])


def lines_of(dtype="float64", weights=False, ridge=0.0, k=5, n=40, count=700):
    """Noisy entries as a problem, and factors to start from."""
    generator = np.random.default_rng(0)
    rows, columns = places(30, n, count, 0, k + 2)
    values = generator.standard_normal(rows.size).astype(dtype)
    given = generator.random(values.size).astype(dtype) + 0.5 if weights else None
    made = Observed.from_entries(rows, columns, values, (30, n), weights=given)
    observed, given = made if weights else (made, None)
    penalties = (ridge, np.linspace(ridge, 2 * ridge, n).astype(dtype)) if ridge else (0.0, 0.0)
    U, V = (generator.random((size, k)).astype(dtype) for size in (30, n))
    return Problem(observed, k, given, penalties, "nonnegative"), U, V


def by_nnls(problem, B, mirrored):
    """Each line by an active set method."""
    observed = problem.observed
    lines = np.repeat(np.arange(observed.shape[0]), np.diff(observed.row_pointers))
    of, other = (observed.columns, lines) if mirrored else (lines, observed.columns)
    weights = np.ones(observed.count) if problem.weights is None else problem.weights
    penalty = np.broadcast_to(problem.regularization[int(mirrored)], (observed.shape[int(mirrored)],))
    out = []
    for line, ridge in enumerate(penalty):
        here = of == line
        root = np.sqrt(weights[here])
        A = np.vstack([B[other[here]] * root[:, None], np.sqrt(ridge) * np.eye(B.shape[1])])
        b = np.concatenate([observed.values[here] * root, np.zeros(B.shape[1])])
        out.append(scipy.optimize.nnls(A.astype(float), b.astype(float))[0])
    return np.array(out)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(("weights", "ridge"), [(False, 0.0), (True, 0.5)])
def test_lines_are_those_of_an_active_set_method(compiled, weights, ridge, monkeypatch):
    monkeypatch.setattr(row_solvers, "_KERNEL_FROM", 0 if compiled else 1 << 40)
    problem, U, V = lines_of(weights=weights, ridge=ridge)
    for mirrored, (B, X) in enumerate(((V, U), (U, V))):
        lines = Lines.of(problem, "nonneg")[mirrored]
        found, before, after = lines.solve(B, X, 1.0, Effort(1e-15, 5000))
        expected = by_nnls(problem, B, bool(mirrored))
        assert np.linalg.norm(found - expected) <= 1e-10 * np.linalg.norm(expected)
        assert np.all((found == 0.0) == (expected == 0.0))
        for square, factor in ((before, X), (after, found)):
            pair = (B, factor) if mirrored else (factor, B)
            assert abs(square - problem.size(problem.observed.residual(*pair)) ** 2) <= 1e-11 * before


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("steps", [1, 3, 40])
def test_the_kernel_and_its_twin_agree(dtype, steps, monkeypatch):
    for weights, ridge in ((False, 0.0), (True, 0.5)):
        problem, U, V = lines_of(dtype, weights, ridge)
        found = []
        for start in (0, 1 << 40):
            monkeypatch.setattr(row_solvers, "_KERNEL_FROM", start)
            found.append(Lines.of(problem, "nonneg")[1].solve(U, V, 1.0, Effort(1e-9, steps)))
        assert np.linalg.norm(found[0][0] - found[1][0]) <= 200 * be.eps(U.dtype) * np.linalg.norm(found[0][0])
        np.testing.assert_allclose(found[0][1:], found[1][1:], rtol=200 * be.eps(U.dtype))


def test_long_lines_are_gathered_in_chunks(monkeypatch):
    monkeypatch.setattr(row_solvers, "_KERNEL_FROM", 0)
    problem, U, V = lines_of(weights=True, n=300, count=6000)
    whole = Lines.of(problem, "nonneg")[0].solve(V, U, 1.0, Effort(1e-12, 100))
    monkeypatch.setattr(row_solvers, "_GATHERED", 64)
    parts = Lines.of(problem, "nonneg")[0].solve(V, U, 1.0, Effort(1e-12, 100))
    np.testing.assert_allclose(whole[0], parts[0], atol=1e-11)


@pytest.mark.parametrize("seed", range(4))
def test_nonnegative_matrices_are_recovered(seed):
    A, given = positive(120, 90, 3, 5.0, seed)
    result = lr.complete(given, 3, shape=A.shape, nonneg=True, rng=seed, tol=1e-8, maxiter=2000)
    assert result.info.converged
    assert result.info.solver == "nonneg"
    assert relative_error(result, A) <= 1e-6
    assert result.U.min() >= 0.0
    assert result.V.min() >= 0.0


def test_backends_agree_without_negative_numbers(backend):
    for dtype in [d for d in backend.dtypes if d.startswith("float")]:
        A, given = positive(40, 30, 2, 5.0, dtype=dtype)
        options = {"shape": A.shape, "nonneg": True, "rng": 0, "maxiter": 4}
        with pytest.warns(lr.ConvergenceWarning):
            reference = lr.complete(given, 2, **options)
        with pytest.warns(lr.ConvergenceWarning):
            result = lr.complete(tuple(backend.asarray(x) for x in given), 2, **options)
        assert backend.holds(result.U)
        U, V = (backend.to_numpy(x) for x in result)
        limit = 1e4 * be.eps(A.dtype) * np.linalg.norm(A)
        assert np.linalg.norm(U @ V.T - reference.U @ reference.V.T) <= limit


def test_bits_do_not_depend_on_the_number_of_workers(monkeypatch):
    from lowrank_la._backend import threads

    monkeypatch.setattr(row_solvers, "_KERNEL_FROM", 0)
    A, given = positive(120, 90, 4, 4.0)
    found = []
    for workers in (1, 2, 3):
        monkeypatch.setattr(threads, "worker_count", lambda workers=workers: workers)
        found.append(lr.complete(given, 4, shape=A.shape, nonneg=True, rng=0, tol=1e-3))
    for other in found[1:]:
        np.testing.assert_array_equal(found[0].U, other.U)
        np.testing.assert_array_equal(found[0].V, other.V)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_conditions_of_the_penalised_minimum_hold(weighted):
    A, (rows, columns, values) = positive(60, 50, 3, 5.0)
    generator = np.random.default_rng(1)
    values = values + 0.3 * generator.standard_normal(values.size)
    weights = generator.random(values.size) + 0.5 if weighted else None
    result = lr.complete(
        (rows, columns, values), 3, shape=A.shape, nonneg=True, regularization=0.5, weights=weights, tol=1e-13,
        maxiter=5000, holdout=0, rng=0,
    )  # fmt: skip
    assert result.info.converged
    U, V = result
    w = np.ones(values.size) if weights is None else weights
    R = np.zeros(A.shape)
    R[rows, columns] = w * (values - np.einsum("pk,pk->p", U[rows], V[columns]))
    for gradient, X in ((0.5 * U - R @ V, U), (0.5 * V - R.T @ U, V)):
        scale = np.linalg.norm(values)
        assert gradient.min() >= -1e-4 * scale
        assert np.linalg.norm(gradient * X) <= 1e-4 * scale
    history = np.array(result.info.objectives)
    assert np.all(history[1:] <= history[:-1] * (1 + 1e-10))


def test_the_start_is_not_zero():
    generator = np.random.default_rng(0)
    for values in (generator.random((20, 15)), -np.ones((20, 15)), generator.standard_normal((20, 15))):
        rows, columns = np.indices((20, 15)).reshape(2, -1)
        problem = Problem(Observed.from_entries(rows, columns, values.ravel(), (20, 15)), 3, form="nonnegative")
        U, V = nonnegative.start(problem, be.resolve_rng(0))
        assert min(U.min(), V.min()) >= 0.0
        if values.max() > 0.0:
            assert np.all(np.linalg.norm(U, axis=0) * np.linalg.norm(V, axis=0) > 0.0)


def test_negative_data_give_zeros():
    result = lr.complete(-np.ones((8, 6)), 1, nonneg=True, regularization=0.1, rng=0, holdout=0)
    assert not (result.U @ result.V.T).any()


def test_new_rows_are_not_negative():
    A, given = positive(60, 50, 3, 6.0)
    result = lr.complete(given, 3, shape=A.shape, nonneg=True, rng=0, tol=1e-9, maxiter=2000)
    generator = np.random.default_rng(2)
    fresh = generator.random((5, 60)) @ A
    known = np.where(generator.random(fresh.shape) < 0.5, fresh, np.nan)
    found = result.transform(known)
    assert found.min() >= 0.0
    assert np.linalg.norm(found @ result.V.T - fresh) <= 1e-5 * np.linalg.norm(fresh)
    noisy = np.where(np.isnan(known), np.nan, known - 2 * fresh.mean())
    for row, x in zip(noisy, result.transform(noisy), strict=True):
        here = ~np.isnan(row)
        np.testing.assert_allclose(x, scipy.optimize.nnls(result.V[here], row[here])[0], atol=1e-8)


@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_extreme_scales_are_recovered(scale):
    A, (rows, columns, values) = positive(60, 50, 2, 6.0)
    options = {"shape": A.shape, "nonneg": True, "rng": 0, "tol": 1e-6, "maxiter": 2000}
    result = lr.complete((rows, columns, values * scale), 2, **options)
    found = (result.U / np.sqrt(scale)) @ (result.V / np.sqrt(scale)).T
    assert np.linalg.norm(found - A) <= 1e-4 * np.linalg.norm(A)
    assert lr.complete((rows, columns, values * scale), 2, init=result, **options).info.iterations <= 3


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"solver": "cg"}, ValueError, "solver of its own"),
        ({"method": "irls"}, ValueError, "does not take nonneg"),
        ({"method": "soft_impute", "regularization": 1.0}, ValueError, "does not take nonneg"),
        ({"rank": None}, ValueError, "needs a rank"),
        ({"observed": 1j * np.ones((3, 3))}, TypeError, "real"),
        ({"init": (-np.ones((3, 1)), np.ones((3, 1)))}, ValueError, "negative"),
        ({"nonneg": 1.5}, TypeError, "nonneg"),
    ],
)
def test_what_goes_not_without_negative_numbers_is_refused(options, error, match):
    options = {"observed": np.ones((3, 3)), "rank": 1, "nonneg": True, **options}
    with pytest.raises(error, match=match):
        lr.complete(options.pop("observed"), options.pop("rank"), **options)
