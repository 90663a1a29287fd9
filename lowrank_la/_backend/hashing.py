"""Sums of rows into random rows with random signs: what a sparse sketch does to a dense matrix."""

import numpy as np

from .. import _kernels
from .dtypes import dtype_name, real_dtype
from .namespace import device, from_numpy, kind, namespace
from .segment import segment_sum
from .sparse import writable_view
from .threads import fixed_partition, map_blocks

_ROWS = 4096  # rows of a panel: its draws and the rows themselves stay in the cache
_PARTS = 8
_NARROWEST = 8  # lanes
_ACCUMULATED = 1 << 24  # entries of all accumulators together
_TWIN_ENTRIES = 1 << 22
_KERNEL_FROM = 1 << 20  # entries: fewer are done before Numba is imported


def split_draws(draws, sizes, firsts):
    """Rows and signs, both shaped as `draws`: the lowest bit is the sign, the others choose within the stack."""
    return firsts + (((draws >> 1) * sizes) >> 31), 1 - 2 * (draws & 1)


def hash_rows(A, draw, sizes, firsts, d):
    """Each row of `A` added, with a sign, to one row of every stack.

    Parameters
    ----------
    A : array, shape (n, p)
    draw : callable
        ``draw(rows)`` gives the integers below 2**32 for a slice of rows, a NumPy array of shape (len(rows), stacks).
    sizes, firsts : int64 arrays, shape (stacks,)
        Stack s is the rows ``[firsts[s], firsts[s] + sizes[s])`` of the result.
    d : int

    Returns
    -------
    array, shape (d, p)
    """
    xp = namespace(A)
    if kind(xp) != "numpy":
        return hash_rows_twin(A, draw, sizes, firsts, d)
    lanes = A.shape[1] * (2 if A.dtype.kind == "c" else 1)
    if lanes < _NARROWEST or A.size < _KERNEL_FROM:
        return hash_rows_twin(A, draw, sizes, firsts, d)
    return _on_host(A, draw, sizes, firsts, d, lanes)


def _on_host(A, draw, sizes, firsts, d, lanes):
    kernel = _kernels.lookup("hash_rows", "numpy")
    n = A.shape[0]
    parts = max(1, min(_PARTS, n // _ROWS, _ACCUMULATED // (d * lanes)))
    height = -(-n // parts)
    out = np.zeros((-(-n // height), d, lanes), A.real.dtype)
    width = -(-lanes // (1 if parts > 1 else min(4, max(1, lanes // 32))))
    ranges = [(min(low, lanes - _NARROWEST), min(low + width, lanes)) for low in range(0, lanes, width)]

    def task(job):
        part, (low, high) = job
        stop = min((part + 1) * height, n)
        for start in range(part * height, stop, _ROWS):
            rows = slice(start, min(start + _ROWS, stop))
            kernel(_lanes(A[rows]), draw(rows), sizes, firsts, out[part], low, high)

    map_blocks(task, [(part, piece) for part in range(out.shape[0]) for piece in ranges])
    total = out[0]
    for part in out[1:]:
        total += part
    return total.view(A.dtype)


def _lanes(panel):
    panel = np.ascontiguousarray(panel)
    return writable_view(panel.view(panel.real.dtype) if panel.dtype.kind == "c" else panel)


def hash_rows_twin(A, draw, sizes, firsts, d):
    """`hash_rows` from array-API operations alone."""
    xp, place = namespace(A), device(A)
    index = dtype_name(xp.__array_namespace_info__().default_dtypes(device=place)["indexing"])
    real, total = dtype_name(real_dtype(xp, A.dtype)), None
    for rows in fixed_partition(A.shape[0], max(1, _TWIN_ENTRIES // max(1, A.shape[1]))):
        ids, signs = split_draws(draw(rows), sizes, firsts)
        for stack in range(sizes.shape[0]):
            signed = from_numpy(signs[:, stack, None].astype(real), xp, place) * A[rows, :]
            part = segment_sum(signed, from_numpy(ids[:, stack].astype(index), xp, place), d, xp)
            total = part if total is None else total + part
    return total
