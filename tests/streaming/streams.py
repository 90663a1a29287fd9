"""Streams of rows, random and adversarial, and what is true of them."""

from dataclasses import dataclass

import numpy as np

KINDS = (
    "decaying", "flat", "steep", "sorted up", "sorted down", "heavy rows", "rotating", "wide", "constant", "zeros",
    "duplicated", "exact rank", "far mean",
)  # fmt: skip
DTYPES = ("float64", "float32", "complex128", "complex64")


@dataclass(frozen=True)
class Given:
    """A stream and the way it is fed."""

    A: object
    kind: str
    batches: tuple
    weights: object
    center: bool
    forget: float


def draw(seed):
    """Stream number `seed`: kinds and dtypes in turn, all else by chance."""
    generator = np.random.default_rng(seed)
    kind, dtype = KINDS[seed % len(KINDS)], DTYPES[seed // len(KINDS) % len(DTYPES)]
    n, d = int(generator.integers(5, 400)), int(generator.integers(2, 25))
    if kind == "wide":
        n, d = d, n + 5
    A = rows_of(kind, n, d, dtype, generator)
    cuts = np.sort(generator.integers(0, n + 1, int(generator.integers(0, 6))))
    weights = generator.random(n) if generator.random() < 0.3 else None
    forget = float(generator.choice([1.0, 1.0, 0.99, 0.9]))
    return Given(A, kind, tuple(np.split(np.arange(n), cuts)), weights, bool(generator.integers(2)), forget)


def rows_of(kind, n, d, dtype, generator):
    """Rows of one kind."""
    i = np.arange(1, d + 1)

    def normal(*shape):
        x = generator.standard_normal(shape)
        return x + 1j * generator.standard_normal(shape) if np.dtype(dtype).kind == "c" else x

    A = normal(n, d) / i
    size = np.linalg.norm(A, axis=1)
    if kind in ("flat", "wide"):
        A = normal(n, d)
    elif kind == "steep":
        A = normal(n, d) * 10.0 ** (-i / 2)
    elif kind.startswith("sorted"):
        A = A[np.argsort(size if kind.endswith("up") else -size)]
    elif kind == "heavy rows":
        A = A * np.where(generator.random(n) < 0.1, 1e3, 1.0)[:, None]
    elif kind == "rotating":
        A = 0.1 * A
        A[np.arange(n), np.arange(n) * d // n] += 1.0
    elif kind == "constant":
        A = np.broadcast_to(normal(1, d), (n, d)).copy()
    elif kind == "zeros":
        A = np.where(generator.random(n)[:, None] < 0.5, 0.0, A)
    elif kind == "duplicated":
        A = A[generator.integers(0, max(1, n // 4), n)]
    elif kind == "exact rank":
        A = normal(n, 2) @ normal(2, d)
    elif kind == "far mean":
        A = A + 1e3 * normal(1, d)
    return A.astype(dtype)


def feed(estimator, given, weights=True, batches=None):
    """The estimator after all batches, or after those given."""
    for batch in given.batches if batches is None else batches:
        if weights and given.weights is not None:
            estimator.partial_fit(given.A[batch], weights=given.weights[batch])
        else:
            estimator.partial_fit(given.A[batch])
    return estimator


def feed_apart(make, given):
    """Two estimators that saw the first and the last batches, merged."""
    half = len(given.batches) // 2
    first, second = given.batches[:half], given.batches[half:]
    return feed(make(), given, batches=first).merge(feed(make(), given, batches=second))


def effective(given, weights=True, center=False, forget=1.0):
    """In double precision the rows whose decomposition a stream stands for."""
    A = given.A.astype(np.complex128 if given.A.dtype.kind == "c" else np.float64)
    n = A.shape[0]
    w = forget ** (2.0 * np.arange(n - 1, -1, -1))
    w = w * given.weights if weights and given.weights is not None else w
    if center:
        A = A - (w @ A) / w.sum()
    return np.sqrt(w)[:, None] * A
