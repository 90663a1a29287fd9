"""Passes over memory that do two or three stages of a Walsh-Hadamard transform at a time, or a block in registers."""

from ._butterflies import (
    carry_2,
    carry_4,
    carry_8,
    carry_some_2,
    carry_some_4,
    carry_some_8,
    cross_2,
    cross_4,
    cross_8,
    cross_some_2,
    cross_some_4,
    cross_some_8,
    keep,
    lanes_of,
    leaf_1,
    leaf_2,
    leaf_3,
    leaf_4,
    leaf_5,
    leaf_6,
    leaf_7,
    leaf_8,
    leaf_bits_of,
    leaf_from_1,
    leaf_from_2,
    leaf_from_3,
    line_of,
    weave_3,
    weave_5,
    weave_6,
    weave_7,
    weave_bits_of,
    weave_wide_3,
    weave_wide_5,
    weave_wide_6,
    weave_wide_7,
)
from ._jit import jit


@jit
def leaves(target, source, low, high, start, stop, scale):
    """Strides ``2**low`` to ``2**(high - 1)``, as far as they fit into registers, and the scaling."""
    unit = 1 << leaf_bits_of(target)
    if low > 0:
        _leaves_from(target, source, low, start, stop, unit, scale)
    elif high <= 4:
        _small_leaves(target, source, high, start, stop, unit, scale)
    else:
        _large_leaves(target, source, high, start, stop, unit, scale)


@jit
def _small_leaves(target, source, stages, start, stop, unit, scale):
    if stages == 1:
        for a in range(start, stop, unit):
            leaf_1(target, a, source, a, scale)
    elif stages == 2:
        for a in range(start, stop, unit):
            leaf_2(target, a, source, a, scale)
    elif stages == 3:
        for a in range(start, stop, unit):
            leaf_3(target, a, source, a, scale)
    else:
        for a in range(start, stop, unit):
            leaf_4(target, a, source, a, scale)


@jit
def _large_leaves(target, source, stages, start, stop, unit, scale):
    if stages == 5:
        for a in range(start, stop, unit):
            leaf_5(target, a, source, a, scale)
    elif stages == 6:
        for a in range(start, stop, unit):
            leaf_6(target, a, source, a, scale)
    elif stages == 7:
        for a in range(start, stop, unit):
            leaf_7(target, a, source, a, scale)
    else:
        for a in range(start, stop, unit):
            leaf_8(target, a, source, a, scale)


@jit
def _leaves_from(target, source, low, start, stop, unit, scale):
    if low == 1:
        for a in range(start, stop, unit):
            leaf_from_1(target, a, source, a, scale)
    elif low == 2:
        for a in range(start, stop, unit):
            leaf_from_2(target, a, source, a, scale)
    else:
        for a in range(start, stop, unit):
            leaf_from_3(target, a, source, a, scale)


@jit
def first_bits(array, inner, bits, columns):
    """Stages of the first pass of a group of `bits` on so many columns of `inner` numbers."""
    woven = columns == inner and inner < 8 and inner & (inner - 1)
    return weave_bits_of(array) if woven and bits >= weave_bits_of(array) else pass_bits(bits)


@jit
def first_pass(target, source, inner, bits, first, last, start, stop, scale):
    """The lowest `bits` stages, of which there are as many as `first_bits` says, from `source` to `target`."""
    if bits >= 3 and last - first == inner and inner < 8 and inner & (inner - 1):
        if bits > 3:
            _woven_wide(target, source, inner, start, stop, scale)
        else:
            _woven(target, source, inner, start, stop, scale)
    else:
        _carried(target, source, inner, bits, first, last, start, stop, scale)


@jit
def _carried(target, source, inner, bits, first, last, start, stop, scale):
    """`first_pass`, column by column.

    Rows that share a page of memory are read line after line before: processors fetch such a sequence ahead, but not
    eight at once.
    """
    step = lanes_of(target)
    whole = first + (last - first) // step * step
    until = inner << bits if inner <= 32 * line_of(source) and last - first == inner else 0
    total = scale
    for a in range(start, stop, inner << bits):
        for j in range(a, a + until, line_of(source)):
            total += source[j]
        if bits == 3:
            for j in range(a + first, a + whole, step):
                carry_8(target, source, j, inner, scale)
            if whole < last:
                carry_some_8(target, source, a + whole, inner, scale, last - whole)
        elif bits == 2:
            for j in range(a + first, a + whole, step):
                carry_4(target, source, j, inner, scale)
            if whole < last:
                carry_some_4(target, source, a + whole, inner, scale, last - whole)
        else:
            for j in range(a + first, a + whole, step):
                carry_2(target, source, j, inner, scale)
            if whole < last:
                carry_some_2(target, source, a + whole, inner, scale, last - whole)
    keep(total)


@jit
def _woven(target, source, inner, start, stop, scale):
    """Three stages of rows of 3, 5, 6 or 7 numbers."""
    if inner == 3:
        for a in range(start, stop, 24):
            weave_3(target, source, a, scale)
    elif inner == 5:
        for a in range(start, stop, 40):
            weave_5(target, source, a, scale)
    elif inner == 6:
        for a in range(start, stop, 48):
            weave_6(target, source, a, scale)
    else:
        for a in range(start, stop, 56):
            weave_7(target, source, a, scale)


@jit
def _woven_wide(target, source, inner, start, stop, scale):
    """`_woven` with four stages."""
    if inner == 3:
        for a in range(start, stop, 48):
            weave_wide_3(target, source, a, scale)
    elif inner == 5:
        for a in range(start, stop, 80):
            weave_wide_5(target, source, a, scale)
    elif inner == 6:
        for a in range(start, stop, 96):
            weave_wide_6(target, source, a, scale)
    else:
        for a in range(start, stop, 112):
            weave_wide_7(target, source, a, scale)


@jit
def second_pass(array, stride, low, high, left, right, start, stop):
    """The stages of a group that its first pass leaves, on positions [left, right) of its runs of `stride` numbers."""
    if right - left == stride and low < high:
        one_pass(array, start, stop, stride << low, high - low, 0, stride << low)
    elif low < high:
        for run in range(0, stride << low, stride):
            one_pass(array, start, stop, stride << low, high - low, run + left, run + right)


@jit
def passes(array, start, stop, low, high):
    while low < high:
        bits = pass_bits(high - low)
        one_pass(array, start, stop, 1 << low, bits, 0, 1 << low)
        low += bits


@jit
def one_pass(array, start, stop, stride, bits, first, last):
    """`bits` stages from `stride` on, at positions [first, last) of every run of `stride` numbers."""
    step, reach = lanes_of(array), stride << bits
    whole = first + (last - first) // step * step
    if bits == 3:
        for a in range(start, stop, reach):
            for j in range(a + first, a + whole, step):
                cross_8(array, j, stride)
            if whole < last:
                cross_some_8(array, a + whole, stride, last - whole)
    elif bits == 2:
        for a in range(start, stop, reach):
            for j in range(a + first, a + whole, step):
                cross_4(array, j, stride)
            if whole < last:
                cross_some_4(array, a + whole, stride, last - whole)
    else:
        for a in range(start, stop, reach):
            for j in range(a + first, a + whole, step):
                cross_2(array, j, stride)
            if whole < last:
                cross_some_2(array, a + whole, stride, last - whole)


@jit
def pass_bits(left):
    """Stages of the next pass: three or two, never leaving one."""
    if left == 4 or left == 2:
        return 2
    return min(left, 3)
