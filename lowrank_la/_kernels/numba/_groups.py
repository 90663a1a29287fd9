"""What the columns of a layout mean, and the signs that a frequency has in a group.

The bins of all groups lie in one flat array. A row of a layout describes a group: where its values start, the number of
its first bin, the logarithm of the number of bins, verification offsets, repeats, its first row of shifts, the length
of its stencil and the values of a bin. The offsets are the verification shifts, then for every repeat its shift alone
and its shift plus each vector of the stencil. Where none is given the stencil are the last unit vectors, the last one
first, as many as the layout says. Complex values lie behind each other as real and imaginary parts, bin by bin.
"""

import numpy as np

from ._jit import jit
from .words import IN_CODE, PLACE, append, lowest, odd, odd_row

START, FIRST_BIN, BITS, VERIFY, REPEATS, FIRST_SHIFT, LENGTH, WIDTH = range(8)
_ONE, _PLACE = np.uint64(1), np.uint64(PLACE)


@jit
def sign_words(layout):
    """Words for the signs of the widest bin."""
    most = 0
    for c in range(layout.shape[0]):
        most = max(most, (layout[c, WIDTH] + 63) >> 6)
    return np.empty(most, np.uint64)


@jit(leaf=True)
def stencil_signs(key, stencil, z):
    """Signs of a character on a stencil that is given, as bits; those on unit vectors are its own."""
    z[:] = 0
    for i in range(stencil.shape[0]):
        z[i >> 6] |= odd(stencil[i], key) << np.uint64(i & 63)


@jit(inline=True, leaf=True)
def group_signs(key, code, z, layout, c, shifts, signs):
    """Signs of a character at the offsets of group `c`, as bits; `z` holds those on the stencil."""
    at, row, length = layout[c, VERIFY], layout[c, FIRST_SHIFT], layout[c, LENGTH]
    word = (code >> _PLACE) & lowest(min(at, IN_CODE))
    for i in range(IN_CODE, at):
        word = append(signs, i, word, odd_row(shifts, row + i, key), 1)
    for r in range(at, at + layout[c, REPEATS]):
        own = (code >> np.uint64(PLACE + r)) & _ONE if r < IN_CODE else odd_row(shifts, row + r, key)
        turned = np.uint64(0) - own
        if length < 64:
            word = append(signs, at, word, (((z[0] ^ turned) & lowest(length)) << _ONE) | own, 1 + length)
            at += 1 + length
            continue
        word, at = append(signs, at, word, own, 1), at + 1
        for t in range(0, length, 64):
            count = min(64, length - t)
            word = append(signs, at, word, (z[t >> 6] ^ turned) & lowest(count), count)
            at += count
    if at & 63:
        signs[at >> 6] = word
