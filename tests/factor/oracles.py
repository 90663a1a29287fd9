"""What the factorisations are measured against: double precision, known spectra, counted products."""

import numpy as np

from lowrank_la import _backend as be


def eps(dtype):
    """Machine epsilon of a dtype or of its name."""
    return be.eps(np.dtype(dtype) if isinstance(dtype, str) else dtype)


def wide(x):
    """Host copy in float64 or complex128."""
    host = be.to_numpy(x)
    return host.astype(np.complex128 if host.dtype.kind == "c" else np.float64)


def relative_error(A, approximation):
    """``‖A - Â‖_F / ‖A‖_F`` in double precision; zero for a zero matrix that is met."""
    A, approximation = wide(A), wide(approximation)
    size = np.linalg.norm(A)
    missed = np.linalg.norm(A - approximation)
    return missed / size if size > 0 else missed


def product(result):
    """The matrix that a result stands for, in double precision."""
    names = result._unpack
    parts = [wide(part) for part in result]
    if names == ("U", "s", "Vh"):
        return (parts[0] * parts[1]) @ parts[2]
    if names == ("w", "V"):
        return (parts[1] * parts[0]) @ parts[1].conj().T
    return parts[0] @ parts[1]


def true_error(A, result):
    """Relative Frobenius error of the returned factors."""
    return relative_error(A, product(result))


def residuals(A, U, s, Vh):
    """Larger of ``‖A v - σ u‖`` and ``‖Aᴴ u - σ v‖`` of each triplet, in double precision."""
    A, U, s, V = wide(A), wide(U), wide(s), wide(Vh).conj().T
    right = np.linalg.norm(A @ V - U * s, axis=0)
    left = np.linalg.norm(A.conj().T @ U - V * s, axis=0)
    return np.maximum(left, right)


def pair_residuals(A, w, V):
    """``‖A v - w v‖`` of each eigenpair, in double precision."""
    A, w, V = wide(A), wide(w), wide(V)
    return np.linalg.norm(A @ V - V * w, axis=0)


def departure(Q):
    """``‖QᴴQ - I‖_F`` in double precision."""
    Q = wide(Q)
    return float(np.linalg.norm(Q.conj().T @ Q - np.eye(Q.shape[1])))


def tails(values):
    """Relative Frobenius error of the best approximation of each rank 0…n."""
    squares = np.asarray(values, float) ** 2
    left = np.concatenate([np.cumsum(squares[::-1])[::-1], [0.0]])
    return np.sqrt(left / squares.sum()) if squares.sum() > 0 else np.zeros(len(left))


def optimal_rank(values, tol):
    """Least rank whose relative Frobenius error is within `tol`, at least one."""
    return max(1, int(np.argmax(tails(values) <= tol)))


def same_up_to_rounding(a, b, c, dtype):
    """Whether two host arrays differ by at most `c` units of roundoff of their size."""
    a, b = wide(a), wide(b)
    return a.shape == b.shape and np.linalg.norm(a - b) <= c * eps(dtype) * max(np.linalg.norm(a), np.linalg.norm(b))


class Counted:
    """A SciPy-like operator that counts columns and calls."""

    def __init__(self, A):
        self.A = A
        self.shape, self.dtype = A.shape, A.dtype
        self.columns = 0
        self.calls = 0

    def matmat(self, X):
        """``A X``."""
        self._note(X)
        return self.A @ X

    def rmatmat(self, Y):
        """``Aᴴ Y``."""
        self._note(Y)
        return self.A.conj().T @ Y

    def _note(self, X):
        self.columns += X.shape[1]
        self.calls += 1
