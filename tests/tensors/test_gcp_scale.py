"""`gcp` at all scales of the data."""

import numpy as np
import pytest

import lowrank_la as lr
from lowrank_la.tensors.gcp_lbfgs import _outcome
from lowrank_la.tensors.losses import loss_called

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

    assert _outcome(Found, Watched) == (False, "no step from the start lowers the loss")
    Found.jac = np.zeros(2)
    assert _outcome(Found, Watched)[0]
    Found.status = 1
    assert "evaluations" in _outcome(Found, Watched)[1]


def test_numbers_that_a_loss_is_not_for_are_told():
    with pytest.raises(ValueError, match="such as -3"):
        lr.gcp(np.where(np.median(X) < X, X, -3.0), 2, loss="poisson")
