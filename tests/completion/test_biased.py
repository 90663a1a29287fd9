"""Completion with biases of rows and columns."""

import numpy as np
import pytest
import scipy.sparse
from completion.matrices import factors, places, relative_error

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.completion import biased, row_solvers
from lowrank_la.completion.problem import Problem
from lowrank_la.completion.row_solvers import Effort
from lowrank_la.operators.observed import Observed

SHAPE = (50, 40)


def with_biases(dtype="float64", k=2, count=900, seed=0):
    """A matrix of rank k with a mean and biases, and some of its entries."""
    generator = np.random.default_rng(seed)
    U, V = factors(*SHAPE, k, dtype, seed)
    b, c = (3 * generator.standard_normal(size) for size in SHAPE)
    if np.dtype(dtype).kind == "c":
        b, c = b * np.exp(1j), c * np.exp(2j)
    A = (U @ V.conj().T + 5.0 + b[:, None] + c[None, :]).astype(dtype)
    rows, columns = places(*SHAPE, count, seed, k + 4)
    return A, (rows, columns, A[rows, columns])


def objective(result, given, ridge, k, weights=1.0):
    """The penalised squares by the definition."""
    mean, b, c = result.biases
    U, V = result.U[:, :k], result.V[:, :k]
    rows, columns, values = given
    fitted = mean + b[rows] + c[columns] + np.einsum("pk,pk->p", U[rows], V[columns].conj())
    penalty = sum(np.sum(np.abs(x) ** 2) for x in (U, V, b, c))
    return np.sum(weights * np.abs(values - fitted) ** 2) + ridge * penalty


@pytest.mark.parametrize("dtype", ["float64", "complex128", "float32"])
def test_a_matrix_with_biases_is_recovered(dtype):
    A, given = with_biases(dtype)
    eps = be.eps(A.dtype)
    result = lr.complete(given, 2, shape=SHAPE, bias=True, tol=100 * eps, rng=0)
    assert result.info.converged
    assert relative_error(result, A) <= 3e3 * eps
    assert result.U.shape == (50, 4)
    assert result.U.dtype == A.dtype
    mean, b, c = result.biases
    U, V = result.U[:, :2], result.V[:, :2]
    np.testing.assert_allclose(mean + b[:, None] + c + U @ V.conj().T, result.U @ result.V.conj().T, rtol=1e3 * eps)
    assert abs(mean - given[2].mean()) <= 0.1 * abs(mean)
    np.testing.assert_array_equal(result.U[:, -1], 1.0)
    np.testing.assert_array_equal(result.V[:, -2], 1.0)


def test_an_answer_without_biases_says_so():
    _, given = with_biases()
    assert lr.complete(given, 4, shape=SHAPE, rng=0).biases is None


def test_backends_agree_with_biases(backend):
    for dtype in backend.dtypes:
        A, given = with_biases(dtype)
        options = {"shape": SHAPE, "bias": True, "regularization": 0.5, "rng": 0, "maxiter": 6}
        with pytest.warns(lr.ConvergenceWarning):
            reference = lr.complete(given, 2, **options)
        with pytest.warns(lr.ConvergenceWarning):
            result = lr.complete(tuple(backend.asarray(x) for x in given), 2, **options)
        assert backend.holds(result.U)
        U, V = (backend.to_numpy(x) for x in result)
        limit = 1e4 * be.eps(A.dtype) * np.linalg.norm(A)
        assert np.linalg.norm(U @ V.conj().T - reference.U @ reference.V.conj().T) <= limit


@pytest.mark.parametrize("weighted", [False, True])
def test_the_penalised_minimum_with_biases_is_stationary(weighted):
    _, (rows, columns, values) = with_biases()
    generator = np.random.default_rng(3)
    given = rows, columns, values + generator.standard_normal(values.size)
    weights = generator.random(values.size) + 0.5 if weighted else None
    result = lr.complete(
        given, 2, shape=SHAPE, bias=True, regularization=2.0, weights=weights, tol=1e-14, maxiter=5000, holdout=0, rng=0
    )
    assert result.info.converged
    w = np.ones(values.size) if weights is None else weights
    mean, b, c = result.biases
    assert abs(mean - np.average(given[2], weights=w)) <= 1e-12
    U, V = result.U[:, :2], result.V[:, :2]
    residual = w * (given[2] - mean - b[rows] - c[columns] - np.einsum("pk,pk->p", U[rows], V[columns]))
    R = scipy.sparse.coo_array((residual, (rows, columns)), shape=SHAPE).toarray()
    for gradient in (R @ V - 2 * U, R.T @ U - 2 * V, R.sum(1) - 2 * b, R.sum(0) - 2 * c):
        assert np.linalg.norm(gradient) <= 1e-5 * np.linalg.norm(values)
    total = objective(result, given, 2.0, 2, w)
    np.testing.assert_allclose(result.info.objectives[-1], total, rtol=1e-9)


def test_the_objective_with_biases_does_not_rise():
    _, (rows, columns, values) = with_biases()
    noise = np.random.default_rng(3).standard_normal(values.size)
    for ridge in (1e-3, 1.0, (np.linspace(0.1, 1.0, 50), np.linspace(0.2, 3.0, 40))):
        result = lr.complete(
            (rows, columns, values + noise),
            2,
            shape=SHAPE,
            bias=True,
            regularization=ridge,
            tol=1e-9,
            maxiter=2000,
            rng=0,
        )
        history = np.array(result.info.objectives)
        assert np.all(history[1:] <= history[:-1] * (1 + 1e-12))


@pytest.mark.parametrize("compiled", [True, False])
def test_a_half_sweep_solves_for_rows_and_their_biases(compiled, monkeypatch):
    monkeypatch.setattr(row_solvers, "_KERNEL_FROM", 0 if compiled else 1 << 40)
    _, (rows, columns, values) = with_biases()
    problem = Problem(Observed.from_entries(rows, columns, values, SHAPE), 2, None, (0.7, 0.7), "biases")
    generator = np.random.default_rng(0)
    U, V = (generator.standard_normal((size, 3)) for size in SHAPE)
    model = biased.Biased(problem, "cholesky")
    lines = biased.less_biases(model.rows, problem, c=V[:, -1:])
    for _ in range(3):
        U = lines.solve(biased.with_ones(V), U, 1.0, Effort(0.0, 9))[0]
    for i in range(SHAPE[0]):
        here = rows == i
        B = np.column_stack([V[columns[here], :2], np.ones(here.sum())])
        target = values[here] - values.mean() - V[columns[here], 2]
        expected = np.linalg.solve(B.T @ B + 0.7 * np.eye(3), B.T @ target)
        np.testing.assert_allclose(U[i], expected, atol=1e-11)


def test_moving_a_constant_between_factors_and_biases_changes_nothing():
    generator = np.random.default_rng(0)
    for dtype in ("float64", "complex128"):
        _, (rows, columns, values) = with_biases(dtype)
        U, V = (generator.standard_normal((size, 3)).astype(dtype) for size in SHAPE)
        for ridge in ((0.0, 0.0), (2.0, 0.3), (np.linspace(0.1, 1.0, 50), np.linspace(0.2, 3.0, 40))):
            problem = Problem(Observed.from_entries(rows, columns, values, SHAPE), 2, None, ridge, "biases")
            X, Y = biased._rebased(problem, U, V)
            before, after = (A @ B.conj().T for A, B in (biased.whole(problem, U, V), biased.whole(problem, X, Y)))
            assert np.linalg.norm(before - after) <= 1e-12 * np.linalg.norm(before)
            if problem.regularized:
                assert problem.penalised(0.0, X, Y) < problem.penalised(0.0, U, V)


def test_new_rows_get_a_factor_and_a_bias():
    A, given = with_biases()
    result = lr.complete(given, 2, shape=SHAPE, bias=True, tol=1e-12, rng=0)
    known = np.where(np.random.default_rng(1).random(SHAPE) < 0.5, A, np.nan) + 7.0
    known[3] = np.nan
    found = result.transform(known)
    assert found.shape == (50, 4)
    filled = found @ result.V.T
    kept = np.arange(50) != 3
    assert np.linalg.norm(filled[kept] - A[kept] - 7.0) <= 1e-8 * np.linalg.norm(A)
    mean, _, c = result.biases
    np.testing.assert_allclose(filled[3], mean + c, atol=1e-12)


def test_new_rows_minimise_with_the_penalty_of_the_fit():
    A, given = with_biases()
    result = lr.complete(given, 2, shape=SHAPE, bias=True, regularization=2.0, rng=0)
    known = np.where(np.random.default_rng(1).random(SHAPE) < 0.5, A, np.nan)
    found = result.transform(known)
    mean, _, c = result.biases
    B = np.column_stack([result.V[:, :2], np.ones(40)])
    for i in range(5):
        here = ~np.isnan(known[i])
        target = known[i, here] - mean - c[here]
        expected = np.linalg.solve(B[here].T @ B[here] + 2.0 * np.eye(3), B[here].T @ target)
        np.testing.assert_allclose(found[i], [*expected[:2], expected[2] + mean, 1.0], atol=1e-10)


def test_answers_with_biases_predict_decompose_and_are_saved(tmp_path):
    A, given = with_biases()
    result = lr.complete(given, 2, shape=SHAPE, bias=True, tol=1e-12, rng=0)
    np.testing.assert_allclose(result.predict([3, 4], [5, 6]), A[[3, 4], [5, 6]], atol=1e-7)
    U, s, Vh = result.svd()
    np.testing.assert_allclose((U * s) @ Vh, A, atol=1e-7)
    result.save(tmp_path / "x.npz")
    again = lr.load(tmp_path / "x.npz")
    assert again.biases.mean == result.biases.mean
    np.testing.assert_array_equal(again.transform(A[:2]), result.transform(A[:2]))


def test_fits_with_biases_go_on_from_answers_and_from_factors():
    A, given = with_biases()
    options = {"shape": SHAPE, "bias": True, "rng": 0}
    cold = lr.complete(given, 2, tol=1e-8, **options)
    warm = lr.complete(given, None, tol=1e-10, init=cold, **options)
    assert warm.U.shape == (50, 4)
    assert warm.info.iterations < cold.info.iterations
    again = lr.complete(given, 2, tol=1e-10, init=(cold.U[:, :2], cold.V[:, :2]), **options)
    assert relative_error(again, A) <= 1e-8
    with pytest.raises(ValueError, match="ones in the last column"):
        lr.complete(given, 2, init=(np.zeros((50, 4)), np.zeros((40, 4))), **options)
    with pytest.raises(ValueError, match="or"):
        lr.complete(given, 2, init=(np.zeros((50, 3)), np.zeros((40, 3))), **options)


@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_extreme_scales_with_biases_are_recovered(scale):
    A, (rows, columns, values) = with_biases()
    result = lr.complete((rows, columns, values * scale), 2, shape=SHAPE, bias=True, rng=0, tol=1e-9)
    root = scale**0.5
    found = (result.U[:, :2] / root) @ (result.V[:, :2] / root).T + result.U[:, 2:3] / scale + result.V[:, 3] / scale
    assert np.linalg.norm(found - A) <= 1e-6 * np.linalg.norm(A)
    again = lr.complete((rows, columns, values * scale), 2, shape=SHAPE, bias=True, rng=0, tol=1e-8, init=result)
    assert again.info.iterations <= 2


def test_equal_values_and_one_row_have_an_answer_with_biases():
    known = np.where(np.random.default_rng(0).random((20, 15)) < 0.5, 2.5, np.nan)
    result = lr.complete(known, 1, bias=True, rng=0)
    np.testing.assert_allclose(result.U @ result.V.T, 2.5, rtol=1e-6)
    row = lr.complete(np.arange(1.0, 6.0)[None, :], 1, bias=True, rng=0, holdout=0, regularization=1e-6)
    np.testing.assert_allclose((row.U @ row.V.T)[0], np.arange(1.0, 6.0), atol=1e-3)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"method": "irls"}, "does not take bias"),
        ({"method": "soft_impute"}, "does not take bias"),
        ({"rank": None}, "needs a rank"),
        ({"nonneg": True}, "combined"),
        ({"confidence": 1.0}, "combined"),
    ],
)
def test_what_goes_not_with_biases_is_refused(options, match):
    _, given = with_biases()
    with pytest.raises(ValueError, match=match):
        lr.complete(given, options.pop("rank", 2), shape=SHAPE, bias=True, **options)
    with pytest.raises(TypeError, match="bias"):
        lr.complete(given, 2, shape=SHAPE, bias="yes")
