"""`recover` at the ends of the range, on degenerate data and on input that it refuses."""

import numpy as np
import pytest
from robust.sensing import error, product, sensed, target

import lowrank_la as lr

X = target(8, 8, (1.0, 0.5), symmetric=True)
A, Y = sensed(X, 300, 0.05)


def test_values_that_are_all_spoilt_are_not_called_recovered():
    y = 10 * np.random.default_rng(0).standard_normal(300)
    with pytest.warns(lr.ConvergenceWarning, match="no direction"):
        result = lr.recover(A, y, (8, 8), 3, symmetric=True)
    assert not result.info.converged
    assert np.all(np.isfinite(result.U))
    assert result.info.error is None


@pytest.mark.parametrize("options", [{}, {"loss": "l2"}, {"preconditioned": True}, {"symmetric": True}])
def test_zeros_give_zeros(options):
    result = lr.recover(A, np.zeros(300), (8, 8), 3, **options)
    assert not product(result).any()
    assert result.info.converged


def test_measurements_of_zero_say_nothing():
    for options in ({}, {"loss": "l2"}, {"preconditioned": True, "maxiter": 5}):
        with pytest.warns(lr.ConvergenceWarning):
            result = lr.recover(np.zeros((20, 4, 4)), np.ones(20), (4, 4), 2, **options)
        assert np.all(np.isfinite(product(result)))


@pytest.mark.parametrize(
    "options", [{}, {"loss": "l2"}, {"preconditioned": True}, {"loss": "l2", "preconditioned": True}]
)
def test_a_matrix_of_one_entry(options):
    a = np.random.default_rng(0).standard_normal((30, 1, 1))
    for symmetric in (True, False):
        result = lr.recover(a, 3.0 * a[:, 0, 0], (1, 1), 1, symmetric=symmetric, rng=0, **options)
        assert abs(float(product(result)[0, 0]) - 3.0) <= 1e-5


def test_one_column():
    x = target(9, 1, (2.0,))
    a, y = sensed(x, 200, 0.1)
    assert error(lr.recover(a, y, (9, 1), 1), x) <= 1e-6


def test_the_rank_may_be_full():
    assert error(lr.recover(A, Y, (8, 8), 8, symmetric=True), X) <= 1e-6
    assert error(lr.recover(A, Y, (8, 8), 8), X) <= 1e-5


@pytest.mark.parametrize("scale", [1e150, 1e-150, 1e300, 1e-290])
@pytest.mark.parametrize("options", [{}, {"loss": "l2", "truncate": 4.0, "preconditioned": True}])
def test_extreme_scales_of_the_values(scale, options):
    result = lr.recover(A, Y * scale, (8, 8), 2, rng=0, **options)
    found = (result.U / np.sqrt(scale)) @ (result.V / np.sqrt(scale)).T
    assert np.linalg.norm(found - X) <= 1e-6


@pytest.mark.parametrize("scale", [1e150, 1e-150])
@pytest.mark.parametrize("options", [{}, {"loss": "l2", "truncate": 4.0, "preconditioned": True}])
def test_extreme_scales_of_the_measurement(scale, options):
    result = lr.recover(A * scale, Y, (8, 8), 2, rng=0, **options)
    assert np.linalg.norm(product(result) * scale - X) <= 1e-6


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_lower_precision(dtype):
    result = lr.recover(A.astype(dtype), Y.astype(dtype), (8, 8), 4, symmetric=True)
    assert result.U.dtype == dtype
    assert error(result, X) <= (1e-4 if dtype == np.float32 else 2e-2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(bad):
    y = Y.copy()
    y[7] = bad
    with pytest.raises(ValueError, match="y holds NaN or infinite"):
        lr.recover(A, y, (8, 8), 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_measurements_that_are_not_finite_are_refused(bad):
    spoilt = A.copy()
    spoilt[3, 2, 1] = bad
    with pytest.raises(ValueError, match="measurement holds NaN or infinite"):
        lr.recover(spoilt, Y, (8, 8), 2)


def test_inputs_are_left_alone():
    a, y = A.copy(), Y.copy()
    a.flags.writeable = y.flags.writeable = False
    lr.recover(a, y, (8, 8), 2, maxiter=3, tol=0.0)
    lr.recover(a, y, (8, 8), 2, loss="l2", maxiter=3, tol=0.0)


@pytest.mark.parametrize(
    ("measure", "y", "shape", "rank", "options", "failure", "match"),
    [
        (A, Y[:-1], (8, 8), 2, {}, ValueError, "one number a measurement"),
        (A, Y, (8, 9), 2, {}, ValueError, "measurement array"),
        (A, Y, (8, 8), 9, {}, ValueError, r"min\(m, n\)"),
        (A, Y, (8, 8), 2.0, {}, TypeError, "rank"),
        (A, Y, 8, 2, {}, TypeError, "pair"),
        (A, Y[:, None], (8, 8), 2, {}, TypeError, "one-dimensional"),
        (A[:0], Y[:0], (8, 8), 2, {}, ValueError, "empty"),
        (A, Y + 1j, (8, 8), 2, {}, TypeError, "complex"),
        ("text", Y, (8, 8), 2, {}, TypeError, "RankOne"),
        (A, Y, (8, 8), 2, {"loss": "huber"}, ValueError, "l1"),
        (A, Y, (8, 8), 2, {"init_scale": 0.0}, ValueError, "init_scale"),
        (A, Y, (8, 8), 2, {"init_scale": 2.0}, ValueError, "init_scale"),
        (A, Y, (8, 8), 2, {"tol": 1.0}, ValueError, "tol"),
        (A, Y, (8, 8), 2, {"optimum": 1.0, "loss": "l2"}, ValueError, "optimum"),
        (A, Y, (8, 8), 2, {"truncate": 0.5}, ValueError, "truncate"),
        (A, Y, (8, 8), 2, {"rebalance": "twice"}, ValueError, "rebalance"),
        (A, Y, (8, 8), 2, {"symmetric": 1}, TypeError, "symmetric"),
        (A[:, :, :7], Y, (8, 7), 2, {"symmetric": True}, ValueError, "square"),
        (([0, 8], [0, 1]), [1.0, 2.0], (8, 8), 1, {}, ValueError, "rows must lie"),
        (([0, 0], [1, 1]), [1.0, 2.0], (8, 8), 1, {}, ValueError, "repeat"),
        (([0.5, 0], [1, 1]), [1.0, 2.0], (8, 8), 1, {}, TypeError, "integer"),
        (lr.RankOne(np.ones((300, 8))), Y, (8, 8), 1, {}, ValueError, "symmetric=True"),
        (lr.RankOne(np.ones((300, 7)), np.ones((300, 8))), Y, (8, 8), 1, {}, ValueError, "RankOne.x"),
        ((lambda X: X, lambda z: z), Y, (8, 8), 1, {}, ValueError, "must return shape"),
    ],
)
def test_bad_input_is_named(measure, y, shape, rank, options, failure, match):
    with pytest.raises(failure, match=match):
        lr.recover(measure, y, shape, rank, **options)


def test_tensors_that_record_gradients_are_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="gradients"):
        lr.recover(torch.ones((3, 2, 2)), torch.ones(3, requires_grad=True), (2, 2), 1)
