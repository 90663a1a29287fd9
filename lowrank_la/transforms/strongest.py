"""A matrix in a fixed basis, kept where it has most of its energy."""

from dataclasses import dataclass
from typing import Any

from .. import _backend as be
from ..results import Info, Result
from .dct import dct
from .fwht import fwht

_BASES = ("dct", "hadamard")


@dataclass(frozen=True, eq=False, repr=False)
class StrongestColumnsResult(Result):
    """``indices, coefficients`` with ``A ≈ coefficients @ C[:, indices]ᵀ`` for the orthonormal basis C.

    Attributes
    ----------
    indices : int64 array, shape (k,)
        Columns of the orthonormal basis, the strongest first.
    coefficients : array, shape (m, k)
        ``A @ C[:, indices]``.
    basis : str
    length : int
    """

    indices: Any
    coefficients: Any
    basis: str
    length: int
    info: Info

    _unpack = ("indices", "coefficients")

    def full(self):
        """The approximation of `A`, shape (m, n)."""
        xp = be.namespace(self.coefficients)
        m, k = self.coefficients.shape
        places = be.to_numpy(self.indices)
        spread = xp.zeros((self.length, m), dtype=self.coefficients.dtype, device=be.device(self.coefficients))
        rows = be.index_array(places, self.length, xp, be.device(spread))
        spread = be.segment_sum(self.coefficients.mT, rows, self.length) if k else spread
        return dct(spread, 0, kind=3).mT if self.basis == "dct" else fwht(spread, 0, norm="ortho", transpose=True).mT


@be.supports(sparse=False, operators=False)
def strongest_columns(A, rank, *, basis="dct"):
    """The columns of ``A C`` with the most energy, for a fixed orthonormal basis C: low rank without an SVD.

    Parameters
    ----------
    A : array, shape (m, n)
    rank : int
        How many columns to keep, at most n.
    basis : {"dct", "hadamard"}
        "hadamard" is ``C = hadamard(n).T / √n``, whose columns are the rows of the matrix; for a length n that has one,
        see `fwht`.

    Returns
    -------
    StrongestColumnsResult
        ``info.error`` is the relative Frobenius error, from the energy of the columns that were left out: exact, since
        the basis is orthonormal, down to rounding.

    Notes
    -----
    m n log n operations and one copy of `A`. Only `rank` indices and the coefficients have to be kept.

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> smooth = np.cos(np.pi * 3 * (2 * np.arange(32) + 1) / 64)[None, :] * np.ones((5, 1))
    >>> indices, coefficients = lr.strongest_columns(smooth, 1)
    >>> indices.tolist(), coefficients.shape
    ([3], (5, 1))
    """
    A = be.dense_array(A, "A")
    be.check_option("basis", basis, _BASES)
    be.require_untracked(A, "strongest_columns")
    if A.ndim != 2:
        raise ValueError(f"A must have two axes, got {A.ndim}")
    rank = be.check_count("rank", rank, 1, A.shape[1])
    be.require_finite(A, "A")
    if A.shape[0] == 0:
        raise ValueError("A has no rows")
    xp = be.namespace(A)
    wide = xp.astype(A, be.compute_dtype(xp, A.dtype, be.device(A)))
    T = dct(wide) if basis == "dct" else fwht(wide, norm="ortho")
    size = xp.abs(T)
    largest = xp.max(size)
    energy = xp.sum((size / xp.where(largest > 0, largest, xp.ones_like(largest))) ** 2, axis=0)
    order = be.order_of(energy, descending=True)
    kept = order[:rank]
    total = float(xp.sum(energy))
    left = float(xp.sum(xp.take(energy, order[rank:], axis=0))) if rank < A.shape[1] else 0.0
    error = (left / total) ** 0.5 if total > 0.0 else 0.0
    info = Info(error=error, error_kind="exact", converged=True, reason="columns kept by energy", method=basis)
    coefficients = xp.take(T, kept, axis=1)
    coefficients = xp.astype(coefficients, A.dtype) if be.is_half(A.dtype) else coefficients
    return StrongestColumnsResult(kept, coefficients, basis, A.shape[1], info=info)
