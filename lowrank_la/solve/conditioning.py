"""Numerical rank and condition of a triangular factor, its columns brought to norm one."""

from dataclasses import dataclass

import numpy as np

from .. import _backend as be
from .columns import as_row, column_norms, on_host

CUTOFF = 16.0
"""Singular values below so many units of eps, relative to the largest, count as zero."""


_SMALL = 512
_CLEAR = 1e-3
_STEPS = 8


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
    if R.shape[0] > _SMALL:
        condition = _estimated(R)
        if condition < _CLEAR / (CUTOFF * be.eps(R.dtype)):
            return Conditioning(R.shape[1], condition, R.shape[1], ())
    U, s, Vh = be.small_svd(R)
    host = on_host(s)
    rank = max(1, int(np.sum(host > CUTOFF * be.eps(R.dtype) * host[0])))
    return Conditioning(rank, float(host[0] / host[rank - 1]), R.shape[1], (scales, U, s, Vh))


def _estimated(R):
    """Condition of triangular `R` by power iteration on ``RᴴR`` and its inverse; inf where that breaks down."""
    if float(be.namespace(R).min(be.namespace(R).abs(be.namespace(R).linalg.diagonal(R)))) == 0.0:
        return float("inf")
    largest = _iterated(R, lambda x: be.adjoint_matmul(R, be.matmul(R, x)))
    least = _iterated(R, lambda x: be.solve_upper(R, be.mH(be.right_solve_upper(be.mH(x), R))))
    condition = (largest * least) ** 0.5
    return condition if np.isfinite(condition) else float("inf")


def _iterated(R, product):
    """Norm of what `product` makes of a vector, after some steps."""
    name, size = be.dtype_name(R.dtype), 1.0
    x = be.gaussian(be.resolve_rng(0), slice(0, R.shape[0]), slice(0, 1), name, be.namespace(R), be.device(R))
    for _ in range(_STEPS):
        x = product(x / be.fro_norm(x))
        size = be.fro_norm(x)
        if not np.isfinite(size) or size == 0.0:
            return float("inf")
    return size
