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
def gather_points(x, shift, columns, offsets, out):
    """Numbers of the vector `x` at all points of a group, whose words without the last `shift` bits are places."""
    count = offsets.shape[0]
    base = np.zeros(1, np.uint64)
    for l in range(1 << columns.shape[0]):
        _combination(columns, l, base)
        row = out[l * count : (l + 1) * count]
        for p in range(count):
            row[p] = x[(base[0] ^ offsets[p, 0]) >> shift]
