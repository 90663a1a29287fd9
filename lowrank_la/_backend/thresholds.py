"""Residuals of a panel of rows against thresholds: compiled on the host, in array operations elsewhere."""

import numpy as np

from .. import _kernels
from .dtypes import is_complex
from .namespace import device, kind, namespace
from .sparse import writable_view

_KERNEL_FROM = 1 << 14  # entries: fewer are done before Numba is imported


def keep_small(data, known, product, limit):
    """``data - product`` where its modulus is at most `limit` and `known` (None for everywhere), zero elsewhere.

    Parameters
    ----------
    data : array, shape (b, n)
    known : boolean array, shape (b, n), or None
    product : array, shape (b, n)
        Used up on the host.
    limit : float

    Returns
    -------
    kept : array, shape (b, n)
    row_counts, column_counts : int32 arrays, shapes (b,) and (n,)
        How many were kept.
    """
    if not _compiled(data, product):
        return keep_small_twin(data, known, product, limit)
    rows, columns = np.empty(data.shape[0], np.int32), np.zeros(data.shape[1], np.int32)
    data, limit = writable_view(np.ascontiguousarray(data)), product.dtype.type(limit)
    if known is None:
        _kernels.lookup("keep_small", "numpy")(data, product, limit, rows, columns)
    else:
        _kernels.lookup("keep_small_known", "numpy")(data, _bytes(known), product, limit, rows, columns)
    return product, rows, columns


def keep_small_twin(data, known, product, limit):
    """`keep_small` from array-API operations alone."""
    xp = namespace(data, product)
    gap = data - product
    small = xp.abs(gap) <= limit
    small = small if known is None else small & known
    counts = xp.astype(small, xp.int32)
    rows, columns = (xp.sum(counts, axis=axis, dtype=xp.int32) for axis in (1, 0))
    return xp.where(small, gap, xp.zeros((1, 1), dtype=gap.dtype, device=device(gap))), rows, columns


def clip_step(data, known, product, work, share, bound):
    """One step of an augmented Lagrangian on a panel of rows.

    Parameters
    ----------
    data, product, work : arrays, shape (b, n)
        The two last are used up on the host.
    known : boolean array, shape (b, n), or None
    share, bound : float

    Returns
    -------
    work : array, shape (b, n)
        ``product + c`` where ``c`` is ``data - product + share (work - product)`` brought down to modulus `bound`; zero
        is what `c` is where nothing is known.
    change : array, shape (b, n)
        ``c - share (work - product)``.
    """
    if not (_compiled(data, product) and work.flags.c_contiguous):
        return clip_step_twin(data, known, product, work, share, bound)
    number = product.dtype.type
    known = np.zeros((0, 0), np.uint8) if known is None else _bytes(known)
    data = writable_view(np.ascontiguousarray(data))
    _kernels.lookup("clip_step", "numpy")(data, known, product, work, number(share), number(bound))
    return work, product


def clip_step_twin(data, known, product, work, share, bound):
    """`clip_step` from array-API operations alone."""
    xp = namespace(data, product)
    step = share * (work - product)
    moved = data - product + step
    size = xp.abs(moved)
    if is_complex(moved.dtype):
        moved = moved * xp.astype(bound / xp.where(size > bound, size, xp.full_like(size, bound)), moved.dtype)
    else:
        moved = xp.where(size > bound, bound * xp.sign(moved), moved)
    if known is not None:
        zero = xp.zeros((1, 1), dtype=moved.dtype, device=device(moved))
        step, moved = xp.where(known, step, zero), xp.where(known, moved, zero)
    return product + moved, moved - step


def _compiled(data, product):
    real = kind(namespace(data, product)) == "numpy" and product.dtype.kind == "f" and data.dtype == product.dtype
    return real and data.size >= _KERNEL_FROM and product.flags.c_contiguous


def _bytes(known):
    return writable_view(np.ascontiguousarray(known)).view(np.uint8)
