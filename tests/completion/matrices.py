"""Matrices of known rank, and some of their entries."""

import numpy as np


def factors(m, n, k, dtype="float64", seed=0, condition=1.0):
    """``U, V`` with ``U Vᴴ`` of rank `k`, its singular values log-spaced from `condition` to 1, times √(mn)."""
    generator = np.random.default_rng(seed)

    def orthonormal(size):
        X = generator.standard_normal((size, k))
        if np.dtype(dtype).kind == "c":
            X = X + 1j * generator.standard_normal((size, k))
        return np.linalg.qr(X)[0]

    s = np.logspace(np.log10(condition), 0.0, k) * np.sqrt(m * n)
    return (orthonormal(m) * s).astype(dtype), orthonormal(n).astype(dtype)


def places(m, n, count, seed=0, least=0):
    """Distinct places in no particular order, `least` or more in each row and column."""
    generator = np.random.default_rng(seed + 1000)
    mask = np.zeros((m, n), bool)
    mask.ravel()[generator.permutation(m * n)[:count]] = True
    while True:
        rows, columns = np.flatnonzero(mask.sum(1) < least), np.flatnonzero(mask.sum(0) < least)
        if rows.size == columns.size == 0:
            break
        for i in rows:
            mask[i, generator.integers(n)] = True
        for j in columns:
            mask[generator.integers(m), j] = True
    i, j = np.nonzero(mask)
    order = generator.permutation(i.size)
    return i[order], j[order]


def entries(U, V, rows, columns):
    """The entries of ``U Vᴴ`` at the places."""
    return np.einsum("pk,pk->p", U[rows], V[columns].conj())


def sampled(m, n, k, oversampling, dtype="float64", seed=0, condition=1.0):
    """``A, (rows, columns, values)`` with ``oversampling * k (m + n - k)`` entries, k + 1 in each line at least."""
    U, V = factors(m, n, k, dtype, seed, condition)
    count = min(m * n, round(oversampling * k * (m + n - k)))
    rows, columns = places(m, n, count, seed, min(k + 1, m, n))
    return U @ V.conj().T, (rows, columns, entries(U, V, rows, columns).astype(dtype))


def relative_error(result, A):
    """‖A - U Vᴴ‖_F / ‖A‖_F."""
    U, V = (np.asarray(x) for x in result)
    return np.linalg.norm(U @ V.conj().T - A) / np.linalg.norm(A)
