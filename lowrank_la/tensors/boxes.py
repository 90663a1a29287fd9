"""Boxes as pairs of bounds, points in them, and the cells of a uniform grid."""

import numpy as np

from .. import _backend as be
from . import chebyshev

_SLACK = 4.0  # rounding steps by which a point may lie outside of its box


def box(domain, order=None):
    """`domain` as a NumPy array (d, 2) of bounds: a pair a mode, one pair for all `order` modes, or None for [-1, 1].

    Raises
    ------
    ValueError
        If the pairs are not finite and ascending, or not as many as the modes.
    """
    if domain is None:
        domain = (-1.0, 1.0)
    try:
        bounds = np.asarray(be.to_numpy(domain) if be.is_array(domain) else domain, np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"domain must hold pairs of numbers (low, high), one a mode; got {domain!r}") from None
    if bounds.shape == (2,) and order is not None:
        bounds = np.tile(bounds, (order, 1))
    if bounds.ndim != 2 or bounds.shape[1] != 2 or bounds.shape[0] != (order or bounds.shape[0]) or not bounds.size:
        modes = "one a variable: [(low, high)] for one" if order is None else f"{order} of them"
        raise ValueError(f"domain must hold pairs (low, high), {modes}; got shape {bounds.shape}")
    if not np.all(np.isfinite(bounds)) or not np.all(bounds[:, 0] < bounds[:, 1]):
        raise ValueError(f"domain must hold finite pairs (low, high) with low < high, got {bounds.tolist()}")
    return bounds


def centres_of(n, bounds):
    """Centres (n,) of `n` equal cells between the two `bounds`."""
    low, high = bounds
    return (low + high) / 2.0 + (high - low) / 2.0 * chebyshev.cell_centres(n)


def to_reference(points, bounds):
    """`points` (p, d) as a list of vectors (p,) in [-1, 1]; ValueError names a point outside of the box."""
    xp = be.namespace(points)
    vectors = []
    for k, (low, high) in enumerate(bounds.tolist()):
        x = (points[:, k] - (low + high) / 2.0) * (2.0 / (high - low))
        room = 1.0 + _SLACK * be.eps(points.dtype) * (1.0 + max(abs(low), abs(high)) / (high - low))
        outside = ~(xp.abs(x) <= room)
        if bool(xp.any(outside)):
            row = int(xp.argmax(xp.astype(outside, xp.int32)))
            raise ValueError(
                f"points must lie in the domain: coordinate {k} of point {row} is {float(points[row, k])}, "
                f"the domain ends at {float(low)} and {float(high)}"
            )
        vectors.append(xp.clip(x, -1.0, 1.0))
    return vectors
