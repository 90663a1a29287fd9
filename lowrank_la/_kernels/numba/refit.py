"""Least squares fit of the coefficients that the peeling decoder found, and what is left in the bins.

Groups are laid out as `_groups` describes them.
"""

import numpy as np

from ._groups import BITS, FIRST_BIN, START, WIDTH, group_signs, sign_words, stencil_signs
from ._jit import jit
from ._rows import LANES, along, energy_of, take_out
from .random_subspaces import codes_of
from .words import place_of, tables_of


@jit
def refit(U, layout, hashes, shifts, stencil, weights, quiet, keys, values, sweeps, tol):
    """Least squares on the frequencies by sweeps over the coefficients; `U` holds what is left, before and after.

    Passes over coefficients whose bins all hold at most an energy of `quiet` (groups,). Stops after `sweeps`, or when
    no coefficient moves by more than `tol`. Gives the number of sweeps.
    """
    groups, parts = layout.shape[0], values.shape[1]
    signs, step = np.empty((groups, sign_words(layout).size), np.uint64), np.empty(parts)
    room, codes = np.empty((stencil.shape[0] + 63) >> 6, np.uint64), _codes_of(keys, tables_of(hashes, layout, shifts))
    loud, bins = _loud_bins(U, layout, parts, quiet), _bins_of(codes, layout)
    for sweep in range(sweeps):
        moved = _sweep(
            U, layout, shifts, stencil, weights, quiet, keys, values, codes, bins, loud, signs, step, room
        )  # fmt: skip
        if moved <= tol:
            return sweep + 1
    return sweeps


@jit(leaf=True)
def _sweep(U, layout, shifts, stencil, weights, quiet, keys, values, codes, bins, loud, signs, step, room):
    """Every coefficient once; gives the largest step."""
    groups, parts, total, moved = layout.shape[0], values.shape[1], 0.0, 0.0
    for c in range(groups):
        total += weights[c] * layout[c, WIDTH]
    for i in range(keys.shape[0]):
        if not _some(loud, bins, i):
            continue
        z, square = _shown(keys[i], stencil, room), 0.0
        for c in range(groups):
            group_signs(keys[i], codes[i, c], z, layout, c, shifts, signs[c])
        for r in range(parts):
            step[r] = _step(U, layout, weights, codes[i], signs, r, parts) / total
            values[i, r] += step[r]
            square += step[r] * step[r]
        moved = max(moved, square**0.5)
        for c in range(groups):
            at, width = _place(layout, c, place_of(codes[i, c]), parts), layout[c, WIDTH]
            for r in range(parts):
                take_out(U, at + r * width, width, signs[c], step[r])
            energy = energy_of(U, at, width * parts) if quiet[c] >= 0.0 else 0.0
            loud[bins[i, c]] = energy > quiet[c]
    return moved


@jit(leaf=True)
def _step(U, layout, weights, codes, signs, r, parts):
    """Weighted sum of the values that show a coefficient, with their signs."""
    total = 0.0
    for c in range(layout.shape[0]):
        at, width = _place(layout, c, place_of(codes[c]), parts), layout[c, WIDTH]
        total += weights[c] * along(U, at + r * width, width, signs[c])
    return total


@jit(leaf=True)
def _shown(key, stencil, room):
    """Signs of a character on the stencil."""
    if stencil.shape[0] == 0:
        return key
    stencil_signs(key, stencil, room)
    return room


@jit(inline=True, leaf=True)
def _place(layout, c, j, parts):
    """Where the values of bin `j` of group `c` start."""
    return layout[c, START] + j * layout[c, WIDTH] * parts


@jit
def _codes_of(keys, tables):
    """`code_of` every frequency in every group, eight groups at a time; zeros behind the last one."""
    groups, fours, values = tables.shape
    side = (groups + LANES - 1) // LANES * LANES
    beside, codes = np.zeros((fours, values, side), np.uint64), np.empty((keys.shape[0], side), np.uint64)
    for c in range(groups):
        beside[:, :, c] = tables[c]
    codes_of(keys, beside, codes)
    return codes


@jit
def _loud_bins(U, layout, parts, quiet):
    """Whether each bin is above its energy of `quiet`; all are for a negative one."""
    last = layout.shape[0] - 1
    energies = np.empty(layout[last, FIRST_BIN] + (1 << layout[last, BITS]))
    loud = np.empty(energies.size, np.bool_)
    bin_energies(U, layout, parts, quiet, energies)
    for c in range(layout.shape[0]):
        for g in range(layout[c, FIRST_BIN], layout[c, FIRST_BIN] + (1 << layout[c, BITS])):
            loud[g] = energies[g] > quiet[c]
    return loud


@jit
def _bins_of(codes, layout):
    """The bins of every frequency, numbered through all groups."""
    bins = np.empty((codes.shape[0], layout.shape[0]), np.int32)
    for i in range(bins.shape[0]):
        for c in range(bins.shape[1]):
            bins[i, c] = layout[c, FIRST_BIN] + place_of(codes[i, c])
    return bins


@jit(inline=True, leaf=True)
def _some(loud, bins, i):
    """Whether one of the bins of frequency number `i` is loud."""
    found = False
    for c in range(bins.shape[1]):
        found |= loud[bins[i, c]]
    return found


@jit
def put_back(U, layout, hashes, shifts, stencil, keys, values):
    """Add coefficients to what is left."""
    room, codes = np.empty((stencil.shape[0] + 63) >> 6, np.uint64), _codes_of(keys, tables_of(hashes, layout, shifts))
    _put_back(U, layout, shifts, stencil, keys, values, codes, sign_words(layout), room)


@jit(leaf=True)
def _put_back(U, layout, shifts, stencil, keys, values, codes, signs, room):
    parts = values.shape[1]
    for i in range(keys.shape[0]):
        z = _shown(keys[i], stencil, room)
        for c in range(layout.shape[0]):
            group_signs(keys[i], codes[i, c], z, layout, c, shifts, signs)
            at, width = _place(layout, c, place_of(codes[i, c]), parts), layout[c, WIDTH]
            for r in range(parts):
                take_out(U, at + r * width, width, signs, -values[i, r])


@jit(leaf=True)
def bin_energies(U, layout, parts, limits, out):
    """Energy of every bin, in `out`.

    Gives the largest one over the values of its bin, their sum weighted by the number of bins of the group, and how
    many are above `limits` (groups,).
    """
    largest, weighted, above = 0.0, 0.0, 0
    for c in range(layout.shape[0]):
        width, total = layout[c, WIDTH] * parts, 0.0
        for j in range(1 << layout[c, BITS]):
            energy = energy_of(U, layout[c, START] + j * width, width)
            out[layout[c, FIRST_BIN] + j] = energy
            largest, total = max(largest, energy / layout[c, WIDTH]), total + energy
            above += not energy <= limits[c]
        weighted += total * (1 << layout[c, BITS])
    return largest, weighted, above
