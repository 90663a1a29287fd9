"""Some rows of a Walsh-Hadamard transform, from transforms of blocks that never leave the cache."""

import numpy as np

from ._jit import jit
from .walsh import walsh_rows
from .words import odd_bits


@jit
def walsh_sampled(source, signs, places, blocks, stages, block, out, start, stop, one):
    """Add what the blocks [start, stop) of a signed vector give to rows of its transform.

    Parameters
    ----------
    source : 1-D contiguous array of a real dtype
        Zeros follow behind its last block.
    signs : int8 array of its length
    places, blocks : uint64 arrays (rows,)
        A row's number modulo the length of a block, and divided by it.
    stages : int
        Logarithm of the length of a block.
    block : array (2**stages,)
        To work in.
    out : array (rows,)
        Is added to.
    start, stop : int
        Numbers of blocks.
    one : float
        One, in the dtype.
    """
    size, signed = np.uint64(1 << stages), np.array((one, -one))
    for b in range(np.uint64(start), np.uint64(stop)):
        vector, turned = source[b * size : (b + np.uint64(1)) * size], signs[b * size : (b + np.uint64(1)) * size]
        for i in range(vector.size):
            block[i] = vector[i] * turned[i]
        block[vector.size :] = 0
        walsh_rows(block, block, 0, stages, 0, block.size, one)
        for i in range(out.size):
            out[i] += block[places[i]] * signed[odd_bits(b & blocks[i])]
