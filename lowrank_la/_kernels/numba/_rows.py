"""Values of a bin, side by side, and a coefficient that shows in them with signs.

Sums go over eight lanes at a time, so eight numbers have to lie behind the last row of an array. Bit i of a row of
words is the sign of value i.
"""

import numpy as np

from ._jit import jit
from ._signed import below, flipped, kept, minus, signed, size_of
from ._vector import add_product, add_scaled, load, product, store, total_of, zeros_8
from .words import lowest

LANES = 8
_SIXTY_THREE = np.uint64(63)


@jit(inline=True, leaf=True)
def _eight(signs, i):
    return signs[i >> 6] >> (np.uint64(i) & _SIXTY_THREE)


@jit(leaf=True)
def energy_of(U, at, width):
    """Sum of the squares of the `width` numbers from place `at` on."""
    total = zeros_8(U)
    for i in range(0, width, LANES):
        u = kept(load(total, U, at + i), lowest(width - i))
        total = add_product(total, u, u)
    return total_of(total)


@jit(inline=True, leaf=True)
def along(U, at, width, signs):
    """Sum of the values with their signs."""
    total = zeros_8(U)
    for i in range(0, width, LANES):
        u = kept(flipped(load(total, U, at + i), _eight(signs, i)), lowest(width - i))
        total = add_scaled(total, 1.0, u)
    return total_of(total)


@jit(inline=True, leaf=True)
def left_over(U, at, width, signs, a):
    """Energy that a single coefficient of value `a` leaves."""
    total = zeros_8(U)
    for i in range(0, width, LANES):
        u = minus(load(total, U, at + i), signed(total, a, _eight(signs, i)))
        u = kept(u, lowest(width - i))
        total = add_product(total, u, u)
    return total_of(total)


@jit(inline=True, leaf=True)
def take_out(U, at, width, signs, a):
    """Subtract a coefficient."""
    zero = zeros_8(U)
    for i in range(0, width, LANES):
        part = kept(signed(zero, a, _eight(signs, i)), lowest(width - i))
        store(U, at + i, minus(load(zero, U, at + i), part))


@jit(inline=True, leaf=True)
def take_out_and_look(U, at, width, signs, a, empty, most):
    """`take_out` of real numbers, then `may_be_one` of what is left, which is not loaded again."""
    zero = zeros_8(U)
    total, gaps = zero, np.uint64(0)
    first = U[at] - (-a if signs[0] & np.uint64(1) else a)
    first, limit = signed(total, abs(first), np.uint64(0)), signed(total, 2.0 * most, np.uint64(0))
    for i in range(0, width, LANES):
        valid = lowest(width - i)
        u = minus(load(zero, U, at + i), kept(signed(zero, a, _eight(signs, i)), valid))
        store(U, at + i, u)
        gap, u = minus(size_of(u), first), kept(u, valid)
        gaps |= below(limit, product(gap, gap)) & valid
        total = add_product(total, u, u)
    return (total_of(total) > empty) & (gaps == 0)


@jit(inline=True, leaf=True)
def may_be_one(U, at, width, parts, empty, most):
    """Whether a bin holds more than `empty`, and moduli that one coefficient may leave with an energy of `most`.

    Whatever the coefficient is, two values of moduli x and y leave at least ``(x - y)² / 2``; complex ones are not
    looked at so closely. Nothing branches on the values, since no processor could foresee them.
    """
    total, gaps = zeros_8(U), np.uint64(0)
    first, limit = signed(total, abs(U[at]), np.uint64(0)), signed(total, 2.0 * most, np.uint64(0))
    for i in range(0, width * parts, LANES):
        u, valid = load(total, U, at + i), lowest(width * parts - i)
        gap, u = minus(size_of(u), first), kept(u, valid)
        gaps |= below(limit, product(gap, gap)) & valid
        total = add_product(total, u, u)
    return (total_of(total) > empty) & ((gaps == 0) | (parts > 1))
