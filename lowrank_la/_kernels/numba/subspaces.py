"""Random subspaces of GF(2)^n for the sparse Walsh-Hadamard transform: how they are drawn, and their points."""

import numpy as np

from ._groups import BITS, FIRST_SHIFT, LENGTH, REPEATS, START, VERIFY, WIDTH
from ._jit import jit
from ._rows import LANES, energy_of
from .philox import philox_words
from .walsh import walsh_rows, walsh_runs
from .words import lowest, put

_ONE, _LOW, _HIGH = np.uint64(1), np.uint64(0xFFFFFFFF), np.uint64(32)


@jit
def random_rows(key, stream, first, n, out):
    """Rows of `n` random bits from row `first` of a stream on; `key` holds four words of Philox."""
    rows, words = out.shape
    blocks = (rows * words + 1) // 2
    counters = np.empty((4, blocks), np.uint64)
    for t in range(blocks):
        counters[0, t], counters[1, t] = np.uint64(t) & _LOW, np.uint64(stream) & _LOW
        counters[2, t], counters[3, t] = key[2] ^ np.uint64(first), key[3] ^ (np.uint64(stream) >> _HIGH)
    philox_words(counters, key[0], key[1], blocks)
    for t in range(rows * words):
        out[t // words, t % words] = counters[t & 1, t >> 1]
    for w in range(words):
        for i in range(rows):
            out[i, w] &= lowest(max(n - 64 * w, 0))


@jit
def draw_groups(key, number, sizes, shifts_each, n, columns, hashes, shifts):
    """Random subspaces as graphs of linear maps, and shifts, for groups from `number` on.

    The map takes the first bits of a point, as many as the logarithm `sizes` (groups,) of their number says, to the
    others, and each of its entries is a random bit: the points differ, and two frequencies share a bin with probability
    ``2**-size``, or never where they differ in the first bits alone.

    Parameters
    ----------
    columns : uint64 array (sum of sizes, words)
        Basis of each subspace; column i has the only one in its first bits at place ``size - 1 - i``.
    hashes : uint64 array (groups, n)
        Bit i of entry q is the q-th last bit of column i.
    shifts : uint64 array (groups * shifts_each, words)
    """
    hashes[:] = 0
    last = 0
    for c in range(sizes.size):
        bits = sizes[c]
        first, last = last, last + bits
        drawn = np.empty((bits + shifts_each, columns.shape[1]), np.uint64)
        random_rows(key, number + c, 0, n, drawn)
        shifts[c * shifts_each : (c + 1) * shifts_each] = drawn[bits:]
        for i in range(bits):
            for w in range(columns.shape[1]):
                columns[first + i, w] = drawn[i, w] & lowest(max(n - bits - 64 * w, 0))
            put(columns[first + i], n - bits + i, _ONE, 1)
            for q in range(n):
                hashes[c, q] |= ((columns[first + i, q >> 6] >> np.uint64(q & 63)) & _ONE) << np.uint64(i)


@jit
def fill_offsets(layout, c, shifts, stencil, out):
    """Offsets of group `c`: its verification shifts, then those of each repeat and their sums with the stencil."""
    verify, length, row, words = layout[c, VERIFY], layout[c, LENGTH], layout[c, FIRST_SHIFT], shifts.shape[1]
    out[:verify] = shifts[row : row + verify]
    at = verify
    for p in range(row + verify, row + verify + layout[c, REPEATS]):
        for i in range(-1, length):
            for w in range(words):
                out[at, w] = shifts[p, w] ^ (stencil[i, w] if i >= 0 and stencil.shape[0] > 0 else np.uint64(0))
            if i >= 0 and stencil.shape[0] == 0:
                out[at, i >> 6] ^= _ONE << np.uint64(i & 63)
            at += 1


@jit
def _combination(columns, l, base):
    base[:] = 0
    for i in range(columns.shape[0]):
        if (l >> i) & 1:
            for w in range(base.size):
                base[w] ^= columns[i, w]


@jit
def fill_queries(columns, offsets, start, stop, out):
    """Points [start, stop) of a group: number ``l P + p`` is the combination l of the columns plus offset p."""
    count, words = offsets.shape
    base = np.zeros(words, np.uint64)
    r = start
    while r < stop:
        l = r // count
        first = r - l * count
        last = min(count, first + stop - r)
        _combination(columns, l, base)
        for p in range(first, last):
            for w in range(words):
                out[r - start + p - first, w] = base[w] ^ offsets[p, w]
        r += last - first


@jit
def gather_points(x, columns, offsets, first, out):
    """Numbers of the vector `x` at the points of a group from combination `first` on.

    Combinations follow each other by one exclusive or, with the sum of the columns up to the lowest one that changes.
    """
    count = offsets.shape[0]
    places, steps = np.empty(count, np.uint64), np.empty(columns.shape[0] + 1, np.uint64)
    for p in range(count):
        places[p] = offsets[p, 0]
    steps[:] = 0
    for i in range(columns.shape[0]):
        steps[i] = steps[max(i - 1, 0)] ^ columns[i, 0]
    start = np.zeros(1, np.uint64)
    _combination(columns, first, start)
    base, at = start[0], np.uint64(0)
    for l in range(first + 1, first + 1 + out.size // count):
        for p in range(count):
            out[at + np.uint64(p)] = x[base ^ places[p]]
        at += np.uint64(count)
        i = 0
        while not (l >> i) & 1:
            i += 1
        base ^= steps[i]


@jit
def gather_groups(x, layout, columns, shifts, stencil, out):
    """`gather_points` of all groups, one after the other."""
    last, start = 0, 0
    for c in range(layout.shape[0]):
        first, last = last, last + layout[c, BITS]
        offsets = np.empty((layout[c, WIDTH], shifts.shape[1]), np.uint64)
        fill_offsets(layout, c, shifts, stencil, offsets)
        stop = start + (layout[c, WIDTH] << layout[c, BITS])
        gather_points(x, columns[first:last], offsets, 0, out[start:stop])
        start = stop


@jit
def read_groups(x, key, number, layout, stencil, least, most, columns, hashes, shifts, out):
    """Groups of real numbers in one call: `draw_groups`, `gather_groups`, and the small transforms.

    The latter only where the sum of the squares, which is given back, is between `least` and `most`: what is not is
    left as it was read.
    """
    sizes = layout[:, BITS].copy()
    draw_groups(key, number, sizes, layout[0, VERIFY] + layout[0, REPEATS], hashes.shape[1], columns, hashes, shifts)
    gather_groups(x, layout, columns, shifts, stencil, out)
    out[out.size - LANES :] = 0.0
    squares = energy_of(out, 0, out.size - LANES)
    for c in range(layout.shape[0] if least < squares < most else 0):
        start, stages, inner = layout[c, START], layout[c, BITS], layout[c, WIDTH]
        part, scale, skip = out[start : start + (inner << stages)], 1.0 / (1 << stages), 0
        while 2 << skip <= inner:
            skip += 1
        if stages > 0 and inner == 1 << skip and skip <= 3:
            walsh_rows(part, part, skip, stages + skip, 0, part.size, scale)
        elif stages > 0 and inner > 0:
            walsh_runs(part, part, inner, stages, 0, inner, 0, part.size, scale)
    return squares


@jit
def gather_places(x, words, out):
    """Numbers of the vector `x` at places that fit into one word each, and zeros behind them."""
    for i in range(words.shape[0]):
        out[i] = x[words[i, 0]]
    out[words.shape[0] :] = 0.0
