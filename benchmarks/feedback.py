"""Implicit feedback: counts at places, weights at all of them; the last part of `bench_completion`."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse

import lowrank_la as lr
from benchmarks import harness

TITLE = "n=1e4, 1e6 counts, 32 columns, implicit feedback, until the objective is within 0.5 % of the least found"
TARGET = 5e-3
RANK, ALPHA, PENALTY = 32, 2.0, 5.0
SWEEPS = (5, 6, 8, 10, 12, 15, 20, 30)


@dataclass(frozen=True)
class Counts:
    """Counts, and the least value of the objective that 200 sweeps of ours find."""

    matrix: scipy.sparse.csr_matrix
    least: float


def counts(n=10_000, count=1_000_000):
    generator = np.random.default_rng(0)
    places = np.unique(generator.integers(0, n * n, count + count // 10))
    rows, columns = np.divmod(generator.permutation(places)[:count], n)
    U, V = generator.gamma(0.3, size=(2, n, 8))
    values = 1.0 + generator.poisson(3.0 * np.sum(U[rows] * V[columns], axis=1))
    matrix = scipy.sparse.csr_matrix((values, (rows, columns)), shape=(n, n))
    return Counts(matrix, objective(matrix, *ours(matrix, 200)()))


def objective(matrix, U, V):
    """``Σ c (p - x)² + λ (‖U‖² + ‖V‖²)`` over all places, p and c - 1 being zero where nothing was counted."""
    entries = matrix.tocoo()
    U, V = U.astype(float), V.astype(float)
    x = np.sum(U[entries.row] * V[entries.col], axis=1)
    seen = np.sum((1.0 + ALPHA * entries.data) * (1.0 - x) ** 2 - x**2)
    return float(seen + np.sum((U.T @ U) * (V.T @ V)) + PENALTY * (np.sum(U**2) + np.sum(V**2)))


def judge(data):
    return lambda factors: objective(data.matrix, *factors) / data.least - 1.0


def ours(matrix, sweeps, solver="auto"):
    def run():
        result = lr.complete(
            matrix, RANK, confidence=ALPHA, regularization=PENALTY, maxiter=sweeps, tol=1e-9, solver=solver, rng=0
        )
        return tuple(result)

    return run


def by_implicit(data, sweeps, use_cg):
    """The peer takes the confidences themselves as the data."""
    confidences = data.matrix.copy()
    confidences.data = 1.0 + ALPHA * confidences.data

    def run():
        import implicit

        model = implicit.als.AlternatingLeastSquares(
            factors=RANK, regularization=PENALTY, iterations=sweeps, num_threads=harness.THREADS, use_gpu=False,
            use_cg=use_cg, random_state=0, dtype=np.float64,
        )  # fmt: skip
        with harness.threads(1):
            model.fit(confidences, show_progress=False)
        return model.user_factors, model.item_factors

    return run


def contenders(data):
    for solver in ("auto", "cg", "cholesky"):
        runs = [(f"{sweeps} sweeps", ours(data.matrix, sweeps, solver)) for sweeps in SWEEPS]
        yield harness.Contender(f"lowrank_la {solver}", runs, ours=True)
    for name, use_cg in (("implicit CG", True), ("implicit Cholesky", False)):
        yield harness.Contender(name, [(f"{sweeps} sweeps", by_implicit(data, sweeps, use_cg)) for sweeps in SWEEPS])
