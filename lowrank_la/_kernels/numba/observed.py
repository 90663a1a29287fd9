"""Entries of low-rank matrices at given places, sparse products, and the sorting of places.

Factors are C-contiguous and real, their width a multiple of the four lanes of a vector. Pointers and indices list the
places by lines; the sums of a line run in the order of its places.
"""

import numpy as np

from ._jit import jit
from ._vector import add_product, add_scaled, load, store, total_of, zeros_4, zeros_8, zeros_16

_PANELS = (16, 8, 4)


@jit
def observed_dots(pointers, indices, A, B, out, start, stop):
    """``out[p] = A[i]·B[indices[p]]`` for the entries p of the lines i in ``[start, stop)``."""
    k = A.shape[1]
    zero = zeros_4(A)
    for i in range(start, stop):
        line = i * k
        for p in range(pointers[i], pointers[i + 1]):
            place = np.int64(indices[p]) * k
            total = zero
            for l in range(0, k, 4):
                total = add_product(total, load(zero, A, line + l), load(zero, B, place + l))
            out[p] = total_of(total)


@jit
def _panel(zero, pointers, indices, order, z, B, out, first, start, stop):
    k = B.shape[1]
    for i in range(start, stop):
        total = zero
        if order.size == 0:
            for p in range(pointers[i], pointers[i + 1]):
                total = add_scaled(total, z[p], load(zero, B, np.int64(indices[p]) * k + first))
        else:
            for p in range(pointers[i], pointers[i + 1]):
                total = add_scaled(total, z[order[p]], load(zero, B, np.int64(indices[p]) * k + first))
        store(out, i * k + first, total)


@jit
def observed_times(pointers, indices, order, z, B, out, start, stop):
    """Lines ``[start, stop)`` of ``Z B``; entry p of `Z` is ``z[order[p]]``, or ``z[p]`` where `order` is empty."""
    first, k = 0, B.shape[1]
    while k - first >= 16:
        _panel(zeros_16(B), pointers, indices, order, z, B, out, first, start, stop)
        first += 16
    if k - first >= 8:
        _panel(zeros_8(B), pointers, indices, order, z, B, out, first, start, stop)
        first += 8
    if k - first >= 4:
        _panel(zeros_4(B), pointers, indices, order, z, B, out, first, start, stop)


@jit
def _counted(lines, pointers):
    """Pointers from the line of each entry."""
    for p in range(lines.size):
        pointers[lines[p] + 1] += 1
    for i in range(1, pointers.size):
        pointers[i] += pointers[i - 1]


@jit
def sort_entries(rows, columns, row_pointers, column_pointers, by_rows, taken, by_columns, order):
    """List entries by rows and by columns.

    Three passes that read in sequence and write next to what the line got last: by rows in the order given, from there
    by columns, which puts the rows of a column in order, and back by rows.
    """
    _counted(rows, row_pointers)
    _counted(columns, column_pointers)
    free = row_pointers[:-1].copy()
    for e in range(rows.size):
        p = free[rows[e]]
        free[rows[e]] += 1
        by_rows[p] = columns[e]
        taken[p] = e
    free_columns = column_pointers[:-1].copy()
    for i in range(row_pointers.size - 1):
        for p in range(row_pointers[i], row_pointers[i + 1]):
            j = by_rows[p]
            q = free_columns[j]
            free_columns[j] += 1
            by_columns[q] = i
            order[q] = taken[p]
    free[:] = row_pointers[:-1]
    for j in range(column_pointers.size - 1):
        for q in range(column_pointers[j], column_pointers[j + 1]):
            i = by_columns[q]
            p = free[i]
            free[i] += 1
            by_rows[p] = j
            taken[p] = order[q]
            order[q] = p


@jit
def transpose_entries(row_pointers, columns, column_pointers, rows, order):
    """List entries that stand by rows by columns."""
    _counted(columns, column_pointers)
    free = column_pointers[:-1].copy()
    for i in range(row_pointers.size - 1):
        for p in range(row_pointers[i], row_pointers[i + 1]):
            q = free[columns[p]]
            free[columns[p]] += 1
            rows[q] = i
            order[q] = p
