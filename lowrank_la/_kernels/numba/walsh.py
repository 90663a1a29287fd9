"""Walsh-Hadamard transforms of rows and of columns.

A stage of stride h takes (x, y), h apart, to (x + y, x - y). Two or three stages make a pass over memory, all of whose
loads of one step come before its stores; the lowest ones happen inside registers. Passes are nested so that what one of
them wrote is in the first-level cache, then in the second-level one, when the next one reads it.
"""

from ._butterflies import (
    block_bits_of,
    carry_2,
    carry_4,
    carry_8,
    carry_one_2,
    carry_one_4,
    carry_one_8,
    cross_2,
    cross_4,
    cross_8,
    cross_one_2,
    cross_one_4,
    cross_one_8,
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
)
from ._jit import jit


@jit
def walsh_rows(target, source, skip, stages, start, stop, scale):
    """Stages of strides ``2**skip`` to ``2**(stages - 1)`` on the flat range [start, stop).

    Parameters
    ----------
    target, source : 1-D contiguous arrays of one real dtype
        May be the same array.
    skip, stages : int
        A positive `skip`, at most 3, transforms along an axis that has ``2**skip`` numbers behind it. Rows longer than
        ``2**stages`` keep their highest stages for `walsh_high`.
    start, stop : int
        Multiples of ``2**stages``.
    scale : float
        Multiplies what is loaded.
    """
    unit, whole = 1 << leaf_bits_of(target), start
    if skip == 0 or stages >= leaf_bits_of(target):
        whole = start + (stop - start) // unit * unit
    leaf = _level(stages, leaf_bits_of(target)) if skip == 0 else leaf_bits_of(target)
    if stages <= block_bits_of(target):
        chunk = 1 << block_bits_of(target)
        for a in range(start, whole, chunk):
            b = min(a + chunk, whole)
            _leaves(target, source, skip, leaf, a, b, scale)
            _passes(target, a, b, leaf, stages)
    else:
        block = _level(stages, block_bits_of(target))
        for first in range(start, stop, 1 << stages):
            last = first + (1 << stages)
            for a in range(first, last, 1 << block):
                _leaves(target, source, skip, leaf, a, a + (1 << block), scale)
                _passes(target, a, a + (1 << block), leaf, block)
            _passes(target, first, last, block, stages)
    if whole < stop:
        _plain_stages(target, source, 1 << skip, stages - skip, whole, stop, scale)


@jit
def walsh_runs(target, source, inner, stages, first, last, start, stop, scale):
    """All stages along an axis of ``2**stages`` with `inner` numbers behind it, for the slabs in [start, stop).

    Parameters
    ----------
    target, source : 1-D contiguous arrays
        May be the same array.
    inner, stages : int
    first, last : int
        Only columns [first, last) of `inner`.
    start, stop : int
        Multiples of ``inner << stages``.
    scale : float
    """
    begin = min(stages, 3)
    near = _fitting(last - first, begin, stages, 1 << block_bits_of(target))
    far = _fitting(last - first, near, stages, 8 << block_bits_of(target))
    for block in range(start, stop, inner << far):
        for slab in range(block, block + (inner << far), inner << near):
            end = slab + (inner << near)
            _first_pass(target, source, inner, begin, first, last, slab, end, scale)
            walsh_high(target, inner, begin, near, first, last, slab, end)
        walsh_high(target, inner, near, far, first, last, block, block + (inner << far))
    walsh_high(target, inner, far, stages, first, last, start, stop)


@jit
def walsh_high(array, inner, low, high, first, last, start, stop):
    """Stages `low` to ``high - 1`` of `walsh_runs`, in place."""
    whole = last - first == inner
    while low < high:
        bits = _bits(high - low)
        stride = inner << low
        if whole:
            _pass(array, start, stop, stride, bits, 0, stride)
        else:
            for a in range(start, stop, stride << bits):
                for run in range(a, a + stride, inner):
                    _pass(array, run, run + 1, stride, bits, first, last)
        low += bits


@jit
def _fitting(width, low, stages, size):
    """Stages after which rows of `width` are at most `size` together: at least `low`, never one fewer than `stages`."""
    level = low
    while level < stages and width << (level + 1) <= size:
        level += 1
    if stages - level == 1:
        return level - 1 if level > low else stages
    return level


@jit
def _first_pass(target, source, inner, bits, first, last, start, stop, scale):
    """The lowest `bits` stages, from `source` to `target`."""
    step = lanes_of(target)
    whole = first + (last - first) // step * step
    for a in range(start, stop, inner << bits):
        if bits == 3:
            for j in range(a + first, a + whole, step):
                carry_8(target, source, j, inner, scale)
            for j in range(a + whole, a + last):
                carry_one_8(target, source, j, inner, scale)
        elif bits == 2:
            for j in range(a + first, a + whole, step):
                carry_4(target, source, j, inner, scale)
            for j in range(a + whole, a + last):
                carry_one_4(target, source, j, inner, scale)
        else:
            for j in range(a + first, a + whole, step):
                carry_2(target, source, j, inner, scale)
            for j in range(a + whole, a + last):
                carry_one_2(target, source, j, inner, scale)


@jit
def walsh_exact(array, stages, start, stop):
    """Rows of ``2**stages`` numbers of any dtype, in place: the plain butterfly, for integers."""
    for bit in range(stages):
        stride = 1 << bit
        for a in range(start, stop, 2 * stride):
            for j in range(a, a + stride):
                first, second = array[j], array[j + stride]
                array[j] = first + second
                array[j + stride] = first - second


@jit
def _level(stages, limit):
    """Stages of a level that takes at most `limit`, never leaving a single one to the levels above."""
    level = min(stages, limit)
    return level - 1 if stages - level == 1 else level


@jit
def _bits(left):
    """Stages of the next pass: three or two, never leaving one."""
    if left == 4 or left == 2:
        return 2
    return min(left, 3)


@jit
def _leaves(target, source, low, high, start, stop, scale):
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
def _passes(array, start, stop, low, high):
    while low < high:
        bits = _bits(high - low)
        _pass(array, start, stop, 1 << low, bits, 0, 1 << low)
        low += bits


@jit
def _pass(array, start, stop, stride, bits, first, last):
    """`bits` stages from `stride` on, at positions [first, last) of every run of `stride` numbers."""
    step, reach = lanes_of(array), stride << bits
    whole = first + (last - first) // step * step
    if bits == 3:
        for a in range(start, stop, reach):
            for j in range(a + first, a + whole, step):
                cross_8(array, j, stride)
            for j in range(a + whole, a + last):
                cross_one_8(array, j, stride)
    elif bits == 2:
        for a in range(start, stop, reach):
            for j in range(a + first, a + whole, step):
                cross_4(array, j, stride)
            for j in range(a + whole, a + last):
                cross_one_4(array, j, stride)
    else:
        for a in range(start, stop, reach):
            for j in range(a + first, a + whole, step):
                cross_2(array, j, stride)
            for j in range(a + whole, a + last):
                cross_one_2(array, j, stride)


@jit
def _plain_stages(target, source, inner, stages, start, stop, scale):
    """Stages one by one, for what is too short for registers."""
    for j in range(start, stop):
        target[j] = scale * source[j]
    for bit in range(stages):
        stride = inner << bit
        for a in range(start, stop, 2 * stride):
            for j in range(a, a + stride):
                first, second = target[j], target[j + stride]
                target[j] = first + second
                target[j + stride] = first - second
