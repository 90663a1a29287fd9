"""One update of alternating least squares for factors so small that calls cost more than numbers."""

import math

import numpy as np

from ._jit import jit


@jit
def als_update(B, gamma, least, unit, size, gram):
    """Solve ``A gamma = B`` and bring the columns of `A` to length one.

    Parameters
    ----------
    B : array (n, R)
    gamma : array (R, R)
        Symmetric, its diagonal one, or zero for terms without mass.
    least : float
        Pivots of the Cholesky factor, squared, that are not above it end the call.
    unit : array (n, R)
        To be filled: the columns of `A` over their lengths.
    size : array (R,)
        To be filled: the lengths, one for columns of zeros.
    gram : array (R, R)
        To be filled: ``unitᵀ unit``.

    Returns
    -------
    tuple of bool and floats
        Whether a solution was found, ``⟨B, A⟩``, the sum of ``size_i size_j gamma_ij gram_ij`` and that of its moduli.
    """
    n, rank = B.shape
    R = np.empty((rank, rank), B.dtype)  # upper triangular, gamma = RᵀR
    for j in range(rank):
        for i in range(j + 1):
            rest = gamma[i, j]
            for p in range(i):
                rest -= R[p, i] * R[p, j]
            if i < j:
                R[i, j] = rest / R[i, i]
            elif rest > least:
                R[j, j] = math.sqrt(rest)
            else:
                return False, 0.0, 0.0, 0.0
    inner = 0.0
    for l in range(n):
        _solve_line(B[l], R, unit[l])
        for j in range(rank):
            inner += B[l, j] * unit[l, j]
    _normalise(unit, size)
    square, mass = 0.0, 0.0
    for i in range(rank):
        for j in range(rank):
            shared = unit.dtype.type(0)
            for l in range(n):
                shared += unit[l, i] * unit[l, j]
            gram[i, j] = shared
            part = float(size[i] * size[j] * gamma[i, j] * shared)
            square += part
            mass += abs(part)
    return True, inner, square, mass


@jit
def _solve_line(b, R, x):
    """``x`` with ``RᵀR x = b``."""
    for j in range(b.size):
        rest = b[j]
        for p in range(j):
            rest -= R[p, j] * x[p]
        x[j] = rest / R[j, j]
    for j in range(b.size - 1, -1, -1):
        rest = x[j]
        for p in range(j + 1, b.size):
            rest -= R[j, p] * x[p]
        x[j] = rest / R[j, j]


@jit
def _normalise(columns, size):
    for j in range(size.size):
        square = columns.dtype.type(0)
        for l in range(columns.shape[0]):
            square += columns[l, j] * columns[l, j]
        size[j] = math.sqrt(square) if square != 0 else 1.0
        for l in range(columns.shape[0]):
            columns[l, j] /= size[j]
