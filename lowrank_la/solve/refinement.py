"""Iterative refinement until the backward error is at rounding."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import _backend as be
from .columns import on_host

_AT_LEAST = 2
_LEAST_GAIN = 0.5
_DROP = 1e-8
_STEPS = 100


@dataclass(frozen=True)
class Refined:
    """Solutions column by column, with their backward errors and residuals, and why the refinement ended.

    ``errors``, ``aims`` and ``residuals`` are NumPy arrays of shape (k,); ``aims`` is what was brought down.
    """

    X: Any
    errors: np.ndarray
    residuals: np.ndarray
    reason: str
    aims: np.ndarray | None = None


def refine(problem, X, judge, correct, goal, watch, *, once_more=False):
    """Add corrections until every backward error is within `goal` or they stop falling; the best `X` seen comes back.

    Parameters
    ----------
    judge : callable
        ``judge(gradient, residuals, X)`` gives the backward errors to report and those to bring down, which may be
        stricter, NumPy arrays of shape (k,).
    correct : callable
        ``correct(gradient, X)`` gives what to add to `X`.
    once_more : bool
        Add one correction after the goal is reached: the backward error says nothing of how far the solution is from
        that of an orthogonal factorisation, whose rounding is spread more kindly.
    """
    best, previous, begun, left = None, np.inf, watch.count, int(once_more)
    while True:
        gradient, residuals = problem.gradient(X)
        errors, aims = judge(gradient, residuals, X)
        best = _better(best, X, errors, aims, residuals)
        worst = float(np.max(best.aims))
        over = watch.tick(backward_error=float(np.max(best.errors)))
        reached = worst <= goal
        if reached and (over or not left):
            return replace(best, reason="backward error within the goal")
        if over:
            return replace(best, reason=watch.reason)
        left -= reached
        if (
            not reached
            and watch.count > begun + _AT_LEAST
            and not (worst <= _LEAST_GAIN * previous and np.isfinite(worst))
        ):
            return replace(best, reason="refinement gains nothing more")
        X, previous = X + correct(gradient, X), worst


def _better(best, X, errors, aims, residuals):
    aims = np.where(np.isfinite(aims), aims, np.inf)
    if best is None:
        return Refined(X, errors, residuals, "", aims)
    gained = aims < best.aims
    xp = be.namespace(X)
    chosen = xp.where(be.from_numpy(gained, xp, be.device(X))[None, :], X, best.X)
    pairs = ((errors, best.errors), (residuals, best.residuals), (aims, best.aims))
    errors, residuals, aims = (np.where(gained, new, old) for new, old in pairs)
    return Refined(chosen, errors, residuals, "", aims)


def by_normal_equations(P):
    """Correction ``P Pᴴ g``, for a P that makes the columns of ``A P`` orthonormal or nearly so."""
    return lambda gradient, _X: P.apply(P.adjoint(gradient))


def by_conjugate_gradients(problem, P):
    """Correction ``P y`` with ``Pᴴ AᴴA P y = Pᴴ g`` by conjugate gradients, one for each column."""

    def correct(gradient, _X):
        residual = P.adjoint(gradient)
        y, direction, size = residual * 0, residual, _squares(residual)
        first = on_host(size)
        for _ in range(_STEPS):
            image = P.adjoint(problem.normal(P.apply(direction)))
            step = _ratio(size, _inner(direction, image))
            y, residual = y + direction * step, residual - image * step
            before, size = size, _squares(residual)
            if np.all(on_host(size) <= _DROP**2 * first):
                break
            direction = residual + direction * _ratio(size, before)
        return P.apply(y)

    return correct


def _inner(X, Y):
    xp = be.namespace(X)
    return xp.sum(xp.real(xp.conj(X) * Y) if be.is_complex(X.dtype) else X * Y, axis=0)


def _squares(X):
    return _inner(X, X)


def _ratio(a, b):
    """``a / b`` for each column as a row, zero where `b` vanishes."""
    xp = be.namespace(a)
    usable = b > 0
    return (xp.where(usable, a, xp.zeros_like(a)) / xp.where(usable, b, xp.ones_like(b)))[None, :]
