"""Nonlinear successive over-relaxation: alternating projections of the filled-in matrix."""

from .. import _backend as be
from ..factor.tall_qr import orthonormalize
from .halting import Halting
from .problem import Outcome

_ENOUGH = 0.7  # a fall of the residual that leaves the relaxation alone
_LEAST = 0.1
_GROWTH = 0.25


def lmafit(problem, U, V, settings, watch):
    """Fit the filled-in matrix ``U Vᴴ + (1 + α) P*(y - U Vᴴ)`` by one factor after the other.

    Notes
    -----
    Wen, Yin and Zhang (2012). The relaxation α grows while the residual falls slowly; a step that lets the residual
    grow is undone and α starts from 0.
    """
    observed = problem.observed
    halting = Halting(settings.tol)
    U, R = orthonormalize(U)
    V = be.matmul(V, be.mH(R))
    z = observed.residual(U, V)
    residual, alpha, increment = be.fro_norm(z), 0.0, 0.0
    while True:
        S = z * (1.0 + alpha)
        left = orthonormalize(observed.times(S, V) + be.matmul(U, be.gram(V)))[0]
        right = observed.adjoint_times(S, left) + be.matmul(V, be.adjoint_matmul(U, left))
        fresh = observed.residual(left, right)
        size = be.fro_norm(fresh)
        grown = size >= residual and alpha > 0.0
        if grown:
            increment, alpha = max(_LEAST * alpha, _LEAST * increment), 0.0
        else:
            if size > _ENOUGH * residual:
                increment = max(increment, _GROWTH * alpha, _LEAST)
                alpha += increment
            U, V, z, residual = left, right, fresh, size
        relative = residual / problem.norm if problem.norm > 0.0 else 0.0
        enough = not grown and halting.after(relative)
        if watch.tick(residual=relative, relaxation=alpha) or enough:
            return Outcome(U, V, enough, halting.reason or watch.reason, halting.history)
