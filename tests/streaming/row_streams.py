"""Streams of rows with a known top eigenvector, in orders that are kind and unkind, and ways to feed them."""

import numpy as np

ORDERS = ("random", "first", "last", "split")


def spiked(ratio, order, *, n=6000, d=64, spikes=600, rng=0):
    """Gaussian rows and a tenth that point along one direction: ``A, v`` with σ₁²/σ₂² about `ratio`."""
    generator = np.random.default_rng(rng)
    noise = generator.standard_normal((n - spikes, d))
    u = np.linalg.qr(generator.standard_normal((d, 1)))[0][:, 0]
    size = np.sqrt(ratio / spikes) * np.linalg.norm(noise, 2)
    signal = np.outer(size * generator.choice([-1.0, 1.0], spikes), u)
    A = ordered(signal, noise, order, generator)
    return A, top(A)


def ordered(signal, noise, order, generator):
    """The rows in one of `ORDERS`: where the signal comes."""
    if order == "random":
        A = np.vstack([signal, noise])
        return A[generator.permutation(A.shape[0])]
    if order == "split":
        half = signal.shape[0] // 2
        return np.vstack([signal[:half], noise, signal[half:]])
    return np.vstack([signal, noise] if order == "first" else [noise, signal])


def heavy(count, *, n=6000, d=64, rng=0):
    """Light Gaussian rows and a few heavy ones that share a direction, each with 0.9 of it across: ``A, v``."""
    generator = np.random.default_rng(rng)
    noise = generator.standard_normal((n - count, d))
    u = np.linalg.qr(generator.standard_normal((d, 1)))[0][:, 0]
    across = generator.standard_normal((count, d))
    across -= np.outer(across @ u, u)
    across *= 0.9 / np.linalg.norm(across, axis=1, keepdims=True)
    signs = generator.choice([-1.0, 1.0], count)
    signal = np.sqrt(4.0 / count) * np.linalg.norm(noise, 2) * (np.outer(signs, u) + across)
    A = ordered(signal, noise, "random", generator)
    return A, top(A)


def forgotten(*, n=20000, d=64, rng=0):
    """All rows of the top direction first and short, then only those of a rival with a quarter of its energy."""
    generator = np.random.default_rng(rng)
    Q = np.linalg.qr(generator.standard_normal((d, 2)))[0]
    early = n // 40
    rival = np.outer(generator.choice([-1.0, 1.0], n - early), Q[:, 1])
    signal = np.outer(2.0 * np.sqrt((n - early) / early) * generator.choice([-1.0, 1.0], early), Q[:, 0])
    A = np.vstack([signal, rival]) + 0.01 * generator.standard_normal((n, d))
    return A, top(A)


def top(A):
    """Top eigenvector of AᴴA."""
    return np.linalg.eigh(A.conj().T @ A)[1][:, -1]


def squared_correlation(v, u):
    """``|vᴴ u|²``."""
    return float(abs(np.vdot(np.asarray(v), u)) ** 2)


def batches(A, rng=0, largest=300):
    """The rows of `A` in batches of random sizes, none, one and many."""
    generator, start = np.random.default_rng(rng), 0
    while start < A.shape[0]:
        size = int(generator.choice([0, 1, generator.integers(2, largest)]))
        yield A[start : start + size]
        start += size


def fed(estimator, A, rng=None):
    """The estimator after the rows of `A`, in one batch or in random ones."""
    for batch in [A] if rng is None else batches(A, rng):
        estimator.partial_fit(batch)
    return estimator


def same_bits(a, b):
    """Whether two state dicts hold the same bits."""
    if set(a) != set(b):
        return False
    return all(np.array_equal(np.asarray(a[name]), np.asarray(b[name])) for name in a if a[name] is not None)
