"""Passes over memory that do two or three stages of a Walsh-Hadamard transform at a time, or a block in registers."""

from ._butterflies import (
    cross_2,
    cross_4,
    cross_8,
    cross_some_2,
    cross_some_4,
    cross_some_8,
    join_2,
    join_4,
    join_8,
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
    past_line,
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
def first_pass(target, source, inner, bits, first, last, start, stop, fetch, row):
    """The lowest `bits` stages, of which there are as many as `first_bits` says, from `source` to `target`."""
    if bits >= 3 and last - first == inner and inner < 8 and inner & (inner - 1):
        if bits > 3:
            _woven_wide(target, source, inner, start, stop)
        else:
            _woven(target, source, inner, start, stop)
    else:
        one_pass(target, source, inner, bits, first, last, start, stop, fetch, row)


@jit
def _woven(target, source, inner, start, stop):
    """Three stages of rows of 3, 5, 6 or 7 numbers."""
    if inner == 3:
        for a in range(start, stop, 24):
            weave_3(target, source, a)
    elif inner == 5:
        for a in range(start, stop, 40):
            weave_5(target, source, a)
    elif inner == 6:
        for a in range(start, stop, 48):
            weave_6(target, source, a)
    else:
        for a in range(start, stop, 56):
            weave_7(target, source, a)


@jit
def _woven_wide(target, source, inner, start, stop):
    """`_woven` with four stages."""
    if inner == 3:
        for a in range(start, stop, 48):
            weave_wide_3(target, source, a)
    elif inner == 5:
        for a in range(start, stop, 80):
            weave_wide_5(target, source, a)
    elif inner == 6:
        for a in range(start, stop, 96):
            weave_wide_6(target, source, a)
    else:
        for a in range(start, stop, 112):
            weave_wide_7(target, source, a)


@jit
def second_pass(array, stride, low, high, left, right, start, stop, fetch, row):
    """The stages of a group that its first pass leaves, on positions [left, right) of its runs of `stride` numbers."""
    if low == high:
        return
    reach, bits, whole = stride << low, high - low, right - left == stride
    apart = reach if whole else row
    for run in range(0, reach, reach if whole else stride):
        until = run + (reach if whole else right)
        one_pass(array, array, reach, bits, run + left, until, start, stop, fetch, apart)
        fetch += (stop - start) // (reach << bits) * (apart << (bits - 1))


@jit
def passes(array, start, stop, low, high):
    """Stages `low` to ``high - 1`` of what is in a cache near by."""
    step = lanes_of(array)
    while low < high:
        bits, stride = pass_bits(high - low), 1 << low
        for a in range(start, stop, stride << bits):
            begin, end = _edges(array, array, a, a + stride, stride, bits)
            if bits == 3:
                for j in range(begin, end, step):
                    join_8(array, array, j, stride)
            elif bits == 2:
                for j in range(begin, end, step):
                    join_4(array, array, j, stride)
            else:
                for j in range(begin, end, step):
                    join_2(array, array, j, stride)
        low += bits


@jit
def one_pass(target, source, stride, bits, first, last, start, stop, fetch, row):
    """`bits` stages from `stride` on, at positions [first, last) of every run of `stride` numbers.

    Meanwhile it asks for half as many numbers, from `fetch` on in rows so far apart.
    """
    step = lanes_of(target)
    for a in range(start, stop, stride << bits):
        left, right = a + first, a + last
        head = _head(target, left, right)
        begin, count = left + head, (right - left - head) // step * step
        for edge, some in ((left, head), (begin + count, right - begin - count)):
            if some > 0:
                _some(target, source, edge, stride, bits, some)
        if bits == 3:
            for j in range(begin, begin + count, step):
                cross_8(target, source, j, stride, fetch + j - left, row)
        elif bits == 2:
            for j in range(begin, begin + count, step):
                cross_4(target, source, j, stride, fetch + j - left, row)
        else:
            for j in range(begin, begin + count, step):
                cross_2(target, source, j, stride, fetch + j - left, row)
        fetch += row << (bits - 1)


@jit
def _edges(target, source, left, right, stride, bits):
    """Do what comes before the first whole vector of [left, right) and behind the last one; gives what is between."""
    step, head = lanes_of(target), _head(target, left, right)
    begin, count = left + head, (right - left - head) // step * step
    for edge, some in ((left, head), (begin + count, right - begin - count)):
        if some > 0:
            _some(target, source, edge, stride, bits, some)
    return begin, begin + count


@jit
def _some(target, source, offset, stride, bits, count):
    """`one_pass` on less than a vector."""
    if bits == 3:
        cross_some_8(target, source, offset, stride, count)
    elif bits == 2:
        cross_some_4(target, source, offset, stride, count)
    else:
        cross_some_2(target, source, offset, stride, count)


@jit
def _head(array, left, right):
    """Numbers before the first boundary of a vector in memory, where there are so many vectors that it matters."""
    step = lanes_of(array)
    return -past_line(array, left) % step if right - left > 8 * step else 0


@jit
def pass_bits(left):
    """Stages of the next pass: three or two, never leaving one."""
    if left == 4 or left == 2:
        return 2
    return min(left, 3)
