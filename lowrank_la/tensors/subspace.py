"""Leading left singular subspaces of the unfoldings of a tensor: by Gram matrix where that is precise enough."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import _backend as be
from .modes import contract, gram, left_out, triangle

_SAFE_LOSS = 1e-3
_ROUNDING = 8.0
_RESOLVED = 1e-9


@dataclass(frozen=True)
class Spectrum:
    """Left singular vectors of an unfolding.

    Attributes
    ----------
    U : array, shape (n, q)
    energies : NumPy array, shape (q,)
        Squared singular values, descending.
    tails : NumPy array, shape (q + 1,)
        ``tails[r]`` is the sum of the energies from the r-th on.
    noise : float
        Size of the rounding errors of the energies.
    """

    U: Any
    energies: np.ndarray
    tails: np.ndarray
    noise: float


def by_gram(X, k):
    """`Spectrum` from the Gram matrix in the widest precision: singular values down to √eps of the largest."""
    if _is_short(X, k):
        return by_triangle(X, k)
    xp = be.namespace(X)
    found = of_gram(gram(X, k, be.widest_like(xp, X.dtype, be.device(X))))
    return replace(found, U=xp.astype(found.U, X.dtype, copy=False))


def by_triangle(X, k):
    """`Spectrum` from an orthogonal triangularisation: singular values down to eps of the largest."""
    return of_triangle(triangle(X, k))


def of_gram(G):
    """`Spectrum` of the matrix with the Gram matrix `G` of its rows."""
    w, V = be.small_eigh(G)
    energies = np.maximum(be.to_numpy(w).astype(float)[::-1], 0.0)
    return Spectrum(be.namespace(V).flip(V, axis=1), energies, _tails(energies), 4 * be.eps(G.dtype) * energies[0])


def of_triangle(R):
    """`Spectrum` of ``Rᵀ Qᵀ`` with orthonormal `Q`."""
    U, s, _ = be.small_svd(R.mT)
    energies = be.to_numpy(s).astype(float) ** 2
    return Spectrum(U, energies, _tails(energies), (_ROUNDING * be.eps(R.dtype)) ** 2 * energies[0])


def _tails(energies):
    return np.append(np.cumsum(energies[::-1])[::-1], 0.0)


def leading(X, k, rank, *, precise=True):
    """The `rank` leading left singular vectors of ``X_(k)``, columns that the unfolding lacks filled up.

    Unless `precise`, those of a Gram matrix in the precision of `X` will do.
    """
    if not precise and not _is_short(X, k):
        _, V = be.top_eigh(gram(X, k), rank)
        return be.namespace(V).flip(V, axis=1)
    found = by_gram(X, k)
    if not _is_short(X, k) and not _is_precise(found, rank, X) and not _is_all(found, X, k):
        found = by_triangle(X, k)
    return filled(found.U, rank)


def _is_short(X, k):
    """Whether there are fewer fibres than entries in each, so that the Gram matrix is larger than the unfolding."""
    return X.shape[k] ** 2 > math.prod(X.shape)


def _is_precise(found, rank, X):
    """Whether what the rounding of the Gram matrix costs is small beside what the rank leaves out, or beside eps."""
    smallest = float(found.energies[rank - 1])
    if found.energies[0] == 0.0:
        return True
    if smallest <= found.noise:
        return False
    loss = found.noise / math.sqrt(smallest)
    rounding = _ROUNDING * be.eps(X.dtype) * math.sqrt(found.tails[0])
    return loss <= max(_SAFE_LOSS * math.sqrt(found.tails[rank]), rounding)


def _is_all(found, X, k):
    """Whether the directions that a Gram matrix tells from rounding hold the tensor to its precision."""
    rank = int(np.sum(found.energies > max(_RESOLVED * found.energies[0], found.noise)))
    U = found.U[:, :rank]
    factors = [U if j == k else None for j in range(X.ndim)]
    missed = left_out(X, contract(X, k, U), factors)
    return missed <= _ROUNDING * be.eps(X.dtype) * math.sqrt(found.tails[0])


def filled(U, rank):
    """The first `rank` columns of `U`, orthonormal ones added where it has fewer."""
    missing = rank - U.shape[1]
    if missing <= 0:
        return U[:, :rank]
    xp = be.namespace(U)
    unit = xp.eye(U.shape[0], dtype=U.dtype, device=be.device(U))
    room = xp.sum(xp.real(xp.conj(U) * U) if be.is_complex(U.dtype) else U * U, axis=1)
    chosen = be.order_of(room)[:missing]
    more = xp.take(unit, chosen, axis=1)
    for _ in range(2):
        more = more - be.matmul(U, be.adjoint_matmul(U, more))
        more = be.householder_qr(more)[0]
    return xp.concat([U, more], axis=1)
