"""The matrices of the factor benchmarks, with reference singular values."""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg

from lowrank_la import datasets, testing


@dataclass(frozen=True)
class Problem:
    """A matrix, the rank asked for and its leading singular values; `psd` tells that it is a kernel matrix."""

    name: str
    title: str
    A: object
    rank: int
    values: np.ndarray
    psd: bool = False

    @property
    def sparse(self):
        return scipy.sparse.issparse(self.A)

    def error(self, result):
        """Largest relative error of the singular values of ``U, s, Vh``; inf where a shape is wrong."""
        U, s, Vh = (np.asarray(part) for part in result)
        (m, n), k = self.A.shape, self.rank
        if U.shape != (m, k) or s.shape != (k,) or Vh.shape != (k, n):
            return np.inf
        gap = np.abs(np.sort(s)[::-1] - self.values) / self.values
        return float(np.max(np.where(np.isfinite(gap), gap, np.inf)))

    def residual(self, result):
        """Largest ‖A v - σ u‖ / σ_1 and ‖Vh V - I‖ of a result: the vectors' side of the error."""
        U, s, Vh = (np.asarray(part) for part in result)
        product = self.A @ Vh.conj().T - U * s
        identity = np.eye(self.rank)
        orthogonality = max(np.linalg.norm(Vh @ Vh.conj().T - identity), np.linalg.norm(U.conj().T @ U - identity))
        return float(np.linalg.norm(product, axis=0).max() / self.values[0]), float(orthogonality)


def cached(key, compute):
    """Array computed once on this machine, kept in the temporary directory."""
    folder = Path(tempfile.gettempdir()) / "lowrank_la_benchmarks"
    folder.mkdir(exist_ok=True)
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npy"
    if not path.exists():
        np.save(path, compute())
    return np.load(path)


def _fingerprint(A):
    data = A.data if scipy.sparse.issparse(A) else np.ascontiguousarray(A)
    return hashlib.sha256(data).hexdigest() + str(A.shape)


def _dense_reference(A, rank):
    return cached(f"dense {rank} {_fingerprint(A)}", lambda: np.linalg.svd(A, compute_uv=False)[:rank])


def _sparse_reference(A, rank):
    """ARPACK to machine precision on a generous basis, two starting vectors that have to agree."""

    def compute():
        found = []
        for seed in (1, 2):
            start = np.random.default_rng(seed).standard_normal(min(A.shape))
            s = scipy.sparse.linalg.svds(A, rank, ncv=4 * rank, tol=0, v0=start, return_singular_vectors=False)
            found.append(np.sort(s)[::-1])
        np.testing.assert_allclose(found[0], found[1], rtol=1e-12)
        return found[0]

    return cached(f"sparse {rank} {_fingerprint(A)}", compute)


def exponential():
    values = 10.0 ** (-np.arange(1, 2001) / 10.0)
    return Problem("a", "3000x2000, s_i = 10^(-i/10)", testing.matrix(3000, 2000, values), 50, values[:50])


def polynomial():
    values = testing.spectra["polynomial_half"](1000)
    return Problem("b", "20000x1000, s_i = i^(-1/2)", testing.matrix(20000, 1000, values), 50, values[:50])


def sparse_text():
    A = testing.sparse_tfidf(100_000, 20_000, 1_600_000)
    return Problem("c", "sparse tf-idf 100000x20000, 1.6 M nonzeros", A, 50, _sparse_reference(A, 50))


def kernel():
    K = testing.rbf_kernel(4000, dim=2, length=0.1)
    values = cached(f"kernel {_fingerprint(K)}", lambda: scipy.linalg.eigvalsh(K)[::-1][:100])
    return Problem("d", "RBF kernel matrix, n = 4000", K, 100, values, psd=True)


def spikes_over_noise():
    """Ten spikes from 10 to 3 over Gaussian noise whose singular values reach 1 (a Marchenko-Pastur tail)."""
    m, n = 4000, 2000
    noise = np.random.default_rng(5).standard_normal((m, n)) / (np.sqrt(m) + np.sqrt(n))
    A = testing.matrix(m, n, np.linspace(10.0, 3.0, 10)) + noise
    return Problem("e", "4000x2000, 10 spikes over Gaussian noise", A, 25, _dense_reference(A, 25))


def photograph():
    """The photograph china.jpg of scikit-learn, its three colours side by side."""
    from sklearn.datasets import load_sample_image

    A = np.hstack(list(np.moveaxis(load_sample_image("china.jpg") / 255.0, 2, 0)))
    return Problem("f", f"photograph {A.shape[0]}x{A.shape[1]}", A, 40, _dense_reference(A, 40))


def python_text():
    A, _ = datasets.stdlib_terms()
    return Problem("g", f"tf-idf of Python's library {A.shape[0]}x{A.shape[1]}", A, 50, _sparse_reference(A, 50))


PROBLEMS = {
    "a": exponential,
    "b": polynomial,
    "c": sparse_text,
    "d": kernel,
    "e": spikes_over_noise,
    "f": photograph,
    "g": python_text,
}
