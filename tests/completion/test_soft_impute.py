"""Completion with the nuclear norm: the conditions of its minimum."""

import numpy as np
import pytest
from completion.matrices import entries, factors, places, sampled

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
