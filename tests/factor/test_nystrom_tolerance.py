"""What a tolerance of `nystrom` promises: two estimates have to meet it, and no true error lies above."""

import itertools

import numpy as np
import pytest
from factor import oracles

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la import testing
from lowrank_la.factor import errors
from lowrank_la.factor.rangefinder import gaussian_block


@pytest.mark.parametrize("method", ["sketch", "krylov"])
@pytest.mark.parametrize("tol", [0.3, 1e-2, 1e-4])
def test_a_tolerance_is_met_with_no_more_pairs_than_needed(method, tol):
    values = testing.spectra["exponential_medium"](120)
    A = testing.hermitian(120, values, rng=12)
    r = lr.nystrom(A, 110, tol=tol, method=method, rng=0)
    assert r.info.converged
    assert oracles.true_error(A, r) <= tol
    assert len(r.w) <= 3 * oracles.optimal_rank(values, tol) + 2


def draws(method="auto", hidden=False):
    """True error over tolerance of 504 seeded runs to a tolerance."""
    grid = itertools.product(range(9), sorted(testing.spectra), (0.3, 0.1, 1e-2, 1e-4))
    matrices = {}
    for seed, (_, spectrum, tol) in enumerate(grid, start=1):
        n = (60, 120, 150)[seed % 3]
        if (spectrum, n) not in matrices:
            matrices[spectrum, n] = testing.hermitian(n, testing.spectra[spectrum](n), rng=n)
        A = matrices[spectrum, n]
        r = lr.nystrom(oracles.Counted(A) if hidden else A, n, tol=tol, method=method, rng=seed)
        assert r.info.converged
        yield oracles.true_error(A, r) / tol


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"hidden": True}, {"method": "krylov"}])
def test_no_tolerance_is_missed_in_five_hundred_draws(options):
    assert max(draws(**options)) <= 1 + 1e-9


UNLUCKY = [("close_pair", 120, 0.3, 1), ("devil", 150, 0.3, 173), ("close_pair", 60, 0.1, 282)]


@pytest.mark.parametrize(("spectrum", "n", "tol", "seed"), UNLUCKY)
def test_a_decision_without_the_probes_is_noticed(spectrum, n, tol, seed, monkeypatch):
    A = testing.hermitian(n, testing.spectra[spectrum](n), rng=n)
    assert oracles.true_error(A, lr.nystrom(A, n, tol=tol, rng=seed)) <= tol
    monkeypatch.setattr(errors.Probes, "missed_by_leading", lambda self, w, V: (np.zeros(len(w) + 1),) * 2)
    assert oracles.true_error(A, lr.nystrom(A, n, tol=tol, rng=seed)) > 1.02 * tol


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_probes_see_what_each_number_of_pairs_misses(backend, dtype):
    dtype = backend.nearest(dtype)
    host = testing.hermitian(40, testing.spectra["polynomial_one"](40), dtype=dtype, rng=23)
    op, key = lr.as_operator(backend.asarray(host)), be.resolve_rng(1)
    w, V = lr.nystrom(op, 12, rng=0)
    probes = errors.Probes(op, key)
    estimates, limits = probes.missed_by_leading(w, V)
    columns = oracles.wide(gaussian_block(op, 40, 10, key.child("error")))
    w, V = oracles.wide(w), oracles.wide(V)
    for count, (estimate, limit) in enumerate(zip(estimates, limits, strict=True)):
        gap = (oracles.wide(host) - (V[:, :count] * w[:count].real) @ V[:, :count].conj().T) @ columns
        squares = np.linalg.norm(gap, axis=0) ** 2
        raised = np.sqrt(squares.mean() + 3 * squares.std(ddof=1) / 10**0.5)
        assert abs(estimate / squares.mean() ** 0.5 - 1) <= 100 * oracles.eps(dtype)
        assert abs(limit / raised - 1) <= 100 * oracles.eps(dtype)


def test_a_tolerance_that_the_rank_does_not_reach_is_said():
    A = testing.hermitian(90, testing.spectra["polynomial_half"](90), rng=13)
    with pytest.warns(lr.ConvergenceWarning, match=r"rank reached before tol; allow a larger rank"):
        r = lr.nystrom(A, 5, tol=1e-3, rng=0)
    assert not r.info.converged
    assert r.info.error > 1e-3
    assert len(r.w) == 5
    with pytest.raises(lr.ConvergenceError):
        lr.nystrom(A, 5, tol=1e-3, on_failure="raise", rng=0)


def test_a_tolerance_met_by_the_estimate_alone_is_not_claimed():
    values = testing.spectra["exponential_medium"](120)
    A = testing.hermitian(120, values, rng=24)
    with pytest.warns(lr.ConvergenceWarning):
        tol = 1.02 * lr.nystrom(A, 20, tol=1e-9, oversample=0, rng=0).info.error
    with pytest.warns(lr.ConvergenceWarning, match="rank reached before tol was certain"):
        r = lr.nystrom(A, 20, tol=tol, oversample=0, rng=0)
    assert not r.info.converged
    assert r.info.error <= tol


def test_a_stopped_sketch_says_so():
    A = testing.hermitian(90, testing.spectra["polynomial_half"](90), rng=13)
    with pytest.warns(lr.ConvergenceWarning, match="stopped by callback"):
        lr.nystrom(A, 80, tol=1e-3, callback=lambda state: True, rng=0)
    with pytest.warns(lr.ConvergenceWarning, match="maxiter=1 reached"):
        lr.nystrom(A, 80, tol=1e-3, maxiter=1, rng=0)
