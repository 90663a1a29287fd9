"""Random subspaces of GF(2)^n for the sparse Walsh-Hadamard transform: their columns and their points."""

import numpy as np

from ._jit import jit


@jit
def choose_columns(candidates, n, columns, hashes):
    """First rows of `candidates` that are independent over GF(2), and their hash; gives how many there are.

    Bit i of entry q of `hashes` is bit q of column i.
    """
    wanted, words = columns.shape
    basis = np.empty((wanted, words), np.uint64)
    pivot = np.empty((wanted, 2), np.uint64)
    row = np.empty(words, np.uint64)
    found = 0
    hashes[:] = 0
    for r in range(candidates.shape[0]):
        if found == wanted:
            break
        row[:] = candidates[r]
        for i in range(found):
            if row[pivot[i, 0]] & pivot[i, 1]:
                for w in range(words):
                    row[w] ^= basis[i, w]
        for w in range(words):
            if row[w] != 0:
                bit = np.uint64(1) << np.uint64(63)
                while not row[w] & bit:
                    bit >>= np.uint64(1)
                pivot[found, 0], pivot[found, 1] = w, bit
                basis[found] = row
                columns[found] = candidates[r]
                for q in range(n):
                    shown = (candidates[r, q >> 6] >> np.uint64(63 - (q & 63))) & np.uint64(1)
                    hashes[q] |= shown << np.uint64(found)
                found += 1
                break
    return found


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
def gather_points(x, shift, columns, offsets, first, out):
    """Numbers of the vector `x` at the points of a group from combination `first` on.

    Words without their last `shift` bits are places. Combinations follow each other by one exclusive or, with the sum
    of the columns up to the lowest one that changes.
    """
    count = offsets.shape[0]
    places, steps = np.empty(count, np.uint64), np.empty(columns.shape[0] + 1, np.uint64)
    for p in range(count):
        places[p] = offsets[p, 0] >> shift
    steps[:] = 0
    for i in range(columns.shape[0]):
        steps[i] = steps[max(i - 1, 0)] ^ (columns[i, 0] >> shift)
    start = np.zeros(1, np.uint64)
    _combination(columns, first, start)
    base, at = start[0] >> shift, np.uint64(0)
    for l in range(first + 1, first + 1 + out.size // count):
        for p in range(count):
            out[at + np.uint64(p)] = x[base ^ places[p]]
        at += np.uint64(count)
        i = 0
        while not (l >> i) & 1:
            i += 1
        base ^= steps[i]


@jit
def choose_groups(candidates, sizes, n, columns, hashes):
    """`choose_columns` for a row of `candidates` after the other, `sizes` of them each; whether all were found.

    Parameters
    ----------
    candidates : uint64 array (groups, rows, words)
    sizes : int64 array (groups,)
    n : int
    columns : uint64 array (sum of sizes, words)
    hashes : uint64 array (groups, n)
    """
    first = 0
    for c in range(sizes.size):
        last = first + sizes[c]
        if choose_columns(candidates[c], n, columns[first:last], hashes[c]) < sizes[c]:
            return False
        first = last
    return True
