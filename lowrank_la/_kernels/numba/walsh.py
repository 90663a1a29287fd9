"""Walsh-Hadamard transforms of rows and of columns.

A stage of stride h takes (x, y), h apart, to (x + y, x - y). Two or three stages make a pass over memory, all of whose
loads of one step come before its stores; the lowest ones happen inside registers. Passes are nested so that what one of
them wrote is in the first-level cache, then in the second-level one, when the next one reads it: columns by groups of
up to six stages, each of which goes through memory once.
"""

from ._butterflies import block_bits_of, leaf_bits_of
from ._jit import jit
from ._passes import first_bits, first_pass, leaves, one_pass, pass_bits, passes, second_pass

_SHARE = 32  # times 16 KiB that a group of stages works on: half a second-level cache


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
            leaves(target, source, skip, leaf, a, b, scale)
            passes(target, a, b, leaf, stages)
    else:
        block = _level(stages, block_bits_of(target))
        for first in range(start, stop, 1 << stages):
            last = first + (1 << stages)
            for a in range(first, last, 1 << block):
                leaves(target, source, skip, leaf, a, a + (1 << block), scale)
                passes(target, a, a + (1 << block), leaf, block)
            passes(target, first, last, block, stages)
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
    bits, reach = _group(stages), inner << stages
    if bits == stages:
        reach = stop - start
    for slab in range(start, stop, reach):
        end = slab + reach
        _first_group(target, source, inner, bits, first, last, slab, end, scale)
        walsh_high(target, inner, bits, stages, first, last, slab, end)


@jit
def _first_group(target, source, inner, bits, first, last, start, stop, scale):
    """The lowest `bits` stages, at most six, from `source` to `target`."""
    width, below = _columns(target, bits), first_bits(target, inner, bits, last - first)
    step = max(1, (1 << block_bits_of(target)) // (inner << bits)) * (inner << bits)
    for a in range(start, stop, step):
        end = min(a + step, stop)
        for left in range(first, last, width):
            right = min(left + width, last)
            first_pass(target, source, inner, below, left, right, a, end, scale)
            second_pass(target, inner, below, bits, left, right, a, end)


@jit
def walsh_high(array, inner, low, high, first, last, start, stop):
    """Stages `low` to ``high - 1`` of `walsh_runs`, in place."""
    while low < high:
        bits, stride = _group(high - low), inner << low
        width, below, rest = _columns(array, bits), pass_bits(bits), inner if last - first < inner else stride
        for a in range(start, stop, stride << bits):
            end = a + (stride << bits)
            for run in range(0, stride, rest):
                until = run + last if rest == inner else stride
                for left in range(run + first, until, width):
                    right = min(left + width, until)
                    one_pass(array, a, end, stride, below, left, right)
                    second_pass(array, stride, below, bits, left, right, a, end)
        low += bits


@jit
def _group(left):
    """Stages of the next two passes, the second of which reads from the second-level cache: six, never leaving one."""
    return min(left, 6) - (left == 7)


@jit
def _columns(array, bits):
    """Numbers of a run that a group of `bits` stages works on at a time: the longer, the better fetched."""
    return (_SHARE << block_bits_of(array)) >> bits


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
