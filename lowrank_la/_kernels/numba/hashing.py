"""Sums of rows into random rows, with random signs."""

import numpy as np

from ._jit import jit
from ._vector import add_scaled, clear_first, load, store, zeros_8, zeros_32


@jit
def _decode(draws, sizes, firsts, places, signs):
    """Row and sign of each draw below 2**32: the lowest bit is the sign, the others choose within the stack."""
    for s in range(sizes.shape[0]):
        for j in range(draws.shape[0]):
            draw = draws[j, s]
            places[j, s] = firsts[s] + (((draw >> 1) * sizes[s]) >> 31)
            signs[j, s] = 1 - 2 * (draw & 1)


@jit
def _add_panel(zero, done, A, j, places, signs, out, first):
    lanes = out.shape[1]
    row = clear_first(load(zero, A, j * lanes + first), done)
    for s in range(places.shape[1]):
        place = places[j, s] * lanes + first
        store(out, place, add_scaled(load(zero, out, place), signs[j, s], row))


@jit
def hash_rows(A, draws, sizes, firsts, out, lane_start, lane_stop):
    """Add each row of `A`, with its signs, to one row of every stack of `out`, lanes ``[lane_start, lane_stop)``.

    `A` (k, lanes) and `out` (d, lanes) are real and C-contiguous, `draws` (k, stacks) are integers below 2**32, stack
    s is the rows ``[firsts[s], firsts[s] + sizes[s])``. At least eight lanes.
    """
    places = np.empty(draws.shape, np.int64)
    signs = np.empty(draws.shape, out.dtype)
    _decode(draws, sizes, firsts, places, signs)
    wide = lane_start + (lane_stop - lane_start) // 32 * 32
    for j in range(A.shape[0]):
        for first in range(lane_start, wide, 32):
            _add_panel(zeros_32(out), 0, A, j, places, signs, out, first)
        for panel in range(wide, lane_stop, 8):
            first = min(panel, lane_stop - 8)
            _add_panel(zeros_8(out), panel - first, A, j, places, signs, out, first)
