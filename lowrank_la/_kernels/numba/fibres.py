"""Sums over the entries of a sparse tensor, listed fibre by fibre below the lines of one mode.

Line i holds the fibres ``lines[i]…lines[i + 1]``, fibre f the entries ``fibres[f]…fibres[f + 1]``, which differ in one
index, the leaf. Where every fibre has one entry, numbers of fibres and entries being equal, the inner loop is left out:
it would cost more than the sums. `F` holds the factors of all modes one below the other, real, C-contiguous and of a
width that is a multiple of four; `middles` (fibres, modes - 2) and `leaves` hold row numbers of `F`.
"""

import numpy as np

from ._jit import jit
from ._vector import add_product, add_scaled, load, product, store, total_of, zeros_4, zeros_8, zeros_16


@jit
def _products_panel(zero, lines, fibres, middles, leaves, values, F, out, first, start, stop):
    k, between = F.shape[1], middles.shape[1]
    for i in range(start, stop):
        total = zero
        for f in range(lines[i], lines[i + 1]):
            if between == 0:
                for q in range(fibres[f], fibres[f + 1]):
                    total = add_scaled(total, values[q], load(zero, F, np.int64(leaves[q]) * k + first))
            else:
                part = zero
                for q in range(fibres[f], fibres[f + 1]):
                    part = add_scaled(part, values[q], load(zero, F, np.int64(leaves[q]) * k + first))
                for l in range(between - 1):
                    part = product(part, load(zero, F, np.int64(middles[f, l]) * k + first))
                last = np.int64(middles[f, between - 1]) * k + first
                total = add_product(total, part, load(zero, F, last))
        store(out, i * k + first, total)


@jit
def _flat_products_panel(zero, lines, middles, leaves, values, F, out, first, start, stop):
    k, between = F.shape[1], middles.shape[1]
    for i in range(start, stop):
        total = zero
        for q in range(lines[i], lines[i + 1]):
            part = add_scaled(zero, values[q], load(zero, F, np.int64(leaves[q]) * k + first))
            for l in range(between - 1):
                part = product(part, load(zero, F, np.int64(middles[q, l]) * k + first))
            total = add_product(total, part, load(zero, F, np.int64(middles[q, between - 1]) * k + first))
        store(out, i * k + first, total)


@jit
def _products_width(zero, lines, fibres, middles, leaves, values, F, out, first, start, stop):
    if middles.shape[1] > 0 and fibres.size == leaves.size + 1:
        _flat_products_panel(zero, lines, middles, leaves, values, F, out, first, start, stop)
    else:
        _products_panel(zero, lines, fibres, middles, leaves, values, F, out, first, start, stop)


@jit
def fibre_products(lines, fibres, middles, leaves, values, F, out, start, stop):
    """Lines ``[start, stop)`` of the unfolded tensor times the Khatri-Rao product of the other factors."""
    first, k = 0, F.shape[1]
    while k - first >= 16:
        _products_width(zeros_16(F), lines, fibres, middles, leaves, values, F, out, first, start, stop)
        first += 16
    if k - first >= 8:
        _products_width(zeros_8(F), lines, fibres, middles, leaves, values, F, out, first, start, stop)
        first += 8
    if k - first >= 4:
        _products_width(zeros_4(F), lines, fibres, middles, leaves, values, F, out, first, start, stop)


@jit
def _entries_panel(zero, lines, fibres, middles, leaves, F, root, out, first, start, stop):
    k, between = F.shape[1], middles.shape[1]
    for i in range(start, stop):
        line = load(zero, F, (root + i) * k + first)
        for f in range(lines[i], lines[i + 1]):
            part = line
            for l in range(between):
                part = product(part, load(zero, F, np.int64(middles[f, l]) * k + first))
            for q in range(fibres[f], fibres[f + 1]):
                out[q] += total_of(product(part, load(zero, F, np.int64(leaves[q]) * k + first)))


@jit
def fibre_entries(lines, fibres, middles, leaves, F, root, out, start, stop):
    """Add to `out` the entries of a sum of rank-one tensors; the rows of the lines start at row `root` of `F`."""
    first, k = 0, F.shape[1]
    while k - first >= 16:
        _entries_panel(zeros_16(F), lines, fibres, middles, leaves, F, root, out, first, start, stop)
        first += 16
    if k - first >= 8:
        _entries_panel(zeros_8(F), lines, fibres, middles, leaves, F, root, out, first, start, stop)
        first += 8
    if k - first >= 4:
        _entries_panel(zeros_4(F), lines, fibres, middles, leaves, F, root, out, first, start, stop)


@jit
def fibre_rows(lines, fibres, middles, leaves, F, out, start, stop):
    """Rows of the Khatri-Rao product of the other factors, one an entry of the lines ``[start, stop)``, from row 0."""
    k, between, zero = F.shape[1], middles.shape[1], zeros_4(F)
    base = np.int64(fibres[lines[start]])
    for f in range(lines[start], lines[stop]):
        for first in range(0, k, 4):
            for q in range(fibres[f], fibres[f + 1]):
                row = load(zero, F, np.int64(leaves[q]) * k + first)
                for l in range(between):
                    row = product(row, load(zero, F, np.int64(middles[f, l]) * k + first))
                store(out, (q - base) * k + first, row)


@jit
def sorted_by(keys, given, pointers, order):
    """Stable counting sort: `order` lists `given` by key, ``pointers[key]`` says where each key starts."""
    for p in range(keys.size):
        pointers[keys[p] + 1] += 1
    for i in range(1, pointers.size):
        pointers[i] += pointers[i - 1]
    free = pointers[:-1].copy()
    for p in range(given.size):
        e = given[p]
        order[free[keys[e]]] = e
        free[keys[e]] += 1
