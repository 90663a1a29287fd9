"""Least squares of every line by the Gram matrix of its entries, eight lines at a time.

The Cholesky factors of eight lines stand side by side in the lanes of vectors: entry (i, j) of the matrix of lane q is
at ``(i * k + j) * 8 + q``.
"""

import numpy as np

from ._jit import jit
from ._vector import add_product, inverse_root, load, product, store, subtract_product, total_of, zeros_8
from .row_gather import add_adjoint_image, gather, gather_values, square_of, stride_of, subtract_image, weigh


@jit
def add_gram(G, stride, width, k, size, L, q):
    """Add ``G Gᵀ``, lower triangle of its leading `size` rows, to lane `q` of `L`."""
    zero = zeros_8(G)
    for i in range(0, size, 2):
        for j in range(0, i + 1, 2):
            upper_left, upper_right, lower_left, lower_right = zero, zero, zero, zero
            first, second = i * stride, j * stride
            for e in range(0, width, 8):
                a, b = load(zero, G, first + e), load(zero, G, first + stride + e)
                c, d = load(zero, G, second + e), load(zero, G, second + stride + e)
                upper_left, upper_right = add_product(upper_left, a, c), add_product(upper_right, a, d)
                lower_left, lower_right = add_product(lower_left, b, c), add_product(lower_right, b, d)
            at = (i * k + j) * 8 + q
            L[at] += total_of(upper_left)
            L[at + 8] += total_of(upper_right)
            L[at + 8 * k] += total_of(lower_left)
            L[at + 8 * k + 8] += total_of(lower_right)


@jit
def _factorise(L, k, size, least):
    """Cholesky factors in place, the inverse of each diagonal entry in its place."""
    zero = zeros_8(L)
    for j in range(size):
        pivot = load(zero, L, (j * k + j) * 8)
        for t in range(j):
            a = load(zero, L, (j * k + t) * 8)
            pivot = subtract_product(pivot, a, a)
        scale = inverse_root(pivot, least)
        store(L, (j * k + j) * 8, scale)
        for i in range(j + 1, size):
            total = load(zero, L, (i * k + j) * 8)
            for t in range(j):
                total = subtract_product(total, load(zero, L, (i * k + t) * 8), load(zero, L, (j * k + t) * 8))
            store(L, (i * k + j) * 8, product(total, scale))


@jit
def _solve(L, k, size, b):
    """Solve with both triangles in place of `b` (k, 8)."""
    zero = zeros_8(L)
    for i in range(size):
        total = load(zero, b, i * 8)
        for t in range(i):
            total = subtract_product(total, load(zero, L, (i * k + t) * 8), load(zero, b, t * 8))
        store(b, i * 8, product(total, load(zero, L, (i * k + i) * 8)))
    for i in range(size - 1, -1, -1):
        total = load(zero, b, i * 8)
        for t in range(i + 1, size):
            total = subtract_product(total, load(zero, L, (t * k + i) * 8), load(zero, b, t * 8))
        store(b, i * 8, product(total, load(zero, L, (i * k + i) * 8)))


@jit
def rows_by_cholesky(
    pointers, indices, order, values, roots, parts, B, X, size, ridge, damping, relax, chunk, sums, part, start, stop
):
    """Move the lines ``[start, stop)`` of `X` by `relax` times the step to their least squares solution.

    Parameters
    ----------
    pointers, indices, order : integer arrays
        The entries by lines; `order` may be empty.
    values, roots : real arrays
        Values of the entries, two numbers each when complex, and roots of their weights (may be empty).
    parts : int
        1 for real, 2 for complex entries.
    B, X : real arrays (others + 1, parts * k) and (lines, k)
        The other factor, its last row zero, and the factor in question; k is a multiple of four.
    size : int
        Columns of `X` in use; the others are zero.
    ridge : real array (1,) or (lines,)
    damping : float
        Added to each Gram matrix, in units of the mean of its diagonal.
    relax : float
    chunk : int
        Real entries gathered at once, a multiple of eight.
    sums : real array (parts of the partition, 2)
        Row `part` gets the squared residual before and after.
    """
    k = X.shape[1]
    G, y, root = np.empty(k * stride_of(chunk), B.dtype), np.empty(chunk, B.dtype), np.empty(chunk, B.dtype)
    L, b, h = np.empty(k * k * 8, B.dtype), np.empty(k * 8, B.dtype), np.empty((8, k), B.dtype)
    penalty, before = np.empty(8, B.dtype), np.empty(8)
    least = np.finfo(B.dtype).tiny
    for first in range(start, stop, 8):
        lanes = min(8, stop - first)
        L[:], b[:], h[:], before[:] = 0.0, 0.0, 0.0, 0.0
        for q in range(lanes):
            i = first + q
            low, high = np.int64(pointers[i]), np.int64(pointers[i + 1])
            step = chunk // parts
            for p in range(low, high, step):
                count = (min(high, p + step) - p) * parts
                stride = stride_of(count)
                width = gather(indices, p, count, parts, B, k, G, stride)
                gather_values(values, order, p, count, parts, width, y)
                if roots.size:
                    weigh(roots, order, p, count, parts, width, k, G, stride, y, root)
                subtract_image(G, stride, width, k, X[i], -1.0, y)
                before[q] += square_of(y, width)
                add_adjoint_image(G, stride, width, k, y, h[q])
                add_gram(G, stride, width, k, size, L, q)
            own = ridge[min(i, ridge.size - 1)]
            penalty[q] = _penalise(L, k, size, own, damping, q)
            for l in range(size):
                b[l * 8 + q] = h[q, l] - own * X[i, l]
        for q in range(lanes, 8):
            for l in range(size):
                L[(l * k + l) * 8 + q] = 1.0
        rhs = b.copy()
        _factorise(L, k, size, least)
        _solve(L, k, size, b)
        for q in range(lanes):
            gain = _move(X[first + q], size, b, rhs, h[q], penalty[q], relax, q)
            sums[part, 0] += before[q]
            sums[part, 1] += max(before[q] - gain, 0.0)


@jit
def _penalise(L, k, size, own, damping, q):
    """Add to the diagonal of lane `q` the ridge and a multiple of its mean; returns the sum of the two."""
    trace = 0.0
    for l in range(size):
        trace += L[(l * k + l) * 8 + q]
    penalty = own + damping * trace / size
    for l in range(size):
        L[(l * k + l) * 8 + q] += penalty if penalty > 0.0 else 1.0
    return penalty


@jit
def _move(x, size, d, rhs, h, penalty, relax, q):
    """``x += relax * d``; returns by how much the squared residual falls: ``2 w d·h - w² d·(rhs - penalty d)``."""
    along, curved = 0.0, 0.0
    for l in range(size):
        step = d[l * 8 + q]
        x[l] += relax * step
        along += step * h[l]
        curved += step * (rhs[l * 8 + q] - penalty * step)
    return relax * (2.0 * along - relax * curved)
