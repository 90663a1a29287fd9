"""Truncation of a tensor in orthonormal bases to a given absolute error, and its contraction at points."""

import math
from dataclasses import dataclass
from typing import Any

from .. import _backend as be
from .modes import contract, triangle

_AT_ONCE = 1 << 21  # numbers of the contracted core that are held at a time


def at_points(core, values):
    """``Σ core[i, j, …] values[0][p, i] values[1][p, j] …`` for all p as a vector, some p at a time."""
    xp, ranks = be.namespace(core), tuple(core.shape)
    matrix = xp.reshape(core, (ranks[0], -1))
    parts = []
    for rows in be.fixed_partition(values[0].shape[0], max(1, _AT_ONCE // matrix.shape[1])):
        part = be.matmul(values[0][rows, :], matrix)
        for k in range(1, len(ranks)):
            part = xp.reshape(part, (part.shape[0], ranks[k], -1))
            part = xp.sum(part * values[k][rows, :][:, :, None], axis=1)
        parts.append(xp.reshape(part, (-1,)))
    return xp.concat(parts) if parts else xp.reshape(values[0], (-1,))[:0]


@dataclass(frozen=True)
class Truncation:
    """``X ≈ core ×_k factors[k]`` with orthonormal factors, and the 2-norm of what was left out."""

    core: Any
    factors: tuple
    left_out: float


def truncate(X, most):
    """Sequentially truncated higher-order SVD with ``‖X - X̂‖_F ≤ most``, by singular values to working precision.

    Modes come in ascending order of length. What a mode leaves of its share of the error goes to the modes after it.
    The squares of the tails add up to the squared error.
    """
    order = sorted(range(X.ndim), key=lambda k: X.shape[k])
    factors, spent, core = [None] * X.ndim, 0.0, X
    for done, k in enumerate(order):
        allowed = max(0.0, most**2 - spent) / (X.ndim - done)
        U, s, _ = be.small_svd(triangle(core, k).mT)
        rank, tail = cut(be.to_numpy(s), allowed**0.5)
        spent += tail**2
        factors[k] = U[:, :rank]
        core = contract(core, k, factors[k])
    return Truncation(core, tuple(factors), spent**0.5)


def cut(s, most):
    """``rank, tail``: the least rank (at least one) whose discarded singular values have a 2-norm of at most `most`."""
    rank = len(s)
    tail = 0.0
    while rank > 1 and (longer := math.hypot(tail, float(s[rank - 1]))) <= most:
        rank, tail = rank - 1, longer
    return rank, tail
