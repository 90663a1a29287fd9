"""Generalised CP: losses, gradients, and what is recovered."""

import tracemalloc

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse as sp
from tensors import sparse_cases as cases

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la._backend import losses as be_losses
from lowrank_la.tensors import gcp_stochastic
from lowrank_la.tensors.gcp_objectives import DenseObjective, ObservedObjective, SparseObjective, observed_objective
from lowrank_la.tensors.losses import LOSSES, loss_called
from lowrank_la.tensors.observed import read_observed
from lowrank_la.tensors.sparse_tensor import as_sparse_tensor
from lowrank_la.tensors.tensor import as_tensor

SHAPE = (6, 5, 4)
PARAMETERS = {"huber": 0.7, "negative_binomial": 3.0, "beta": 1.7}
SHORT = pytest.mark.filterwarnings("ignore::lowrank_la.exceptions.ConvergenceWarning")
OF_MEAN = {
    "poisson_log": np.exp, "bernoulli": lambda m: m / (1 + m), "bernoulli_logit": lambda m: 1 / (1 + np.exp(-m)),
    "negative_binomial": lambda m: m,
}  # fmt: skip


def data_for(name, mean, generator):
    """Entries that the loss is for, with the mean given."""
    allowed = loss_called(name).allowed
    if allowed == "any":
        return mean + 0.05 * generator.standard_normal(mean.shape)
    if allowed == "binary":
        return (generator.random(mean.shape) < mean / (1 + mean)).astype(float)
    if allowed == "positive":
        return mean * generator.gamma(20.0, 1 / 20.0, mean.shape)
    return generator.poisson(mean).astype(float)


def positive_factors(shape=SHAPE, rank=2, seed=1):
    generator = np.random.default_rng(seed)
    return [generator.uniform(0.3, 1.5, (n, rank)) for n in shape]


def direct(loss, x, factors, weights=1.0):
    return float(np.sum(weights * loss.value(x, cases.model(np.ones(factors[0].shape[1]), factors))))


@pytest.mark.parametrize("name", LOSSES)
def test_slopes_are_those_of_finite_differences(name):
    loss = loss_called(name, PARAMETERS.get(name))
    m = np.linspace(0.1, 3.0, 50)
    for x in (0.0, 1.0) if loss.allowed == "binary" else (1.0, 2.0, 7.0):
        step = 1e-6
        numeric = (loss.value(x, m + step) - loss.value(x, m - step)) / (2 * step)
        np.testing.assert_allclose(loss.slope(np.full(50, x), m), numeric, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_the_best_model_of_repeated_numbers_is_what_the_table_says(name):
    loss = loss_called(name)
    x = np.array([0.0, 1.0, 1.0]) if loss.allowed == "binary" else np.array([1.0, 2.0, 4.0])
    found = scipy.optimize.minimize_scalar(
        lambda m: loss.value(x, np.full(3, m)).sum(), bounds=(1e-6, 20.0), method="bounded", options={"xatol": 1e-9}
    ).x
    expected = {
        "bernoulli": 2.0, "bernoulli_logit": np.log(2.0), "poisson_log": np.log(7 / 3), "huber": 2.0,
        "rayleigh": np.sqrt(np.pi / 4 * np.mean(x**2)),
    }.get(name, 7 / 3)  # fmt: skip
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_objectives_and_gradients_are_those_of_the_sum_over_entries(name):
    loss, generator = loss_called(name, PARAMETERS.get(name)), np.random.default_rng(0)
    factors = positive_factors()
    x = data_for(name, cases.model(np.ones(2), factors), generator)
    mask, weights = generator.random(SHAPE) < 0.6, generator.random(SHAPE)
    objectives = [
        (DenseObjective(as_tensor(x), loss), x, np.ones(SHAPE)),
        (ObservedObjective(_unscaled(read_observed(x, mask, weights)), loss), x, mask * weights),
    ]
    if loss.at_zero:
        few = np.where(mask, x, 0.0)
        objectives.append((SparseObjective(as_sparse_tensor(sp.coo_array(few)), loss), few, np.ones(SHAPE)))
    for objective, entries, heavy in objectives:
        value, gradients = objective(factors)
        assert value == pytest.approx(direct(loss, entries, factors, heavy), rel=1e-10)
        for k, gradient in enumerate(gradients):
            step = 1e-6 * generator.standard_normal(factors[k].shape)
            ahead, behind = ([*factors[:k], factors[k] + s * step, *factors[k + 1 :]] for s in (1, -1))
            numeric = (direct(loss, entries, ahead, heavy) - direct(loss, entries, behind, heavy)) / 2
            assert float(np.sum(gradient * step)) == pytest.approx(numeric, rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_of_a_filled_array_are_those_of_the_observed_entries(name, weighted, monkeypatch):
    loss, generator = loss_called(name, PARAMETERS.get(name)), np.random.default_rng(0)
    factors = positive_factors()
    x = data_for(name, cases.model(np.ones(2), factors), generator)
    mask, weights = generator.random(SHAPE) < 0.6, generator.random(SHAPE) if weighted else None
    observed = _unscaled(read_observed(np.where(mask, x, np.nan), mask, weights))
    monkeypatch.setattr(be_losses, "_KERNEL_FROM", 0)
    filled, listed = observed_objective(observed, loss), ObservedObjective(observed, loss)
    assert isinstance(filled, DenseObjective)
    assert filled.count == listed.count
    (value, gradients), (expected, others) = filled(factors), listed(factors)
    assert value == pytest.approx(expected, rel=1e-12)
    for one, two in zip(gradients, others, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-11, atol=1e-11 * np.abs(two).max())


def _unscaled(observed):
    from dataclasses import replace

    return replace(observed, tensor=observed.tensor.with_values(observed.tensor.values * observed.scale), scale=1.0)


def test_an_objective_in_slabs_is_that_in_one_piece(monkeypatch):
    from lowrank_la.tensors import gcp_objectives

    x, factors = cases.factors_of((1, 360), 1)[1].reshape(3, 40, 3), positive_factors((3, 40, 3))
    objective = DenseObjective(as_tensor(x), loss_called("gaussian"))
    whole = objective(factors)
    monkeypatch.setattr(gcp_objectives, "_HOST_SLAB", 8)
    monkeypatch.setattr(gcp_objectives, "_TASK", 40)
    parts = objective(factors)
    assert parts[0] == pytest.approx(whole[0], rel=1e-13)
    for one, two in zip(parts[1], whole[1], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-11, atol=1e-11)


def test_an_objective_of_many_modes_keeps_less_than_the_data():
    x, factors = np.ones((40,) * 4), positive_factors((40,) * 4)
    objective = DenseObjective(as_tensor(x), loss_called("poisson"))
    objective(factors)
    tracemalloc.start()
    objective(factors)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= x.nbytes / 2


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in ("bernoulli", "bernoulli_logit")])
def test_the_mean_behind_the_data_is_found(name):
    generator, shape = np.random.default_rng(0), (14, 12, 10)
    mean = 3 * cases.model(np.ones(2), positive_factors(shape))
    x = data_for(name, mean, generator)
    result = lr.gcp(x, 2, loss=name, rng=0, tol=1e-8)
    found = OF_MEAN.get(name, lambda m: m)(result.full())
    found = np.sqrt(4 / np.pi) * found if name == "rayleigh" else found
    limit = 0.5 if name == "poisson_log" else 0.25
    assert np.linalg.norm(found - mean) <= limit * np.linalg.norm(mean)


@SHORT
@pytest.mark.parametrize("name", ["bernoulli", "bernoulli_logit"])
def test_probabilities_behind_zeros_and_ones_are_found(name):
    generator, shape = np.random.default_rng(0), (30, 30, 30)
    odds = cases.model(np.ones(1), positive_factors(shape, rank=1))
    x = data_for(name, odds, generator)
    truth = odds / (1 + odds)
    result = lr.gcp(x, 1 if name == "bernoulli" else 2, loss=name, rng=0, tol=1e-7, maxiter=300)
    found = OF_MEAN[name](result.full())
    assert np.abs(found - truth).mean() <= 0.08


def test_outliers_do_not_move_the_huber_model():
    generator, shape = np.random.default_rng(0), (12, 12, 12)
    truth = cases.model(np.ones(2), cases.factors_of(shape, 2))
    x = truth + 0.01 * generator.standard_normal(shape)
    x[generator.random(shape) < 0.05] += 30.0
    errors = {
        name: np.linalg.norm(lr.gcp(x, 2, loss=name, parameter=delta, rng=0).full() - truth) / np.linalg.norm(truth)
        for name, delta in (("huber", 0.1), ("gaussian", None))
    }
    assert errors["huber"] < 0.05 < errors["gaussian"]


def test_gaussian_loss_is_the_squared_error_of_cp():
    x = cases.model(np.ones(2), cases.factors_of(SHAPE, 2)) + 0.1 * np.random.default_rng(0).standard_normal(SHAPE)
    found, plain = lr.gcp(x, 2, rng=0, tol=1e-12), lr.cp(x, 2, rng=0, tol=1e-12)
    assert found.info.error == pytest.approx(plain.info.error, rel=1e-5)
    assert found.info.loss == pytest.approx(np.mean((x - found.full()) ** 2), rel=1e-9)
    assert found.info.error == pytest.approx(np.linalg.norm(x - found.full()) / np.linalg.norm(x), rel=1e-9)


@pytest.mark.parametrize("name", ["gaussian", "poisson"])
def test_a_sparse_tensor_is_the_dense_one(name):
    x = np.random.default_rng(0).poisson(0.4, (8, 7, 6)).astype(float)
    runs = [lr.gcp(X, 2, loss=name, rng=0, tol=1e-12) for X in (x, sp.coo_array(x))]
    assert runs[0].info.loss == pytest.approx(runs[1].info.loss, rel=1e-6)
    np.testing.assert_allclose(runs[0].full(), runs[1].full(), atol=1e-3)


def test_missing_entries_and_weights_take_part_as_they_should():
    generator = np.random.default_rng(0)
    mean = 5 * cases.model(np.ones(2), positive_factors((10, 9, 8)))
    x, mask = generator.poisson(mean).astype(float), generator.random((10, 9, 8)) < 0.7
    spoilt = np.where(mask, x, np.nan)
    one = lr.gcp(spoilt, 2, loss="poisson", mask="finite", rng=0)
    two = lr.gcp(x, 2, loss="poisson", weights=mask.astype(float), rng=0)
    np.testing.assert_array_equal(one.full(), two.full())
    assert np.linalg.norm(one.full() - mean) <= 0.25 * np.linalg.norm(mean)


def test_sampled_gradients_are_unbiased():
    loss = loss_called("bernoulli")
    x = (np.random.default_rng(0).random(SHAPE) < 0.2).astype(float)
    tensor, factors = as_sparse_tensor(sp.coo_array(x)), positive_factors()
    exact = DenseObjective(as_tensor(x), loss)(factors)[1]
    runs, total = 400, [[], [], []]
    for stored, anywhere in zip(*gcp_stochastic.draws(tensor, be.resolve_rng(0), runs, 40, 40), strict=True):
        for k, gradient in enumerate(gcp_stochastic.sampled_gradients(tensor, loss, factors, stored, anywhere)):
            total[k].append(gradient)
    for k in range(3):
        drawn = np.array(total[k])
        spread = drawn.std(axis=0) / np.sqrt(runs)
        assert (np.abs(drawn.mean(axis=0) - exact[k]) <= 5 * spread + 1e-12).all()


def test_gradients_without_the_correction_at_stored_entries_are_biased():
    loss = loss_called("bernoulli")
    x = (np.random.default_rng(0).random(SHAPE) < 0.2).astype(float)
    tensor, factors = as_sparse_tensor(sp.coo_array(x)), positive_factors()
    exact = DenseObjective(as_tensor(x), loss)(factors)[1][0]

    class Wrong:
        value = loss.value

        @staticmethod
        def slope(entries, model):
            return loss.slope(entries, model) if entries.any() else loss.slope(entries, model) * 0.5

    drawn = np.array([
        gcp_stochastic.sampled_gradients(tensor, Wrong, factors, stored, anywhere)[0]
        for stored, anywhere in zip(*gcp_stochastic.draws(tensor, be.resolve_rng(0), 400, 40, 40), strict=True)
    ])  # fmt: skip
    assert (np.abs(drawn.mean(axis=0) - exact) > 5 * drawn.std(axis=0) / 20).any()


@SHORT
def test_samples_of_a_sparse_tensor_lower_the_loss(monkeypatch):
    monkeypatch.setattr(gcp_stochastic, "_EPOCH", 100)
    generator, shape = np.random.default_rng(0), (20, 20, 20)
    odds = 0.15 * cases.model(np.ones(1), positive_factors(shape, rank=1))
    x = (generator.random(shape) < odds / (1 + odds)).astype(float)
    result = lr.gcp(sp.coo_array(x), 1, loss="bernoulli", rng=0, maxiter=8)
    dense = lr.gcp(x, 1, loss="bernoulli", rng=0)
    assert result.info.method == "adam"
    assert result.info.history == sorted(result.info.history, reverse=True)
    model = result.full()
    assert np.mean(np.log1p(model) - x * np.log(model + 1e-10)) <= dense.info.loss + 0.02 * abs(dense.info.loss)


@SHORT
@pytest.mark.parametrize("name", ["gaussian", "poisson"])
def test_all_backends_agree(name, backend):
    x = np.random.default_rng(0).poisson(3.0, SHAPE).astype(float)
    init = np.ones(2), positive_factors(seed=4)
    expected = lr.gcp(x, 2, loss=name, init=init, maxiter=8, tol=1e-5)
    given = backend.asarray(init[0]), [backend.asarray(factor) for factor in init[1]]
    found = lr.gcp(backend.asarray(x), 2, loss=name, init=given, maxiter=8, tol=1e-5)
    assert all(backend.holds(part) for part in (found.weights, *found.factors))
    single = found.factors[0].dtype == backend.dtype("float32")
    assert found.info.loss == pytest.approx(expected.info.loss, rel=1e-2 if single else 1e-9)


def test_results_survive_a_file_and_seeds_reproduce(tmp_path):
    x = np.random.default_rng(0).poisson(3.0, SHAPE)
    one, two = (lr.gcp(x, 2, loss="poisson", rng=7) for _ in range(2))
    np.testing.assert_array_equal(one.full(), two.full())
    one.save(tmp_path / "result.npz")
    np.testing.assert_array_equal(lr.load(tmp_path / "result.npz").full(), one.full())


def test_half_precision_is_worked_in_single():
    x = np.random.default_rng(0).poisson(3.0, SHAPE).astype("float16")
    found = lr.gcp(x, 1, loss="poisson", rng=0)
    assert found.factors[0].dtype == np.float16
    assert found.weights.dtype == np.float32


def test_the_callback_stops_the_iteration():
    x = np.random.default_rng(0).poisson(3.0, SHAPE)
    with pytest.warns(lr.ConvergenceWarning, match="callback"):
        found = lr.gcp(x, 2, loss="poisson", rng=0, callback=lambda state: state.iteration == 3)
    assert found.info.iterations == 3
    with pytest.raises(lr.ConvergenceError, match="maxiter=2"):
        lr.gcp(x, 2, loss="poisson", rng=0, maxiter=2, on_failure="raise")


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (-np.ones(SHAPE), {"loss": "poisson"}, "not negative"),
        (0.5 * np.ones(SHAPE), {"loss": "bernoulli"}, "zeros and ones"),
        (0.5 * np.ones(SHAPE), {"loss": "negative_binomial"}, "counts"),
        (np.zeros(SHAPE), {"loss": "gamma"}, "positive"),
        (np.ones(SHAPE), {"loss": "absolute"}, "loss must be one of"),
        (np.ones(SHAPE), {"loss": "poisson", "parameter": 2.0}, "parameter goes with"),
        (np.ones(SHAPE), {"loss": "beta", "parameter": 1.0}, "must not be 0 or 1"),
        (np.ones(SHAPE), {"method": "adam"}, "samples a sparse X"),
        (np.full(SHAPE, np.nan), {}, "NaN"),
        (sp.coo_array(np.eye(3)), {"loss": "bernoulli_logit", "method": "lbfgs"}, "method='adam'"),
        (sp.coo_array(np.eye(3)), {"loss": "gamma"}, "positive"),
        (np.ones(SHAPE), {"init": (np.ones(3), positive_factors(rank=3))}, "factors of init must have the shapes"),
        (np.ones(SHAPE), {"loss": "poisson", "init": (-np.ones(2), positive_factors())}, "must not be negative"),
    ],
)
def test_calls_without_sense_are_refused(x, options, message):
    with pytest.raises(ValueError, match=message):
        lr.gcp(x, 2, **options)


def test_complex_data_are_refused():
    with pytest.raises(TypeError, match="real data"):
        lr.gcp(np.ones(SHAPE, complex), 1)
