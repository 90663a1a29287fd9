"""Problems with known solutions, and the backward error of a solution from the singular value decomposition."""

import numpy as np
from factor import oracles

UNIT = {"float32": 2.0**-24, "complex64": 2.0**-24, "float64": 2.0**-53, "complex128": 2.0**-53}


def orthonormal(rows, cols, dtype, generator):
    """Random orthonormal columns."""
    a = generator.standard_normal((rows, cols))
    if np.dtype(dtype).kind == "c":
        a = a + 1j * generator.standard_normal((rows, cols))
    return np.linalg.qr(a)[0]


def problem(m, n, condition, residual, dtype="float64", seed=0, columns=None):
    """``A, b, x`` with ‖A‖₂ = ‖x‖ = 1, ``‖b - A x‖ = residual`` and singular values spread geometrically."""
    generator = np.random.default_rng(seed)
    k = min(m, n)
    U, V = orthonormal(m, k, dtype, generator), orthonormal(n, k, dtype, generator)
    A = (U * np.logspace(0, -np.log10(condition), k)) @ V.conj().T
    x = V @ generator.standard_normal((k, columns or 1))
    x = x / np.linalg.norm(x, axis=0)
    r = generator.standard_normal((m, columns or 1)).astype(U.dtype)
    if m > n:
        r = r - U @ (U.conj().T @ r)
        r = r - U @ (U.conj().T @ r)
        r = r * (residual / np.linalg.norm(r, axis=0))
    b = A @ x + (r if m > n else 0)
    A, b, x = A.astype(dtype), b.astype(dtype), x.astype(dtype)
    return (A, b, x) if columns else (A, b[:, 0], x[:, 0])


def backward_error(A, b, x, ridge=0.0):
    """Karlson-Waldén estimate relative to ‖A‖_F, in double precision, the largest over the columns."""
    A, b, x = oracles.wide(A), oracles.wide(b), oracles.wide(x)
    b, x = (v[:, None] if v.ndim == 1 else v for v in (b, x))
    if ridge:
        A = np.concatenate([A, ridge**0.5 * np.eye(A.shape[1])])
        b = np.concatenate([b, np.zeros((A.shape[1], b.shape[1]))])
    _, s, Vh = np.linalg.svd(A, full_matrices=False)
    size = np.linalg.norm(s)
    r = b - A @ x
    parts = np.abs(Vh @ (A.conj().T @ r))
    weight = 1.0 / np.hypot(np.linalg.norm(b, axis=0) / size, np.linalg.norm(x, axis=0))
    shift = weight * np.linalg.norm(r, axis=0)
    floor = 1e-3 * np.finfo(float).eps * size
    below = s[:, None] ** 2 + np.maximum(shift, floor) ** 2
    return float(np.max(weight * np.sqrt(np.sum(parts**2 / below, axis=0)) / size))


def by_svd(A, b, ridge=0.0, cutoff=1e-10):
    """Solution of least norm from the singular value decomposition, values below `cutoff` dropped."""
    U, s, Vh = np.linalg.svd(oracles.wide(A), full_matrices=False)
    kept = s > cutoff * s[0] if not ridge else s >= 0
    filtered = s[kept] / (s[kept] ** 2 + ridge)
    c = U[:, kept].conj().T @ oracles.wide(b)
    return Vh[kept].conj().T @ (filtered[:, None] * c if c.ndim == 2 else filtered * c)


def relative(x, y):
    """``‖x - y‖ / ‖y‖`` in double precision."""
    x, y = oracles.wide(x), oracles.wide(y)
    return float(np.linalg.norm(x - y) / np.linalg.norm(y))
