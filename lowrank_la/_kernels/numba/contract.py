"""Rows of a matrix times the columns of a thin one, faster than a general product that packs both.

The dot products run over contiguous numbers, four rows by three columns at a time, which keeps twelve sums in
registers. They are reassociated, so that the lanes of a register add up apart.
"""

from ._jit import jit

_CHUNK = 512  # length of the dot products: what is read of the thin matrix stays in the cache
_ROWS = 64  # rows that share a chunk


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
