"""Directions that a penalty has wiped out and a smaller one brings back."""

from dataclasses import replace

import numpy as np

from .. import _backend as be
from . import biased
from .start import leading_triplets

_SPENT = 0.1  # a column gives way to a direction that adds ten times its size


def replenished(problem, U, V, key):
    """Factors whose spent columns are replaced by directions that lower the objective; None where there are none.

    For U = V = 0 in a column the objective is stationary, whatever the residual says, and near that it hardly moves. At
    a minimum over all matrices no singular value of the residual, its lines divided by the roots of their λ, is above
    1; where one is, the step ``(σ - 1) / max(w / λλ)`` along its vectors lowers
    the objective.
    """
    roots = problem.penalty_roots()
    if problem.form not in ("factors", "biases") or not all(_smallest(root) > 0.0 for root in roots):
        return None
    k, xp = problem.rank, problem.xp
    whole = biased.whole(problem, U, V) if problem.form == "biases" else (U, V)
    sizes = _sizes(U[:, :k], roots[0]) * _sizes(V[:, :k], roots[1])
    order = be.index_array(np.argsort(be.to_numpy(sizes), kind="stable"), k, xp, be.device(U))
    u, values, v, steepest = _steps(problem, problem.observed.residual(*whole), roots, key)
    steps = (values - 1.0) / steepest
    spent = xp.take(sizes, order)
    fresh = (steps > 0.0) & (spent < _SPENT * steps)
    if not bool(xp.any(fresh)):
        return None
    scale = xp.astype(xp.sqrt(xp.where(fresh, steps, xp.zeros_like(steps))), U.dtype)[None, :]
    found = []
    for X, new, root in ((U, u, roots[0]), (V, v, roots[1])):
        kept = xp.take(X[:, :k], order, axis=1)
        found.append(xp.concat([xp.where(fresh[None, :], new * scale / root, kept), X[:, k:]], axis=1))
    return tuple(found)


def _steps(problem, residual, roots, key):
    """Leading singular triplets (u, σ, v) of the residual with lines divided by `roots`, and the steepest curvature."""
    xp, observed = problem.xp, problem.observed
    weights = None if problem.weights is None else xp.astype(problem.weights, problem.dtype)
    z = residual if weights is None else residual * weights
    if all(isinstance(root, float) for root in roots):
        scale = 1.0 / (roots[0] * roots[1])
        steepest = scale**2 * (1.0 if weights is None else float(xp.max(problem.weights)))
    else:
        left, right = (
            xp.full((size, 1), 1.0, dtype=problem.dtype, device=observed.device) / root
            for size, root in zip(problem.shape, roots, strict=True)
        )
        scale = observed.dots(left, right)
        squares = xp.abs(scale) ** 2
        steepest = float(xp.max(squares if problem.weights is None else squares * problem.weights))
    scaled = replace(problem, observed=observed.with_values(z * scale), weights=None)
    return *leading_triplets(scaled, key), steepest


def _sizes(X, root):
    xp = be.namespace(X)
    return xp.linalg.vector_norm(X * root, axis=0)


def _smallest(root):
    return (
        root
        if isinstance(root, float)
        else float(be.namespace(root).min(be.namespace(root).real(root) if be.is_complex(root.dtype) else root))
    )
