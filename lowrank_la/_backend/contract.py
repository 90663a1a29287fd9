"""A tensor summed over some neighbouring modes against the columns of a thin matrix."""

import sys

import numpy as np

from .. import _kernels
from .namespace import kind, namespace
from .threads import fixed_partition, map_blocks

_SMALL = 5e6  # multiplications up to which one product of the library does it
_COLD = 1e8  # multiplications up to which Numba is not imported for it
_BLOCKS = 32  # parts that a product is dealt out in, at most
_LEAST = 128  # rows of a part, at least
_WIDE = 2500  # columns of a part, at least: a product packs narrow ones at a loss
_FEW = 12  # columns up to which a compiled kernel of sums of rows is faster than a product


def in_rows(x):
    """`x` with its last axis contiguous; a copy where it is not so already."""
    if isinstance(x, np.ndarray):
        return np.ascontiguousarray(x)
    return x.contiguous() if kind(namespace(x)) == "torch" else x


def contract_modes(X, left, right, columns, xp=None):
    """``out[r, l, q] = Σ_k X[l, k, q] columns[r, k]`` as a matrix (R, left·right).

    Parameters
    ----------
    X : array in C order
        Its entries are read as (`left`, K, `right`).
    left, right : int
        Entries of the modes before and after those that are summed over.
    columns : array, shape (R, K), in C order
        Of the dtype of `X`.
    xp : namespace, optional

    Notes
    -----
    On the host the product is dealt out over fixed blocks. Where the last modes are summed over, a compiled kernel of
    dot products does it, and one of sums of rows where the first are and R is small (real dtypes).
    """
    rank, inner = columns.shape
    host = isinstance(X, np.ndarray)
    if host and X.size * rank <= _SMALL and (left == 1 or right == 1):
        return columns @ (X.reshape(left, inner).T if right == 1 else X.reshape(inner, right))
    xp = xp or namespace(X, columns)
    if right == 1:
        X = xp.reshape(X, (left, inner))
        return _last(X, columns) if host else columns @ X.mT
    X = xp.reshape(X, (left, inner, right))
    if not host:
        part = columns @ X
        return xp.reshape(xp.permute_dims(part, (1, 0, 2)), (rank, left * right))
    out = np.empty((rank, left, right), X.dtype)
    if X.size * rank <= _SMALL:
        np.matmul(columns, X, out=out.transpose(1, 0, 2))
    elif left == 1:
        _first(X[0], columns, out[:, 0])
    else:
        map_blocks(lambda rows: _slices(columns, X, out, rows), fixed_partition(left, -(-left // _BLOCKS)))
    return out.reshape(rank, left * right)


def _last(X, columns):
    (m, _), rank = X.shape, columns.shape[0]
    out = np.zeros((rank, m), X.dtype)
    if _is_compiled(X, rank):
        kernel = _kernels.lookup("contract_last", "numpy")
        map_blocks(lambda rows: kernel(X, columns, out, rows.start, rows.stop), _parts(m))
    else:
        map_blocks(lambda rows: _product(columns, X[rows].T, out[:, rows]), _parts(m))
    return out


def _first(X, columns, out):
    parts = _parts(X.shape[1], _WIDE)
    if columns.shape[0] <= _FEW and _is_compiled(X, columns.shape[0]):
        kernel = _kernels.lookup("contract_first", "numpy")
        out[:] = 0
        map_blocks(lambda cols: kernel(X, columns, out, cols.start, cols.stop), parts)
    else:
        map_blocks(lambda cols: _product(columns, X[:, cols], out[:, cols]), parts)


def _is_compiled(X, rank):
    return X.dtype.kind == "f" and (float(X.size) * rank > _COLD or "numba" in sys.modules)


def _parts(n, least=_LEAST):
    return fixed_partition(n, max(least, -(-n // _BLOCKS)))


def _slices(columns, X, out, rows):
    for row in range(rows.start, rows.stop):
        np.matmul(columns, X[row], out=out[:, row])


def _product(columns, X, out):
    out[:] = columns @ X
