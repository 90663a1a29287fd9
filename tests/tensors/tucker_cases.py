"""Tensors whose Tucker decomposition is known, and what a decomposition is measured by."""

import math

import numpy as np

from lowrank_la import _backend as be

EPS = np.finfo(float).eps


def low_rank(shape, ranks, rng=0, dtype="float64", noise=0.0):
    """A tensor of unit norm with those ranks, and white noise of that norm added."""
    generator = np.random.default_rng(rng)
    X = drawn(generator, ranks, dtype)
    for k, (n, r) in enumerate(zip(shape, ranks, strict=True)):
        Q = np.linalg.qr(drawn(generator, (n, r), dtype))[0]
        X = times(X, Q, k)
    E = drawn(generator, shape, dtype)
    return (X / np.linalg.norm(X) + noise * E / np.linalg.norm(E)).astype(dtype)


def drawn(generator, shape, dtype="float64"):
    x = generator.standard_normal(shape)
    return x + 1j * generator.standard_normal(shape) if np.dtype(dtype).kind == "c" else x


def times(X, M, k):
    """``X ×_k M`` by NumPy's own product."""
    return np.moveaxis(np.tensordot(M, X, axes=(1, k)), 0, k)


def superdiagonal(n, exponent=1.0, rng=0):
    """Σ i^-exponent u_i ∘ v_i ∘ w_i with orthonormal vectors: all unfoldings have these singular values."""
    generator = np.random.default_rng(rng)
    X = np.zeros((n, n, n))
    X[(np.arange(n),) * 3] = np.arange(1.0, n + 1) ** -exponent
    for k in range(3):
        X = times(X, np.linalg.qr(generator.standard_normal((n, n)))[0], k)
    return X


def hilbert(*shape):
    """1 / (i + j + k + …), indices from 1 on."""
    return 1.0 / sum(np.ix_(*(np.arange(1.0, n + 1) for n in shape)))


def spectra(X):
    """Singular values of all unfoldings."""
    return [np.linalg.svd(np.moveaxis(X, k, 0).reshape(n, -1), compute_uv=False) for k, n in enumerate(X.shape)]


def least_ranks(X, tol):
    """For each mode the least rank whose own tail is within the tolerance."""
    found = []
    for s in spectra(X):
        tails = np.append(np.cumsum(s[::-1] ** 2)[::-1], 0.0)
        found.append(int(np.argmax(tails <= tol**2 * tails[0])))
    return found


def full(result):
    """The dense tensor of a result, multiplied out by NumPy in double precision."""
    X = wide(result.core)
    for k, U in zip(result.modes, result.factors, strict=True):
        X = times(X, wide(U), k)
    return X


def wide(x):
    host = be.to_numpy(x.float() if str(getattr(x, "dtype", "")).endswith("bfloat16") else x)
    return host.astype(np.complex128 if host.dtype.kind == "c" else np.float64)


def true_error(X, result):
    X = wide(X)
    size = np.linalg.norm(X)
    missed = np.linalg.norm(X - full(result))
    return missed / size if size > 0 else missed


def check_form(result, c=100.0):
    """Orthonormal factors, orthogonal slices of descending norm, and the signs that are promised."""
    core, eps = wide(result.core), be.eps(result.factors[0].dtype)
    for k, U in zip(result.modes, map(wide, result.factors), strict=True):
        assert np.linalg.norm(U.conj().T @ U - np.eye(U.shape[1])) <= c * eps * math.sqrt(U.shape[1])
        G = np.moveaxis(core, k, 0).reshape(core.shape[k], -1)
        norms = np.linalg.norm(G, axis=1)
        assert np.all(np.diff(norms) <= 4 * eps * max(norms[0], 1e-300))
        off = G @ G.conj().T - np.diag(norms**2)
        assert np.linalg.norm(off) <= c * eps * max(norms[0], 1e-300) ** 2 * math.sqrt(len(norms))
    for U in map(wide, result.factors[:-1]):
        largest = U[np.argmax(np.abs(U), axis=0), np.arange(U.shape[1])]
        near = np.max(np.where(np.abs(U) >= 0.98 * np.abs(largest), U.real, -np.inf), axis=0)
        assert np.all(near > 0)
