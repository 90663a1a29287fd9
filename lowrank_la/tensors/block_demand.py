"""Reads and memory of a Tucker decomposition of data in slabs, told before the first read."""

import math

from .. import _backend as be
from ..blocks.demand import Demand

_COPIES = 6  # of a slab in the widest dtype: products, unfoldings, what is brought to triangular form
_CORES = 10  # of what the last read leaves: pieces, unfoldings, products, residual
_SQUARES = 12


def demand_of_tucker(source, ranks, turns):
    """`Demand` of the reads of the modes in `turns`, of the last one, and of one for an error that is small.

    With a tolerance the `ranks` are those of the whole, which is then what the last read may leave.
    """
    dtype = be.compute_dtype(source.xp, source.dtype, source.device)
    wide = be.itemsize(be.widest_like(source.xp, dtype, source.device))
    shape, sides = source.shape, math.prod(source.shape[1:])
    kept = math.prod(n if r is None else r for n, r in zip(shape[1:], ranks[1:], strict=True))
    longest = max((shape[k] for k in turns), default=0)
    core = wide * shape[0] * kept
    state = wide * longest**2
    work = _COPIES * wide * source.largest_slab * sides + 2 * state
    square = wide * max(longest, min(shape[0], kept)) ** 2
    reads = len(turns) + 1
    return Demand(reads, reads + 1, 1, state, work, _CORES * core + _SQUARES * square)
