"""Conjugate gradients on the manifold of matrices of one rank."""

from .. import _backend as be
from .halting import Halting
from .problem import Outcome
from .tangent import Tangent, real_inner, truncated

_HALVINGS = 20


def riemannian(problem, U, V, settings, watch):
    """Steps along conjugate tangent directions, each followed by the nearest matrix of the rank.

    Notes
    -----
    Vandereycken (2013): the metric of the space around, directions by Polak and Ribiere carried over by projection,
    steps that are exact on the tangent space and halved while the residual would grow.
    """
    observed, xp = problem.observed, problem.xp
    halting = Halting(settings.tol)
    U, s, V = truncated(U, V, U.shape[1])
    z = observed.residual(U * s[None, :], V)
    tangent = Tangent(observed, U, V)
    gradient = tangent.adjoint(z)
    direction = gradient
    while True:
        image = tangent.entries(direction)
        energy = be.vdot_real(image)
        step = real_inner(xp, image, z) / energy if energy > 0.0 else 0.0
        U, s, V, z = _moved(problem, tangent, s, direction, step, z)
        residual = be.fro_norm(z) / problem.norm if problem.norm > 0.0 else 0.0
        enough = halting.after(residual)
        if watch.tick(residual=residual) or enough:
            return Outcome(U * s[None, :], V, enough, halting.reason or watch.reason, halting.history)
        here = Tangent(observed, U, V)
        fresh, old, direction = here.adjoint(z), _carried(here, tangent, gradient), _carried(here, tangent, direction)
        before = be.vdot_real(gradient)
        beta = max(0.0, real_inner(xp, fresh, fresh - old) / before) if before > 0.0 else 0.0
        direction = fresh + beta * direction
        if real_inner(xp, direction, fresh) <= 0.0:
            direction = fresh
        tangent, gradient = here, fresh


def _moved(problem, tangent, s, direction, step, z):
    """The nearest matrix of the rank to the step, and its residual; halved while the residual grows."""
    observed, rank = problem.observed, s.shape[0]
    before, here = be.fro_norm(z), tangent.diagonal(s)
    for _ in range(_HALVINGS):
        U, t, V = truncated(*tangent.factors(here + step * direction), rank=rank)
        fresh = observed.residual(U * t[None, :], V)
        if be.fro_norm(fresh) <= before:
            return U, t, V, fresh
        step *= 0.5
    return tangent.U, s, tangent.V, z


def _carried(to, tangent, g):
    """The tangent vector `g` projected on another tangent space."""
    left, right = tangent.factors(g)
    XV = be.matmul(left, be.adjoint_matmul(right, to.V))
    XhU = be.matmul(right, be.adjoint_matmul(left, to.U))
    return to.coordinates(XV, XhU)
