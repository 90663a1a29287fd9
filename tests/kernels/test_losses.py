"""Compiled losses and slopes against the formulas in array operations, and the logarithm and exponential in them."""

import numpy as np
import pytest

from lowrank_la import _backend as be
from lowrank_la._backend import losses as door
from lowrank_la._backend import threads
from lowrank_la._kernels.numba import _elementary
from lowrank_la.tensors.gcp_objectives import DenseObjective
from lowrank_la.tensors.losses import LOSSES, loss_called
from lowrank_la.tensors.tensor import as_tensor

PARAMETERS = {"huber": 0.7, "negative_binomial": 3.0, "beta": 1.7}
LONG = np.longdouble


def problem(name, shape, rank, dtype):
    """A loss, entries that it is for, and the factors of a model."""
    loss, generator = loss_called(name, PARAMETERS.get(name)), np.random.default_rng(0)
    left, right = (generator.uniform(0.01, 1.0, (n, rank)).astype(dtype) for n in shape)
    left = left if loss.nonneg else left - dtype(0.5)
    counts = generator.poisson(1.5, shape)
    x = np.minimum(counts, 1) if loss.allowed == "binary" else counts + (loss.allowed == "positive")
    return loss, x.astype(dtype), left, right


def close(found, expected, size, eps):
    return np.all(np.abs(np.asarray(found) - expected) <= 40 * eps * size)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("shape", "rank"), [((41, 600), 5), ((600, 41), 4), ((7, 3), 1), ((1, 300), 9)])
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_are_those_of_the_formulas(name, dtype, shape, rank, weighted):
    loss, x, left, right = problem(name, shape, rank, dtype)
    weights = np.random.default_rng(1).random(shape).astype(dtype) if weighted else None
    found = be.loss_gradients(name, loss.parameter, x, weights, left, right)
    heavy, wide = 1.0 if weights is None else weights.astype(float), [a.astype(float) for a in (x, left, right)]
    model = wide[1] @ wide[2].T
    values, slopes = heavy * loss.value(wide[0], model), heavy * loss.slope(wide[0], model)
    curved = (4 + wide[0] / model) ** 2 * np.maximum(1, model**-2) if loss.nonneg else 4 + wide[0] + np.exp(abs(model))
    size, eps = np.abs(wide[1]) @ wide[2].T, np.finfo(dtype).eps
    scale = np.abs(slopes) + curved * size
    assert close(found[0], values.sum(), np.abs(values).sum() + (np.abs(slopes) * size).sum(), eps)
    assert close(found[1], slopes @ wide[2], scale @ wide[2], eps)
    assert close(found[2], slopes.T @ wide[1], scale.T @ np.abs(wide[1]), eps)


@pytest.mark.parametrize("name", LOSSES)
def test_an_objective_is_the_same_with_and_without_the_kernel(name, monkeypatch):
    loss, x, left, right = problem(name, (40, 36), 3, np.float64)
    objective, factors = DenseObjective(as_tensor(x.reshape(40, 6, 6)), loss), [left, right[:6], right[6:12]]
    runs = []
    for least in (1 << 60, 0):
        monkeypatch.setattr(door, "_KERNEL_FROM", least)
        runs.append(objective(factors))
    assert runs[1][0] == pytest.approx(runs[0][0], rel=1e-12)
    for one, two in zip(runs[1][1], runs[0][1], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-11, atol=1e-11 * np.abs(two).max())


@pytest.mark.parametrize("shape", [(90, 700), (700, 90)])
def test_parts_add_up_to_the_whole_whatever_their_number(shape, monkeypatch):
    loss, x, left, right = problem("poisson", shape, 3, np.float64)
    whole = be.loss_gradients("poisson", loss.parameter, x, None, left, right)
    monkeypatch.setattr(door, "_LEAST", 1 << 10)
    monkeypatch.setattr(door, "_MOST", 1 << 11)
    parts = be.loss_gradients("poisson", loss.parameter, x, None, left, right)
    assert parts[0] == pytest.approx(whole[0], rel=1e-13)
    for one, two in zip(parts[1:], whole[1:], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-11)


@pytest.mark.parametrize("shape", [(90, 700), (700, 90)])
def test_the_number_of_workers_does_not_change_a_bit(shape, monkeypatch):
    loss, x, left, right = problem("poisson", shape, 3, np.float64)
    runs = []
    for count in (2, 1):
        monkeypatch.setattr(threads, "worker_count", lambda count=count: count)
        sums = be.loss_gradients("poisson", loss.parameter, x, x, left, right)
        runs.append([*sums, be.residual_products(x, x, [left, 2 * left], [right, right])])
    for one, two in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("wrong", [np.inf, np.nan])
def test_a_model_that_is_not_finite_gives_a_sum_that_is_not(name, wrong):
    loss, x, left, right = problem(name, (20, 300), 2, np.float64)
    left[3, 0] = wrong
    with np.errstate(all="ignore"):
        expected = float(np.sum(loss.value(x, left @ right.T)))
    found = be.loss_gradients(name, loss.parameter, x, None, left, right)[0]
    assert np.isfinite(found) == np.isfinite(expected)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_entries_of_weight_zero_do_not_count_where_their_model_overflows(name, dtype):
    loss, x, left, right = problem(name, (20, 300), 2, dtype)
    weights = np.ones(x.shape, dtype)
    weights[3] = 0.0
    expected = be.loss_gradients(name, loss.parameter, x, weights, left, right)
    left[3] = np.finfo(dtype).max
    found = be.loss_gradients(name, loss.parameter, x, weights, left, right)
    assert found[0] == expected[0]
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_array_equal(found[2][:, :1], expected[2][:, :1])


def test_logarithms_are_within_three_units_in_the_last_place():
    generator = np.random.default_rng(0)
    x = np.concatenate([10.0 ** generator.uniform(-300, 300, 2000), generator.uniform(0.5, 2.0, 2000),
                        1.0 + generator.uniform(-1, 1, 500) * 1e-8, [1.0, 2.0, np.sqrt(2.0), 1e-10]])  # fmt: skip
    found = np.array([_elementary.log_of(value) for value in x])
    assert np.all(np.abs(found - np.log(x.astype(LONG))) <= 3 * np.spacing(np.abs(np.log(x))))
    assert [_elementary.log_of(value) for value in (1.0, np.inf)] == [0.0, np.inf]
    assert np.isnan([_elementary.log_of(value) for value in (0.0, -1.0, np.nan)]).all()


def test_exponentials_are_within_three_units_in_the_last_place():
    generator = np.random.default_rng(0)
    x = np.concatenate([generator.uniform(-708, 709, 2000), generator.uniform(-1, 1, 2000), [0.0, 1.0, -1e-300]])
    found = np.array([_elementary.exp_of(value) for value in x])
    assert np.all(np.abs(found - np.exp(x.astype(LONG))) <= 3 * np.spacing(np.exp(x)))
    assert [_elementary.exp_of(value) for value in (0.0, np.inf, 1e4, -np.inf, -1e4)] == [1.0, np.inf, np.inf, 0.0, 0.0]
    assert np.isnan(_elementary.exp_of(np.nan))


def test_logarithms_of_one_more_keep_small_numbers():
    x = np.concatenate([10.0 ** np.random.default_rng(0).uniform(-18, 18, 2000), [0.0, 1.0]])
    found = np.array([_elementary.log_after(1.0 + value, value, 1.0 / (1.0 + value)) for value in x])
    assert np.all(np.abs(found - np.log1p(x.astype(LONG))) <= 4 * np.spacing(np.log1p(x)))
    assert _elementary.log_after(np.inf, np.inf, 0.0) == np.inf


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(41, 600), (600, 41), (1, 3)])
def test_products_of_residuals_are_those_of_whole_arrays(shape, dtype):
    generator = np.random.default_rng(0)
    x, weights = (generator.random(shape).astype(dtype) for _ in range(2))
    left, right = ([generator.standard_normal((n, 5)).astype(dtype) for _ in range(3)] for n in shape)
    found = be.residual_products(x, weights, left, right)
    gaps = np.array([(x - a.astype(float) @ b.T.astype(float)).reshape(-1) for a, b in zip(left, right, strict=True)])
    expected = (gaps * weights.reshape(-1)) @ gaps.T
    size = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert np.abs(found - expected).max() <= 100 * np.finfo(dtype).eps * size.max()
    np.testing.assert_array_equal(found, found.T)
