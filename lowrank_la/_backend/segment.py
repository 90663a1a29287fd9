"""Scatter-add of rows, without a trip to the host."""

import numpy as np

from .namespace import device, kind, namespace
from .threads import fixed_partition

_SELECTED = 1 << 20  # entries held at once by the portable form


def segment_sum(values, ids, n, xp=None):
    """Rows of `values` added up by their id.

    Parameters
    ----------
    values : array, shape (k,) or (k, b)
    ids : integer array, shape (k,), entries in [0, n)
    n : int
        Number of segments; those without an entry are zero.
    xp : namespace, optional

    Returns
    -------
    array, shape (n,) or (n, b)
        In the dtype of `values`. On the host entries are added in the order in which they come.
    """
    xp = namespace(values, ids) if xp is None else xp
    if values.ndim == 1:
        return segment_sum(values[:, None], ids, n, xp)[:, 0]
    return _SUMS.get(kind(xp), _by_selection)(values, ids, n, xp)


def placed(values, ids, n, xp=None):
    """An array of `n` zeros with `values` (k,) at the distinct places `ids` (k,)."""
    xp = namespace(values, ids) if xp is None else xp
    if kind(xp) not in ("numpy", "torch", "cupy"):
        return segment_sum(values, ids, n, xp)
    out = xp.zeros((n,), dtype=values.dtype, device=device(values))
    out[ids] = values
    return out


def _numpy(values, ids, n, _):
    from scipy.sparse import csc_array

    k = ids.shape[0]
    index = np.arange(k + 1, dtype=ids.dtype if ids.dtype.kind == "i" else np.int64)
    selection = csc_array((np.ones(k, values.dtype), ids.astype(index.dtype, copy=False), index), shape=(n, k))
    return selection @ values


def _torch(values, ids, n, xp):
    out = xp.zeros((n, values.shape[1]), dtype=values.dtype, device=values.device)
    return out.index_add(0, ids, values)


def _cupy(values, ids, n, xp):
    import cupyx

    out = xp.zeros((n, values.shape[1]), dtype=values.dtype)
    if values.dtype.kind == "c":
        cupyx.scatter_add(out.real, ids, values.real)
        cupyx.scatter_add(out.imag, ids, values.imag)
    else:
        cupyx.scatter_add(out, ids, values)
    return out


def _jax(values, ids, n, xp):
    return xp.zeros((n, values.shape[1]), dtype=values.dtype).at[ids].add(values)


def _by_selection(values, ids, n, xp):
    """For every segment the sum of all rows with the others set to zero: n·k·b operations, for small work anywhere."""
    place = device(values)
    segments = xp.arange(n, dtype=ids.dtype, device=place)[:, None]
    total = xp.zeros((n, values.shape[1]), dtype=values.dtype, device=place)
    zero = xp.zeros((1, 1, 1), dtype=values.dtype, device=place)
    for rows in fixed_partition(ids.shape[0], max(1, _SELECTED // max(1, n * values.shape[1]))):
        chosen = (segments == ids[None, rows])[:, :, None]
        total += xp.sum(xp.where(chosen, values[None, rows, :], zero), axis=1)
    return total


_SUMS = {"numpy": _numpy, "torch": _torch, "cupy": _cupy, "jax": _jax}
