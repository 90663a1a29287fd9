"""What people use today for a truncated SVD, each with its accuracy knob swept from cheap to accurate.

All return ``U, s, Vh`` in descending order, the same work as ours.
"""

import numpy as np
import scipy.linalg
import scipy.sparse.linalg

from benchmarks.harness import Contender

OVERSAMPLE = 10
POWERS = (0, 1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 80)


def contenders(problem):
    """Peers that apply to a problem, as a list of `Contender`."""
    found = [*_subspace_iterations(problem), *_lanczos(problem), *_lobpcg(problem)]
    if not problem.sparse:
        found += _gram(problem)
        if not problem.psd:
            found += _dense(problem)
    if problem.psd:
        found += _hermitian(problem)
    return found


def _sweep(values, function, label="{}"):
    return [(label.format(value), lambda value=value: function(value)) for value in values]


def _subspace_iterations(problem):
    return [*_sklearn(problem), *_fbpca(problem), *_torch_subspace(problem)]


def _sklearn(problem):
    try:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.utils.extmath import randomized_svd
    except ImportError:
        return []
    A, k = problem.A, problem.rank

    def transformer(n_iter):
        model = TruncatedSVD(k, n_iter=n_iter, random_state=0)
        scores = model.fit_transform(A)
        return scores / model.singular_values_, model.singular_values_, model.components_

    def function(n_iter):
        return randomized_svd(A, k, n_iter=n_iter, random_state=0)

    return [
        Contender("sklearn randomized_svd", _sweep((*POWERS, "auto"), function, "n_iter={}"), "n_iter=auto"),
        Contender("sklearn TruncatedSVD", _sweep((5,), transformer, "n_iter={}"), "n_iter=5"),
    ]


def _fbpca(problem):
    try:
        import fbpca
    except ImportError:
        return []
    A, k = problem.A, problem.rank

    def run(n_iter):
        np.random.seed(0)
        return fbpca.pca(A, k, raw=True, n_iter=n_iter, l=k + OVERSAMPLE)

    return [Contender("fbpca", _sweep(POWERS, run, "n_iter={}"), "n_iter=2")]


def _torch_subspace(problem):
    try:
        import torch
    except ImportError:
        return []
    A, k = torch_input(problem), problem.rank

    def run(niter):
        torch.manual_seed(0)
        U, s, V = torch.svd_lowrank(A, q=k + OVERSAMPLE, niter=niter)
        return U[:, :k], s[:k], V[:, :k].mH

    return [Contender("torch svd_lowrank", _sweep(POWERS, run, "niter={}"), "niter=2")]


def torch_input(problem):
    """The problem's matrix as a torch tensor that shares its memory where it can."""
    import torch

    A = problem.A
    if not problem.sparse:
        return torch.from_numpy(A)
    return torch.sparse_csr_tensor(A.indptr, A.indices, A.data, A.shape)


def _lanczos(problem):
    A, k = problem.A, problem.rank

    def svds(solver, tol):
        length = A.shape[0] if solver == "propack" else min(A.shape)
        start = np.random.default_rng(0).standard_normal(length)
        U, s, Vh = scipy.sparse.linalg.svds(A, k, tol=tol, solver=solver, v0=start)
        return U[:, ::-1], s[::-1], Vh[::-1]

    loose_first = (1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8, 0)
    return [
        Contender("scipy svds arpack", _sweep(loose_first, lambda tol: svds("arpack", tol), "tol={:g}"), "tol=0"),
        Contender("scipy svds propack", _sweep(loose_first, lambda tol: svds("propack", tol), "tol={:g}"), "tol=0"),
    ]


def _small_side(problem):
    """Return the Gram operator on the shorter side, and a function that turns its eigenvectors into a result."""
    A = problem.A
    if problem.psd:
        return A, lambda w, V: (V, w, V.T)
    wide = A.shape[0] < A.shape[1]
    B = A.T if wide else A
    B = B.tocsr() if problem.sparse else B
    Bt = B.T.tocsr() if problem.sparse else B.T
    n = B.shape[1]
    gram = scipy.sparse.linalg.LinearOperator(
        (n, n), matvec=lambda x: Bt @ (B @ x), matmat=lambda X: Bt @ (B @ X), dtype=A.dtype
    )

    def finish(w, V):
        s = np.sqrt(np.maximum(w, 0.0))
        U = (B @ V) / s
        return (V, s, U.T) if wide else (U, s, V.T)

    return gram, finish


def _lobpcg(problem):
    operator, finish = _small_side(problem)
    n, k = min(problem.A.shape), problem.rank

    def run(maxiter):
        X = np.random.default_rng(0).standard_normal((n, k + OVERSAMPLE))
        w, V = scipy.sparse.linalg.lobpcg(operator, X, maxiter=maxiter, tol=0.0, largest=True)
        order = np.argsort(w)[::-1][:k]
        return finish(w[order], V[:, order])

    found = [Contender("scipy lobpcg", _sweep((5, 10, 15, 20, 30, 40, 60, 100), run, "maxiter={}"), "maxiter=20")]
    try:
        import torch
    except ImportError:
        return found
    if problem.sparse:
        return found
    A = torch_input(problem)
    wide = A.shape[0] < A.shape[1]

    def run_torch(niter):
        torch.manual_seed(0)
        gram = A if problem.psd else (A @ A.T if wide else A.T @ A)
        w, V = torch.lobpcg(gram, k, niter=niter, tol=1e-14, largest=True)
        return tuple(np.asarray(part) for part in finish(w.numpy(), V.numpy()))

    sweep = _sweep((5, 10, 15, 20, 30, 40, 60, 100), run_torch, "niter={}")
    return [*found, Contender("torch lobpcg (Gram)", sweep, "niter=20")]


def _dense(problem):
    A, k = problem.A, problem.rank

    def numpy_svd():
        U, s, Vh = np.linalg.svd(A, full_matrices=False)
        return U[:, :k], s[:k], Vh[:k]

    found = [Contender("numpy svd (gesdd)", [("dense", numpy_svd)], "dense")]
    try:
        import torch
    except ImportError:
        return found

    def torch_svd():
        U, s, Vh = torch.linalg.svd(torch_input(problem), full_matrices=False)
        return U[:, :k], s[:k], Vh[:k]

    return [*found, Contender("torch svd (MKL gesdd)", [("dense", torch_svd)], "dense")]


def _gram(problem):
    A, k = problem.A, problem.rank
    wide = A.shape[0] < A.shape[1]
    n = min(A.shape)

    def gram_numpy():
        return A @ A.T if wide else A.T @ A

    def finish(w, V, product=np.matmul):
        """Singular values from the eigenvalues, the long vectors by one product."""
        s = w.clip(0.0) ** 0.5
        if wide:
            return V, s, product(V.T, A) / s[:, None]
        return product(A, V) / s, s, V.T

    def subset(driver):
        w, V = scipy.linalg.eigh(
            gram_numpy(), subset_by_index=(n - k, n - 1), driver=driver, overwrite_a=True, check_finite=False
        )
        return finish(w[::-1], V[:, ::-1])

    def full():
        w, V = np.linalg.eigh(gram_numpy())
        return finish(w[: -k - 1 : -1], V[:, : -k - 1 : -1])

    found = [
        Contender("Gram + eigh subset", [("evr", lambda: subset("evr"))], "evr"),
        Contender("Gram + eigh full", [("evd", full)], "evd"),
    ]
    try:
        import torch
    except ImportError:
        return found
    T = torch_input(problem)

    def torch_full():
        w, V = torch.linalg.eigh(T @ T.T if wide else T.T @ T)
        w, V = w[-k:].flip(0), V[:, -k:].flip(1)
        s = w.clamp(min=0.0).sqrt()
        return (V, s, (V.T @ T) / s[:, None]) if wide else ((T @ V) / s, s, V.T)

    return [*found, Contender("torch Gram + eigh", [("evd", torch_full)], "evd")]


def _hermitian(problem):
    K, k, n = problem.A, problem.rank, problem.A.shape[0]

    def run(driver):
        w, V = scipy.linalg.eigh(K, subset_by_index=(n - k, n - 1), driver=driver, check_finite=False)
        return V[:, ::-1], w[::-1], V[:, ::-1].T

    def arpack(tol):
        start = np.random.default_rng(0).standard_normal(n)
        w, V = scipy.sparse.linalg.eigsh(K, k, tol=tol, v0=start)
        return V[:, ::-1], w[::-1], V[:, ::-1].T

    return [
        Contender("scipy eigh subset", [("evr", lambda: run("evr"))], "evr"),
        Contender("scipy eigsh", _sweep((1e-2, 1e-4, 1e-6, 0), arpack, "tol={:g}"), "tol=0"),
    ]
