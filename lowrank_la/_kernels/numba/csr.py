"""Products of a CSR matrix with a panel of 8, 16 or 32 lanes that stays in registers.

All arrays are C-contiguous and real. Complex panels are views in which real and imaginary parts alternate, and complex
nonzeros a view of shape (nnz, 2); the rank of `values` tells the two apart when the kernel is compiled. Sums run
through the nonzeros in storage order, whatever the width.
"""

import numpy as np

from ._jit import jit
from ._vector import add_scaled, load, store, times_i, zeros_8, zeros_16, zeros_32


@jit
def _gather(zero, values, indices, low, high, X):
    """Sum over the nonzeros of a row: value times row of `X`."""
    lanes = X.shape[1]
    total = zero
    if values.ndim == 1:
        for p in range(low, high):
            total = add_scaled(total, values[p], load(zero, X, np.int64(indices[p]) * lanes))
        return total
    imaginary = zero
    for p in range(low, high):
        x = load(zero, X, np.int64(indices[p]) * lanes)
        total = add_scaled(total, values[p, 0], x)
        imaginary = add_scaled(imaginary, values[p, 1], x)
    return add_scaled(total, 1.0, times_i(imaginary))


@jit
def _scatter(values, indices, low, high, row, out):
    """Add the conjugate of each nonzero of a row times `row` to its row of `out`."""
    lanes = out.shape[1]
    if values.ndim == 1:
        for p in range(low, high):
            place = np.int64(indices[p]) * lanes
            store(out, place, add_scaled(load(row, out, place), values[p], row))
    else:
        turned = times_i(row)
        for p in range(low, high):
            place = np.int64(indices[p]) * lanes
            total = add_scaled(load(row, out, place), values[p, 0], row)
            store(out, place, add_scaled(total, -values[p, 1], turned))


@jit
def _matmat(zero, values, indices, indptr, X, out, first, start, stop):
    for i in range(start, stop):
        store(out, i * out.shape[1] + first, _gather(zero, values, indices, indptr[i], indptr[i + 1], X))


@jit
def csr_matmat(values, indices, indptr, X, out, first, start, stop):
    """Rows ``[start, stop)`` of ``A X``, into the lanes of `out` from `first` on."""
    if X.shape[1] == 32:
        _matmat(zeros_32(X), values, indices, indptr, X, out, first, start, stop)
    elif X.shape[1] == 16:
        _matmat(zeros_16(X), values, indices, indptr, X, out, first, start, stop)
    else:
        _matmat(zeros_8(X), values, indices, indptr, X, out, first, start, stop)


@jit
def _rmatmat(zero, values, indices, indptr, Y, first, out, start, stop):
    for i in range(start, stop):
        row = load(zero, Y, i * Y.shape[1] + first)
        _scatter(values, indices, indptr[i], indptr[i + 1], row, out)


@jit
def csr_rmatmat(values, indices, indptr, Y, first, out, start, stop):
    """Add ``A[start:stop]ᴴ Y[start:stop]`` to `out`, with the lanes of `Y` from `first` on."""
    if out.shape[1] == 32:
        _rmatmat(zeros_32(Y), values, indices, indptr, Y, first, out, start, stop)
    elif out.shape[1] == 16:
        _rmatmat(zeros_16(Y), values, indices, indptr, Y, first, out, start, stop)
    else:
        _rmatmat(zeros_8(Y), values, indices, indptr, Y, first, out, start, stop)


@jit
def _normal(zero, values, indices, indptr, X, shift, out, sums, start, stop):
    offset, total = load(zero, shift, 0), load(zero, sums, 0)
    for i in range(start, stop):
        low, high = indptr[i], indptr[i + 1]
        row = add_scaled(_gather(zero, values, indices, low, high, X), -1.0, offset)
        total = add_scaled(total, 1.0, row)
        _scatter(values, indices, low, high, row, out)
    store(sums, 0, total)


@jit
def csr_normal(values, indices, indptr, X, shift, out, sums, start, stop):
    """Add ``A[start:stop]ᴴ T`` to `out` and the column sums of ``T = A[start:stop] X - shift`` to `sums`."""
    if X.shape[1] == 32:
        _normal(zeros_32(X), values, indices, indptr, X, shift, out, sums, start, stop)
    elif X.shape[1] == 16:
        _normal(zeros_16(X), values, indices, indptr, X, shift, out, sums, start, stop)
    else:
        _normal(zeros_8(X), values, indices, indptr, X, shift, out, sums, start, stop)
