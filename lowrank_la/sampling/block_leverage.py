"""Leverage scores of a matrix in slabs: one read for a triangular factor, one for the scores."""

import math
from dataclasses import replace

import numpy as np

from .. import _backend as be
from ..blocks import block_source, map_reduce, map_rows
from ..blocks.demand import Demand
from ..factor import slabs
from ..factor.block_demand import RESCALING, Sizes, memory_of_steps
from ..factor.reads import Reads
from ..factor.triangular import SMALL, estimated_condition
from ..operators.blocks import working
from .basis import preconditioner, row_squares

_VECTORS = 4  # as long as there are rows: parts, what they are put together to, and the answer
_SAFE = 1e4  # condition up to which the factor of the first read needs no second one


def exact_scores(op, root, check_finite):
    """``(scores, rank, passes)``; `root` is the square root of the ridge, or None.

    The triangular factor is that of the widest dtype. Where the columns, brought to one scale, are of larger condition
    than 1e4, a further read takes the factor of the preconditioned matrix, which is orthonormal to rounding then.
    """
    reads = Reads(op, check_finite=check_finite)
    R = reads.triangle()["R"]
    P, core = preconditioner(R, reads.rows)
    rank = P.shape[1]
    if rank == 0:
        return op.xp.zeros((reads.rows,), dtype=be.real_dtype(op.xp, op.dtype), device=op.device), 0, reads.passes
    if _condition(core) > _SAFE:
        L = slabs.triangle(reads.fused(P, probes=rank, triangle=True)["R"])
        P, core = be.right_solve_upper(P, L), L @ core
    if root is not None:
        U, s, _ = be.small_svd(core)
        shrink = s / op.xp.hypot(s, op.xp.full_like(s, root * reads.scale))
        P = be.matmul(P, U * op.xp.astype(shrink, P.dtype)[None, :])
    return scores_of_image(op, P * reads.scale), rank, reads.passes + 1


def demand_of_scores(op):
    """`Demand` of `exact_scores`: the triangular factor, one more where it is ill-conditioned, and the scores."""
    sizes, (m, n) = Sizes(op), op.shape
    state, work, held = memory_of_steps(op, n, n)
    return Demand(2, 3, RESCALING, state, work, held + _VECTORS * sizes.item * m)


def demand_of_leading(op, found):
    """`Demand` of scores of leading singular vectors, which `found` is the one of: a read more."""
    more = _VECTORS * Sizes(op).item * op.shape[0]
    return replace(found, least=found.least + 1, most=found.most + 1, held=found.held + more)


def scores_of_image(op, T):
    """Squared norms of the rows of ``A T``, one read."""
    T = op.xp.astype(T, op.dtype)
    return map_reduce(op.source, _scores_kernel, _joined, broadcast=(T,))["scores"]


def scores_of_rows(rows):
    """Squared norms of the rows of a block source."""
    return map_reduce(rows, _squares_kernel, _joined)["scores"]


def leading_columns(rows, count):
    """The first `count` columns of lazy rows."""
    return map_rows(block_source(rows), _leading_kernel, (count,))


def _condition(core):
    """Condition of the rows of ``core`` with its columns at one scale."""
    xp = be.namespace(core)
    size = xp.linalg.vector_norm(core, axis=0)
    scaled = core / xp.astype(xp.where(size > 0, size, xp.ones_like(size)), core.dtype)[None, :]
    if core.shape[0] > SMALL and core.shape[0] == core.shape[1]:
        estimate = 2 * estimated_condition(be.householder_triangle(scaled))
        if estimate <= _SAFE:
            return estimate
    s = xp.linalg.svdvals(scaled)
    return float(s[0]) / float(s[-1]) if float(s[-1]) > 0 else math.inf


@np.errstate(over="ignore", invalid="ignore")
def _scores_kernel(block, _start, T):
    return {"scores": row_squares(be.matmul(working(block), T))}


def _leading_kernel(block, _start, count):
    return block[:, :count]


def _squares_kernel(block, _start):
    return {"scores": row_squares(working(block))}


def _joined(a, b):
    return {"scores": be.namespace(a["scores"]).concat([a["scores"], b["scores"]])}
