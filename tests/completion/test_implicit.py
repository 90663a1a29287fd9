"""Implicit feedback: squares over all places, with confidences."""

import numpy as np
import pytest
import scipy.sparse

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.completion import implicit, row_solvers
from lowrank_la.completion.problem import Problem
from lowrank_la.completion.row_solvers import Effort
from lowrank_la.operators.observed import Observed

SHAPE = (40, 30)
SOLVERS = ("cholesky", "cg", "sketch")


def counts(seed=0):
    """A sparse matrix of counts with some structure."""
    generator = np.random.default_rng(seed)
    rate = generator.random((SHAPE[0], 2)) @ generator.random((2, SHAPE[1]))
    return generator.poisson(rate).astype(float)


def dense(Y, alpha):
    """Targets and confidences of all places."""
    return (Y > 0).astype(float), 1.0 + alpha * Y


def objective(U, V, P, C, ridge):
    """The penalised squares by the definition."""
    return np.sum(C * np.abs(P - U @ V.conj().T) ** 2) + ridge * (np.sum(np.abs(U) ** 2) + np.sum(np.abs(V) ** 2))


def places_of(Y):
    rows, columns = np.nonzero(Y)
    return rows, columns, Y[rows, columns]


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", ["float64", "complex128", "float32"])
def test_a_half_sweep_solves_the_dense_weighted_normal_equations(dtype, solver, compiled, monkeypatch):
    monkeypatch.setattr(row_solvers, "_KERNEL_FROM", 0 if compiled else 1 << 40)
    generator = np.random.default_rng(1)
    Y = counts()
    rows, columns, values = places_of(Y)
    targets = generator.standard_normal(values.size).astype(dtype)
    if np.dtype(dtype).kind == "c":
        targets = targets + 1j * generator.standard_normal(values.size)
    real = np.zeros(1, dtype).real.dtype
    entries, weights = Observed.from_entries(
        rows, columns, targets.astype(dtype), SHAPE, weights=(2 * values).astype(real)
    )
    problem = Problem(implicit.targets_for(entries, weights), 3, weights, (0.6, 0.2), "implicit")
    P, C = np.zeros(SHAPE, dtype), 1.0 + 2 * Y
    P[rows, columns] = targets
    model = implicit.Implicit(problem, solver)
    U, V = (generator.standard_normal((size, 3)).astype(dtype) for size in SHAPE)
    X, after, form = implicit.half_sweep(model.rows, V, U, 0.6, 1.0, Effort(0.0, 60))
    for i in range(SHAPE[0]):
        H = V.conj().T * C[i] @ V + 0.6 * np.eye(3)
        expected = np.linalg.solve(H.T, V.T @ (C[i] * P[i]))
        np.testing.assert_allclose(X[i], expected, atol=200 * be.eps(P.dtype) * np.linalg.norm(V))
    square = after - model.constant + form - 0.6 * np.sum(np.abs(X) ** 2)
    expected = np.sum(C * np.abs(P - X @ V.conj().T) ** 2)
    assert abs(square - expected) <= 1e4 * be.eps(P.dtype) * (expected + model.constant)


@pytest.mark.parametrize("ridge", [0.0, 0.5, (0.2, 3.0)])
def test_the_gradient_over_all_places_vanishes(ridge):
    Y = counts()
    P, C = dense(Y, 3.0)
    result = lr.complete(
        scipy.sparse.csr_array(Y), 3, confidence=3.0, regularization=ridge, tol=1e-14, maxiter=20_000, rng=0
    )
    assert result.info.converged
    left, right = ridge if isinstance(ridge, tuple) else (ridge, ridge)
    R = C * (P - result.U @ result.V.T)
    assert np.linalg.norm(R @ result.V - left * result.U) <= 1e-5 * np.linalg.norm(C * P)
    assert np.linalg.norm(R.T @ result.U - right * result.V) <= 1e-5 * np.linalg.norm(C * P)
    share = np.sum(C * (P - result.U @ result.V.T) ** 2) / np.sum(C * P)
    assert abs(result.info.train_error - share**0.5) <= 1e-9
    assert result.info.error is None


def test_the_objective_over_all_places_does_not_rise_and_is_what_it_says():
    Y = counts()
    P, C = dense(Y, 3.0)
    result = lr.complete(
        scipy.sparse.csr_array(Y), 3, confidence=3.0, regularization=0.5, tol=1e-10, maxiter=2000, rng=0
    )
    history = np.array(result.info.objectives)
    assert np.all(history[1:] <= history[:-1] * (1 + 1e-12))
    np.testing.assert_allclose(history[-1], objective(result.U, result.V, P, C, 0.5), rtol=1e-9)


def test_dense_alternating_least_squares_ends_where_we_do():
    Y = counts()
    P, C = dense(Y, 3.0)
    result = lr.complete(
        scipy.sparse.csr_array(Y), 2, confidence=3.0, regularization=0.5, tol=1e-13, maxiter=9000, rng=0
    )
    best = np.inf
    for seed in range(2):
        V = np.random.default_rng(seed).standard_normal((SHAPE[1], 2))
        for _ in range(200):
            U = np.array(
                [np.linalg.solve(V.T * c @ V + 0.5 * np.eye(2), V.T @ (c * p)) for c, p in zip(C, P, strict=True)]
            )
            V = np.array(
                [np.linalg.solve(U.T * c @ U + 0.5 * np.eye(2), U.T @ (c * p)) for c, p in zip(C.T, P.T, strict=True)]
            )
        best = min(best, objective(U, V, P, C, 0.5))
    assert objective(result.U, result.V, P, C, 0.5) <= best * (1 + 1e-8)


def test_an_array_of_confidences_says_what_a_number_does():
    Y = counts()
    rows, columns, values = places_of(Y)
    options = {"regularization": 0.5, "rng": 0, "tol": 1e-9}
    number = lr.complete((rows, columns, values), 3, shape=SHAPE, confidence=3.0, **options)
    array = lr.complete((rows, columns, np.ones(values.size)), 3, shape=SHAPE, confidence=1 + 3 * values, **options)
    np.testing.assert_allclose(number.U @ number.V.T, array.U @ array.V.T, atol=1e-10)
    S = scipy.sparse.csr_array((np.ones(values.size), (rows, columns)), shape=SHAPE)
    C = scipy.sparse.csr_array((1 + 3 * values, (rows, columns)), shape=SHAPE)
    matrix = lr.complete(S, 3, confidence=C, **options)
    np.testing.assert_allclose(number.U @ number.V.T, matrix.U @ matrix.V.T, atol=1e-10)


def test_counts_of_zero_are_not_observed():
    Y = counts()
    stored = scipy.sparse.coo_array((Y.ravel(), np.indices(SHAPE).reshape(2, -1)), shape=SHAPE)
    options = {"confidence": 3.0, "regularization": 0.5, "rng": 0}
    zeros, plain = (lr.complete(x, 3, **options) for x in (stored, scipy.sparse.csr_array(Y)))
    np.testing.assert_array_equal(zeros.U, plain.U)


def test_confidences_of_one_place_add_up():
    options = {"shape": (3, 3), "regularization": 0.1, "rng": 0, "duplicates": "average", "tol": 1e-12}
    rows, columns = np.array([0, 1, 2, 1]), np.array([0, 1, 2, 1])
    twice = lr.complete((rows, columns, [1.0, 2.0, 1.0, 4.0]), 2, confidence=np.array([3.0, 2.0, 4.0, 6.0]), **options)
    once = lr.complete((rows[:3], columns[:3], [1.0, 3.5, 1.0]), 2, confidence=np.array([3.0, 8.0, 4.0]), **options)
    np.testing.assert_allclose(twice.U @ twice.V.T, once.U @ once.V.T, atol=1e-6)


def test_backends_agree_with_confidences(backend):
    Y = counts()
    for dtype in [d for d in backend.dtypes if d.startswith("float")]:
        given = places_of(Y.astype(dtype))
        options = {"shape": SHAPE, "confidence": 3.0, "regularization": 0.5, "rng": 0, "maxiter": 5}
        with pytest.warns(lr.ConvergenceWarning):
            reference = lr.complete(given, 3, **options)
        with pytest.warns(lr.ConvergenceWarning):
            result = lr.complete(tuple(backend.asarray(x) for x in given), 3, **options)
        assert backend.holds(result.U)
        U, V = (backend.to_numpy(x) for x in result)
        assert np.linalg.norm(U @ V.T - reference.U @ reference.V.T) <= 3e3 * be.eps(np.dtype(dtype)) * np.linalg.norm(
            Y
        )
        fresh = backend.to_numpy(result.transform(tuple(backend.asarray(x) for x in given), shape=SHAPE))
        assert np.linalg.norm(fresh @ V.T - U @ V.T) <= np.linalg.norm(U @ V.T)


def test_new_rows_minimise_over_all_their_places():
    Y = counts()
    result = lr.complete(scipy.sparse.csr_array(Y), 3, confidence=3.0, regularization=0.5, rng=0)
    fresh = counts(7)[:6]
    fresh[4] = 0.0
    P, C = dense(fresh, 3.0)
    found = result.transform(scipy.sparse.csr_array(fresh))
    for i in range(6):
        H = result.V.T * C[i] @ result.V + 0.5 * np.eye(3)
        np.testing.assert_allclose(found[i], np.linalg.solve(H, result.V.T @ (C[i] * P[i])), atol=1e-10)
    rows, columns, values = places_of(fresh)
    again = result.transform((rows, columns, np.ones(values.size)), shape=(6, 30), confidence=1 + 3 * values)
    np.testing.assert_allclose(again, found, atol=1e-10)


def test_new_rows_need_confidences_where_the_fit_had_an_array():
    Y = counts()
    rows, columns, values = places_of(Y)
    result = lr.complete((rows, columns, np.ones(values.size)), 2, shape=SHAPE, confidence=1 + values, rng=0)
    with pytest.raises(ValueError, match="pass confidence="):
        result.transform(Y)
    plain = lr.complete(Y, 2, rng=0, regularization=1.0)
    with pytest.raises(ValueError, match="leave it out"):
        plain.transform(Y, confidence=1.0)


@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_the_answer_depends_on_the_product_of_counts_and_their_factor_alone(scale):
    Y = counts()
    options = {"regularization": 0.5, "rng": 0}
    plain = lr.complete(scipy.sparse.csr_array(Y), 3, confidence=3.0, **options)
    scaled = lr.complete(scipy.sparse.csr_array(Y * scale), 3, confidence=3.0 / scale, **options)
    np.testing.assert_allclose(plain.U @ plain.V.T, scaled.U @ scaled.V.T, atol=1e-9)


@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_targets_of_extreme_scale_are_fitted(scale):
    rows, columns, values = places_of(counts())
    options = {"shape": SHAPE, "confidence": 1 + values, "rng": 0}
    plain = lr.complete((rows, columns, values), 3, regularization=0.5, **options)
    scaled = lr.complete((rows, columns, values * scale), 3, regularization=0.5 * scale, **options)
    found = (scaled.U / scale**0.5) @ (scaled.V / scale**0.5).T
    np.testing.assert_allclose(found, plain.U @ plain.V.T, atol=1e-6)


def test_huge_and_tiny_confidences_have_answers():
    Y = counts()
    with pytest.warns(lr.ConvergenceWarning):
        huge = lr.complete(scipy.sparse.csr_array(Y), 3, confidence=1e200, regularization=0.1, rng=0, maxiter=20)
    history = np.array(huge.info.objectives)
    assert np.all(np.isfinite(huge.U @ huge.V.T))
    assert np.all(history[1:] <= history[:-1] * (1 + 1e-9))
    tiny = lr.complete(scipy.sparse.csr_array(Y), 3, confidence=1e-300, regularization=0.1, rng=0, tol=1e-9)
    P = (Y > 0).astype(float)
    U, s, Vh = np.linalg.svd(P)
    root = np.sqrt(np.maximum(s[:3] - 0.1, 0.0))
    best = objective(U[:, :3] * root, Vh[:3].T * root, P, 1.0, 0.1)
    assert objective(tiny.U, tiny.V, P, 1.0, 0.1) <= best * (1 + 1e-4)


def test_a_penalty_above_all_leaves_nothing():
    result = lr.complete(scipy.sparse.csr_array(counts()), 3, confidence=1.0, regularization=1e6, rng=0)
    assert result.info.converged
    assert np.linalg.norm(result.U @ result.V.T) <= 1e-3


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"rank": None}, ValueError, "needs a rank"),
        ({"weights": np.ones((3, 3))}, ValueError, "weights and confidence"),
        ({"holdout": 0.1}, ValueError, "holdout"),
        ({"confidence": 0.0}, ValueError, "confidence"),
        ({"confidence": np.ones((3, 3))}, ValueError, "above 1"),
        ({"confidence": np.full((3, 3), np.nan)}, ValueError, "confidence"),
        ({"confidence": "much"}, TypeError, "confidence"),
        ({"nonneg": True}, ValueError, "combined"),
        ({"method": "irls"}, ValueError, "does not take confidence"),
        ({"regularization": (np.ones(3), 1.0)}, ValueError, "pair of numbers"),
        ({"observed": -np.ones((3, 3))}, ValueError, "counts"),
        ({"observed": np.zeros((3, 3))}, ValueError, "all counts are zero"),
        ({"observed": 1j * np.ones((3, 3))}, TypeError, "complex"),
    ],
)
def test_what_goes_not_with_confidences_is_refused(options, error, match):
    options = {"observed": np.ones((3, 3)), "rank": 1, "confidence": 2.0, **options}
    with pytest.raises(error, match=match):
        lr.complete(options.pop("observed"), options.pop("rank"), **options)
