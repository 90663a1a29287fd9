"""Low-rank matrices with gross errors."""

import numpy as np


def corrupted(m, n, rank, share, seed=0, *, size=1.0, kappa=1.0, dtype="float64"):
    """``(L, S)``: Gaussian factors, and uniform errors in ± `size` times the mean modulus at random places."""
    generator = np.random.default_rng(seed)
    shape = (m, rank), (rank, n)
    left, right = (generator.standard_normal(x) for x in shape)
    if dtype.startswith("complex"):
        left, right = (x + 1j * generator.standard_normal(x.shape) for x in (left, right))
    L = left * np.logspace(0, -np.log10(kappa), rank) @ right
    places = generator.random((m, n)) < share
    S = np.where(places, generator.uniform(-1, 1, (m, n)) * size * abs(L).mean(), 0.0)
    return L.astype(dtype), S.astype(dtype)


def low_rank_error(result, L):
    """Relative Frobenius error of the low-rank part of a result, of host arrays."""
    U, s, Vh = (np.asarray(x) for x in (result.U, result.s, result.Vh))
    scale = abs(L).max()
    return float(np.linalg.norm(U * (s / scale) @ Vh - L / scale) / np.linalg.norm(L / scale))
