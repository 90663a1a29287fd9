"""Reads and memory of least squares with a matrix in slabs, told before the first read."""

from ..blocks.demand import Demand
from ..factor.block_demand import RESCALING, SQUARES, Sizes
from .block_problem import fits

_COLUMNS = 12  # blocks as large as the right-hand sides, or as the solutions, at a time


def demand_of_lstsq(op, columns, method, maxiter):
    """`Demand` of so many right-hand sides.

    By the triangular factor: one read for it and one for each residual. By LSQR: the norm, two reads for each residual
    and for each step, two to set out from a residual; a residual follows a step or more.
    """
    sizes = Sizes(op)
    held = _COLUMNS * sizes.wide * columns * sum(op.shape)
    if fits(op, method):
        both = sizes.columns + columns
        work = sizes.slab + sizes.triangle(both)
        held += SQUARES * sizes.square(both)
        return Demand(2, 1 + maxiter, RESCALING, sizes.square(both), work, held)
    work = sizes.slab + 4 * sizes.wide * columns * (sizes.rows + sizes.columns)
    ticks = maxiter + 1
    return Demand(3, 1 + 2 * ticks + 2 * (ticks // 2), RESCALING, 0, work, held)
