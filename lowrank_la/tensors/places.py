"""Places of the entries of a sparse tensor, on the host: checked, in order, each of them once."""

import math

import numpy as np

from .. import _backend as be


def host_integers(coords):
    """Coordinates as an integer array on the host."""
    host = be.to_numpy(coords) if be.is_array(coords) else np.asarray(coords)
    if host.ndim != 2 or not (host.size == 0 or np.issubdtype(host.dtype, np.integer)):
        raise TypeError(f"coords must be integers of shape (nnz, modes), got {host.dtype} of shape {host.shape}")
    return host.astype(np.int64, copy=False)


def distinct(coords, shape):
    """Ascending places, the order that sorts the given ones (None: as they are) and where each place starts (None)."""
    if coords.shape[1] != len(shape):
        raise ValueError(f"coords must have one column for each of the {len(shape)} modes, got {coords.shape[1]}")
    if coords.size and (coords.min() < 0 or (coords.max(axis=0) >= shape).any()):
        raise ValueError(f"coords must lie in a tensor of shape {shape}, got places outside of it")
    order = be.sorted_places(coords, shape)
    coords = coords[order]
    fresh = np.ones(coords.shape[0], bool)
    fresh[1:] = (coords[1:] != coords[:-1]).any(axis=1)
    if fresh.all():
        return coords, order, None
    return coords[fresh], order, np.cumsum(fresh) - 1


def keys_of(coords, shape, modes):
    """What tells places apart in `modes`: one integer each where it fits, else a row of indices."""
    if math.prod(shape[mode] for mode in modes) > np.iinfo(np.int64).max:
        return coords[:, modes]
    return np.ravel_multi_index([coords[:, mode] for mode in modes], [shape[mode] for mode in modes])


def summed(values, order, group, count):
    """`values` in `order`, added up by the place they belong to."""
    xp, place = be.namespace(values), be.device(values)
    index = be.index_arrays(order[:, None], (values.shape[0],), xp, place)[0] if values.shape[0] else None
    listed = values if index is None else xp.take(values, index)
    if group is None:
        return listed
    return be.segment_sum(listed, be.index_arrays(group[:, None], (count,), xp, place)[0], count, xp)
