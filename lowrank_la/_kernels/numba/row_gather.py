"""One line of a least squares problem, gathered so that sums run along its entries.

`G` holds the rows of the other factor that belong to the entries of the line as columns: number l of entry e stands at
``G[l * stride + e]``, and zeros follow the last entry up to a multiple of eight. A complex entry counts as two real
ones, and the other factor has for each of its rows two real ones, one behind the other; its last row is zero.
"""

import numpy as np

from ._jit import jit
from ._vector import (
    add_product,
    add_scaled,
    add_totals,
    load,
    product,
    store,
    store_transposed,
    total_of,
    zeros_4,
    zeros_8,
    zeros_16,
    zeros_32,
)


@jit
def gather(indices, low, count, parts, B, k, G, stride):
    """Columns of `G` for `count` real entries from entry `low` on; returns the count rounded up to eight."""
    zero = zeros_4(B)
    pad = np.int64(B.size - k * parts)
    width = (count + 7) & ~7
    for e in range(0, width, 4):
        first = _place(indices, low, e, count, parts, k, pad)
        second = _place(indices, low, e + 1, count, parts, k, pad)
        third = _place(indices, low, e + 2, count, parts, k, pad)
        fourth = _place(indices, low, e + 3, count, parts, k, pad)
        for l in range(0, k, 4):
            store_transposed(
                G, l * stride + e, stride,
                load(zero, B, first + l), load(zero, B, second + l),
                load(zero, B, third + l), load(zero, B, fourth + l),
            )  # fmt: skip
    return width


@jit(inline=True)
def _place(indices, low, e, count, parts, k, pad):
    if e >= count:
        return pad
    if parts == 1:
        return np.int64(indices[low + e]) * k
    return (np.int64(indices[low + (e >> 1)]) * 2 + (e & 1)) * k


@jit
def stride_of(count):
    """Distance between the rows of `G`: the count rounded up to eight, and no multiple of many cache lines."""
    stride = (count + 7) & ~7
    return stride + 8 if (stride & 63) == 0 else stride


@jit
def gather_values(values, order, low, count, parts, width, y):
    """The values of the entries, zeros up to `width`."""
    if order.size == 0:
        for e in range(count):
            y[e] = values[low * parts + e]
    elif parts == 1:
        for e in range(count):
            y[e] = values[order[low + e]]
    else:
        for e in range(count):
            y[e] = values[np.int64(order[low + (e >> 1)]) * 2 + (e & 1)]
    for e in range(count, width):
        y[e] = 0.0


@jit
def weigh(roots, order, low, count, parts, width, k, G, stride, y, root):
    """Multiply the columns of `G` and the values `y` by the roots of the weights, which are left in `root`."""
    for e in range(count):
        p = low + (e >> (parts - 1))
        root[e] = roots[p] if order.size == 0 else roots[order[p]]
    for e in range(count, width):
        root[e] = 0.0
    zero = zeros_8(G)
    for e in range(0, width, 8):
        factor = load(zero, root, e)
        store(y, e, product(load(zero, y, e), factor))
        for l in range(k):
            store(G, l * stride + e, product(load(zero, G, l * stride + e), factor))


@jit
def subtract_image(G, stride, width, k, x, scale, y):
    """``y[:width] += scale * Gᵀ x``."""
    e, widest, wide, zero = 0, zeros_32(G), zeros_16(G), zeros_8(G)
    while e + 32 <= width:
        total = load(widest, y, e)
        for l in range(k):
            total = add_scaled(total, scale * x[l], load(widest, G, l * stride + e))
        store(y, e, total)
        e += 32
    if e + 16 <= width:
        total = load(wide, y, e)
        for l in range(k):
            total = add_scaled(total, scale * x[l], load(wide, G, l * stride + e))
        store(y, e, total)
        e += 16
    if e < width:
        total = load(zero, y, e)
        for l in range(k):
            total = add_scaled(total, scale * x[l], load(zero, G, l * stride + e))
        store(y, e, total)


@jit
def add_adjoint_image(G, stride, width, k, y, out):
    """``out += G y``, for `k` a multiple of four."""
    zero = zeros_8(G)
    for l in range(0, k, 4):
        first, second, third, fourth = zero, zero, zero, zero
        at = l * stride
        for e in range(0, width, 8):
            number = load(zero, y, e)
            first = add_product(first, load(zero, G, at + e), number)
            second = add_product(second, load(zero, G, at + stride + e), number)
            third = add_product(third, load(zero, G, at + 2 * stride + e), number)
            fourth = add_product(fourth, load(zero, G, at + 3 * stride + e), number)
        add_totals(out, l, first, second, third, fourth)


@jit
def add_squares(G, stride, width, k, out):
    """Add the squared norm of each row of `G` to `out`, for `k` a multiple of four."""
    zero = zeros_8(G)
    for l in range(0, k, 4):
        first, second, third, fourth = zero, zero, zero, zero
        at = l * stride
        for e in range(0, width, 8):
            a, b = load(zero, G, at + e), load(zero, G, at + stride + e)
            c, d = load(zero, G, at + 2 * stride + e), load(zero, G, at + 3 * stride + e)
            first, second = add_product(first, a, a), add_product(second, b, b)
            third, fourth = add_product(third, c, c), add_product(fourth, d, d)
        add_totals(out, l, first, second, third, fourth)


@jit
def square_of(y, width):
    """Sum of the squares of ``y[:width]``."""
    zero = zeros_8(y)
    total = zero
    for e in range(0, width, 8):
        number = load(zero, y, e)
        total = add_product(total, number, number)
    return total_of(total)
