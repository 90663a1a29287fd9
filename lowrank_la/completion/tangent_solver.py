"""Least squares on a tangent space: conjugate gradients, preconditioned by the blocks of rows and columns."""

import operator

from .. import _backend as be
from .line_grams import line_grams, line_products
from .tangent import real_inner

_MOST_STEPS = 500
_BLOCK_NUMBERS = 8  # numbers of the preconditioner an entry


def conjugate_gradients(normal, precondition, target, g, limit):
    """Coordinates with ``‖target - normal(g)‖ ≤ limit`` from those given on, and the steps it took."""
    xp = be.namespace(g)
    residual = target - normal(g)
    direction = turned = precondition(residual)
    energy, steps = real_inner(xp, residual, turned), 0
    while be.fro_norm(residual) > limit and steps < _MOST_STEPS:
        image = normal(direction)
        curvature = real_inner(xp, direction, image)
        if not curvature > 0.0:
            break
        g = g + (energy / curvature) * direction
        residual = residual - (energy / curvature) * image
        turned = precondition(residual)
        before, energy = energy, real_inner(xp, residual, turned)
        direction = turned + (energy / before) * direction
        steps += 1
    return g, steps


def preconditioner(tangent, pairs, damped):
    """Inverse of the blocks of ``A*A + W`` that belong to single rows and columns, and to single pairs of vectors.

    `damped` holds the weights of single vectors, kept from vanishing. Blocks that would need many numbers an entry are
    replaced by their diagonal, which takes up to three times as many steps where entries are few.
    """
    observed, xp, (m, n), R = tangent.observed, be.namespace(pairs), tangent.observed.shape, pairs.shape[0]
    density = observed.count / (m * n)
    if (m + n) * R**2 <= _BLOCK_NUMBERS * observed.count:
        shift = damped[:, None] * xp.eye(R, dtype=damped.dtype, device=be.device(damped))
        right = xp.linalg.inv(line_grams(observed.column_side, tangent.U, xp) + shift[None, :, :])
        left = xp.linalg.inv(line_grams(observed.row_side, tangent.V, xp) + shift[None, :, :])
        solved = line_products
    else:
        right = 1.0 / (_shares(observed.column_counts, m, damped) + damped[None, :])
        left = 1.0 / (_shares(observed.row_counts, n, damped) + damped[None, :])
        solved = operator.mul

    def apply(g):
        core, g_right, g_left = tangent.split(g)
        return tangent.joined(core / (density + pairs), solved(g_right, right), solved(g_left, left))

    return apply


def _shares(counts, length, like):
    """The share of each line that is observed, a column."""
    return be.namespace(like).astype(counts, like.dtype)[:, None] / length
