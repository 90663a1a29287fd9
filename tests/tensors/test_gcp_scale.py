"""`gcp` at all scales of the data."""

import numpy as np
import pytest

import lowrank_la as lr
from lowrank_la.tensors import gcp_task
from lowrank_la.tensors.gcp_lbfgs import Fit, _outcome
from lowrank_la.tensors.losses import LOSSES, loss_called

EPS = np.finfo(float).eps
GENERATOR = np.random.default_rng(1)
FACTORS = [GENERATOR.uniform(0.5, 2.0, (n, 2)) for n in (6, 7, 8)]
X = np.einsum("ir,jr,kr->ijk", *FACTORS) * GENERATOR.uniform(0.9, 1.1, (6, 7, 8))


@pytest.mark.parametrize("loss", ["gaussian", "poisson", "gamma", "rayleigh", "beta"])
@pytest.mark.parametrize("scale", [1e-100, 1e-10, 1e40, 1e150])
def test_the_scale_of_the_data_does_not_matter(loss, scale):
    plain, ours = (lr.gcp(factor * X, 2, loss=loss, rng=0) for factor in (1.0, scale))
    assert ours.info.converged
    assert ours.info.error == pytest.approx(plain.info.error, rel=1e-3)
    np.testing.assert_allclose(ours.full() / scale, plain.full(), rtol=0.02)


@pytest.mark.parametrize("loss", ["gaussian", "huber", "poisson", "gamma", "rayleigh", "beta"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_that_of_the_data_as_given(loss, weighted):
    scale, seen = 3e6, []
    weights = GENERATOR.uniform(1.0, 900.0, X.shape) if weighted else None
    parameter = 0.05 * scale if loss == "huber" else None
    result = lr.gcp(scale * X, 2, loss=loss, parameter=parameter, weights=weights, rng=0,
                    callback=lambda state: seen.append(state.loss))  # fmt: skip
    each = loss_called(loss, parameter).value(scale * X, result.full())
    assert result.info.loss == pytest.approx(float(np.mean(each if weights is None else weights * each)), rel=1e-9)
    assert seen == result.info.history


def test_an_iteration_that_finds_no_step_says_so():
    class Watched:
        stopped, over, count, maxiter, reason = False, False, 0, 10, "maxiter=10 reached"

    class Found:
        status, fun, x, jac = 2, 1.0, np.ones(2), np.ones(2)

    assert _outcome(Found, Watched, False) == (False, "no step from the start lowers the loss")
    Found.jac = np.zeros(2)
    assert _outcome(Found, Watched, False)[0]
    Found.status = 1
    assert "evaluations" in _outcome(Found, Watched, False)[1]


def test_numbers_that_a_loss_is_not_for_are_told():
    with pytest.raises(ValueError, match="such as -3"):
        lr.gcp(np.where(np.median(X) < X, X, -3.0), 2, loss="poisson")


@pytest.mark.parametrize("name", LOSSES)
def test_the_least_loss_of_an_entry_is_that_of_its_best_model(name):
    loss = loss_called(name)
    entries = [0.0, 1.0] if loss.allowed == "binary" else [0.7, 3.0] if loss.allowed == "positive" else [0.0, 1.0, 4.0]
    models = np.concatenate([np.geomspace(1e-12, 1e6, 20001), [0.0]])
    models = models if loss.nonneg else np.concatenate([models, -models])
    for x in entries:
        with np.errstate(over="ignore"):
            best = float(np.min(loss.value(np.full(models.shape, x), models)))
        assert float(loss.least(np.array([x]))[0]) == pytest.approx(best, abs=1e-5)


def test_the_change_that_ends_is_that_of_the_fit_in_several_steps_whatever_the_start():
    fit = Fit(least=-2.0, reference=-1.0, tol=1e-3, eps=EPS)
    fit.losses = [1e12, 8.0, 7.9999, 7.0, 6.0, 5.0]
    assert not fit.stands_still
    fit.losses += [-1.99 + 1e-5 * k for k in reversed(range(6))]
    assert fit.stands_still
    fit.losses += [-1.99, -1.99, -1.999]
    assert not fit.stands_still


def test_an_end_worse_than_a_random_start_is_no_success():
    zeros = [0.0 * factor for factor in FACTORS]
    with pytest.warns(lr.ConvergenceWarning, match="above that of a random start"):
        result = lr.gcp(X, 2, loss="poisson", init=(None, zeros))
    assert not result.info.converged


def test_an_exact_model_is_met_to_seven_digits():
    exact = np.einsum("ir,jr,kr->ijk", *FACTORS)
    assert lr.gcp(exact, 2, loss="gaussian", rng=0).info.error < 1e-8
    assert lr.gcp(exact, 2, loss="gamma", rng=0).info.error < 1e-6


@pytest.mark.parametrize("weighted", [False, True])
def test_the_least_loss_of_all_entries_is_that_of_their_sum(weighted, monkeypatch):
    monkeypatch.setattr(gcp_task, "_AT_ONCE", 50)
    weights = GENERATOR.uniform(0.5, 2.0, X.shape) if weighted else None
    task = gcp_task.read_task(X, loss_called("gamma"), None, weights, True)
    heavy = 1.0 if weights is None else weights / task.observed.heaviest
    assert task.least == pytest.approx(float(np.sum(heavy * (1 + np.log(X)))))


@pytest.mark.filterwarnings("ignore::lowrank_la.ConvergenceWarning")
@pytest.mark.parametrize(("seed", "dtype"), [(0, np.float64), (2, np.float64), (3, np.float64), (3, np.float32)])
def test_large_counts_whose_exponentials_overflow_are_not_called_done_before_they_are(seed, dtype):
    generator = np.random.default_rng(seed)
    logarithm = np.einsum("ir,jr,kr->ijk", *(generator.standard_normal((n, 2)) for n in (40, 36, 30))) / 2
    x = generator.poisson(10.0 ** (6 if dtype == np.float64 else 2) * np.exp(np.clip(logarithm, -3, 3))).astype(dtype)
    result = lr.gcp(x, 3, loss="poisson_log", rng=seed, maxiter=150)
    mean = float(x.mean())
    assert not result.info.converged or result.info.loss < mean - mean * np.log(mean)


@pytest.mark.filterwarnings("ignore::lowrank_la.ConvergenceWarning")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("mean", [1e3, 1e6])
def test_losses_with_exponentials_start_near_the_level_of_the_data(mean, dtype):
    generator = np.random.default_rng(0)
    terms = np.einsum("ar,br,cr->abc", *(generator.random((n, 2)) for n in (14, 12, 10)))
    logarithm = np.log(mean) + 3.0 * (terms - terms.mean())
    x = generator.poisson(np.exp(logarithm)).astype(dtype)
    true = np.mean(np.exp(logarithm) - x * logarithm)
    for seed in range(4):
        assert lr.gcp(x, 3, loss="poisson_log", rng=seed).info.loss <= true + 1e-3 * abs(true)
