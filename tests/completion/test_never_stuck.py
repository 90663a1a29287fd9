"""The default call over many matrices: exact entries are completed, noisy ones as well as an oracle would."""

import numpy as np
import pytest

import lowrank_la as lr

from .matrices import factors, places, relative_error


def given(n, rank, oversampling, condition, seed, sigma=0.0):
    """``A, (rows, columns, values)`` with entries of root mean square 1 and noise of `sigma`.

    Every line has twice as many entries as it has unknowns at least: the noise of a line with as many decides alone.
    """
    U, V = factors(n, n, rank, seed=seed, condition=condition)
    A = U @ V.T
    A *= n / np.linalg.norm(A)
    rows, columns = places(n, n, round(oversampling * rank * (2 * n - rank)), seed, 2 * rank)
    noise = np.random.default_rng(seed + 5000).standard_normal(rows.size)
    return A, (rows, columns, A[rows, columns] + sigma * noise)


@pytest.mark.slow
@pytest.mark.parametrize("condition", [1.0, 10.0])
def test_three_times_as_many_entries_as_parameters_are_enough_for_every_seed(condition):
    for seed in range(25):
        A, entries = given(600, 4, 3.0, condition, seed)
        found = lr.complete(entries, 4, shape=A.shape, tol=1e-7, rng=seed)
        assert found.info.converged
        assert relative_error(found, A) < 1e-6


def tangent_error(A, rank, entries):
    """Relative error of least squares over the tangent space at the true matrix, which no estimator knows."""
    rows, columns, values = entries
    U, _, Vh = np.linalg.svd(A)
    U, V = U[:, :rank], Vh[:rank].T
    m, n = A.shape
    design = np.zeros((rows.size, rank * (m + n)))
    at = np.arange(rows.size)
    for column in range(rank):
        design[at, rows * rank + column] = V[columns, column]
        design[at, rank * m + columns * rank + column] = U[rows, column]
    x = np.linalg.lstsq(design, values, rcond=None)[0]
    found = x[: rank * m].reshape(m, rank) @ V.T + U @ x[rank * m :].reshape(n, rank).T
    return np.linalg.norm(found - A) / np.linalg.norm(A)


@pytest.mark.parametrize("condition", [1.0, 10.0])
def test_noisy_entries_are_completed_about_as_well_as_by_an_oracle_that_knows_the_tangent_space(condition):
    sigma, oversampling, rank = 0.01, 3.0, 2
    for seed in range(3):
        A, entries = given(150, rank, oversampling, condition, seed, sigma)
        found = lr.complete(entries, rank, shape=A.shape, tol=sigma, holdout=0, rng=seed)
        assert found.info.converged
        assert relative_error(found, A) < 1.2 * tangent_error(A, rank, entries)


@pytest.mark.slow
@pytest.mark.parametrize(("condition", "oversampling"), [(1.0, 3.0), (10.0, 3.0), (10.0, 5.0), (10.0, 10.0)])
def test_the_error_under_noise_is_within_half_as_much_again_of_the_rate(condition, oversampling):
    sigma, rank = 0.1, 5
    for seed in range(5):
        A, entries = given(1000, rank, oversampling, condition, seed, sigma)
        found = lr.complete(entries, rank, shape=A.shape, tol=sigma, rng=seed)
        assert found.info.converged
        assert relative_error(found, A) < 1.5 * sigma / oversampling**0.5
