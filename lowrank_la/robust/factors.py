"""Singular vectors of a product of two factors."""

from .. import _backend as be
from ..factor.tall_qr import orthonormalize


def product_svd(left, right):
    """``U, s, V`` with orthonormal columns and ``left rightᴴ = U diag(s) Vᴴ``."""
    (Q, R), (P, T) = orthonormalize(left), orthonormalize(right)
    a, s, bh = be.small_svd(be.matmul(R, be.mH(T)))
    return be.matmul(Q, a), s, be.matmul(P, be.mH(bh))
