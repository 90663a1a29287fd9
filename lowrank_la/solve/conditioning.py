"""Numerical rank and condition of a triangular factor, its columns brought to norm one."""

from dataclasses import dataclass

import numpy as np

from .. import _backend as be
from ..factor.triangular import SMALL, estimated_condition
from .columns import as_row, column_norms, on_host

CUTOFF = 32.0
"""Singular values below so many units of eps, relative to the largest, count as zero."""


_CLEAR = 1e-3


@dataclass(frozen=True)
class Conditioning:
    """What is known of ``R D⁻¹``, D the norms of the columns.

    Attributes
    ----------
    rank : int
    condition : float
        Of the leading `rank` singular values.
    """

    rank: int
    condition: float
    columns: int
    _parts: tuple

    @property
    def full(self):
        """Whether no singular value counts as zero."""
        return self.rank == self.columns

    def leading(self, C):
        """``Uᴴ C`` with the left singular vectors that count, which is ``(R P)ᴴ C`` for the P of `basis`."""
        return be.adjoint_matmul(self._parts[1][:, : self.rank], C)

    def basis(self):
        """P (n, r) with ``R P`` orthonormal and orthogonal to the null space of `R`, and a basis of that."""
        scales, _, s, Vh = self._parts
        V = be.mH(Vh) / scales.mT
        P = V[:, : self.rank] / be.namespace(V).astype(s[: self.rank], V.dtype)[None, :]
        null = be.householder_qr(V[:, self.rank :])[0]
        return P - null @ be.adjoint_matmul(null, P), null


def conditioning(R):
    """`Conditioning` of upper triangular `R`."""
    norms = column_norms(R)
    norms = np.where(norms > 0, norms, 1.0)
    scales = as_row(norms, R)
    R = R / scales
    if R.shape[0] > SMALL:
        condition = estimated_condition(R)
        if condition < _CLEAR / (CUTOFF * be.eps(R.dtype)):
            return Conditioning(R.shape[1], condition, R.shape[1], ())
    U, s, Vh = be.small_svd(R)
    host = on_host(s)
    rank = max(1, int(np.sum(host > CUTOFF * be.eps(R.dtype) * host[0])))
    return Conditioning(rank, float(host[0] / host[rank - 1]), R.shape[1], (scales, U, s, Vh))
