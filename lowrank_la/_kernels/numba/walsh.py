"""Walsh-Hadamard transforms of rows and of columns.

A stage of stride h takes (x, y), h apart, to (x + y, x - y). Two or three stages make a pass over memory, all of whose
loads of one step come before its stores; the lowest ones happen inside registers. Passes are nested so that what one of
them wrote is in the first-level cache, then in the second-level one, when the next one reads it.

Columns go through memory once for twelve stages: a panel of them, wide enough for memory to be read at full speed,
stays in the last cache while two groups of six stages work on it. Strides that are powers of two send all rows of a
panel to few places of the caches, and hardware foresees nothing there, so that each pass asks for what is worked on
next: in the first group for the next rows, in the second one for the next panel. Panels end where cache lines do, for
vectors that straddle lines would need twice the places.
"""

from ._butterflies import block_bits_of, leaf_bits_of, line_of, past_line
from ._jit import jit
from ._passes import first_bits, first_pass, leaves, passes, second_pass

_PANEL_STAGES, _GROUP_STAGES = 12, 6
_NARROWEST = 16  # cache lines of a row of a panel: shorter stretches of memory are fetched slowly
_GROUP_SHARE = 1 << 13  # cache lines of all rows of a panel in half a second-level cache
_PANEL_SHARE = 1 << 15  # and of one that goes through two groups


@jit
def walsh_rows(target, source, skip, stages, start, stop, scale):
    """Stages of strides ``2**skip`` to ``2**(stages - 1)`` on the flat range [start, stop).

    Parameters
    ----------
    target, source : 1-D contiguous arrays of one real dtype
        May be the same array.
    skip, stages : int
        A positive `skip`, at most 3, transforms along an axis that has ``2**skip`` numbers behind it. Rows longer than
        ``2**stages`` keep their highest stages for `walsh_runs`.
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
    low = 0
    while low < stages:
        bits, stride, whole = _level(stages - low, _PANEL_STAGES), inner << low, last - first == inner
        for run in range(0, stride, stride if whole else inner):
            end = run + (stride if whole else last)
            _panels(target, source, stride, bits, run + first, end, start, stop, scale)
        source, scale, low = target, target.dtype.type(1), low + bits


@jit
def _panels(target, source, inner, stages, first, last, start, stop, scale):
    """Stages of which a panel of columns stays in cache, panel by panel."""
    bits, width = _level(stages, _GROUP_STAGES), _width(target, stages, last - first)
    reach = inner << stages
    if bits == stages and last - first <= width:
        reach = stop - start
    for slab in range(start, stop, reach):
        left, end = first, slab + reach
        while left < last:
            right = _edge(target, slab, left, last, width)
            _group(target, source, inner, bits, left, right, slab, end, scale, slab + right, inner)
            if bits < stages:
                _second_group(target, inner, bits, stages, left, right, slab, end)
            left = right


@jit
def _second_group(array, inner, low, high, first, last, start, stop):
    """Stages `low` to ``high - 1`` of a panel."""
    stride, bits, one = inner << low, high - low, array.dtype.type(1)
    if last - first < inner:
        for run in range(0, stride, inner):
            fetch = start + last + (run << bits)
            _group(array, array, stride, bits, run + first, run + last, start, stop, one, fetch, inner)
    else:
        left, width = 0, _width(array, bits, stride)
        while left < stride:
            right = _edge(array, start, left, stride, width)
            _group(array, array, stride, bits, left, right, start, stop, one, start + right, stride)
            left = right


@jit
def _group(target, source, inner, bits, left, right, start, stop, scale, fetch, row):
    """At most six stages in two passes, which ask for what follows, in the end for the rows from `fetch` on."""
    below = first_bits(target, inner, bits, right - left)
    step = max(1, (1 << block_bits_of(target)) // (inner << bits)) * (inner << bits)
    for a in range(start, stop, step):
        end = min(a + step, stop)
        following, apart = (end + left, inner) if end < stop else (fetch, row)
        if inner < line_of(target):  # hardware foresees what lies so close
            following, apart = a, 0
        half = apart * ((end - a) // (2 * inner))
        if scale != 1:
            _multiply(target, source, inner, left, right, a, end, scale)
        first_pass(target, source if scale == 1 else target, inner, below, left, right, a, end, following, apart)
        second_pass(target, inner, below, bits, left, right, a, end, following + half, apart)


@jit
def _multiply(target, source, inner, left, right, start, stop, scale):
    """Columns [left, right) of rows of `inner` numbers."""
    for a in range(start, stop, inner):
        for j in range(a + left, a + right):
            target[j] = scale * source[j]


@jit
def _width(array, stages, columns):
    """Columns of a panel: whole cache lines, enough of them, in panels of about equal width."""
    share = _GROUP_SHARE if stages <= _GROUP_STAGES else _PANEL_SHARE
    most = max(_NARROWEST, share >> stages) * line_of(array)
    panels = max(1, (columns + most // 2) // most)
    return -(-columns // (panels * line_of(array))) * line_of(array)


@jit
def _edge(array, slab, left, last, width):
    """The end of a panel that begins at `left`: where a cache line ends, leaving no part of a line."""
    right = left + width - past_line(array, slab + left)
    return last if right + line_of(array) > last else right


@jit
def walsh_exact(array, inner, stages, start, stop):
    """Runs of ``2**stages`` rows of `inner` numbers of any dtype, in place: the plain butterfly, for integers."""
    for slab in range(start, stop, inner << stages):
        for bit in range(stages):
            stride = inner << bit
            for a in range(slab, slab + (inner << stages), 2 * stride):
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
