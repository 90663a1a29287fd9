"""Products with matrices of which some entries are known, and the lists of places behind them.

On the host compiled kernels work through fixed ranges of lines, so a product is the same bits for any number of
workers; a line is summed in the order of its entries. Elsewhere chunks of entries are gathered and added up.
"""

from itertools import pairwise

import numpy as np

from .. import _kernels
from .dtypes import is_complex
from .indexing import index_array
from .namespace import from_numpy, kind, to_numpy
from .segment import segment_sum
from .sparse import writable_view
from .threads import fixed_partition, map_blocks

_PARTS = 32
_KERNEL_FROM = 1 << 14  # multiplications: fewer are done before Numba is imported
_PARALLEL_FROM = 1 << 17
_SORTED_FROM = 1 << 14
_GATHERED = 1 << 22  # numbers held at once by the portable forms
_LANES = 4
_SORTING = ("torch", "cupy")  # libraries that sort places themselves; others have it done on the host


def entry_dots(side, A, B, xp):
    """``A[i]·conj(B[j])`` for each entry (i, j), where `side` lists the entries by rows."""
    if kind(xp) != "numpy" or side.indices.shape[0] * A.shape[1] < _KERNEL_FROM:
        return dots_twin(side, A, B, xp)
    dtype = np.result_type(A, B)
    out = np.empty(side.indices.shape[0], dtype)
    A, B = A.astype(dtype, copy=False), B.astype(dtype, copy=False)
    if not is_complex(dtype):
        _run_dots(side, A, B, out)
    else:
        parts = np.empty(out.shape[0], out.real.dtype)
        for target, left in ((out.real, A), (out.imag, -1j * A)):
            _run_dots(side, _real_lanes(left), _real_lanes(B), parts)
            target[:] = parts
    return out


def _run_dots(side, A, B, out):
    kernel = _kernels.lookup("observed_dots", "numpy")
    A, B = _padded(A), _padded(B)
    _over_lines(side, A.shape[1], lambda low, high: kernel(side.pointers, side.indices, A, B, out, low, high))


def entry_times(side, z, B, xp):
    """``Z B`` for the matrix with the numbers `z` (in the order by rows) at the entries, its lines those of `side`."""
    if kind(xp) != "numpy" or side.indices.shape[0] * B.shape[1] < _KERNEL_FROM:
        return times_twin(side, z, B, xp)
    dtype = np.result_type(z, B)
    B = B.astype(dtype, copy=False)
    if not is_complex(dtype):
        return _run_times(side, z.astype(dtype, copy=False), B)
    if not is_complex(z.dtype):
        return _run_times(side, z.astype(B.real.dtype, copy=False), _real_lanes(B)).view(dtype)
    total = _run_times(side, np.ascontiguousarray(z.real, B.real.dtype), _real_lanes(B))
    total += _run_times(side, np.ascontiguousarray(z.imag, B.real.dtype), _real_lanes(1j * B))
    return total.view(dtype)


def _run_times(side, z, B):
    kernel = _kernels.lookup("observed_times", "numpy")
    padded, z = _padded(B), writable_view(np.ascontiguousarray(z))
    out = np.empty((side.size, padded.shape[1]), B.dtype)
    order = side.indices[:0] if side.order is None else side.order
    _over_lines(
        side, padded.shape[1], lambda low, high: kernel(side.pointers, side.indices, order, z, padded, out, low, high)
    )
    return out if out.shape[1] == B.shape[1] else np.ascontiguousarray(out[:, : B.shape[1]])


def _over_lines(side, width, run):
    if side.indices.shape[0] * width < _PARALLEL_FROM:
        run(0, side.size)
    else:
        map_blocks(lambda lines: run(lines.start, lines.stop), side.parts)


def _padded(X):
    """`X` by rows, its width a multiple of the lanes of a vector."""
    spare = -X.shape[1] % _LANES
    if not spare:
        return writable_view(np.ascontiguousarray(X))
    out = np.zeros((X.shape[0], X.shape[1] + spare), X.dtype)
    out[:, : X.shape[1]] = X
    return out


def _real_lanes(X):
    return np.ascontiguousarray(X).view(X.real.dtype)


def dots_twin(side, A, B, xp):
    """`entry_dots` from array-API operations alone."""
    lines = _lines(side, xp)
    conjugate = xp.conj(B) if is_complex(B.dtype) else B
    parts = [
        xp.sum(xp.take(A, lines[p], axis=0) * xp.take(conjugate, side.indices[p], axis=0), axis=1)
        for p in _chunks(side, A.shape[1])
    ]
    return parts[0] if len(parts) == 1 else xp.concat(parts)


def times_twin(side, z, B, xp):
    """`entry_times` from array-API operations alone."""
    lines = _lines(side, xp)
    total = None
    for p in _chunks(side, B.shape[1]):
        numbers = z[p] if side.order is None else xp.take(z, side.order[p])
        part = segment_sum(numbers[:, None] * xp.take(B, side.indices[p], axis=0), lines[p], side.size, xp)
        total = part if total is None else total + part
    return total


def _lines(side, xp):
    return line_numbers(side.pointers, xp) if side.lines is None else side.lines


def _chunks(side, width):
    count, step = side.indices.shape[0], max(1, _GATHERED // max(1, width))
    return [slice(low, min(low + step, count)) for low in range(0, max(count, 1), step)]


def line_numbers(pointers, xp):
    """The line of each entry, for pointers (size + 1,)."""
    size = pointers.shape[0] - 1
    numbers = xp.arange(size, dtype=pointers.dtype, device=_device(pointers))
    return xp.repeat(numbers, pointers[1:] - pointers[:-1])


def _device(x):
    return "cpu" if isinstance(x, np.ndarray) else x.device


def balanced_parts(pointers):
    """At most thirty-two slices of lines with about the same number of entries each."""
    work = to_numpy(pointers).astype(np.int64)
    work = work + np.arange(work.shape[0])
    cuts = np.searchsorted(work, np.linspace(0, work[-1], _PARTS + 1)[1:-1].astype(np.int64))
    edges = np.unique(np.concatenate([[0], cuts, [work.shape[0] - 1]])).tolist()
    return [slice(low, high) for low, high in pairwise(edges)]


def index_dtype(shape, count, xp, device):
    """Integer dtype for places and pointers: four bytes on the host where they do."""
    if kind(xp) == "numpy":
        return np.dtype(np.int32 if max(*shape, count) < 2**31 - 1 else np.int64)
    return xp.__array_namespace_info__().default_dtypes(device=device)["indexing"]


def entry_structure(rows, columns, shape, xp):
    """Places in any order, sorted by rows and by columns.

    Returns
    -------
    structure : tuple of arrays
        ``row_pointers, columns, column_pointers, rows, order``.
    taken : integer array, shape (N,)
        Where each entry, by rows, stood.
    """
    place = _device(rows)
    dtype = index_dtype(shape, rows.shape[0], xp, place)
    if kind(xp) in _SORTING:
        return _structure_twin(xp.astype(rows, dtype), xp.astype(columns, dtype), shape, xp)
    if kind(xp) != "numpy":
        found = _structure_twin(to_numpy(rows), to_numpy(columns), shape, np)
        structure, taken = ([from_numpy(x, xp, place, dtype) for x in part] for part in (found[0], found[1:]))
        return tuple(structure), taken[0]
    if rows.shape[0] < _SORTED_FROM:
        return _structure_twin(rows.astype(dtype), columns.astype(dtype), shape, xp)
    count = rows.shape[0]
    row_pointers, column_pointers = (np.zeros(size + 1, dtype) for size in shape)
    by_rows, taken, by_columns, order = (np.empty(count, dtype) for _ in range(4))
    kernel = _kernels.lookup("sort_entries", "numpy")
    rows, columns = (writable_view(np.ascontiguousarray(x)) for x in (rows, columns))
    kernel(rows, columns, row_pointers, column_pointers, by_rows, taken, by_columns, order)
    return (row_pointers, by_rows, column_pointers, by_columns, order), taken


def _structure_twin(rows, columns, shape, xp):
    taken = xp.argsort(columns, stable=True)
    taken = xp.take(taken, xp.argsort(xp.take(rows, taken), stable=True))
    rows, columns = xp.take(rows, taken), xp.take(columns, taken)
    pointers = _pointers(rows, shape[0], xp)
    return (pointers, columns, *_transposed_twin(rows, columns, shape, xp)), taken


def transposed_structure(row_pointers, columns, shape, xp):
    """``column_pointers, rows, order`` of places by rows."""
    if kind(xp) != "numpy" or columns.shape[0] < _SORTED_FROM:
        return _transposed_twin(line_numbers(row_pointers, xp), columns, shape, xp)
    column_pointers = np.zeros(shape[1] + 1, columns.dtype)
    rows, order = np.empty_like(columns), np.empty_like(columns)
    kernel = _kernels.lookup("transpose_entries", "numpy")
    kernel(writable_view(row_pointers), writable_view(columns), column_pointers, rows, order)
    return column_pointers, rows, order


def _transposed_twin(rows, columns, shape, xp):
    """Places by rows listed by columns."""
    order = xp.argsort(columns, stable=True)
    pointers = _pointers(xp.take(columns, order), shape[1], xp)
    return pointers, xp.take(rows, order), xp.astype(order, columns.dtype)


def _pointers(sorted_lines, size, xp):
    edges = xp.arange(size + 1, dtype=sorted_lines.dtype, device=_device(sorted_lines))
    return xp.astype(xp.searchsorted(sorted_lines, edges, side="left"), sorted_lines.dtype)


def repeated_places(pointers, indices, xp):
    """For each entry but the first, whether it stands where the one before it stands."""
    same = indices[1:] == indices[:-1]
    if kind(xp) != "numpy":
        lines = line_numbers(pointers, xp)
        return same & (lines[1:] == lines[:-1])
    firsts = pointers[1:-1]
    same[firsts[(firsts > 0) & (firsts < indices.shape[0])] - 1] = False
    return same


def places_without(places, count, xp, device):
    """The numbers 0…count - 1 less the ascending `places`, in the namespace."""
    return index_array(np.delete(np.arange(count), places), count, xp, device)


def dropped_entries(values, row_pointers, columns, column_pointers, rows, order, places, reuse):
    """The six arrays of a set of entries (see `operators.observed`) less some of them; host arrays only.

    Those named in `reuse` are used up.
    """
    i = np.searchsorted(row_pointers, places, side="right") - 1
    j = columns[places]
    by_columns = np.sort([
        low + np.searchsorted(rows[low:high], line)
        for line, low, high in zip(i, column_pointers[j], column_pointers[j + 1], strict=True)
    ]).astype(np.int64)  # fmt: skip
    held = np.full(row_pointers.shape[0] - 1, np.iinfo(order.dtype).max, order.dtype)
    held[i] = places
    gone = np.zeros_like(row_pointers)
    np.cumsum(np.bincount(i, minlength=held.shape[0]), out=gone[1:])
    gone_columns = np.zeros_like(column_pointers)
    np.cumsum(np.bincount(j, minlength=gone_columns.shape[0] - 1), out=gone_columns[1:])
    own = {name: x if name in reuse else x.copy() for name, x in (("values", values), ("columns", columns))}
    values, columns = (without(x, places) for x in own.values())
    rows, order = (
        without(x if name in reuse else x.copy(), by_columns) for name, x in (("rows", rows), ("order", order))
    )
    for part in fixed_partition(order.shape[0], 1 << 16):
        line, at = rows[part], order[part]
        at -= gone[:-1][line] + (at > held[line])
    return values, row_pointers - gone, columns, column_pointers - gone_columns, rows, order


def without(x, places):
    """The leading part of `x`, into which what is not at the ascending `places` has been moved up."""
    ends = np.append(places[1:], x.shape[0])
    for shift, (low, high) in enumerate(zip(places, ends, strict=True), start=1):
        x[low + 1 - shift : high - shift] = x[low + 1 : high]
    return x[: x.shape[0] - places.shape[0]]


def taken_from(values, places, xp):
    """The numbers at `places`; on the host some at a time, since NumPy widens lists of places in a copy."""
    if kind(xp) != "numpy":
        return xp.take(values, places)
    out = np.empty(places.shape[0], values.dtype)
    for part in fixed_partition(out.shape[0], 1 << 16):
        np.take(values, places[part], out=out[part], mode="clip")
    return out


def with_small_indices(pointers, indices, shape, xp):
    """Both in the index dtype of the library, copied only where they have another."""
    dtype = index_dtype(shape, indices.shape[0], xp, _device(indices))
    return xp.astype(pointers, dtype, copy=False), xp.astype(indices, dtype, copy=False)


def true_places(mask, xp):
    """Row and column numbers of the true entries of a boolean matrix, by rows."""
    if kind(xp) in ("numpy", *_SORTING):
        return xp.nonzero(mask)
    place = _device(mask)
    dtype = index_dtype(mask.shape, 0, xp, place)
    return tuple(from_numpy(x, xp, place, dtype) for x in np.nonzero(to_numpy(mask)))
