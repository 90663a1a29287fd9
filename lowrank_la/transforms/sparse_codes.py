"""Offsets that tell a frequency of low weight from few values: rows of a parity check."""

from functools import lru_cache

import numpy as np

# A primitive polynomial over GF(2) for every degree; bit i is the coefficient of x**i.
_PRIMITIVE = {
    1: 0b11, 2: 0b111, 3: 0b1011, 4: 0b10011, 5: 0b100101, 6: 0b1000011, 7: 0b10001001, 8: 0b100011101,
    9: 0b1000010001, 10: 0b10000001001, 11: 0b100000000101, 12: 0b1000001010011, 13: 0b10000000011011,
    14: 0b100010001000011, 15: 0b1000000000000011, 16: 0b10001000000001011,
}  # fmt: skip
LARGEST_LENGTH = (1 << max(_PRIMITIVE)) - 1


@lru_cache(maxsize=32)
def field(bits):
    """Powers of a primitive element of the field of ``2**bits`` elements, and their exponents."""
    order = (1 << bits) - 1
    exps, logs, x = np.empty(order, np.int64), np.zeros(order + 1, np.int64), 1
    for i in range(order):
        exps[i], logs[x] = x, i
        x <<= 1
        if x > order:
            x ^= _PRIMITIVE[bits]
    return exps, logs


def checks(n, degree):
    """Bits (degree ⌈log2(n + 1)⌉, n) whose products with a set of at most `degree` places differ from set to set.

    Row ``i m + j`` holds bit j of ``α**((2 i + 1) q)`` for the places q: the binary code of Bose, Chaudhuri and
    Hocquenghem.
    """
    bits = n.bit_length()
    exps, _ = field(bits)
    powers = exps[(2 * np.arange(degree)[:, None] + 1) * np.arange(n) % exps.size]
    rows = (powers[:, None, :] >> np.arange(bits)[None, :, None]) & 1
    return rows.reshape(degree * bits, n).astype(np.uint8)
