"""Scaled alternating steepest descent: one gradient step a side, its length exact."""

from .. import _backend as be
from ..factor.tall_qr import orthonormalize
from .halting import Halting
from .problem import Outcome

_RECOMPUTED = 50  # sweeps after which the residual is computed afresh


def scaled_gd(problem, U, V, settings, watch):
    """Gradient steps on `U` and `V` in turn, each scaled by the inverse Gram matrix of the other factor.

    Notes
    -----
    Tanner and Wei (2016). The fixed factor is made orthonormal first, which leaves the product alone and makes the
    scaled gradient the plain one, at any condition. The residual can't grow.
    """
    observed = problem.observed
    halting = Halting(settings.tol)
    z = observed.residual(U, V)
    while True:
        V, U = _rebased(V, U)
        gradient = observed.times(z, V)
        image = observed.dots(gradient, V)
        t = _length(gradient, image)
        U, z = U + t * gradient, z - t * image
        U, V = _rebased(U, V)
        gradient = observed.adjoint_times(z, U)
        image = observed.dots(U, gradient)
        t = _length(gradient, image)
        V, z = V + t * gradient, z - t * image
        if watch.count % _RECOMPUTED == _RECOMPUTED - 1:
            z = observed.residual(U, V)
        residual = be.fro_norm(z) / problem.norm if problem.norm > 0.0 else 0.0
        enough = halting.after(residual)
        if watch.tick(residual=residual) or enough:
            return Outcome(U, V, enough, halting.reason or watch.reason, halting.history)


def _rebased(B, A):
    """Orthonormal `B`, and the other factor with the same product."""
    Q, R = orthonormalize(B)
    return Q, be.matmul(A, be.mH(R))


def _length(gradient, image):
    energy = be.vdot_real(image)
    return be.vdot_real(gradient) / energy if energy > 0.0 else 0.0
