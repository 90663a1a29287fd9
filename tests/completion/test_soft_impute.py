"""Completion with the nuclear norm: the conditions of its minimum."""

import numpy as np
import pytest
from completion.matrices import entries, factors, places, sampled

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.completion.problem import Problem, Settings
from lowrank_la.completion.soft_impute import soft_impute
from lowrank_la.completion.start import spectral_start
from lowrank_la.factor.iteration import Watch
from lowrank_la.operators.observed import Observed

SHAPE = (60, 50)


def noisy(dtype="float64"):
    """Noisy entries of a matrix of rank 3."""
    U, V = factors(*SHAPE, 3, dtype)
    rows, columns = places(*SHAPE, 1500)
    noise = np.random.default_rng(2).standard_normal(1500)
    return Observed.from_entries(rows, columns, (entries(U, V, rows, columns) + noise).astype(dtype), SHAPE)


def solved(observed, rank, lam, tol=1e-9, maxiter=2000):
    problem = Problem(observed, rank, None, (lam, lam))
    key = be.resolve_rng(0)
    return soft_impute(problem, *spectral_start(problem, key), Settings(tol, key=key), Watch(maxiter))


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("share", [0.5, 0.2])
def test_the_minimum_is_reached(dtype, share):
    observed = noisy(dtype)
    sparse = observed.to_operator() @ np.eye(SHAPE[1], dtype=dtype)
    lam = share * np.linalg.norm(sparse, 2)
    outcome = solved(observed, 20, lam)
    U, s, Vh = np.linalg.svd(outcome.U @ outcome.V.conj().T)
    rank = int(np.sum(s > 1e-8 * s[0]))
    residual = observed.to_operator(observed.residual(outcome.U, outcome.V)) @ np.eye(SHAPE[1], dtype=dtype)
    assert 0 < rank < 20
    assert np.linalg.norm(residual, 2) <= lam * (1 + 1e-4)
    inside = U[:, :rank].conj().T @ residual @ Vh[:rank].conj().T
    assert np.linalg.norm(inside - lam * np.eye(rank), 2) <= 1e-4 * lam


def test_a_lambda_above_the_norm_leaves_nothing():
    observed = noisy()
    lam = 1.01 * np.linalg.norm(observed.to_operator() @ np.eye(SHAPE[1]), 2)
    outcome = solved(observed, 5, lam)
    assert np.linalg.norm(outcome.U @ outcome.V.T) <= 1e-6 * np.linalg.norm(observed.values)


def test_without_lambda_the_path_ends_at_the_tolerance():
    A, (rows, columns, values) = sampled(*SHAPE, 2, 8.0)
    observed = Observed.from_entries(rows, columns, values, SHAPE)
    outcome = solved(observed, 2, 0.0, tol=1e-4)
    assert outcome.converged
    assert outcome.history[-1] <= 1e-4
    assert np.linalg.norm(outcome.U @ outcome.V.T - A) <= 1e-3 * np.linalg.norm(A)


def given_of(observed):
    rows = np.repeat(np.arange(SHAPE[0]), np.diff(observed.row_pointers))
    return rows, observed.columns, observed.values


@pytest.mark.parametrize("pair", [False, True])
def test_complete_ends_at_the_nuclear_norm_minimum(pair):
    observed = noisy()
    sparse = observed.to_operator() @ np.eye(SHAPE[1])
    lam = 0.4 * np.linalg.norm(sparse, 2)
    penalties = (lam / 3, lam * 3) if pair else lam
    result = lr.complete(
        given_of(observed), 12, shape=SHAPE, method="soft_impute", regularization=penalties, tol=1e-10, holdout=0, rng=0
    )
    assert result.info.converged
    U, s, Vh = np.linalg.svd(result.U @ result.V.T)
    rank = int(np.sum(s > 1e-8 * s[0]))
    assert 0 < rank < 12
    residual = observed.to_operator(observed.residual(result.U, result.V)) @ np.eye(SHAPE[1])
    assert np.linalg.norm(residual, 2) <= lam * (1 + 1e-6)
    inside = U[:, :rank].T @ residual @ Vh[:rank].T
    assert np.linalg.norm(inside - lam * np.eye(rank), 2) <= 1e-6 * lam
    both = [np.sum(X**2) for X in result]
    share = (lam / 3 * both[0]) / (lam * 3 * both[1]) if pair else both[0] / both[1]
    assert abs(share - 1.0) <= 1e-9


def test_it_agrees_with_the_same_penalty_on_the_factors():
    observed = noisy()
    options = {"shape": SHAPE, "regularization": 25.0, "tol": 1e-12, "maxiter": 3000, "holdout": 0, "rng": 0}
    found = [lr.complete(given_of(observed), 12, method=method, **options) for method in ("soft_impute", "altmin")]
    A, B = (result.U @ result.V.T for result in found)
    assert np.linalg.norm(A - B) <= 1e-4 * np.linalg.norm(B)


@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_the_minimum_scales_with_the_data(scale):
    observed = noisy()
    rows, columns, values = given_of(observed)
    options = {"shape": SHAPE, "method": "soft_impute", "holdout": 0, "rng": 0}
    lam = 0.5 * np.linalg.norm(observed.to_operator() @ np.eye(SHAPE[1]), 2)
    plain = lr.complete((rows, columns, values), 6, regularization=lam, **options)
    large = lr.complete((rows, columns, values * scale), 6, regularization=lam * scale, **options)
    found = (large.U / np.sqrt(scale)) @ (large.V / np.sqrt(scale)).T
    assert np.linalg.norm(found - plain.U @ plain.V.T) <= 1e-5 * np.linalg.norm(found)


@pytest.mark.parametrize("options", [{"regularization": (np.ones(3), 1.0)}, {"weights": np.ones((3, 3))}])
def test_what_the_nuclear_norm_does_not_take_is_refused(options):
    with pytest.raises(ValueError, match="soft_impute"):
        lr.complete(np.ones((3, 3)), 1, method="soft_impute", **options)
