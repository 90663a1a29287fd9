"""Orthogonal factorisation of the whole matrix: nearly square, small, and wide problems."""

from dataclasses import dataclass

import numpy as np

from .. import _backend as be
from ..factor.tall_qr import tall_qr
from .backward_error import Spectrum
from .columns import column_norms, on_host
from .conditioning import CUTOFF, conditioning
from .preconditioner import from_factors
from .refinement import Refined


def from_householder(problem):
    """Preconditioner and solution by Householder reflections of ``[A; √λ I]``."""
    m = problem.A.shape[0]
    problem.A.read(problem.A.shape[1])
    Q, R = be.householder_qr(problem.xp.concat([problem.A.array, problem.regularized_rows()], axis=0))
    return from_factors(R, be.adjoint_matmul(Q[:m, :], problem.B))


@dataclass(frozen=True)
class WideSolution:
    """Solutions of least norm with their backward errors and residuals, the rank and the condition."""

    refined: Refined
    rank: int
    condition: float


def solve_wide(problem, goal):
    """Solutions of least norm for a wide array, from the QR factorisation of ``[A, √λ I]ᴴ = Q R``.

    The stacked unknowns ``[x; z]`` solve ``[A, √λ I] [x; z] = b`` exactly; one step of refinement follows where the
    backward error of that system is above `goal`. Without full rank ``Rᴴ`` is truncated by its singular values.
    """
    A, n = problem.A, problem.A.shape[1]
    below = problem.identity(A.shape[0])
    below = below * problem.ridge**0.5 if problem.ridge else below[:0, :]
    M = problem.xp.concat([be.mH(A.array), below], axis=0) if problem.ridge else be.mH(A.array)
    A.read(A.shape[0])
    Q, R = tall_qr(M, check_finite=False)
    known = conditioning(R)
    if known.full:
        X, errors, residuals = _exact(problem, M, Q, R, goal)
        residuals = problem.gradient(X[:n, :])[1] if problem.ridge else residuals
        return WideSolution(Refined(X[:n, :], errors, residuals, "factored"), known.rank, known.condition)
    return _truncated(problem, Q, R)


def _exact(problem, M, Q, R, goal):
    """Solve ``Mᴴ x = b`` for full rank; the backward error of a system is its weighted residual."""

    def solved(B):
        return be.matmul(Q, be.mH(be.right_solve_upper(be.mH(B), R)))

    def judged(X):
        residual = problem.B - be.adjoint_matmul(M, X)
        sizes, norm = column_norms(residual), be.fro_norm(R)
        size = np.hypot(problem.norms / norm, column_norms(X))
        return residual, sizes, sizes / np.where(size > 0, size, 1.0) / norm

    X = solved(problem.B)
    residual, sizes, errors = judged(X)
    if np.max(errors) > goal:
        again = X + solved(residual)
        _, again_sizes, again_errors = judged(again)
        if np.max(again_errors) < np.max(errors):
            return again, again_errors, again_sizes
    return X, errors, sizes


def _truncated(problem, Q, R):
    U, s, Vh = be.small_svd(R)
    host = on_host(s)
    rank = int(np.sum(host > CUTOFF * be.eps(R.dtype) * host[0]))
    xp = problem.xp
    core = be.matmul(Vh[:rank, :], problem.B) / xp.astype(s[:rank], R.dtype)[:, None]
    X = be.matmul(Q, be.matmul(U[:, :rank], core))
    gradient, residuals = problem.gradient(X)
    errors = Spectrum(be.mH(R)).backward_errors(be.adjoint_matmul(Q, gradient), residuals, X, problem.norms)
    condition = float(host[0] / host[rank - 1]) if rank else 1.0
    return WideSolution(Refined(X, errors, residuals, "factored"), rank, condition)
