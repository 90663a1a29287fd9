"""One read of a tall dense matrix: panels of rows, each used for all that is needed while it is in cache."""

import numpy as np

from .. import _backend as be

_RANGES = 32
_HOST_NUMBERS = 1 << 16
_DEVICE_NUMBERS = 1 << 24


def gradient_sweep(A, B, X):
    """``Aᴴ (B - A X)`` and the squared norms of the columns of ``B - A X``."""
    xp = be.namespace(A)
    wide = be.widest_real(xp, be.device(A))

    def work(rows):
        panel = A[rows, :]
        R = B[rows, :] - be.matmul(panel, X)
        size = xp.abs(R)
        return be.adjoint_matmul(panel, R), xp.sum(size * size, axis=0, dtype=wide)

    return _summed(A, work)


def normal_sweep(A, X):
    """``Aᴴ (A X)``."""

    def work(rows):
        panel = A[rows, :]
        return (be.adjoint_matmul(panel, be.matmul(panel, X)),)

    return _summed(A, work)[0]


def whitened_sweep(A, B, whiten):
    """``Qᴴ Q`` and ``Qᴴ B`` for ``Q = whiten(A)``, which is never stored."""

    def work(rows):
        Q = whiten(A[rows, :])
        return be.mH(Q) @ Q, be.adjoint_matmul(Q, B[rows, :])

    G, C = _summed(A, work)
    return (G + be.mH(G)) / 2, C


def _summed(A, work):
    """Sums of what `work` returns over row panels; bounds and order of the sums depend on the shape alone."""
    m, n = A.shape
    host = be.kind(be.namespace(A)) == "numpy"
    panel = max(64, (_HOST_NUMBERS if host else _DEVICE_NUMBERS) // n)

    def sweep(rows):
        total = None
        with np.errstate(over="ignore", invalid="ignore"):  # the caller looks at the sums
            for part in be.fixed_partition(rows.stop - rows.start, panel):
                piece = work(slice(rows.start + part.start, rows.start + part.stop))
                total = piece if total is None else tuple(t + p for t, p in zip(total, piece, strict=True))
        return total

    ranges = be.fixed_partition(m, max(panel, -(-m // _RANGES)))
    parts = be.map_blocks(sweep, ranges) if host else [sweep(rows) for rows in ranges]
    return tuple(sum(column[1:], start=column[0]) for column in zip(*parts, strict=True))
