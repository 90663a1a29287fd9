"""Lists of row and column numbers, on the host and on devices."""

import numpy as np

from .namespace import device, is_array, kind, namespace, to_numpy


def host_indices(indices, size):
    """`indices` as a list of Python ints in ``0…size-1``; IndexError or TypeError names what does not fit."""
    host = np.asarray(to_numpy(indices) if is_array(indices) else list(indices))
    if host.size and not np.issubdtype(host.dtype, np.integer):
        raise TypeError(f"indices must be integers, got {host.dtype}")
    if host.ndim != 1:
        raise IndexError(f"indices must be one-dimensional, got shape {host.shape}")
    if host.size and not 0 <= int(host.min()) <= int(host.max()) < size:
        raise IndexError(f"indices must lie in 0…{size - 1}, got {int(host.min())}…{int(host.max())}")
    return host.astype(np.int64).tolist()


def index_array(indices, size, xp, device=None):
    """Index array of `xp` on `device`; one that is there already is taken as it is."""
    if is_array(indices) and not isinstance(indices, np.ndarray):
        return indices
    host = np.asarray(host_indices(indices, size), dtype=np.int64)
    if kind(xp) == "numpy":
        return host
    dtype = xp.__array_namespace_info__().default_dtypes(device=device)["indexing"]
    return xp.asarray(host.astype(str(dtype).rsplit(".", 1)[-1]), dtype=dtype, device=device)


def order_of(x, *, descending=False):
    """Index array that sorts the vector `x`; the order is found on the host, equal numbers stay as they are."""
    host = to_numpy(x)
    order = (-host if descending else host).argsort(kind="stable")
    return order if isinstance(x, np.ndarray) else index_array(order, host.shape[0], namespace(x), device(x))
