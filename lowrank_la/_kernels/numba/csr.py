"""Products of a CSR matrix with a block of at least eight real lanes (four complex columns).

All arrays are C-contiguous and real. Complex blocks are views in which real and imaginary parts alternate, and complex
nonzeros a view of shape (nnz, 2); the rank of `values` tells the two apart when the kernel is compiled.

Lanes ``[lane_start, lane_stop)`` are worked off in panels of 32, 16 or 8 that stay in registers. The last panel is
moved back to end with the range, and lanes already done are cleared before anything is added. Sums run through the
nonzeros in storage order, whatever the width.
"""

import numpy as np

from ._jit import jit
from ._vector import add_scaled, clear_first, load, store, times_i, zeros_8, zeros_16, zeros_32

_BATCH = 64  # rows gathered before they are scattered: each of the two loops then runs ahead of its own loads


@jit
def _gather(zero, values, indices, low, high, X, first):
    """Sum over the nonzeros of a row: value times row of `X`."""
    lanes = X.shape[1]
    total = zero
    if values.ndim == 1:
        for p in range(low, high):
            total = add_scaled(total, values[p], load(zero, X, np.int64(indices[p]) * lanes + first))
        return total
    imaginary = zero
    for p in range(low, high):
        x = load(zero, X, np.int64(indices[p]) * lanes + first)
        total = add_scaled(total, values[p, 0], x)
        imaginary = add_scaled(imaginary, values[p, 1], x)
    return add_scaled(total, 1.0, times_i(imaginary))


@jit
def _scatter(values, indices, low, high, row, out, first):
    """Add the conjugate of each nonzero of a row times `row` to its row of `out`."""
    lanes = out.shape[1]
    if values.ndim == 1:
        for p in range(low, high):
            place = np.int64(indices[p]) * lanes + first
            store(out, place, add_scaled(load(row, out, place), values[p], row))
    else:
        turned = times_i(row)
        for p in range(low, high):
            place = np.int64(indices[p]) * lanes + first
            total = add_scaled(load(row, out, place), values[p, 0], row)
            store(out, place, add_scaled(total, -values[p, 1], turned))


@jit
def _matmat(zero, width, values, indices, indptr, X, out, start, stop, lane_start, lane_stop):
    for panel in range(lane_start, lane_stop, width):
        first = min(panel, lane_stop - width)
        for i in range(start, stop):
            row = _gather(zero, values, indices, indptr[i], indptr[i + 1], X, first)
            store(out, i * out.shape[1] + first, row)


@jit
def csr_matmat(values, indices, indptr, X, out, start, stop, lane_start, lane_stop):
    """Rows ``[start, stop)`` of ``out = A X``."""
    if lane_stop - lane_start >= 32:
        _matmat(zeros_32(X), 32, values, indices, indptr, X, out, start, stop, lane_start, lane_stop)
    elif lane_stop - lane_start >= 16:
        _matmat(zeros_16(X), 16, values, indices, indptr, X, out, start, stop, lane_start, lane_stop)
    else:
        _matmat(zeros_8(X), 8, values, indices, indptr, X, out, start, stop, lane_start, lane_stop)


@jit
def _rmatmat(zero, width, values, indices, indptr, Y, out, start, stop, lane_start, lane_stop):
    for panel in range(lane_start, lane_stop, width):
        first = min(panel, lane_stop - width)
        for i in range(start, stop):
            row = clear_first(load(zero, Y, i * Y.shape[1] + first), panel - first)
            _scatter(values, indices, indptr[i], indptr[i + 1], row, out, first)


@jit
def csr_rmatmat(values, indices, indptr, Y, out, start, stop, lane_start, lane_stop):
    """Add ``A[start:stop]ᴴ Y[start:stop]`` to `out`."""
    if lane_stop - lane_start >= 32:
        _rmatmat(zeros_32(Y), 32, values, indices, indptr, Y, out, start, stop, lane_start, lane_stop)
    elif lane_stop - lane_start >= 16:
        _rmatmat(zeros_16(Y), 16, values, indices, indptr, Y, out, start, stop, lane_start, lane_stop)
    else:
        _rmatmat(zeros_8(Y), 8, values, indices, indptr, Y, out, start, stop, lane_start, lane_stop)


@jit
def _normal(zero, width, values, indices, indptr, X, shift, out, sums, start, stop, lane_start, lane_stop):
    batch = np.empty(_BATCH * width, X.dtype)
    for panel in range(lane_start, lane_stop, width):
        first = min(panel, lane_stop - width)
        offset = load(zero, shift, first)
        total = load(zero, sums, first)
        for low in range(start, stop, _BATCH):
            high = min(low + _BATCH, stop)
            for i in range(low, high):
                row = add_scaled(_gather(zero, values, indices, indptr[i], indptr[i + 1], X, first), -1.0, offset)
                row = clear_first(row, panel - first)
                total = add_scaled(total, 1.0, row)
                store(batch, (i - low) * width, row)
            for i in range(low, high):
                row = load(zero, batch, (i - low) * width)
                _scatter(values, indices, indptr[i], indptr[i + 1], row, out, first)
        store(sums, first, total)


@jit
def csr_normal(values, indices, indptr, X, shift, out, sums, start, stop, lane_start, lane_stop):
    """Add ``A[start:stop]ᴴ T`` to `out` and the column sums of ``T = A[start:stop] X - shift`` to `sums`."""
    if lane_stop - lane_start >= 32:
        _normal(zeros_32(X), 32, values, indices, indptr, X, shift, out, sums, start, stop, lane_start, lane_stop)
    elif lane_stop - lane_start >= 16:
        _normal(zeros_16(X), 16, values, indices, indptr, X, shift, out, sums, start, stop, lane_start, lane_stop)
    else:
        _normal(zeros_8(X), 8, values, indices, indptr, X, shift, out, sums, start, stop, lane_start, lane_stop)
