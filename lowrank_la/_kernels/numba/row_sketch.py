"""Least squares of every line by conjugate gradients, preconditioned with the triangular factor of a sketch.

The sketch of a line adds its entries up, with random signs, in so many buckets in turn: E[SᴴS] = I whatever they are.
"""

import numpy as np

from ._jit import jit
from ._vector import add_product, load, store, total_of, zeros_4, zeros_8
from .row_cg import first_pass, normal_image
from .row_gather import gather, stride_of, weigh
from .row_steps import advance, inner, moved, turn


@jit
def _sign(p, seed):
    """±1 by the last bit of a mixed counter."""
    z = (np.uint64(p) + np.uint64(seed)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return 1.0 if (z >> np.uint64(63)) == np.uint64(0) else -1.0


@jit
def _sketched(pointers, indices, order, roots, parts, B, k, chunk, seed, i, G, y, root, S, buckets):
    """Fill `S` (k, buckets) with the sketch of line `i`."""
    S[:] = 0.0
    zero = zeros_8(G)
    low, high = np.int64(pointers[i]), np.int64(pointers[i + 1])
    step, done = chunk // parts, 0
    whole = high - low <= step
    for p in range(low, high, step):
        count = (min(high, p + step) - p) * parts
        stride, width = stride_of(count), (count + 7) & ~7
        if not whole:
            gather(indices, p, count, parts, B, k, G, stride)
            if roots.size:
                y[:width] = 0.0
                weigh(roots, order, p, count, parts, width, k, G, stride, y, root)
        for e in range(width):
            y[e] = _sign(p * parts + e, seed)
        for e in range(0, width, 8):
            signs, bucket = load(zero, y, e), (done + e) % buckets
            for l in range(k):
                at = l * buckets + bucket
                store(S, at, add_product(load(zero, S, at), signs, load(zero, G, l * stride + e)))
        done += width


@jit
def _factorise(S, buckets, k, size, own, damping, L):
    """Lower triangular `L` with ``L Lᵀ = S Sᵀ + penalty``, the inverse of each diagonal entry in its place."""
    zero = zeros_8(S)
    L[:] = 0.0
    trace = 0.0
    for i in range(size):
        for j in range(i + 1):
            total = zero
            for e in range(0, buckets, 8):
                total = add_product(total, load(zero, S, i * buckets + e), load(zero, S, j * buckets + e))
            L[i, j] = total_of(total)
        trace += L[i, i]
    penalty = own + damping * trace / size
    penalty = penalty if penalty > 0.0 else 1.0
    for j in range(size):
        pivot = L[j, j] + penalty - _inner(L, k, j, j, j)
        L[j, j] = 1.0 / np.sqrt(max(pivot, 1e-3 * penalty))
        for i in range(j + 1, size):
            L[i, j] = (L[i, j] - _inner(L, k, i, j, j)) * L[j, j]


@jit
def _inner(L, k, i, j, count):
    """Inner product of the leading `count` entries of the rows `i` and `j`."""
    short = zeros_4(L)
    total, whole = short, count & ~3
    for t in range(0, whole, 4):
        total = add_product(total, load(short, L, i * k + t), load(short, L, j * k + t))
    inside = total_of(total)
    for t in range(whole, count):
        inside += L[i, t] * L[j, t]
    return inside


@jit
def _solve(L, size, r, z):
    """``z = (L Lᵀ)⁻¹ r``."""
    z[:] = 0.0
    for i in range(size):
        total = r[i]
        for t in range(i):
            total -= L[i, t] * z[t]
        z[i] = total * L[i, i]
    for i in range(size - 1, -1, -1):
        z[i] *= L[i, i]
        for t in range(i):
            z[t] -= L[i, t] * z[i]


@jit
def rows_by_sketch(
    pointers, indices, order, values, roots, parts, B, X, size, ridge, tol, steps, damping, buckets, seed,
    relax, chunk, sums, part, start, stop,
):  # fmt: skip
    """Move the lines ``[start, stop)`` of `X` by `relax` times a step towards their least squares solution.

    Parameters as in `rows_by_cg` and `rows_by_cholesky`; `buckets` is a multiple of eight, `seed` an unsigned integer.
    """
    k = X.shape[1]
    G, y, root = np.empty(k * stride_of(chunk), B.dtype), np.empty(chunk, B.dtype), np.empty(chunk, B.dtype)
    S, L = np.empty((k, buckets), B.dtype), np.empty((k, k), B.dtype)
    work = np.empty((6, k), B.dtype)
    h, r, d, p, z, scaled = work[0], work[1], work[2], work[3], work[4], work[5]
    for i in range(start, stop):
        x, own = X[i], ridge[min(i, ridge.size - 1)]
        h[:], d[:], scaled[:] = 0.0, 0.0, 0.0
        before = first_pass(pointers, indices, order, values, roots, parts, B, x, chunk, i, G, y, root, h, scaled)
        _sketched(pointers, indices, order, roots, parts, B, k, chunk, seed, i, G, y, root, S, buckets)
        _factorise(S, buckets, k, size, own, damping, L)
        for l in range(k):
            r[l] = h[l] - own * x[l]
        _solve(L, size, r, p)
        rho = inner(r, p)
        least = tol * tol * rho
        for _ in range(steps):
            if not rho > least:
                break
            z[:] = 0.0
            normal_image(pointers, indices, order, roots, parts, B, p, chunk, i, G, y, root, z)
            if not advance(d, r, p, z, own, rho):
                break
            _solve(L, size, r, scaled)
            rho = turn(p, scaled, r, rho)
        sums[part, 0] += before
        sums[part, 1] += max(before - moved(x, h, r, d, own, relax), 0.0)
