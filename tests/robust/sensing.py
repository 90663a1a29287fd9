"""Linear measurements of matrices of known rank, some of them spoilt."""

import numpy as np


def target(m, n, spectrum, seed=0, symmetric=False):
    """A matrix (m, n) with the singular values `spectrum`, positive semidefinite where `symmetric`."""
    generator = np.random.default_rng(seed)
    U = np.linalg.qr(generator.standard_normal((m, len(spectrum))))[0]
    V = U if symmetric else np.linalg.qr(generator.standard_normal((n, len(spectrum))))[0]
    return (U * np.asarray(spectrum)) @ V.T


def spoilt(y, share, size=10.0, noise=0.0, seed=0):
    """`y` with Gaussian outliers of standard deviation `size` on a random `share`, and noise on all of it."""
    generator = np.random.default_rng(seed + 500)
    bad = generator.random(y.shape[0]) < share
    return y + bad * size * generator.standard_normal(y.shape[0]) + noise * generator.standard_normal(y.shape[0])


def sensed(X, count, share=0.0, size=10.0, noise=0.0, seed=0):
    """``A, y`` with a Gaussian array of measurements."""
    A = np.random.default_rng(seed + 100).standard_normal((count, *X.shape))
    return A, spoilt(A.reshape(count, -1) @ X.ravel(), share, size, noise, seed)


def product(result):
    """``U Vᵀ`` on the host."""
    from lowrank_la import _backend as be

    return be.to_numpy(result.U) @ be.to_numpy(result.V).T


def error(result, X):
    """‖X̂ - X‖_F."""
    return np.linalg.norm(product(result) - X)
