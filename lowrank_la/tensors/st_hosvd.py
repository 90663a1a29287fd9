"""Sequentially truncated higher-order SVD: to ranks, or to an error that is then spent where ranks fall most."""

import math
from dataclasses import dataclass
from typing import Any

from .. import _backend as be
from .modes import contract
from .rank_choice import allowed_square, cut_to, least_ranks
from .subspace import by_gram, by_triangle, filled, leading


@dataclass(frozen=True)
class Parts:
    """``X ≈ core ×_k factors[k]``; a factor None stands for the identity.

    Attributes
    ----------
    core : array
    factors : list of arrays (n_k, r_k) with orthonormal columns, or None
    reads : int
        Passes over the tensor.
    sweeps : int
        Sweeps that improved the factors.
    """

    core: Any
    factors: list
    reads: int = 0
    sweeps: int = 0


def to_ranks(X, ranks):
    """`Parts` of the given ranks; None for modes that are left alone.

    Each mode is projected onto the leading left singular vectors of what the modes before have left of the tensor, in
    the order of least work.
    """
    factors, core, reads = [None] * X.ndim, X, 0
    for k in by_work(X.shape, ranks):
        reads += 2 if core is X else 0
        factors[k] = leading(core, k, ranks[k])
        core = contract(core, k, factors[k])
    return Parts(core, factors, reads)


def by_work(shape, ranks):
    """The modes to be truncated, in the order of least work for Gram matrices and products."""

    def price(k):
        n, rank = shape[k], ranks[k]
        return (n + 2 * rank) / (1 - rank / n)

    return sorted((k for k, n in enumerate(shape) if ranks[k] is not None and ranks[k] < n), key=price)


def to_error(X, norm, tol, ranks, modes, coarsest):
    """`Parts` with an error of at most ``tol · norm``, of ranks as small as that allows.

    Modes come in ascending order of length, and what each leaves of its share of the squared error goes to the modes
    after it. What is left over in the end, and what later modes have made small, goes to the leading block of the core
    that `least_ranks` chooses.

    Parameters
    ----------
    X : array
    norm : float
        Its Frobenius norm.
    tol : float
    ranks : list of int or None
        The most that is kept of a mode; the error may then be larger.
    modes : iterable of int
        Modes that are truncated.
    coarsest : float
        Relative error from which on Gram matrices are precise enough.
    """
    allowed, order = allowed_square(norm, tol, X.dtype), sorted(modes, key=lambda k: X.shape[k])
    core, factors, spent, reads = _sequential(X, order, allowed, by_gram if tol > coarsest else by_triangle)
    kept = least_ranks(core, max(0.0, allowed - spent), spent, modes)
    kept = [rank if most is None else min(rank, most) for rank, most in zip(kept, ranks, strict=True)]
    core, factors = cut_to(core, factors, kept, X.shape)
    return Parts(core, factors, reads)


def _sequential(X, order, allowed, spectrum):
    """``core, factors, spent, reads``: the modes in `order` truncated where the tail is within their share."""
    core, factors, spent, reads = X, [None] * X.ndim, 0.0, 0
    for done, k in enumerate(order):
        found = spectrum(core, k)
        share, most = max(0.0, allowed - spent) / (len(order) - done), len(found.tails) - 1
        rank = next(r for r in range(1, most + 1) if r == most or found.tails[r] <= share)
        reads += 2 if core is X else 0
        spent += float(found.tails[rank])
        factors[k] = filled(found.U, rank)
        core = contract(core, k, factors[k])
    return core, factors, spent, reads


def coarsest_gram(X):
    """Relative error from which on a Gram matrix in the widest precision of the device tells tails apart."""
    wide = be.widest_like(be.namespace(X), X.dtype, be.device(X))
    return max(1e-6 if be.is_double(wide) else 1e-2, 100.0 * math.sqrt(be.eps(wide)))
