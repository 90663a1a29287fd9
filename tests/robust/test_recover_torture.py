"""`recover` at the ends of the range, on degenerate data and on input that it refuses."""

import warnings

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


@pytest.mark.parametrize(
    "options", [{"optimum": 0.0}, {"loss": "l2", "preconditioned": True, "truncate": 4.0}, {"preconditioned": True}]
)
def test_fewer_measurements_than_parameters_are_not_vouched_for(options):
    exact = A.reshape(300, -1) @ X.ravel()
    with pytest.warns(lr.ConvergenceWarning, match="fewer"):
        result = lr.recover(A[:20], exact[:20], (8, 8), 2, rng=0, **options)
    assert not result.info.converged


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
    np.testing.assert_array_equal(a, A)
    np.testing.assert_array_equal(y, Y)


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
        (A, Y, (8, 8), 2, {"truncate": 3.0, "preconditioned": True}, ValueError, "truncate goes with loss='l2'"),
        (A, Y, (8, 8), 2, {"truncate": 3.0, "optimum": 0.0}, ValueError, "truncate goes with loss='l2'"),
        (A, Y, (8, 8), 2, {"optimum": "mean", "preconditioned": True}, ValueError, "optimum must be a number"),
        (A, Y, (8, 8), 2, {"optimum": "median"}, ValueError, "goes with preconditioned"),
        (A, Y, (8, 8), 2, {"optimum": "median", "loss": "l2"}, ValueError, "pass loss='l1'"),
        (A, Y, (8, 8), 2, {"truncate": 3.0, "loss": "l2"}, ValueError, "truncate goes with loss='l2'"),
        (A, Y, (8, 8), 2, {"init_scale": 0.7}, ValueError, "0.5"),
        (A, Y, (8, 8), 2, {"init_scale": 0.1, "optimum": 0.0}, ValueError, "init_scale has no effect"),
        (A, Y, (8, 8), 2, {"init_scale": 0.1, "preconditioned": True}, ValueError, "init_scale has no effect"),
        (A, Y, (8, 8), 2, {"init_scale": 0.1, "preconditioned": True, "loss": "l2"}, ValueError, "init_scale has no"),
        (A, Y, (8, 8), 2, {"rebalance": False}, ValueError, "rebalance goes with"),
        (A, Y, (8, 8), 2, {"rebalance": True, "loss": "l2", "preconditioned": True}, ValueError, "rebalance goes with"),
        (lr.RankOne(A[:, 0]), Y, (8, 8), 2, {"symmetric": True, "optimum": 1.0}, ValueError, "optimum must be 0"),
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


FLAT = A.reshape(300, -1)


def forward(Z):
    return FLAT @ Z.ravel()


def backward(z):
    return (z @ FLAT).reshape(8, 8)


@pytest.mark.parametrize("wrong", [lambda z: -backward(z), lambda z: 2 * backward(z), lambda z: backward(z).T])
def test_functions_that_are_not_adjoint_are_refused(wrong):
    with pytest.raises(ValueError, match="don't fit"):
        lr.recover((forward, wrong), Y, (8, 8), 2)


@pytest.mark.parametrize("options", [{}, {"loss": "l2"}, {"preconditioned": True}])
def test_functions_that_return_nan_are_refused(options):
    for pair in ((lambda Z: forward(Z) * np.nan, backward), (forward, lambda z: backward(z) * np.nan)):
        with pytest.raises(ValueError, match="returned NaN"):
            lr.recover(pair, Y, (8, 8), 2, **options)


def test_signs_that_point_to_no_matrix_give_zeros_that_are_finite():
    with pytest.warns(lr.ConvergenceWarning):
        result = lr.recover(A, -(A.reshape(300, -1) @ np.eye(8).ravel()), (8, 8), 2, symmetric=True)
    assert np.all(np.isfinite(result.U))


@pytest.mark.parametrize("options", [{}, {"loss": "l2"}])
@pytest.mark.parametrize("spectrum", [(1.0, -0.8), (-1.0, -0.8)])
def test_an_indefinite_matrix_is_not_called_recovered_by_a_semidefinite_one(options, spectrum):
    signs = np.linalg.qr(np.random.default_rng(0).standard_normal((10, 2)))[0]
    Z = (signs * spectrum) @ signs.T
    a, y = sensed(Z, 500)
    with pytest.warns(lr.ConvergenceWarning):
        result = lr.recover(a, y, (10, 10), 4, symmetric=True, rng=0, **options)
    assert result.info.converged is False


@pytest.mark.parametrize("options", [{}, {"preconditioned": True}, {"loss": "l2"}, {"optimum": 0.0}])
def test_a_row_without_entries_is_not_called_recovered(options):
    generator = np.random.default_rng(0)
    Z = target(30, 25, (5.0, 4.0))
    known = generator.random(Z.shape) < 0.6
    known[5] = False
    rows, cols = np.nonzero(known)
    with pytest.warns(lr.ConvergenceWarning, match="1 rows and 0 columns"):
        result = lr.recover((rows, cols), Z[known], Z.shape, 2, rng=0, **options)
    assert result.info.converged is False


@pytest.mark.parametrize("rank", [3, 10])
def test_entries_are_recovered_by_estimated_levels_or_not_called_so(rank):
    generator = np.random.default_rng(0)
    Z = target(60, 50, (5.0, 4.0, 3.0))
    rows, cols = np.nonzero(generator.random(Z.shape) < 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        result = lr.recover((rows, cols), Z[rows, cols], Z.shape, rank, preconditioned=True)
    assert not result.info.converged or error(result, Z) <= 1e-4 * np.linalg.norm(Z)


def test_too_few_measurements_are_not_called_recovered_by_estimated_levels():
    Z = target(20, 20, (1.0, 0.8, 0.6))
    a, y = sensed(Z, 80)
    with pytest.warns(lr.ConvergenceWarning):
        result = lr.recover(a, y, Z.shape, 3, preconditioned=True)
    assert result.info.converged is False


@pytest.mark.parametrize("outliers", [0.0, 30.0])
@pytest.mark.parametrize("limit", [2.0, 3.0, 5.0])
def test_truncated_least_squares_lets_all_good_entries_in(outliers, limit):
    generator = np.random.default_rng(0)
    Z = target(60, 50, (5.0, 4.0, 3.0))
    rows, cols = np.nonzero(generator.random(Z.shape) < 0.5)
    y = Z[rows, cols]
    y = y + (generator.random(y.size) < 0.1) * outliers * np.median(abs(y)) * generator.standard_normal(y.size)
    result = lr.recover((rows, cols), y, Z.shape, 3, loss="l2", preconditioned=True, truncate=limit)
    assert result.info.converged
    assert error(result, Z) <= 1e-9 * np.linalg.norm(Z)


@pytest.mark.parametrize("size", [1e155, 1e200, 1e300])
@pytest.mark.parametrize("options", [{}, {"preconditioned": True}])
def test_gross_errors_of_any_size_are_withstood(size, options):
    y = Y.copy()
    y[::10] = size
    assert error(lr.recover(A, y, (8, 8), 2, **options), X) <= 1e-5


@pytest.mark.parametrize("options", [{}, {"preconditioned": True}])
def test_gross_errors_of_any_size_are_withstood_in_single_precision(options):
    y = Y.astype(np.float32)
    y[::10] = 1e30
    assert error(lr.recover(A.astype(np.float32), y, (8, 8), 2, **options), X) <= 1e-3


def test_an_optimum_that_drowns_the_good_values_is_refused():
    y = Y.copy()
    y[::10] = 1e200
    with pytest.raises(ValueError, match="optimum"):
        lr.recover(A, y, (8, 8), 2, optimum=1e199)


def test_tiny_values_take_an_optimum_of_zero():
    y = sensed(X, 300)[1] * 1e-310
    result = lr.recover(A, y, (8, 8), 2, optimum=0.0, maxiter=5, tol=0.0)
    assert np.all(np.isfinite(result.U))


def test_nested_lists_are_taken_as_arrays():
    quick = {"maxiter": 5, "tol": 0.0}
    listed = lr.recover(A[:40, :3, :3].tolist(), Y[:40].tolist(), (3, 3), 1, **quick)
    np.testing.assert_array_equal(listed.U, lr.recover(A[:40, :3, :3], Y[:40], (3, 3), 1, **quick).U)
    two = lr.recover(A[:2, :3, :3].tolist(), Y[:2].tolist(), (3, 3), 1, **quick)
    assert two.U.shape == (3, 1)


def test_tensors_that_record_gradients_are_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="gradients"):
        lr.recover(torch.ones((3, 2, 2)), torch.ones(3, requires_grad=True), (2, 2), 1)
