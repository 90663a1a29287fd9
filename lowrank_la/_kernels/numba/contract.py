"""Rows of a matrix times the columns of a thin one, faster than a general product that packs both.

Dot products run over contiguous numbers, four rows by three columns at a time: twelve sums are kept in registers. They
are reassociated, so that the lanes of a register add up apart. Sums of rows are taken four rows at a time.
"""

import numpy as np

from ._jit import jit

_CHUNK = 512  # length of the dot products: what is read of the thin matrix stays in the cache
_ROWS = 64  # rows that share a chunk
_DEPTH = 256  # rows that are added up apart
_STRIP = 512  # columns whose sums stay in the cache while four rows are added to them


@jit(reorder=True)
def contract_last(X, columns, out, start, stop):
    """``out[r, i] += Σ_k X[i, k] columns[r, k]`` for the rows `start` to `stop` of `X` (m, K); `out` (R, m).

    All three in C order and of one real dtype.
    """
    K = X.shape[1]
    for top in range(start, stop, _ROWS):
        end = min(top + _ROWS, stop)
        for first in range(0, K, _CHUNK):
            _dots(X, columns, out, top, end, first, min(_CHUNK, K - first))


@jit(reorder=True)
def _dots(X, columns, out, start, stop, first, length):
    R, last = columns.shape[0], first + length
    zero = X.dtype.type(0.0)
    for i in range(start, stop - 3, 4):
        v0, v1, v2, v3 = X[i][first:last], X[i + 1][first:last], X[i + 2][first:last], X[i + 3][first:last]
        for r in range(0, R - 2, 3):
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = c0 = c1 = c2 = c3 = zero
            w0, w1, w2 = columns[r][first:last], columns[r + 1][first:last], columns[r + 2][first:last]
            for k in range(length):
                x0 = v0[k]
                x1 = v1[k]
                x2 = v2[k]
                x3 = v3[k]
                y0 = w0[k]
                y1 = w1[k]
                y2 = w2[k]
                a0 += x0 * y0
                b0 += x0 * y1
                c0 += x0 * y2
                a1 += x1 * y0
                b1 += x1 * y1
                c1 += x1 * y2
                a2 += x2 * y0
                b2 += x2 * y1
                c2 += x2 * y2
                a3 += x3 * y0
                b3 += x3 * y1
                c3 += x3 * y2
            out[r, i] += a0
            out[r, i + 1] += a1
            out[r, i + 2] += a2
            out[r, i + 3] += a3
            out[r + 1, i] += b0
            out[r + 1, i + 1] += b1
            out[r + 1, i + 2] += b2
            out[r + 1, i + 3] += b3
            out[r + 2, i] += c0
            out[r + 2, i + 1] += c1
            out[r + 2, i + 2] += c2
            out[r + 2, i + 3] += c3
        for r in range(R - R % 3, R):
            a0 = a1 = a2 = a3 = zero
            w0 = columns[r][first:last]
            for k in range(length):
                a0 += v0[k] * w0[k]
                a1 += v1[k] * w0[k]
                a2 += v2[k] * w0[k]
                a3 += v3[k] * w0[k]
            out[r, i] += a0
            out[r, i + 1] += a1
            out[r, i + 2] += a2
            out[r, i + 3] += a3
    for i in range(stop - (stop - start) % 4, stop):
        v0 = X[i][first:last]
        for r in range(R):
            a0 = zero
            w0 = columns[r][first:last]
            for k in range(length):
                a0 += v0[k] * w0[k]
            out[r, i] += a0


@jit(reorder=True)
def contract_first(X, columns, out, start, stop):
    """``out[r, j] += Σ_k columns[r, k] X[k, j]`` for the columns `start` to `stop` of `X` (K, m); `out` (R, m).

    All three in C order and of one real dtype. Sums over 256 rows of `X` are formed apart, for the sake of rounding.
    """
    K, R, width = X.shape[0], columns.shape[0], stop - start
    part = np.empty((R, width), X.dtype)
    for top in range(0, K, _DEPTH):
        end = min(top + _DEPTH, K)
        full = end - (end - top) % 4
        part[:] = 0
        for k in range(top, full, 4):
            for first in range(0, width, _STRIP):
                _add_four(X, columns, part, k, start, first, min(first + _STRIP, width))
        for k in range(full, end):
            for r in range(R):
                c, sums, x = columns[r, k], part[r], X[k][start:stop]
                for j in range(width):
                    sums[j] += c * x[j]
        for r in range(R):
            sums, row = part[r], out[r][start:stop]
            for j in range(width):
                row[j] += sums[j]


@jit(reorder=True)
def _add_four(X, columns, out, k, shift, first, last):
    """Add the rows `k` to ``k + 3`` of `X`, from column `shift` on, to the columns `first` to `last` of `out`."""
    R, left, right = columns.shape[0], shift + first, shift + last
    x0, x1, x2, x3 = X[k][left:right], X[k + 1][left:right], X[k + 2][left:right], X[k + 3][left:right]
    for r in range(0, R - 1, 2):
        a, b = out[r][first:last], out[r + 1][first:last]
        a0, a1, a2, a3 = columns[r, k], columns[r, k + 1], columns[r, k + 2], columns[r, k + 3]
        b0, b1, b2, b3 = columns[r + 1, k], columns[r + 1, k + 1], columns[r + 1, k + 2], columns[r + 1, k + 3]
        for j in range(last - first):
            y0 = x0[j]
            y1 = x1[j]
            y2 = x2[j]
            y3 = x3[j]
            a[j] += a0 * y0 + a1 * y1 + a2 * y2 + a3 * y3
            b[j] += b0 * y0 + b1 * y1 + b2 * y2 + b3 * y3
    if R % 2 == 1:
        a, r = out[R - 1][first:last], R - 1
        a0, a1, a2, a3 = columns[r, k], columns[r, k + 1], columns[r, k + 2], columns[r, k + 3]
        for j in range(last - first):
            a[j] += a0 * x0[j] + a1 * x1[j] + a2 * x2[j] + a3 * x3[j]
