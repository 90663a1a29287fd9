"""Least l_p norm under one linear equation, for many equations at once, bracketed from both sides.

For rows ``u_i`` of an orthonormal basis the problem is ``min ‖U x‖_p^p`` with ``t_iᴴ x = 1``, whose value is the
inverse of the sensitivity of row i. Every feasible x bounds that from below. A Newton step on
``Σ (|u_j x|² + ε²)^(p/2)`` solves ``Uᴴ y = t_i`` for ``y = (ω r + h U δ) / λ``, with gradient weights ω and curvatures
h, whatever x and ε are: by Hölder ``|t_iᴴ x| ≤ ‖y‖_q ‖U x‖_p``, so the sensitivity is at most ``‖y‖_q^p``. Both sides
meet to second order in the step.
"""

from dataclasses import dataclass, fields

import numpy as np

from .. import _backend as be
from .lp_norms import power, squares

_HOST_TARGETS, _DEVICE_TARGETS = 256, 1024
_RIDGE = 1e-8
_STEPS = 25
_SHORTER, _SHORTEST = 0.3, 1e-3
_SMOOTHEST = 0.3
_LEAST_SMOOTH = 1e-4
_MARGIN, _STRICT = 0.05, 1e-3


@dataclass(frozen=True)
class NewtonStep:
    """Step ``δ`` with ``tᴴ δ = 0``, multiplier λ, the constant added to all curvatures, and the decrement."""

    delta: object
    multiplier: object
    ridge: object
    decrement: object

    @classmethod
    def of(cls, T, gradient, H):
        """The step for targets `T` (d, b) from half gradients and curvatures."""
        xp, d = be.namespace(T), T.shape[0]
        ridge = _RIDGE * _real(xp.linalg.trace(H)) / d
        identity = xp.eye(d, dtype=H.dtype, device=be.device(H))
        solved = xp.linalg.solve(
            H + xp.astype(ridge, H.dtype)[:, None, None] * identity[None, :, :],
            xp.stack([T.mT, gradient.mT], axis=2),
        )
        along, across = solved[:, :, 0].mT, solved[:, :, 1].mT
        conjugate = xp.conj(T) if be.is_complex(T.dtype) else T
        multiplier = xp.sum(conjugate * across, axis=0) / xp.sum(conjugate * along, axis=0)
        delta = multiplier[None, :] * along - across
        bent = xp.conj(delta) if be.is_complex(delta.dtype) else delta
        return cls(delta, multiplier, ridge, -_real(xp.sum(bent * gradient, axis=0)))

    def replaced(self, where, other):
        """The step with its columns `where` taken from `other`."""
        xp = be.namespace(self.delta)
        return NewtonStep(*(xp.where(where, getattr(other, f.name), getattr(self, f.name)) for f in fields(self)))

    def taken(self, index):
        """The columns `index` of the step."""
        return NewtonStep(*(take(getattr(self, f.name), index) for f in fields(self)))


def descend(problem, T, X, tol):
    """Feasible points `X` improved by Newton steps until their values are within about `tol` of the least.

    Below p = 2 the smoothing ε falls in stages; below p = 1 the parabola above the smoothed value takes the place of
    its curvature, and a local minimum is what comes out.
    """
    smooth = smoothing(problem.p, tol)
    stages = [smooth] if problem.p >= 2 else [s for s in (_SMOOTHEST, _SMOOTHEST / 3) if s > 2 * smooth] + [smooth]
    for stage in stages:
        X = _stage(problem, T, X, stage * scale(problem, X), tol)
    return X


def smoothing(p, tol):
    """ε, relative to the size of a residual, at which its bias is small against `tol`."""
    return min(0.1, 2 * tol) if p < 2 else _LEAST_SMOOTH


def scale(problem, X):
    """Mean size of a residual relative to what is usual for its row, by column."""
    return power(problem.norms(X) / problem.total, 1 / problem.p)


def _stage(problem, T, X, eps, tol):
    descent = _Descent(problem, T, X, eps)
    for _ in range(_STEPS):
        descent.advance()
        settled = descent.settled(_MARGIN * tol) | (descent.length < _SHORTEST)
        if bool(problem.xp.all(settled)):
            break
        descent.retire(settled)
    return descent.points()


def bracket(problem, T, X, tol, maxiter):
    """Certified lower and upper bounds of the sensitivities of targets `T` on the whole matrix, from points `X`."""
    xp, p = problem.xp, problem.p
    lower = 1.0 / problem.norms(X)
    upper = xp.full_like(lower, float("inf"))
    if p < 1:
        return lower, upper
    descent = _Descent(problem, T, X, smoothing(p, tol) * scale(problem, X))
    for _ in range(maxiter):
        descent.advance()
        if not bool(xp.any(descent.settled(tol))):
            continue
        low, high = descent.bounds()
        lower = place(lower, descent.index, low, xp.maximum)
        upper = place(upper, descent.index, high, xp.minimum)
        met = upper <= (1.0 + tol) * lower
        if bool(xp.all(met)):
            break
        descent.retire(take(met, descent.index))
        descent.sharpen(tol)
    return lower, upper


class _Descent:
    """Newton's method with step lengths of their own for the columns that are still at work."""

    def __init__(self, problem, T, X, eps):
        self.problem, self.T, self.X, self.eps = problem, T, X, eps
        self.out, self.index = X, np.arange(X.shape[1])
        self.trial, self.best, self.step = X, problem.xp.full_like(eps, float("inf")), None
        self.length = problem.xp.ones_like(eps)

    def advance(self):
        """Judge the trial points, and go on from those that are better; from the others half as far."""
        xp = self.problem.xp
        value, gradient, H = self.problem.derivatives(self.trial, self.eps)
        step = NewtonStep.of(self.T, gradient, H)
        better = value <= self.best
        self.X = xp.where(better, self.trial, self.X)
        self.step = step if self.step is None else self.step.replaced(better, step)
        self.best = xp.where(better, value, self.best)
        self.length = xp.where(better, xp.ones_like(self.length), _SHORTER * self.length)
        self.trial = self.X + xp.astype(self.length, self.X.dtype) * self.step.delta

    def settled(self, tol):
        """Whether the decrement promises less than `tol`, relative to the value."""
        return self.step.decrement <= tol * self.best

    def bounds(self):
        """Lower and upper bounds of the sensitivities from the points and steps at hand."""
        size, image, after = self.problem.duals(self.X, self.step, self.eps)
        return 1.0 / after, _upper(self.problem, self.T, self.step, size, image)

    def sharpen(self, tol):
        """Less smoothing for the columns that have settled, from where they are."""
        xp = self.problem.xp
        settled = self.settled(_STRICT * tol) | (self.length < _SHORTEST)
        self.eps = xp.where(settled, _SHORTER * self.eps, self.eps)
        self.best = xp.where(settled, xp.full_like(self.best, float("inf")), self.best)

    def retire(self, finished):
        """Leave finished columns where they are; the others go on by themselves."""
        going = np.flatnonzero(~be.to_numpy(finished))
        if 4 * going.size > 3 * self.index.size:
            return
        self.out = self.points()
        self.index = self.index[going]
        for name in ("T", "X", "eps", "trial", "best", "length"):
            setattr(self, name, take(getattr(self, name), going))
        self.step = self.step.taken(going)

    def points(self):
        """The best points of all columns."""
        return place(self.out, self.index, self.X)


def take(x, index):
    """Entries, or columns, at the host indices `index`."""
    xp = be.namespace(x)
    return xp.take(x, be.index_array(index, x.shape[-1], xp, be.device(x)), axis=x.ndim - 1)


def place(x, index, values, combine=None):
    """`x` with the entries or columns at the host indices `index` replaced by `values`, or combined with them."""
    xp, count = be.namespace(x), x.shape[-1]
    values = values if combine is None else combine(take(x, index), values)
    if len(index) == count:
        return values
    source = np.arange(count)
    source[index] = count + np.arange(len(index))
    return take(xp.concat([x, values], axis=x.ndim - 1), source)


def _upper(problem, T, step, size, image):
    """``(‖y‖_q + what the rounding of Uᴴ y = t can add)^p``."""
    xp, p = problem.xp, problem.p
    multiplier = step.multiplier
    missed = power(xp.sum(squares(T - image / multiplier[None, :]), axis=0), 0.5)
    slack = problem.V.shape[0] ** max(0.0, 0.5 - 1.0 / p)
    found = (size / xp.abs(multiplier) + slack * missed) ** p
    return xp.where(xp.isfinite(found), found, xp.full_like(found, float("inf")))


def by_targets(problem, targets, fn):
    """``fn(targets)`` over blocks of columns of `targets`, results put together; several threads on the host."""
    xp = problem.xp
    host = be.kind(xp) == "numpy"
    blocks = be.fixed_partition(targets.shape[1], _HOST_TARGETS if host else _DEVICE_TARGETS)

    def one(block):
        return fn(targets[:, block])

    parts = be.map_blocks(one, blocks) if host else [one(block) for block in blocks]
    return tuple(xp.concat(list(part)) for part in zip(*parts, strict=True))


def _real(x):
    return be.namespace(x).real(x) if be.is_complex(x.dtype) else x
