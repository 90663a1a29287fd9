"""A tensor summed over one side against the columns of a thin matrix, at the speed at which the tensor can be read.

General products pack both operands for reuse, which is not worth it where one of them is thin.
"""

import numpy as np

from ._jit import jit
from ._tiles import BYTES, WIDE, add_rows, add_tile

_DEPTH = 8 if WIDE else 4  # rows of a block that is held in registers
_VECTORS = 2
_PANELS = 64  # blocks side by side whose sums stay in the cache, so that rows are read in long runs
_APART = 256  # rows that are added up apart, for the sake of rounding
_ROWS = 8 if WIDE else 4  # rows of a tile of sums
_GROUPS = 8  # tiles that share what is read of the thin matrix
_CHUNK = 512  # length of the sums of a tile, which are added up apart
_SLICES = 32  # slices that are summed over one side before the other

_add_block = add_rows(_DEPTH, _VECTORS)
_add_one, _add_two, _add_three = (add_tile(_ROWS, vectors) for vectors in (1, 2, 3))


@jit
def contract_first(X, columns, out, slice_step, rank_step, slices, stop_slice, start, stop):
    """``out[l * slice_step + r * rank_step + j] = Σ_k columns[r, k] X[l, k, j]``.

    For the slices `slices` to `stop_slice` of `X` (left, K, right), K ≥ 8, and its columns `start` to `stop`. All
    arrays are contiguous and of one real dtype, `out` has one axis.
    """
    numbers, (sums, edge) = _in_blocks(columns), _sums_and_edge(columns)
    for i in range(slices, stop_slice):
        _sum_slice(X[i], numbers, sums, edge, out, i * slice_step, rank_step, start, stop)


@jit
def _sums_and_edge(columns):
    width = _VECTORS * BYTES // columns.itemsize
    return np.empty((_PANELS, columns.shape[0], width), columns.dtype), np.zeros((_DEPTH, width), columns.dtype)


@jit
def _sum_slice(X, numbers, sums, edge, out, place, rank_step, start, stop):
    """``out[place + r * rank_step + j] = Σ_k columns[r, k] X[k, j]``."""
    width = sums.shape[2]
    for first in range(start, stop, _PANELS * width):
        last = min(first + _PANELS * width, stop)
        for top in range(0, numbers.shape[0], _APART // _DEPTH):
            end = min(top + _APART // _DEPTH, numbers.shape[0])
            _clear(sums[: (last - first + width - 1) // width])
            for g in range(top, end):
                _add_group(X, numbers, g, sums, edge, first, last)
            _put(sums, out, place, rank_step, first, last, X.shape[1], top > 0)


@jit
def contract_first_both(X, first, second, out, start, stop):
    """``out[l, r, s, q] = Σ_jk X[l, j, k, q] first[r, j] second[s, k]`` for the columns `start` to `stop`, K ≥ 8.

    All arrays are contiguous and of one real dtype. What one sum leaves is in the cache when the other reads it.
    """
    (left, J, K, right), R, width = X.shape, first.shape[0], stop - start
    ones, (one_sums, edge) = _in_blocks(first), _sums_and_edge(first)
    twos, (two_sums, _) = _in_blocks(second), _sums_and_edge(second)
    between = np.empty((R, K, width), X.dtype)
    for i in range(left):
        for k in range(K):
            begin = k * right + start
            rows, place = X[i].reshape(J, K * right), k * width - begin
            _sum_slice(rows, ones, one_sums, edge, between.reshape(-1), place, K * width, begin, begin + width)
        for r in range(R):
            target = out[i, r].reshape(-1)
            _sum_slice(between[r], twos, two_sums, edge, target, start, right, 0, width)


@jit
def _in_blocks(columns):
    """The matrix (R, K) as blocks (R, _DEPTH) of columns; the last one has zeros for those of the one before it."""
    R, K = columns.shape
    blocks = np.zeros(((K + _DEPTH - 1) // _DEPTH, R, _DEPTH), columns.dtype)
    for g in range(blocks.shape[0]):
        begin = min(g * _DEPTH, K - _DEPTH)
        for r in range(R):
            for k in range(g * _DEPTH - begin, _DEPTH):
                blocks[g, r, k] = columns[r, begin + k]
    return blocks


@jit
def _add_group(X, numbers, g, sums, edge, first, last):
    """Add the products of the `g`-th block of `numbers`, columns `first` to `last` of `X`, to the panels of `sums`."""
    (K, right), R, width = X.shape, numbers.shape[1], sums.shape[2]
    top, block = min(g * _DEPTH, K - _DEPTH), g * R * _DEPTH
    if right < width:
        for k in range(_DEPTH):
            for j in range(last - first):
                edge[k, j] = X[top + k, first + j]
        _add_block(numbers, block, edge, 0, width, sums, 0, R)
        return
    for p in range((last - first + width - 1) // width):
        begin = min(first + p * width, right - width)
        _add_block(numbers, block, X, top * right + begin, right, sums, p * R * width, R)


@jit
def _put(sums, out, place, rank_step, first, last, right, more):
    """Write the panels of `sums`, or add them where there is `more` than them.

    A panel that would reach beyond the `right` columns there are holds the last ones instead.
    """
    _, R, width = sums.shape
    for r in range(R):
        for start in range(first, last, width):
            size, shift = min(width, last - start), max(0, start - (right - width)) if right >= width else 0
            begin = place + r * rank_step + start
            row, part = out[begin : begin + size], sums[(start - first) // width, r, shift : shift + size]
            if more:
                for j in range(size):
                    row[j] += part[j]
            else:
                for j in range(size):
                    row[j] = part[j]


@jit
def contract_last(X, columns, out, row_step, rank_step, start, stop, measure):
    """``out[i * row_step + r * rank_step] = Σ_k X[i, k] columns[r, k]`` for the rows `start` to `stop` of `X` (m, K).

    All arrays are contiguous and of one real dtype, `out` has one axis. Returns the sum of squares of what was read of
    `X`, zero unless `measure`.
    """
    K, square = X.shape[1], 0.0
    turned, edge = _turned(columns), np.zeros((_ROWS, K), X.dtype)
    sums = np.empty((_GROUPS, _ROWS, turned.shape[1]), X.dtype)
    for top in range(start, stop, _GROUPS * _ROWS):
        end = min(top + _GROUPS * _ROWS, stop)
        whole = (end - top) // _ROWS
        for i in range(top + whole * _ROWS, end):
            for k in range(K):
                edge[i - top - whole * _ROWS, k] = X[i, k]
        _clear(sums)
        for first in range(0, K, _CHUNK):
            depth = min(_CHUNK, K - first)
            for g in range(whole):
                _add_products(X, (top + g * _ROWS) * K + first, turned, first, depth, sums, g)
            if whole * _ROWS < end - top:
                _add_products(edge, first, turned, first, depth, sums, whole)
        _put_rows(sums, out, row_step, rank_step, top, end, columns.shape[0])
        if measure:
            square += _square(X.reshape(-1)[top * K : end * K])
    return square


@jit
def _clear(x):
    x = x.reshape(-1)
    for i in range(x.size):
        x[i] = 0


@jit
def _put_rows(sums, out, row_step, rank_step, top, end, R):
    for i in range(top, end):
        row = sums[(i - top) // _ROWS, (i - top) % _ROWS]
        for r in range(R):
            out[i * row_step + r * rank_step] = row[r]


@jit(reorder=True)
def _square(numbers):
    """Sum of squares in double precision."""
    total = 0.0
    for k in range(numbers.size):
        x = np.float64(numbers[k])
        total += x * x
    return total


@jit
def contract_both(X, inner, last, out, start, stop, measure):
    """``out[l, r, s] = Σ_jk X[l, j, k] inner[r, j] last[s, k]`` for the slices `start` to `stop` of `X`.

    All arrays are contiguous and of one real dtype. What one sum leaves is in the cache when the other reads it.
    Returns the sum of squares as `contract_last` does.
    """
    square = 0.0
    (_, J, K), R, S = X.shape, inner.shape[0], last.shape[0]
    wide = max(S, _VECTORS * BYTES // X.itemsize)  # at least a whole block
    between = np.zeros((_SLICES, J, wide), X.dtype)
    for first in range(start, stop, _SLICES):
        count = min(_SLICES, stop - first)
        rows, part = X[first : first + count].reshape(count * J, K), out[first : first + count].reshape(-1)
        square += contract_last(rows, last, between.reshape(-1), wide, 1, 0, count * J, measure)
        contract_first(between, inner, part, R * S, S, 0, count, 0, S)
    return square


@jit
def _turned(columns):
    """The transpose, its rows filled up with zeros to whole vectors."""
    (R, K), lanes = columns.shape, BYTES // columns.itemsize
    turned = np.zeros((K, (R + lanes - 1) // lanes * lanes), columns.dtype)
    for r in range(R):
        for k in range(K):
            turned[k, r] = columns[r, k]
    return turned


@jit
def _add_products(X, place, turned, first, depth, sums, group):
    """Add the products of rows of `X`, from `place` on, with `depth` rows of `turned` to a group of `sums`."""
    (K, wide), lanes = turned.shape, BYTES // turned.itemsize
    left, b, out = wide // lanes, first * wide, group * _ROWS * wide
    while left > 0:
        if left == 1:
            _add_one(X, place, K, turned, b, wide, sums, out, wide, depth)
            done = 1
        elif left == 2 or left == 4:
            _add_two(X, place, K, turned, b, wide, sums, out, wide, depth)
            done = 2
        else:
            _add_three(X, place, K, turned, b, wide, sums, out, wide, depth)
            done = 3
        left, b, out = left - done, b + done * lanes, out + done * lanes
