"""Rows of words as vectors over GF(2): products of two, and their bins in a group.

A row is an integer, its least significant word first, whose last bit is the last one of the vector.
"""

import numpy as np
from numba import types
from numba.extending import intrinsic

from ._jit import jit

PLACE, IN_CODE = 32, 32
_ALL, _IN_PLACE = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0xFFFFFFFF)
_ONE, _FOUR, _FOUR_BITS, _BYTE = np.uint64(1), np.uint64(4), np.uint64(15), np.uint64(255)


@intrinsic
def ones(typing_context, x):
    """Number of ones of a word."""

    def codegen(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), codegen


@jit(leaf=True)
def odd(a, b):
    """Parity of the bits that two rows of words share."""
    x = np.uint64(0)
    for w in range(a.size):
        x ^= a[w] & b[w]
    return ones(x) & _ONE


@jit(inline=True, leaf=True)
def odd_row(rows, i, key):
    """`odd` of row `i` of `rows`, without a view of it."""
    x = rows[i, 0] & key[0]  # apart, since most rows have one word
    for w in range(1, key.size):
        x ^= rows[i, w] & key[w]
    return ones(x) & _ONE


@jit(leaf=True)
def odd_bits(x):
    """Parity of the bits of a word."""
    return ones(x) & _ONE


@jit(inline=True, leaf=True)
def lowest(count):
    """Word of so many ones, at most 64."""
    return _ALL if count >= 64 else (_ONE << np.uint64(count)) - _ONE


@jit(inline=True, leaf=True)
def put(words, at, bits, count):
    """Set `count` bits, at most 64, from place `at` on; those places hold zeros, and so do the other bits of `bits`."""
    place, shift = at >> 6, np.uint64(at & 63)
    words[place] |= bits << shift
    if (at & 63) + count > 64:
        words[place + 1] |= bits >> (np.uint64(64) - shift)


@jit(inline=True, leaf=True)
def append(words, at, word, bits, count):
    """The word at place `at` after `count` more bits, at most 64; a word that is full goes to `words`.

    Places before `at` that are in the same word are those of `word`, its others and those of `bits` are zero.
    """
    shift = np.uint64(at & 63)
    word |= bits << shift
    if (at & 63) + count >= 64:
        words[at >> 6] = word
        word = bits >> (np.uint64(64) - shift) if shift > 0 else np.uint64(0)
    return word


@jit
def tables_of(hashes, layout, shifts):
    """For every group, four bits of a frequency and each of their values: what they do to its `code_of`."""
    groups, n = hashes.shape
    tables = np.zeros((groups, (n + 3) // 4, 16), np.uint64)
    for c in range(groups):
        first, rows = layout[c, 5], min(layout[c, 3] + layout[c, 4], IN_CODE)
        for i in range(n):
            size, own = 1 << (i & 3), hashes[c, i]
            for r in range(rows):
                own |= ((shifts[first + r, i >> 6] >> np.uint64(i & 63)) & _ONE) << np.uint64(PLACE + r)
            for v in range(size):
                tables[c, i >> 2, size + v] = tables[c, i >> 2, v] ^ own
    return tables


@jit(inline=True, leaf=True)
def code_of(key, tables, c):
    """Bin of a frequency in group `c` in the lowest `PLACE` bits, then its signs at the first `IN_CODE` shifts."""
    code = np.uint64(0)
    for w in range(key.size):
        word, p = key[w], np.uint64(16 * w)
        while word != 0:
            code ^= tables[c, p, word & _FOUR_BITS]
            word >>= _FOUR
            p += _ONE
    return code


@jit(inline=True, leaf=True)
def place_of(code):
    """The bin of a code."""
    return np.int64(code & _IN_PLACE)


@jit
def sorted_rows(keys, n, order, bits):
    """The order in which rows of words ascend, and their bits (rows, n) in that order; byte by byte, lowest first."""
    count, places = keys.shape[0], (n + 7) // 8
    other, ends = np.empty(count, np.int64), np.zeros((places, 257), np.int64)
    for i in range(count):
        order[i] = i
        for p in range(places):
            ends[p, 1 + np.int64((keys[i, p >> 3] >> np.uint64(8 * (p & 7))) & _BYTE)] += 1
    for p in range(places):
        for v in range(256):
            ends[p, v + 1] += ends[p, v]
        w, shift = p >> 3, np.uint64(8 * (p & 7))
        for i in range(count):
            byte = np.int64((keys[order[i], w] >> shift) & _BYTE)
            other[ends[p, byte]] = order[i]
            ends[p, byte] += 1
        order[:] = other
    for i in range(count):
        for w in range((n + 63) >> 6):
            word, stop = keys[order[i], w], n - 64 * w
            for q in range(max(stop - 64, 0), stop):
                bits[i, q] = (word >> np.uint64(stop - 1 - q)) & _ONE
