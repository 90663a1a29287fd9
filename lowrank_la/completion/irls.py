"""Iteratively reweighted least squares: rank minimised by a smoothed logarithm of the singular values."""

from dataclasses import dataclass, replace
from typing import Any

from .. import _backend as be
from ..factor.tall_qr import orthonormalize
from ..operators import SparsePlusLowRank
from .altmin import altmin
from .leading import leading_triplets
from .problem import Outcome
from .smoothing import Smoothing
from .tangent import Tangent
from .tangent_solver import conjugate_gradients, preconditioner

_SPARE = 4
_MARGIN = 0.1  # of the tolerance: the last steps gain many digits each, and the error is larger than the residual
_VALUE_ACCURACY = 1e-3
_LOOSEST = 1e-3
_CG_RATIO = 0.01
_DAMPING = 1e-3


def irls(problem, _, V, settings, watch):
    """Matrices that fit all entries, of less and less rank: the leading part of the last one.

    Each step weighs directions by the singular values of the last matrix and solves for the matrix of least weighted
    norm that fits the entries: conjugate gradients on the tangent space of its leading singular vectors.

    Notes
    -----
    Kummerle and Mayrink Verdun (2021). The tolerance of the conjugate gradients shrinks with the smoothing: else their
    error, a multiple of the largest singular value, exceeds it and the rank grows.
    """
    observed, rank = problem.observed, problem.rank
    iterate = _Iterate(observed, observed.values)
    smoothing = Smoothing(rank, floor=4.0 * be.eps(problem.dtype))
    block = _widened(V, settings.key, problem)
    history, best, held, steps = [], None, rank, 0
    while True:
        left, s, right, block = _triplets(iterate.matrix, block, held, smoothing, rank)
        factors = left[:, :rank] * problem.xp.astype(s[None, :rank], left.dtype), right[:, :rank]
        history.append(problem.misfit(*factors))
        best = factors if history[-1] <= min(history) else best
        smoothing.lower(be.to_numpy(s))
        done = history[-1] <= _MARGIN * settings.tol or (history[-1] <= settings.tol and smoothing.stuck)
        if watch.tick(residual=history[-1], smoothing=smoothing.eps) or done or smoothing.stuck:
            break
        held = smoothing.above(be.to_numpy(s))
        tangent = Tangent(observed, left[:, :held], right[:, :held])
        g, count = _reweighted(tangent, s[:held], smoothing, iterate)
        steps += count
        iterate = _Iterate(observed, observed.values - tangent.entries(g), tangent.factors(g))
    details = {"cg_steps": steps, "smoothing": smoothing.eps, "reheats": smoothing.reheats}
    done = done or min(history) <= settings.tol
    if smoothing.stuck and not done and not watch.over:
        return _refined(problem, best, settings, watch, history, details)
    reason = "tolerance met" if done else watch.reason
    return Outcome(*best, converged=done, reason=reason, history=history, details=details)


def _refined(problem, factors, settings, watch, history, details):
    """Least squares from the leading part on: where the data are noisy, no matrix of the rank fits all entries."""
    found = altmin(problem, *factors, settings=settings, watch=watch)
    if problem.misfit(found.U, found.V) > min(history):
        found = replace(found, U=factors[0], V=factors[1])
    return replace(found, history=history + found.history, details={**details, "refined": len(found.history)})


@dataclass(frozen=True, eq=False)
class _Iterate:
    """The matrix ``P*(z) + left rightᴴ``."""

    observed: Any
    z: Any
    factors: tuple | None = None

    @property
    def matrix(self):
        sparse = self.observed.to_operator(self.z)
        return sparse if self.factors is None else SparsePlusLowRank(*self.factors, S=sparse)

    def tangential(self, tangent):
        """Coordinates of its projection."""
        if self.factors is None:
            return tangent.adjoint(self.z)
        left, right = self.factors
        XV = self.observed.times(self.z, tangent.V) + be.matmul(left, be.adjoint_matmul(right, tangent.V))
        XhU = self.observed.adjoint_times(self.z, tangent.U) + be.matmul(right, be.adjoint_matmul(left, tangent.U))
        return tangent.coordinates(XV, XhU)


def _widened(V, key, problem):
    """The columns `V`, orthonormal, and random ones beside them."""
    n, width = V.shape[0], min(min(problem.shape), problem.rank + 1 + _SPARE)
    return _with_random(orthonormalize(V)[0], width, key.child("krylov"))[:, : min(n, width)]


def _with_random(block, width, key):
    missing = width - block.shape[1]
    if missing <= 0:
        return block
    xp, n = be.namespace(block), block.shape[0]
    name = be.dtype_name(block.dtype)
    fresh = be.gaussian(key, slice(0, n), slice(block.shape[1], width), name, xp, be.device(block))
    return xp.concat([block, fresh * (1.0 / n**0.5)], axis=1)


def _triplets(A, block, held, smoothing, rank):
    """Leading triplets, one more than the rank and than those `held`; more while the last one exceeds the smoothing."""
    most = min(*A.shape, 2 * rank + 10)
    count = min(most, max(rank, held) + 1)
    floor = 16.0 * be.eps(A.dtype)
    key = be.resolve_rng(held)

    def goal(s):
        return max(_VALUE_ACCURACY * min(float(s[min(rank, s.shape[0] - 1)]), smoothing.eps), floor * float(s[0]))

    while True:
        block = _with_random(block, min(*A.shape, count + _SPARE), key)
        left, s, right, block = leading_triplets(A, block, count, goal)
        if count == most or float(s[-1]) <= smoothing.eps:
            return left, s, right, block
        count = min(most, 2 * count)


def _reweighted(tangent, s, smoothing, iterate):
    """Coordinates that solve ``(A*A + W) g = A*(y)``, and the steps it took."""
    xp, (m, n) = be.namespace(s), tangent.observed.shape
    pairs, singles = (xp.astype(w, tangent.U.dtype) for w in smoothing.weights(s))
    damped = xp.astype(smoothing.weights(s, _DAMPING * tangent.observed.count / (m * n))[1], tangent.U.dtype)
    weights = xp.concat([pairs, xp.broadcast_to(singles[None, :], (n + m, s.shape[0]))], axis=0)
    precondition = preconditioner(tangent, pairs, damped)
    target = tangent.adjoint(tangent.observed.values)
    tol = max(_CG_RATIO * smoothing.eps / float(s[0]), 4.0 * be.eps(s.dtype))
    limit = min(tol, _LOOSEST) * be.fro_norm(target)

    def normal(g):
        return tangent.adjoint(tangent.entries(g)) + weights * g

    return conjugate_gradients(normal, precondition, target, iterate.tangential(tangent), limit)
