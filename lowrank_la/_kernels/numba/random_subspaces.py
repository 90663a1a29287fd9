"""Random affine subspaces of GF(2)^n: their points, and the values of an expansion on them.

An offset and directions, all independent and uniform, make a subspace: point number l is the offset plus the directions
i for which bit i of l is one.
"""

import numpy as np

from ._jit import jit
from .walsh import walsh_exact

_ONE, _FOUR_BITS = np.uint64(1), np.uint64(15)


@jit
def lay_out_subspaces(drawn, dimension, points, tables):
    """Points of subspaces, and tables that tell where a frequency falls in all of them.

    Parameters
    ----------
    drawn : uint64 array (subspaces (1 + dimension), words)
        The offset and the directions of each.
    dimension : int
    points : uint64 array (subspaces 2**dimension, words)
        To be filled.
    tables : uint64 array (⌈n / 4⌉, 16, codes)
        To be filled: for every four bits of a frequency and each of their values the products with offset and
        directions, ``1 + dimension`` bits a subspace, as many subspaces side by side in a code as fit. Those of a
        frequency are the exclusive or of its entries.
    """
    rows, words = drawn.shape
    length = 1 + dimension
    for t in range(rows // length):
        own = points[t << dimension : (t + 1) << dimension]
        own[0] = drawn[t * length]
        for i in range(dimension):
            for l in range(1 << i):
                for w in range(words):
                    own[(1 << i) + l, w] = own[l, w] ^ drawn[t * length + 1 + i, w]
    side = (64 // length) * length
    for p in range(tables.shape[0]):
        for c in range(tables.shape[2]):
            _four_rows(drawn, p, c * side, min((c + 1) * side, rows), tables[p, :, c])
        for v in range(3, 16):
            for c in range(tables.shape[2] if v & (v - 1) else 0):
                tables[p, v, c] = tables[p, v & (v - 1), c] ^ tables[p, v & -v, c]


@jit
def _four_rows(drawn, p, start, stop, column):
    """Bits 4 p to 4 p + 3 of the rows [start, stop), side by side, and zero."""
    shift, w = np.uint64(60 - 4 * (p & 15)), p >> 4
    a, b, c, d = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
    for i in range(stop - start):
        four, place = drawn[start + i, w] >> shift, np.uint64(i)
        a |= (four & _ONE) << place
        b |= ((four >> np.uint64(1)) & _ONE) << place
        c |= ((four >> np.uint64(2)) & _ONE) << place
        d |= ((four >> np.uint64(3)) & _ONE) << place
    column[0], column[1], column[2], column[4], column[8] = 0, a, b, c, d


@jit
def take_from_subspaces(keys, values, tables, dimension, cubes, left):
    """Subtract an expansion from values at the points of subspaces, the last of which may be cut short.

    Parameters
    ----------
    keys, values
        Frequencies and coefficients.
    tables : uint64 array (⌈n / 4⌉, 16, codes)
        As `lay_out_subspaces` fills them.
    dimension : int
    cubes : array (subspaces 2**dimension,)
        Zeros, of the dtype of the coefficients; holds the expansion afterwards.
    left : array (points,)
    """
    length, side, subspaces = np.uint64(1 + dimension), 64 // (1 + dimension), cubes.size >> dimension
    mask, step, signed = np.uint64((1 << dimension) - 1), np.uint64(1 << dimension), np.empty(2, cubes.dtype)
    for k in range(keys.shape[0]):
        signed[0], signed[1] = values[k], -values[k]
        first = np.uint64(0)
        for c in range(tables.shape[2]):
            code = np.uint64(0)
            for p in range(tables.shape[0]):
                code ^= tables[p, (keys[k, p >> 4] >> np.uint64(60 - 4 * (p & 15))) & _FOUR_BITS, c]
            for _ in range(min(side, subspaces - c * side)):
                cubes[first + ((code >> _ONE) & mask)] += signed[code & _ONE]
                code >>= length
                first += step
    walsh_exact(cubes, dimension, 0, cubes.size)
    for i in range(left.size):
        left[i] -= cubes[i]
