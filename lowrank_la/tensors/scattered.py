"""Scattered data: coordinates and values of any library, and their distinct coordinates."""

import math

import numpy as np

from .. import _backend as be
from .given_arrays import numbers, real_like

_LARGEST_POWER = 500  # of two, in the size of values whose variance is still in the range


def read_values(y, check_finite):
    """``values, name, exponent``: `y` is ``values · 2^exponent``, in the widest precision and near one."""
    y = numbers(y, "y")
    be.require_untracked(y, "FunctionalTucker.fit", "y")
    xp, place = be.namespace(y), be.device(y)
    if y.ndim != 1 or y.shape[0] == 0:
        raise ValueError(f"y must have shape (N,) with N at least one, got {tuple(y.shape)}")
    if be.is_complex(be.compute_dtype(xp, y.dtype, place)):
        raise TypeError(f"y must be real, got {be.dtype_name(y.dtype)}; fit the real and the imaginary part")
    name = be.dtype_name(y.dtype)
    name = name if name.startswith(("float", "bfloat")) else be.dtype_name(be.compute_dtype(xp, y.dtype, place))
    values = xp.astype(y, be.widest_real(xp, place))
    size = be.fro_norm(values) / math.sqrt(y.shape[0])
    if check_finite and not math.isfinite(size):
        raise ValueError("y holds NaN or infinite values; leave out the rows of data that are missing")
    exponent = math.frexp(size)[1] if math.isfinite(size) and size > 0 else 0
    if abs(exponent) > _LARGEST_POWER:
        raise ValueError(
            f"y has a root mean square of {size:.1e}, whose square leaves the range: divide y by a power of two"
        )
    return values * 2.0 ** (-exponent // 2) * 2.0 ** (-exponent - (-exponent // 2)), name, exponent


def read_coordinates(coords, order, like):
    """`coords` as an array (p, order) in the library, device and dtype of `like`; None takes any order."""
    coords = real_like(coords, "coords", like)
    be.require_untracked(coords, "FunctionalTucker", "coords")
    coords = coords[:, None] if coords.ndim == 1 and order in (None, 1) else coords
    if coords.ndim != 2 or coords.shape[1] != (order or coords.shape[1]) or coords.shape[1] == 0:
        raise ValueError(f"coords must have shape (p, {order or 'K'}), got {tuple(coords.shape)}")
    be.require_finite(coords, "coords")
    return coords


def distinct(column):
    """Distinct entries of a vector in ascending order, and the place of every entry among them; sorted on the host."""
    found, index = np.unique(be.to_numpy(column), return_inverse=True)
    xp, place = be.namespace(column), be.device(column)
    return be.from_numpy(found, xp, place, column.dtype), be.index_array(index, max(1, found.shape[0]), xp, place)


def gathered_columns(arrays, index):
    """Rows `index` of every array."""
    return tuple(be.namespace(x).take(x, index, axis=0) for x in arrays)
