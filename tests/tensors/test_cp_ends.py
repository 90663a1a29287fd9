"""When `cp` calls its iteration ended: neither at a moment of standstill nor long after there is nothing to gain."""

import numpy as np
import pytest
from tensors import dense_cases as cases

import lowrank_la as lr


def overshooting(seed):
    """Terms that resemble each other, of which extrapolated sweeps overshoot the best fit for a moment."""
    generator = np.random.default_rng(seed)
    rank, congruence = int(generator.integers(2, 7)), generator.choice([0.0, 0.5, 0.8, 0.9, 0.95])
    shape = tuple(generator.integers(4, 12, 3))
    common = [generator.standard_normal((n, 1)) for n in shape]
    factors = []
    for line, n in zip(common, shape, strict=True):
        own = generator.standard_normal((n, rank))
        own = np.sqrt(1 - congruence) * own / np.linalg.norm(own, axis=0)
        factors.append(np.sqrt(congruence) * line / np.linalg.norm(line) + own)
    return cases.model(factors), rank


@pytest.mark.parametrize("seed", [7, 10, 41, 106, 128])
def test_a_moment_of_standstill_between_extrapolated_sweeps_is_no_end(seed):
    X, rank = overshooting(seed)
    result = lr.cp(X, rank, rng=seed, maxiter=3000)
    assert result.info.converged
    with pytest.warns(lr.ConvergenceWarning):
        more = lr.cp(X, rank, init=tuple(result), accelerate=False, tol=1e-12, maxiter=2)
    assert abs(result.info.error - more.info.errors[0]) <= 1e-8


@pytest.mark.parametrize("noise", [0.0, 1e-9, 0.05])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("accelerate", [False, True])
def test_no_tolerance_runs_on_to_rounding_and_no_further(noise, dtype, accelerate):
    X = cases.tensor((12, 10, 8), 3, noise, dtype)
    result = lr.cp(X, 3, tol=0, rng=1, accelerate=accelerate)
    assert result.info.converged
    best = lr.cp(X, 3, tol=0, rng=1, method="gauss_newton")
    eps = np.finfo(dtype).eps
    assert result.info.error <= best.info.error + 4 * eps / max(best.info.error, 1.0 if noise == 0 else eps**0.5)
    assert result.info.iterations < 200


def test_a_fit_that_stands_still_in_the_last_sweep_allowed_has_converged():
    X = cases.tensor((9, 8, 7), 3, 0.1)
    free = lr.cp(X, 3, rng=0)
    assert lr.cp(X, 3, rng=0, maxiter=free.info.iterations).info.converged
