"""Least squares of every line by conjugate gradients from where the line is."""

import numpy as np

from ._jit import jit
from .row_gather import (
    add_adjoint_image,
    add_squares,
    gather,
    gather_values,
    square_of,
    stride_of,
    subtract_image,
    weigh,
)
from .row_steps import advance, inner, moved, multiply, turn


@jit
def first_pass(pointers, indices, order, values, roots, parts, B, x, chunk, i, G, y, root, h, diagonal):
    """Residual of line `i`, its image under `G` in `h`, and the diagonal of the Gram matrix; returns the square."""
    k = x.size
    square = 0.0
    low, high = np.int64(pointers[i]), np.int64(pointers[i + 1])
    step = chunk // parts
    for p in range(low, high, step):
        count = (min(high, p + step) - p) * parts
        stride = stride_of(count)
        width = gather(indices, p, count, parts, B, k, G, stride)
        gather_values(values, order, p, count, parts, width, y)
        if roots.size:
            weigh(roots, order, p, count, parts, width, k, G, stride, y, root)
        subtract_image(G, stride, width, k, x, -1.0, y)
        square += square_of(y, width)
        add_adjoint_image(G, stride, width, k, y, h)
        add_squares(G, stride, width, k, diagonal)
    return square


@jit
def normal_image(pointers, indices, order, roots, parts, B, x, chunk, i, G, y, root, out):
    """``out += G Gᵀ x`` for line `i`; `G` is there already where one chunk holds the line."""
    k = x.size
    low, high = np.int64(pointers[i]), np.int64(pointers[i + 1])
    step = chunk // parts
    whole = high - low <= step
    for p in range(low, high, step):
        count = (min(high, p + step) - p) * parts
        stride, width = stride_of(count), (count + 7) & ~7
        if not whole:
            gather(indices, p, count, parts, B, k, G, stride)
        y[:width] = 0.0
        if not whole and roots.size:
            weigh(roots, order, p, count, parts, width, k, G, stride, y, root)
        subtract_image(G, stride, width, k, x, 1.0, y)
        add_adjoint_image(G, stride, width, k, y, out)


@jit
def rows_by_cg(
    pointers, indices, order, values, roots, parts, B, X, size, ridge, tol, steps, relax, chunk, sums, part, start, stop
):
    """Move the lines ``[start, stop)`` of `X` by `relax` times a step towards their least squares solution.

    Parameters as in `rows_by_cholesky`; a line takes at most `steps` steps of conjugate gradients, preconditioned with
    the diagonal, and stops when the preconditioned residual has fallen by the factor `tol`.
    """
    k = X.shape[1]
    G, y, root = np.empty(k * stride_of(chunk), B.dtype), np.empty(chunk, B.dtype), np.empty(chunk, B.dtype)
    work = np.empty((7, k), B.dtype)
    h, r, d, p, q, z, scale = work[0], work[1], work[2], work[3], work[4], work[5], work[6]
    for i in range(start, stop):
        x, own = X[i], ridge[min(i, ridge.size - 1)]
        h[:], d[:], scale[:] = 0.0, 0.0, 0.0
        before = first_pass(
            pointers, indices, order, values, roots, parts, B, x, chunk, i, G, y, root, h, scale
        )  # fmt: skip
        for l in range(k):
            scale[l] = 1.0 / (scale[l] + own) if scale[l] + own > 0.0 else 0.0
            r[l] = h[l] - own * x[l]
        multiply(scale, r, p)
        rho = inner(r, p)
        least = tol * tol * rho
        for _ in range(steps):
            if not rho > least:
                break
            z[:] = 0.0
            normal_image(pointers, indices, order, roots, parts, B, p, chunk, i, G, y, root, z)
            if not advance(d, r, p, z, own, rho):
                break
            multiply(scale, r, q)
            rho = turn(p, q, r, rho)
        sums[part, 0] += before
        sums[part, 1] += max(before - moved(x, h, r, d, own, relax), 0.0)
