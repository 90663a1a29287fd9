"""Random affine subspaces of GF(2)^n: their points, and the values of an expansion on them.

An offset and directions, all independent and uniform, make a subspace: point number l is the offset plus the directions
i for which bit i of l is one.
"""

import numpy as np

from ._jit import jit
from ._rows import LANES
from ._signed import exclusive
from ._vector import load, store, zeros_8
from .walsh import walsh_rows

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
        To be filled; there is room for a multiple of eight codes. For every four bits of a frequency and each of their
        values the products with offset and directions, ``1 + dimension`` bits a subspace, as many subspaces side by
        side in a code as fit. Those of a frequency are the exclusive or of its entries.
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
            _four_rows(drawn, p, min(c * side, rows), min((c + 1) * side, rows), tables[p, :, c])
        for v in range(3, 16):
            for c in range(tables.shape[2] if v & (v - 1) else 0):
                tables[p, v, c] = tables[p, v & (v - 1), c] ^ tables[p, v & -v, c]


@jit
def _four_rows(drawn, p, start, stop, column):
    """Bits 4 p to 4 p + 3 of the rows [start, stop), side by side, and zero."""
    shift, w = np.uint64(4 * (p & 15)), p >> 4
    a, b, c, d = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
    for i in range(stop - start):
        four, place = drawn[start + i, w] >> shift, np.uint64(i)
        a |= (four & _ONE) << place
        b |= ((four >> np.uint64(1)) & _ONE) << place
        c |= ((four >> np.uint64(2)) & _ONE) << place
        d |= ((four >> np.uint64(3)) & _ONE) << place
    column[0], column[1], column[2], column[4], column[8] = 0, a, b, c, d


@jit
def leave_on_subspaces(keys, values, tables, dimension, seen, limit):
    """What an expansion leaves of values at the points of subspaces, the last of which may be cut short.

    Parameters
    ----------
    keys, values
        Frequencies and coefficients.
    tables : uint64 array (⌈n / 4⌉, 16, codes)
        As `lay_out_subspaces` fills them.
    dimension : int
    seen : array (points,)
        Of the dtype of the coefficients.
    limit : float

    Returns
    -------
    tuple
        How many differences have a square above `limit`, and the sum of all squares.
    """
    size = 1 << dimension
    subspaces = (seen.size + size - 1) >> dimension
    halves, cubes = np.zeros(2 * size * subspaces, values.dtype), np.empty(size * subspaces, values.dtype)
    _spread(keys, values, tables, dimension, halves, np.empty((keys.shape[0], tables.shape[2]), np.uint64))
    for i in range(cubes.size):
        cubes[i] = halves[2 * i] - halves[2 * i + 1]
    flat, skip = cubes.view(np.float64), cubes.itemsize >> 4
    if dimension > 0:
        walsh_rows(flat, flat, skip, dimension + skip, 0, flat.size, 1.0)
    above, total = 0, 0.0
    for i in range(seen.size):
        gap = seen[i] - cubes[i]
        square = gap.real * gap.real + gap.imag * gap.imag
        above, total = above + (not square <= limit), total + square
    return above, total


@jit(leaf=True)
def _spread(keys, values, tables, dimension, halves, codes):
    """Add every coefficient where it falls in each subspace, apart where it does so with the other sign."""
    step, length, side = np.uint64(2 << dimension), np.uint64(1 + dimension), 64 // (1 + dimension)
    mask, subspaces = step - _ONE, halves.size // (2 << dimension)
    codes_of(keys, tables, codes)
    for c in range((subspaces + side - 1) // side):
        start, count = np.uint64(c * side) * step, min(side, subspaces - c * side)
        for k in range(keys.shape[0]):
            value, first, code = values[k], start, codes[k, c]
            for _ in range(count):
                halves[first + (code & mask)] += value
                code >>= length
                first += step


@jit(leaf=True)
def codes_of(keys, tables, codes):
    """Exclusive or of the entries of every frequency, eight codes at a time."""
    zero, width = zeros_8(tables), tables.shape[2]
    for k in range(keys.shape[0]):
        for c in range(0, width, LANES):
            code = zero
            for p in range(tables.shape[0]):
                four = (keys[k, p >> 4] >> np.uint64(4 * (p & 15))) & _FOUR_BITS
                code = exclusive(code, load(zero, tables, (p * 16 + np.int64(four)) * width + c))
            store(codes, k * width + c, code)
