"""Gram matrices of panels, in tiles that stay in registers.

A run of rows is laid out in strips of two registers' width, zeros beyond the last column. A tile is eight rows of the
result and one strip, sixteen registers, summed up over the run before it is added to memory. Tiles below the diagonal
are left out, and mirrored in the end.
"""

import numpy as np
from numba.core import config

from ._jit import jit
from ._processor import has
from ._tiles import BYTES, add_tile, move

RUN = 128  # rows that are laid out at a time
_TILE_ROWS = 8
_PATCH = 16  # numbers a side that are mirrored at a time

_add_tile, _move_strip = add_tile(_TILE_ROWS, 2, turned=True), move(2)


def has_wide_registers():
    """Whether kernels are compiled, and for a processor with registers of 512 bits and fused products."""
    return has("avx512f") and has("fma") and not config.DISABLE_JIT


def gram_workspace(columns, dtype):
    """Memory for one run of rows in strips, zero beyond the columns, and for the result, as wide as the strips."""
    width = 2 * BYTES // np.dtype(dtype).itemsize
    size = -(-columns // width) * width
    strips = np.empty(RUN * size, dtype)
    strips[RUN * (columns // width * width) :] = 0.0
    return strips, np.empty((size, size), dtype)


@jit
def panel_gram(X, strips, out):
    """``out = Xᵀ X``.

    Parameters
    ----------
    X : array, shape (m, n)
        By rows, in single or double precision.
    strips, out : arrays
        From `gram_workspace` for n columns, in the dtype of `X`.
    """
    width = 2 * BYTES // X.itemsize
    _clear(out)
    for first in range(0, X.shape[0], RUN):
        rows = min(RUN, X.shape[0] - first)
        _lay_out(X, strips, first, rows, width)
        _add_run(strips, out.ravel(), rows, width, out.shape[0])
    _mirror(out)


@jit
def long_gram(A, B, strips, out, start, stop):
    """``out = M Mᵀ`` for the columns ``start…stop-1`` of M, the rows of `A` and below them those of `B`.

    Parameters
    ----------
    A, B : arrays, shapes (h, d) and (k, d)
        By rows.
    strips, out : arrays
        From `gram_workspace` for h + k columns, in the dtype of the sums, which may be wider than that of the rows.
    """
    width = 2 * BYTES // out.itemsize
    _clear(out)
    for first in range(start, stop, RUN):
        columns = min(RUN, stop - first)
        _lay_across(A, strips, first, columns, 0, width)
        _lay_across(B, strips, first, columns, A.shape[0], width)
        _add_run(strips, out.ravel(), columns, width, out.shape[0])
    _mirror(out)


@jit
def _clear(out):
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = 0.0


@jit
def _lay_out(X, strips, first, rows, width):
    """Rows of `X` into strips."""
    n = X.shape[1]
    for k in range(rows):
        row, place = X[first + k], k * width
        for start in range(0, n, width):
            if start + width <= n:
                _move_strip(row, start, strips, place)
            else:
                for c in range(n - start):
                    strips[place + c] = row[start + c]
            place += RUN * width


@jit
def _lay_across(A, strips, first, columns, start, width):
    """Columns of `A` into strips, the rows of `A` from place `start` of a strip on."""
    for c in range(A.shape[0]):
        place = (start + c) // width * RUN * width + (start + c) % width
        row = A[c]
        for k in range(columns):
            strips[place + k * width] = row[first + k]


@jit
def _add_run(strips, out, rows, width, size):
    """Add the products of a run to the tiles on and above the diagonal."""
    for j in range(0, size, width):
        for i in range(0, j + width, _TILE_ROWS):
            left, right = i // width * RUN * width + i % width, j * RUN
            _add_tile(strips, left, width, strips, right, width, out, i * size + j, size, rows)


@jit
def _mirror(out):
    """Fill in what lies below the diagonal, in patches that stay in the first cache."""
    n = out.shape[0]
    for top in range(0, n, _PATCH):
        for left in range(0, top + 1, _PATCH):
            for i in range(top, min(n, top + _PATCH)):
                for j in range(left, min(i, left + _PATCH)):
                    out[i, j] = out[j, i]
