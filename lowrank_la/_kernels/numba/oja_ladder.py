"""Steps of Oja's method for a ladder of rates, one row after another."""

import numpy as np

from ._jit import jit
from ._vector import add_product, add_scaled, load, store, total_of, zeros_8


@jit
def oja_ladder(X, V, rates, growth, piece):
    """Take the rows of `X` into every row of `V`, at its own rate, in place.

    Parameters
    ----------
    X : array, shape (b, d)
    V : array, shape (m, d), m a multiple of four
        Unit vectors, and so again afterwards; the dtype of `X`, both by rows.
    rates : array, shape (m,)
        The dtype of `X`; a rate times the squared length of a row is below one.
    growth : float64 array, shape (m,)
        The logarithm of the length that each vector has grown to is added.
    piece : int
        Rows after which lengths are taken off: they can double with each.
    """
    d = X.shape[1]
    rows, vectors = X.ravel(), V.ravel()
    for start in range(0, X.shape[0], piece):
        stop = min(start + piece, X.shape[0])
        for j in range(0, V.shape[0], 4):
            _four(rows, vectors, rates, d, j, start, stop)
            for i in range(j, j + 4):
                _shorten(vectors, growth, d, i)


@jit
def _four(rows, vectors, rates, d, j, start, stop):
    """Rows ``start…stop-1`` into the vectors j to j+3."""
    whole, zero = d & ~7, zeros_8(rows)
    p0 = j * d
    p1, p2, p3 = p0 + d, p0 + 2 * d, p0 + 3 * d
    for t in range(start, stop):
        x = t * d
        a0, a1, a2, a3 = zero, zero, zero, zero
        for l in range(0, whole, 8):
            part = load(zero, rows, x + l)
            a0 = add_product(a0, load(zero, vectors, p0 + l), part)
            a1 = add_product(a1, load(zero, vectors, p1 + l), part)
            a2 = add_product(a2, load(zero, vectors, p2 + l), part)
            a3 = add_product(a3, load(zero, vectors, p3 + l), part)
        s0, s1, s2, s3 = total_of(a0), total_of(a1), total_of(a2), total_of(a3)
        for l in range(whole, d):
            part_l = rows[x + l]
            s0, s1 = s0 + vectors[p0 + l] * part_l, s1 + vectors[p1 + l] * part_l
            s2, s3 = s2 + vectors[p2 + l] * part_l, s3 + vectors[p3 + l] * part_l
        s0, s1, s2, s3 = s0 * rates[j], s1 * rates[j + 1], s2 * rates[j + 2], s3 * rates[j + 3]
        for l in range(0, whole, 8):
            part = load(zero, rows, x + l)
            store(vectors, p0 + l, add_scaled(load(zero, vectors, p0 + l), s0, part))
            store(vectors, p1 + l, add_scaled(load(zero, vectors, p1 + l), s1, part))
            store(vectors, p2 + l, add_scaled(load(zero, vectors, p2 + l), s2, part))
            store(vectors, p3 + l, add_scaled(load(zero, vectors, p3 + l), s3, part))
        for l in range(whole, d):
            part_l = rows[x + l]
            vectors[p0 + l] += s0 * part_l
            vectors[p1 + l] += s1 * part_l
            vectors[p2 + l] += s2 * part_l
            vectors[p3 + l] += s3 * part_l


@jit
def _shorten(vectors, growth, d, i):
    """Vector i brought to length one, the logarithm of its length added to its growth."""
    whole, zero, p = d & ~7, zeros_8(vectors), i * d
    squares = zero
    for l in range(p, p + whole, 8):
        part = load(zero, vectors, l)
        squares = add_product(squares, part, part)
    total = total_of(squares)
    for l in range(p + whole, p + d):
        total += vectors[l] * vectors[l]
    if total > 0.0:
        growth[i] += 0.5 * np.log(np.float64(total))
        inverse = 1.0 / np.sqrt(np.float64(total))
        for l in range(p, p + whole, 8):
            store(vectors, l, add_scaled(zero, inverse, load(zero, vectors, l)))
        for l in range(p + whole, p + d):
            vectors[l] = inverse * vectors[l]
