"""Gram matrices of the rows that the places of a line point at."""

from ._jit import jit


@jit
def line_grams(pointers, indices, B, out, start, stop):
    """``out[i] = Σ bᵀ b`` over the rows ``b = B[indices[p]]`` of the entries p of the lines i in ``[start, stop)``."""
    k = B.shape[1]
    for i in range(start, stop):
        for a in range(k):
            for b in range(k):
                out[i, a, b] = 0.0
        for p in range(pointers[i], pointers[i + 1]):
            j = indices[p]
            for a in range(k):
                x = B[j, a]
                for b in range(a, k):
                    out[i, a, b] += x * B[j, b]
        for a in range(k):
            for b in range(a):
                out[i, a, b] = out[i, b, a]


@jit
def line_products(X, G, out):
    """``out[i] = X[i] G[i]``."""
    k = X.shape[1]
    for i in range(X.shape[0]):
        for b in range(k):
            out[i, b] = 0.0
        for a in range(k):
            x = X[i, a]
            for b in range(k):
                out[i, b] += x * G[i, a, b]
