"""A tensor summed over some neighbouring modes against the columns of a thin matrix."""

import sys

import numpy as np

from .. import _kernels
from .namespace import kind, namespace
from .products import blasable, vdot_real
from .sparse import writable_view
from .threads import fixed_partition, map_blocks

_SMALL = 2e6  # multiplications up to which one product of the library does it
_COLD = 1e8  # multiplications up to which Numba is not imported for it
_BLOCKS = 32  # parts that a product is dealt out in, at most
_LEAST = 128  # rows of a part, at least
_WIDE = 2500  # columns of a part, at least: a product packs narrow ones at a loss
_KEPT = 1 << 19  # numbers between two sums, which are to stay in the cache
_LONG_RUN = 256  # columns of a part of two sums, at least
_DEEP = 8  # entries that are summed over from which on a compiled kernel is worth it


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
    On the host the product is dealt out over fixed blocks, and a compiled kernel does it for real dtypes.
    """
    rank, inner = columns.shape
    if isinstance(X, np.ndarray) and X.size * rank <= _SMALL and (left == 1 or right == 1):
        return columns @ (X.reshape(left, inner).T if right == 1 else X.reshape(inner, right))
    xp = xp or namespace(X, columns)
    if right == 1:
        X = xp.reshape(X, (left, inner))
        return _last(X, columns, rank_first=True) if isinstance(X, np.ndarray) else columns @ X.mT
    X = xp.reshape(X, (left, inner, right))
    if isinstance(X, np.ndarray):
        return _inner(X, columns, rank_first=True).reshape(rank, left * right)
    part = columns @ X
    return xp.reshape(xp.permute_dims(part, (1, 0, 2)), (rank, left * right))


def contract_mode(cube, columns, xp=None):
    """``out[l, r, q] = Σ_k cube[l, k, q] columns[r, k]``; see `contract_modes`, whose modes are in another order.

    Parameters
    ----------
    cube : array in C order, shape (left, K, right)
    columns : array, shape (R, K)
        Of the dtype of `cube`.
    xp : namespace, optional
    """
    xp = xp or namespace(cube, columns)
    left, inner, right = cube.shape
    columns = in_rows(columns)
    if not isinstance(cube, np.ndarray):
        if right == 1:
            return (cube[:, :, 0] @ columns.mT)[:, :, None]
        return xp.stack([columns @ cube[i, :, :] for i in range(left)]) if left < _DEEP else columns @ cube
    if right > 1:
        return _inner(cube, columns, rank_first=False)
    return _last(cube.reshape(left, inner), columns, rank_first=False)[:, :, None]


def contract_last_modes(X, columns, *, measure=False):
    """``(out, square)``: the product of an array on the host over its last mode, or its last two, in one read.

    Parameters
    ----------
    X : array in C order, shape (left, K) or (left, J, K)
    columns : list of arrays, shapes (R, K), or (R, J) and (S, K)
        Of the dtype of `X`.
    measure : bool
        Return the sum of the squares of the entries too, else None.

    Returns
    -------
    out : array, shape (left, R) or (left, R, S)
    square : float or None
    """
    columns = [in_rows(part) for part in columns]
    if not all(_is_compiled(X, part) for part in columns):
        out = contract_mode(X.reshape(-1, X.shape[-1], 1), columns[-1]).reshape(*X.shape[:-1], -1)
        out = out if X.ndim == 2 else contract_mode(out, columns[0])
        return out, vdot_real(X.reshape(X.shape[0], -1)) if measure else None
    out = np.empty((X.shape[0], *(part.shape[0] for part in columns)), X.dtype)
    X, rank = writable_view(X), columns[0].shape[0]
    if X.ndim == 2:
        kernel, flat = _kernels.lookup("contract_last", "numpy"), out.reshape(-1)
        parts = fixed_partition(X.shape[0], -(-X.shape[0] // _count(X, rank)))
        squares = map_blocks(lambda p: kernel(X, *columns, flat, rank, 1, p.start, p.stop, measure), parts)
    else:
        kernel, parts = _kernels.lookup("contract_both", "numpy"), _parts(X.shape[0], _DEEP)
        squares = map_blocks(lambda p: kernel(X, *columns, out, p.start, p.stop, measure), parts)
    return out, sum(squares) if measure else None


def contract_first_modes(X, columns):
    """``out[l, r, s, q] = Σ_jk X[l, j, k, q] first[r, j] second[s, k]`` of an array on the host, in one read.

    Parameters
    ----------
    X : array in C order, shape (left, J, K, right)
    columns : list of arrays, shapes (R, J) and (S, K)
        Of the dtype of `X`.
    """
    (left, J, K, right), (first, second) = X.shape, [in_rows(part) for part in columns]
    R, S = first.shape[0], second.shape[0]
    together = all(_is_compiled(X, part) for part in (first, second)) and R * K * _LONG_RUN <= 2 * _KEPT
    if not together or left * R * K * right <= 4 * _KEPT or right < 2 * _LONG_RUN:
        out = contract_mode(X.reshape(left, J, K * right), first)
        return contract_mode(out.reshape(left * R, K, right), second).reshape(left, R, S, right)
    out, kernel = np.empty((left, R, S, right), X.dtype), _kernels.lookup("contract_first_both", "numpy")
    X, parts = writable_view(X), fixed_partition(right, max(_LONG_RUN, _KEPT // (R * K)))
    map_blocks(lambda part: kernel(X, first, second, out, part.start, part.stop), parts)
    return out


def contracts_fast(X):
    """Whether products of `X` with thin matrices run about as fast as it can be read, in its own precision."""
    return isinstance(X, np.ndarray) and X.dtype.kind == "f"


def _last(X, columns, *, rank_first):
    """Products of the rows of `X` with those of `columns`, (R, m) or (m, R)."""
    (m, _), rank = X.shape, columns.shape[0]
    if X.size * rank <= _SMALL:
        return columns @ X.T if rank_first else X @ columns.T
    out = np.empty((rank, m) if rank_first else (m, rank), X.dtype)
    if _is_compiled(X, columns):
        kernel, steps = _kernels.lookup("contract_last", "numpy"), (1, m) if rank_first else (rank, 1)
        X, flat, parts = writable_view(X), out.reshape(-1), fixed_partition(m, -(-m // _count(X, rank)))
        map_blocks(lambda rows: kernel(X, columns, flat, *steps, rows.start, rows.stop, False), parts)
    else:
        target = out if rank_first else out.T
        map_blocks(lambda rows: _product(columns, X[rows].T, target[:, rows]), _parts(m))
    return out


def _inner(X, columns, *, rank_first):
    """The sums over the middle axis of `X` (left, K, right), (R, left, right) or (left, R, right)."""
    (left, _, right), rank = X.shape, columns.shape[0]
    out = np.empty((rank, left, right) if rank_first else (left, rank, right), X.dtype)
    target = out.transpose(1, 0, 2) if rank_first else out
    if X.size * rank <= _SMALL:
        np.matmul(columns, X, out=target)
    elif _is_compiled(X, columns):
        kernel, X, flat = _kernels.lookup("contract_first", "numpy"), writable_view(X), out.reshape(-1)
        steps = (right, left * right) if rank_first else (rank * right, right)
        map_blocks(lambda part: kernel(X, columns, flat, *steps, *part), _pieces(left, right, _count(X, rank)))
    elif left == 1:
        map_blocks(lambda cols: _product(columns, X[0][:, cols], target[0][:, cols]), _parts(right, _WIDE))
    else:
        columns = blasable(columns)
        map_blocks(
            lambda rows: np.matmul(columns, X[rows], out=target[rows]), fixed_partition(left, -(-left // _BLOCKS))
        )
    return out


def _pieces(left, right, count):
    """About `count` parts ``(first slice, last slice, first column, last column)``."""
    if left >= count:
        return [(part.start, part.stop, 0, right) for part in fixed_partition(left, -(-left // count))]
    columns = fixed_partition(right, max(_WIDE, -(-right * left // count)))
    return [(i, i + 1, part.start, part.stop) for i in range(left) for part in columns]


def _count(X, rank):
    """Parts that a compiled product is dealt out in."""
    return min(_BLOCKS, max(1, int(X.size * rank // _SMALL)))


def _is_compiled(X, columns):
    if X.dtype.kind != "f" or columns.shape[1] < _DEEP or not X.flags.c_contiguous:
        return False
    return float(X.size) * columns.shape[0] > _COLD or "numba" in sys.modules


def _parts(n, least=_LEAST):
    return fixed_partition(n, max(least, -(-n // _BLOCKS)))


def _product(columns, X, out):
    out[:] = columns @ X
