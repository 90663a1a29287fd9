"""Noisy data whose residual meets the tolerance while single rows are far off."""

import numpy as np

import lowrank_la as lr
from lowrank_la.completion.oversized import oversized
from lowrank_la.completion.problem import Problem
from lowrank_la.operators.observed import Observed

N, RANK, OVERSAMPLING, SIGMA = 1000, 5, 3, 0.1
FLOOR = SIGMA * (1 - 1 / OVERSAMPLING) ** 0.5


def noisy(seed, kappa=10.0):
    """``(A, places and values)``: entries of root mean square 1 with noise of `SIGMA`."""
    generator = np.random.default_rng(seed)
    U, V = (np.linalg.qr(generator.standard_normal((N, RANK)))[0] for _ in range(2))
    A = U * np.geomspace(kappa, 1, RANK) @ V.T
    A *= N / np.linalg.norm(A)
    count = round(OVERSAMPLING * RANK * (2 * N - RANK))
    rows, columns = np.divmod(generator.permutation(N * N)[:count], N)
    return A, (rows, columns, A[rows, columns] + SIGMA * generator.standard_normal(count))


def test_a_tolerance_just_above_the_noise_is_not_met_by_rows_that_are_blown_up():
    for seed in range(5):
        A, given = noisy(seed)
        U, V = found = lr.complete(given, RANK, shape=A.shape, tol=1.02 * FLOOR, rng=seed)
        assert found.info.converged
        assert np.linalg.norm(U @ V.T - A) / N <= 1.5 * SIGMA / OVERSAMPLING**0.5


def test_an_answer_with_a_row_that_its_entries_deny_is_not_converged():
    A, given = noisy(0)
    U, s, Vh = np.linalg.svd(A, full_matrices=False)
    U, V = U[:, :RANK] * s[:RANK], Vh[:RANK].T
    problem = Problem(Observed.from_entries(*given, shape=A.shape), RANK)
    assert not oversized(problem, U, V, SIGMA)
    U[17] *= 10.0
    assert oversized(problem, U, V, SIGMA)
    assert not oversized(problem, U, V, 1e-6)
