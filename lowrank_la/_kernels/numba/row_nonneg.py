"""Least squares of every line over numbers that are not negative, by cyclic coordinate descent on its Gram matrix."""

import numpy as np

from ._jit import jit
from .row_cholesky import add_gram
from .row_gather import add_adjoint_image, gather, gather_values, square_of, stride_of, subtract_image, weigh


@jit
def _descend(H, k, size, r, x, tol, steps):
    """Cycles over the coordinates of `x`, at most `steps`, until one moves it by less than the part `tol`.

    `r` is the negative gradient and follows `x`; `H` has its matrix in every eighth number.
    """
    for _ in range(steps):
        moved, largest = 0.0, 0.0
        for l in range(size):
            pivot = H[(l * k + l) * 8]
            if not pivot > 0.0:
                continue
            fresh = max(x[l] + r[l] / pivot, 0.0)
            step = fresh - x[l]
            for t in range(size):
                r[t] -= step * H[(max(l, t) * k + min(l, t)) * 8]
            x[l] = fresh
            moved, largest = max(moved, pivot * step * step), max(largest, pivot * fresh * fresh)
        if not moved > tol * tol * largest:
            break


@jit
def rows_by_descent(
    pointers, indices, order, values, roots, parts, B, X, size, ridge, tol, steps, relax, chunk, sums, part, start, stop
):
    """Move the lines ``[start, stop)`` of `X` by `relax` times the step to their solutions without negative numbers.

    Parameters as in `rows_by_cholesky`; `parts` is 1 and `relax` at most 1. A line takes at most `steps` cycles over
    its coordinates, and stops when one changes it by less than the part `tol`.
    """
    k = X.shape[1]
    G, y, root = np.empty(k * stride_of(chunk), B.dtype), np.empty(chunk, B.dtype), np.empty(chunk, B.dtype)
    H, work = np.empty(k * k * 8, B.dtype), np.empty((3, k), B.dtype)
    h, r, z = work[0], work[1], work[2]
    for i in range(start, stop):
        x, own, before = X[i], ridge[min(i, ridge.size - 1)], 0.0
        H[:], h[:] = 0.0, 0.0
        low, high = np.int64(pointers[i]), np.int64(pointers[i + 1])
        for p in range(low, high, chunk):
            count = min(high, p + chunk) - p
            stride = stride_of(count)
            width = gather(indices, p, count, parts, B, k, G, stride)
            gather_values(values, order, p, count, parts, width, y)
            if roots.size:
                weigh(roots, order, p, count, parts, width, k, G, stride, y, root)
            subtract_image(G, stride, width, k, x, -1.0, y)
            before += square_of(y, width)
            add_adjoint_image(G, stride, width, k, y, h)
            add_gram(G, stride, width, k, size, H, 0)
        for l in range(size):
            H[(l * k + l) * 8] += own
            r[l] = h[l] - own * x[l]
            z[l] = x[l]
        _descend(H, k, size, r, z, tol, steps)
        along, curved = 0.0, 0.0
        for l in range(size):
            step = z[l] - x[l]
            along += step * h[l]
            curved += step * (h[l] - own * x[l] - r[l] - own * step)
        for l in range(size):
            x[l] += relax * (z[l] - x[l])
        sums[part, 0] += before
        sums[part, 1] += max(before - relax * (2.0 * along - relax * curved), 0.0)
