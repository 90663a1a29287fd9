"""Least squares fit of the coefficients that the peeling decoder found, and what is left in the bins.

Arguments are laid out as in `peeling`.
"""

import numpy as np

from ._jit import jit
from .peeling import (
    FIRST_BIN,
    START,
    _along,
    _bin_of,
    _energy,
    _group_signs,
    _stencil_signs,
    _subtract,
    _width,
)


@jit
def refit(U, layout, hashes, shifts, stencil, weights, keys, values, sweeps, tol):
    """Least squares on the frequencies by sweeps over the coefficients; `U` holds what is left, before and after.

    Stops after `sweeps`, or when no coefficient moves by more than `tol`. Gives the number of sweeps.
    """
    m = stencil.shape[0] if stencil.shape[0] else hashes.shape[1]
    groups, most, total = layout.shape[0], 0, 0.0
    for c in range(groups):
        width = _width(layout, c, m)
        most = max(most, width)
        total += weights[c] * width
    signs, z = np.empty((groups, most)), np.empty(m)
    starts = np.empty(groups, np.int64)
    for sweep in range(sweeps):
        moved = 0.0
        for i in range(keys.shape[0]):
            _stencil_signs(keys[i], stencil, z)
            step = 0.0 * values[i]
            for c in range(groups):
                width = _group_signs(keys[i], z, layout, shifts, c, signs[c])
                starts[c] = layout[c, START] + _bin_of(keys[i], hashes, c) * width
                step += weights[c] * _along(U[starts[c] : starts[c] + width], signs[c])
            step /= total
            values[i] += step
            moved = max(moved, abs(step))
            for c in range(groups):
                _subtract(U[starts[c] : starts[c] + _width(layout, c, m)], signs[c], step)
        if moved <= tol:
            return sweep + 1
    return sweeps


@jit
def put_back(U, layout, hashes, shifts, stencil, keys, values):
    """Add coefficients to what is left."""
    m = stencil.shape[0] if stencil.shape[0] else hashes.shape[1]
    most = 0
    for c in range(layout.shape[0]):
        most = max(most, _width(layout, c, m))
    signs, z = np.empty(most), np.empty(m)
    for i in range(keys.shape[0]):
        _stencil_signs(keys[i], stencil, z)
        for c in range(layout.shape[0]):
            width = _group_signs(keys[i], z, layout, shifts, c, signs)
            start = layout[c, START] + _bin_of(keys[i], hashes, c) * width
            _subtract(U[start : start + width], signs, -values[i])


@jit
def bin_energies(U, layout, group_of, m, out):
    """Energy of every bin."""
    for g in range(group_of.size):
        c = group_of[g]
        width = _width(layout, c, m)
        start = layout[c, START] + (g - layout[c, FIRST_BIN]) * width
        out[g] = _energy(U[start : start + width])


@jit
def take_from_points(points, keys, values, left):
    """Subtract the expansion from values at points; both are rows of words."""
    parity = np.empty(points.shape[0], np.uint64)
    for i in range(keys.shape[0]):
        parity[:] = 0
        for w in range(keys.shape[1]):
            for p in range(points.shape[0]):
                parity[p] ^= points[p, w] & keys[i, w]
        a = values[i]
        for p in range(points.shape[0]):
            x = parity[p]
            x ^= x >> np.uint64(32)
            x ^= x >> np.uint64(16)
            x ^= x >> np.uint64(8)
            x ^= x >> np.uint64(4)
            x ^= x >> np.uint64(2)
            x ^= x >> np.uint64(1)
            left[p] -= a * (1.0 - 2.0 * np.float64(np.int64(x & np.uint64(1))))
