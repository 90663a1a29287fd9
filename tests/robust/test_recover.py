"""`recover`: every kind of measurement, every backend, and the figures of the sub-gradient method."""

import numpy as np
import pytest
from robust.sensing import error, product, sensed, spoilt, target

import lowrank_la as lr
from lowrank_la import _backend as be

D, R = 20, 3


@pytest.fixture(scope="module")
def outliers():
    """The problem of the paper: d = 20, r = 3, 600 measurements, a tenth of them spoilt by N(0, 100)."""
    X = target(D, D, (1.0, 1.0, 1.0), symmetric=True)
    return X, *sensed(X, 600, 0.1)


@pytest.mark.parametrize(("scale", "limit"), [(1e-1, 1e-2), (1e-3, 3e-3), (1e-6, 3e-5), (1e-9, 1e-6)])
def test_the_error_falls_with_the_initial_scale(outliers, scale, limit):
    X, A, y = outliers
    result = lr.recover(A, y, (D, D), D, symmetric=True, init_scale=scale)
    assert error(result, X) <= limit
    assert result.info.converged
    assert result.info.method == "subgradient"
    assert result.U.shape == (D, D)
    assert len(result) == 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_defaults_recover_where_half_of_the_values_are_spoilt(seed):
    X = target(D, D, (1.0, 1.0, 1.0), seed, symmetric=True)
    A, y = sensed(X, 30 * D * R, 0.5, seed=seed)
    assert error(lr.recover(A, y, (D, D), D, symmetric=True), X) <= 1e-5


def test_half_of_the_values_may_be_spoilt():
    X = target(10, 10, (1.0, 1.0), 1, symmetric=True)
    A, y = sensed(X, 600, 0.5, seed=1)
    assert error(lr.recover(A, y, (10, 10), 10, symmetric=True), X) <= 1e-5


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_gaussian_noise_is_averaged_out_whatever_the_rank(seed):
    X = target(D, D, (1.0, 1.0, 1.0), seed, symmetric=True)
    A, y = sensed(X, 1200, noise=1.0, seed=seed)
    exact, full = (lr.recover(A, y, (D, D), k, symmetric=True, tol=1e-5) for k in (R, D))
    assert abs(error(exact, X) - error(full, X)) <= 1e-2 * error(exact, X)
    assert error(full, X) <= 1.5 * np.sqrt(D * R / 1200)


def test_weak_directions_that_the_strong_ones_hide_are_found_in_a_second_round():
    X = target(10, 10, (1.0, 0.2), symmetric=True)
    A, y = sensed(X, 300, 0.1)
    result = lr.recover(A, y, (10, 10), 10, symmetric=True)
    assert error(result, X) <= 1e-6
    assert result.info.rounds == 2
    assert result.info.numerical_rank == 2


@pytest.mark.parametrize("rank", [2, 5])
def test_rectangular_matrices_are_recovered(rank):
    X = target(12, 9, (1.0, 0.7))
    A, y = sensed(X, 500, 0.1)
    result = lr.recover(A, y, (12, 9), rank)
    assert error(result, X) <= 1e-5
    assert [x.shape for x in result] == [(12, rank), (9, rank)]
    np.testing.assert_allclose(result @ np.eye(9), X, atol=1e-5)


def test_functions_and_an_array_give_the_same():
    X = target(10, 8, (1.0, 0.5))
    A, y = sensed(X, 400, 0.1)
    flat = A.reshape(400, -1)
    pair = (lambda X: flat @ X.ravel()), (lambda z: (z @ flat).reshape(10, 8))
    reference = lr.recover(A, y, (10, 8), 4)
    assert np.linalg.norm(product(lr.recover(pair, y, (10, 8), 4)) - product(reference)) <= 1e-7


def test_bilinear_forms_are_recovered():
    X = target(14, 10, (1.0, 0.8))
    x, w = (np.random.default_rng(i).standard_normal((700, n)) for i, n in enumerate((14, 10)))
    y = spoilt(np.sum((x @ X) * w, axis=1), 0.1)
    assert error(lr.recover(lr.RankOne(x, w), y, (14, 10), 4, rng=0), X) <= 1e-5


def test_quadratic_forms_are_recovered():
    X = target(10, 10, (1.0, 0.8), symmetric=True)
    x = np.random.default_rng(0).standard_normal((1001, 10))
    y = spoilt(np.sum((x @ X) * x, axis=1), 0.05)
    assert error(lr.recover(lr.RankOne(x), y, (10, 10), 6, symmetric=True, rng=0), X) <= 1e-5


@pytest.mark.parametrize("preconditioned", [False, True])
def test_entries_with_outliers_are_recovered(preconditioned):
    generator = np.random.default_rng(3)
    X = generator.standard_normal((60, 2)) @ generator.standard_normal((2, 50))
    rows, cols = np.nonzero(generator.random(X.shape) < 0.5)
    y = spoilt(X[rows, cols], 0.05, 10.0)
    order = generator.permutation(y.size)
    result = lr.recover((rows[order], cols[order]), y[order], X.shape, 2, preconditioned=preconditioned, rng=0)
    assert error(result, X) <= 1e-5 * np.linalg.norm(X)


def test_structured_measurements_form_nothing_large():
    import tracemalloc

    n, count = 1500, 60_000
    generator = np.random.default_rng(0)
    U, V = generator.standard_normal((2, n, 2))
    places = np.unique(generator.integers(0, n * n, count))
    rows, cols = np.divmod(places, n)
    y = np.sum(U[rows] * V[cols], axis=1)
    options = {"loss": "l2", "preconditioned": True, "tol": 0.0, "maxiter": 3, "rng": 0}
    lr.recover((rows, cols), y, (n, n), 2, **options)
    tracemalloc.start()
    lr.recover((rows, cols), y, (n, n), 2, **options)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 8 * n * n / 2


EARLY = {"tol": 0.0, "maxiter": 60}  # not for levels: the start meets one value up to rounding, whose sign is anything


@pytest.mark.parametrize(
    "options",
    [
        {"init_scale": 0.1, **EARLY},
        {"loss": "l2", "truncate": 3.0, "preconditioned": True, **EARLY},
        {"preconditioned": True, "tol": 1e-3},
        pytest.param({"init_scale": 1e-4, "tol": 1e-4}, marks=pytest.mark.slow),
        pytest.param({"loss": "l2", "truncate": 3.0, "preconditioned": True}, marks=pytest.mark.slow),
    ],
)
def test_backends_agree(backend, options):
    for name in (dtype for dtype in backend.dtypes if dtype.startswith("float")):
        X = target(6, 5, (1.0, 0.5))
        A, y = (part.astype(name) for part in sensed(X, 150, 0.05))
        reference = lr.recover(A, y, (6, 5), 2, rng=0, **options)
        result = lr.recover(backend.asarray(A), backend.asarray(y), (6, 5), 2, rng=0, **options)
        assert backend.holds(result.U)
        assert result.U.dtype == backend.dtype(name)
        squares = name == "float64" and "loss" in options
        limit = 1e-7 if squares else 5e-3 if options.get("tol") == 1e-3 else 1e-3
        assert np.linalg.norm(product(result) - product(reference)) <= limit


def test_backends_agree_on_structured_measurements(backend):
    name = backend.nearest("float64")
    X = target(7, 6, (1.0, 0.8))
    generator = np.random.default_rng(0)
    x, w = generator.standard_normal((200, 7)), generator.standard_normal((200, 6))
    rows, cols = np.nonzero(generator.random(X.shape) < 0.9)
    limit = 5e-3
    forms, values = spoilt(np.sum((x @ X) * w, axis=1), 0.05).astype(name), X[rows, cols].astype(name)
    x, w = x.astype(name), w.astype(name)
    given = lr.RankOne(backend.asarray(x), backend.asarray(w))
    for measure, here, y, options in (
        (lr.RankOne(x, w), given, forms, {"preconditioned": True, "tol": 1e-3}),
        ((rows, cols), (backend.asarray(rows), backend.asarray(cols)), values, {"preconditioned": True, "loss": "l2"}),
    ):
        reference = lr.recover(measure, y, X.shape, 2, rng=0, **options)
        result = lr.recover(here, backend.asarray(y), X.shape, 2, rng=0, **options)
        assert backend.holds(result.U)
        assert np.linalg.norm(product(result) - product(reference)) <= limit


def test_scaling_the_values_scales_the_answer():
    X = target(8, 8, (1.0, 0.5), symmetric=True)
    A, y = sensed(X, 300, 0.1)
    once, twice = (lr.recover(A, y * factor, (8, 8), 4, symmetric=True) for factor in (1.0, 4.0))
    np.testing.assert_array_equal(4.0 * product(once), product(twice))


def test_the_number_of_threads_does_not_change_a_bit():
    import threadpoolctl

    X = target(20, 20, (1.0,), symmetric=True)
    A, y = sensed(X, 3000, 0.1)
    found = []
    for count in (1, 2):
        with threadpoolctl.threadpool_limits(count), pytest.warns(lr.ConvergenceWarning):
            found.append(lr.recover(A, y, (20, 20), 2, symmetric=True, maxiter=30).U)
    np.testing.assert_array_equal(*found)


def test_the_callback_sees_every_step_and_stops(outliers):
    _, A, y = outliers
    seen = []
    with pytest.warns(lr.ConvergenceWarning, match="callback"):
        result = lr.recover(
            A, y, (D, D), R, symmetric=True, callback=lambda state: seen.append(state.loss) or len(seen) == 5
        )
    assert seen == result.info.history
    assert result.info.iterations == 5


def test_answers_are_saved(outliers, tmp_path):
    _, A, y = outliers
    for symmetric in (True, False):
        result = lr.recover(A, y, (D, D), R, symmetric=symmetric, tol=0.0, maxiter=5)
        assert result.info.converged is None
        result.save(tmp_path / "x.npz")
        again = lr.load(tmp_path / "x.npz")
        assert len(again) == len(result) == (1 if symmetric else 2)
        assert be.is_array(again.U)


def test_rank_one_measurements_show_their_shapes_and_no_arrays():
    assert repr(lr.RankOne(np.ones((5, 3)))) == "RankOne(x: (5, 3))"
    assert repr(lr.RankOne(np.ones((5, 3)), np.ones((5, 2)))) == "RankOne(x: (5, 3), w: (5, 2))"
