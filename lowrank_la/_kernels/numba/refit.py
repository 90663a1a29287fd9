"""Least squares fit of the coefficients that the peeling decoder found, and what is left in the bins.

Arguments are laid out as in `peeling`.
"""

import numpy as np

from ._jit import jit
from .peeling import (
    BITS,
    FIRST_BIN,
    START,
    _along,
    _energy,
    _group_signs,
    _stencil_signs,
    _subtract,
    _width,
)
from .words import bin_of, tables_of


@jit
def refit(U, layout, hashes, shifts, stencil, weights, quiet, keys, values, sweeps, tol):
    """Least squares on the frequencies by sweeps over the coefficients; `U` holds what is left, before and after.

    Passes over coefficients whose bins all hold at most an energy of `quiet` (groups,). Stops after `sweeps`, or when
    no coefficient moves by more than `tol`. Gives the number of sweeps.
    """
    m = stencil.shape[0] if stencil.shape[0] else hashes.shape[1]
    groups, most, total = layout.shape[0], 0, 0.0
    for c in range(groups):
        width = _width(layout, c, m)
        most = max(most, width)
        total += weights[c] * width
    signs, z = np.empty((groups, most)), np.empty(m)
    places, loud, first_bins = _places_of(keys, layout, hashes), _loud_bins(U, layout, m, quiet), layout[:, FIRST_BIN]
    for sweep in range(sweeps):
        moved = 0.0
        for i in range(keys.shape[0]):
            if not _some(loud, first_bins, places, i):
                continue
            _stencil_signs(keys[i], stencil, z)
            step = 0.0 * values[i]
            for c in range(groups):
                _group_signs(keys[i], z, layout, shifts, c, signs[c])
                step += weights[c] * _along(_bin(U, layout, c, m, places[i, c]), signs[c])
            step /= total
            values[i] += step
            moved = max(moved, abs(step))
            for c in range(groups):
                u = _bin(U, layout, c, m, places[i, c])
                _subtract(u, signs[c], step)
                loud[layout[c, FIRST_BIN] + places[i, c]] = quiet[c] < 0.0 or _energy(u) > quiet[c]
        if moved <= tol:
            return sweep + 1
    return sweeps


@jit
def _bin(U, layout, c, m, place):
    width = _width(layout, c, m)
    start = layout[c, START] + place * width
    return U[start : start + width]


@jit
def _places_of(keys, layout, hashes):
    """Bin of every frequency in every group."""
    tables, places = tables_of(hashes), np.empty((keys.shape[0], layout.shape[0]), np.int64)
    for i in range(keys.shape[0]):
        for c in range(layout.shape[0]):
            places[i, c] = bin_of(keys[i], tables, c)
    return places


@jit
def _loud_bins(U, layout, m, quiet):
    """Whether each bin is above its energy of `quiet`; all are for a negative one."""
    last = layout.shape[0] - 1
    loud = np.empty(layout[last, FIRST_BIN] + (1 << layout[last, BITS]), np.bool_)
    for c in range(layout.shape[0]):
        for place in range(1 << layout[c, BITS]):
            energy = _energy(_bin(U, layout, c, m, place)) if quiet[c] >= 0.0 else 0.0
            loud[layout[c, FIRST_BIN] + place] = energy > quiet[c]
    return loud


@jit(inline=True)
def _some(loud, first_bins, places, i):
    """Whether one of the bins of frequency number `i` is loud."""
    found = False
    for c in range(places.shape[1]):
        found |= loud[first_bins[c] + places[i, c]]
    return found


@jit
def put_back(U, layout, hashes, shifts, stencil, keys, values):
    """Add coefficients to what is left."""
    m = stencil.shape[0] if stencil.shape[0] else hashes.shape[1]
    most = 0
    for c in range(layout.shape[0]):
        most = max(most, _width(layout, c, m))
    signs, z, tables = np.empty(most), np.empty(m), tables_of(hashes)
    for i in range(keys.shape[0]):
        _stencil_signs(keys[i], stencil, z)
        for c in range(layout.shape[0]):
            width = _group_signs(keys[i], z, layout, shifts, c, signs)
            start = layout[c, START] + bin_of(keys[i], tables, c) * width
            _subtract(U[start : start + width], signs, -values[i])


@jit
def bin_energies(U, layout, group_of, m, out):
    """Energy of every bin."""
    for g in range(group_of.size):
        c = group_of[g]
        width = _width(layout, c, m)
        start = layout[c, START] + (g - layout[c, FIRST_BIN]) * width
        out[g] = _energy(U[start : start + width])
