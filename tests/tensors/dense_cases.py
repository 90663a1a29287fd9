"""Dense tensors of known rank, and plain forms of what the library computes."""

from functools import reduce
from operator import mul
from string import ascii_lowercase

import numpy as np

SHAPES = [(5, 4), (7, 6, 5), (6, 9, 2), (1, 8, 3), (3, 4, 5, 6), (2, 3, 4, 3, 2), (2, 1, 3, 2, 4, 3)]


def numbers(generator, shape, dtype="float64"):
    drawn = generator.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        drawn = drawn + 1j * generator.standard_normal(shape)
    return drawn.astype(dtype)


def factors_of(shape, rank, dtype="float64", seed=1):
    generator = np.random.default_rng(seed)
    return [numbers(generator, (n, rank), dtype) for n in shape]


def model(factors, weights=None):
    letters = ascii_lowercase[: len(factors)]
    weights = np.ones(factors[0].shape[1]) if weights is None else weights
    return np.einsum("z," + ",".join(f"{c}z" for c in letters) + "->" + letters, weights, *factors)


def tensor(shape, rank, noise=0.0, dtype="float64", seed=0):
    """A sum of `rank` terms and noise of that relative size."""
    X = model(factors_of(shape, rank, dtype, seed))
    if noise:
        rest = numbers(np.random.default_rng(seed + 1), shape, dtype)
        X = X + noise * np.linalg.norm(X) / np.linalg.norm(rest) * rest
    return X.astype(dtype)


def collinear(n, rank, congruence, order=3, seed=0):
    """A sum of terms whose columns have the given cosine in every mode."""
    generator = np.random.default_rng(seed)
    root = np.linalg.cholesky(np.full((rank, rank), congruence) + (1 - congruence) * np.eye(rank))
    return model([np.linalg.qr(generator.standard_normal((n, rank)))[0] @ root.T for _ in range(order)])


def mttkrp(X, factors, k):
    letters = ascii_lowercase[: X.ndim]
    others = [factor.conj() for j, factor in enumerate(factors) if j != k]
    form = letters + "," + ",".join(f"{c}z" for j, c in enumerate(letters) if j != k) + f"->{letters[k]}z"
    return np.einsum(form, X, *others)


def plain_sweep(X, factors):
    """One sweep of alternating least squares as the textbook has it."""
    factors = list(factors)
    for k in range(X.ndim):
        gamma = reduce(mul, [f.conj().T @ f for j, f in enumerate(factors) if j != k])
        factors[k] = np.linalg.lstsq(gamma, mttkrp(X, factors, k).T, rcond=None)[0].T
        if k < X.ndim - 1:
            factors[k] = factors[k] / np.linalg.norm(factors[k], axis=0)
    return factors


def relative_error(X, result):
    wide = np.complex128 if np.iscomplexobj(X) else np.float64
    full = model([np.asarray(f).astype(wide) for f in result.factors], np.asarray(result.weights, np.float64))
    return np.linalg.norm(X.astype(wide) - full) / np.linalg.norm(X.astype(wide))
