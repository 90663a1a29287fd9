"""Dense tensors with terms, and CP of them by this library and its peers, for the rows."""

import itertools
import warnings

import numpy as np

import lowrank_la as lr
from lowrank_la.tensors.kruskal import gauge


def terms(shape, rank, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.standard_normal((n, rank)) for n in shape]


def dense(factors):
    split = (len(factors) + 1) // 2
    sides = [_columns(part) for part in (factors[:split], factors[split:])]
    return (sides[0] @ sides[1].T).reshape([factor.shape[0] for factor in factors])


def _columns(factors):
    out = factors[0]
    for factor in factors[1:]:
        out = (out[:, None, :] * factor[None, :, :]).reshape(-1, factor.shape[1])
    return out


def noisy(shape, rank, noise, seed=0):
    X = dense(terms(shape, rank, seed))
    generator = np.random.default_rng(seed + 1)
    rest = generator.standard_normal(shape)
    rest *= noise * np.linalg.norm(X) / np.linalg.norm(rest)
    X += rest
    return X


def collinear(n, rank, congruence, seed=0):
    generator = np.random.default_rng(seed)
    root = np.linalg.cholesky(np.full((rank, rank), congruence) + (1 - congruence) * np.eye(rank))
    return dense([np.linalg.qr(generator.standard_normal((n, rank)))[0] @ root.T for _ in range(3)])


def parts(found):
    """Weights and factors of anybody's answer, as NumPy arrays."""
    found = found[0] if isinstance(found[1], list) and np.ndim(found[1][0]) == 0 else found
    return np.asarray(found[0]), [np.asarray(factor) for factor in found[1]]


def true_error(X, found):
    weights, factors = parts(found)
    model = dense([factors[0] * weights, *factors[1:]])
    return float(np.linalg.norm(np.subtract(model, X, dtype=float)) / np.linalg.norm(X))


def apart(found, reference):
    """Largest difference of unit factors, and of weights over the largest one, in the same gauge."""
    (a, A), (b, B) = gauge(*parts(found)), gauge(*parts(reference))
    return max(float(np.abs(a - b).max() / b.max()), *(float(np.abs(P - Q).max()) for P, Q in zip(A, B, strict=True)))


def ours(X, rank, start, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lr.cp(X, rank, init=(np.ones(rank), start), **options)


def tensorly(X, rank, start, sweeps, tol=0.0, library=np.asarray, function="parafac", each=None, **options):
    """`each` is called after every sweep, not before the first one as well."""
    import tensorly as tl
    from tensorly import decomposition

    if each is not None:
        calls = itertools.count()
        options |= {"callback": lambda *state: each(*state) if next(calls) else None, "return_errors": True}
    with tl.backend_context("pytorch" if library is not np.asarray else "numpy", local_threadsafe=True):
        init = tl.cp_tensor.CPTensor((library(np.ones(rank)), [library(factor.copy()) for factor in start]))
        return getattr(decomposition, function)(X, rank, init=init, n_iter_max=sweeps, tol=tol, **options)


def pyttb(X, rank, start, sweeps, each=None):
    """`X` is `stamped` where `each` is to be called at the beginning of every sweep."""
    import pyttb

    if each is not None:
        X.stamp = each
    init = pyttb.ktensor([np.asfortranarray(factor) for factor in start])
    found = pyttb.cp_als(X, rank, init=init, maxiters=sweeps, stoptol=0.0, printitn=0)[0]
    return found.weights, found.factor_matrices


def stamped(kind, *arguments, **options):
    """A tensor of pyttb that calls ``stamp()`` at the first product of every sweep."""

    class Stamped(kind):
        def mttkrp(self, factors, k):
            if k == 0 and self.stamp is not None:
                self.stamp()
            return super().mttkrp(factors, k)

    found = Stamped(*arguments, **options)
    found.stamp = None
    return found
