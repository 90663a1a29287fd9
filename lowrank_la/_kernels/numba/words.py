"""Rows of words as vectors over GF(2): products of two, and their bins in a group."""

import numpy as np
from numba import types
from numba.extending import intrinsic

from ._jit import jit


@intrinsic
def _ones(typing_context, x):
    """Number of ones of a word."""

    def codegen(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), codegen


@jit
def odd(a, b):
    """Parity of the bits that two rows of words share."""
    x = np.uint64(0)
    for w in range(a.size):
        x ^= a[w] & b[w]
    return _ones(x) & np.uint64(1)


@jit
def odd_bits(x):
    """Parity of the bits of a word."""
    return _ones(x) & np.uint64(1)


@jit
def sign_at(a, b):
    """Value of a character at a point."""
    return -1.0 if odd(a, b) else 1.0


@jit
def tables_of(hashes):
    """For every group, four bits of a frequency and each of their values: the bins that they flip."""
    groups, n = hashes.shape
    tables = np.zeros((groups, (n + 3) // 4, 16), np.uint64)
    for c in range(groups):
        for q in range(n):
            for v in range(16):
                if v & (8 >> (q & 3)):
                    tables[c, q >> 2, v] ^= hashes[c, q]
    return tables


@jit(inline=True)
def bin_of(key, tables, c):
    """Bin of a coefficient in group `c`."""
    place = np.uint64(0)
    for p in range(tables.shape[1]):
        place ^= tables[c, p, (key[p >> 4] >> np.uint64(60 - 4 * (p & 15))) & np.uint64(15)]
    return np.int64(place)
