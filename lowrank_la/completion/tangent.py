"""Matrices tangent to those of one rank, as the observed entries see them."""

from dataclasses import dataclass
from typing import Any

from .. import _backend as be
from ..factor.tall_qr import orthonormalize


@dataclass(frozen=True, eq=False)
class Tangent:
    """The matrices ``U G₁ Vᴴ + U G₂ᴴ + G₃ Vᴴ`` with ``VᴴG₂ = 0`` and ``UᴴG₃ = 0``.

    `U` (m, R) and `V` (n, R) are orthonormal. The coordinates G₁ (R, R), G₂ (n, R) and G₃ (m, R) stand on top of each
    other in one array (R + n + m, R), whose Frobenius norm is that of the matrix.
    """

    observed: Any
    U: Any
    V: Any

    def split(self, g):
        """G₁, G₂ and G₃."""
        R, n = self.V.shape[1], self.V.shape[0]
        return g[:R, :], g[R : R + n, :], g[R + n :, :]

    def joined(self, core, right, left):
        """Coordinates from G₁ and from (n, R) and (m, R) blocks, what lies along `V` and `U` taken out of them."""
        return be.namespace(core).concat([core, self._beyond(self.V, right), self._beyond(self.U, left)], axis=0)

    def diagonal(self, s):
        """Coordinates of ``U diag(s) Vᴴ``."""
        xp, R = be.namespace(self.U), self.U.shape[1]
        below = xp.zeros((sum(self.observed.shape), R), dtype=self.U.dtype, device=be.device(self.U))
        core = xp.astype(s[:, None] * xp.eye(R, dtype=s.dtype, device=be.device(s)), self.U.dtype)
        return xp.concat([core, below], axis=0)

    def factors(self, g):
        """Factors of width 2R of the matrix with these coordinates."""
        core, right, left = self.split(g)
        xp = be.namespace(g)
        return xp.concat([be.matmul(self.U, core) + left, self.U], axis=1), xp.concat([self.V, right], axis=1)

    def entries(self, g):
        """Its observed entries, shape (N,)."""
        return self.observed.dots(*self.factors(g))

    def adjoint(self, z):
        """The adjoint of `entries`: coordinates of the projection of the sparse matrix with the values `z`."""
        return self.coordinates(self.observed.times(z, self.V), self.observed.adjoint_times(z, self.U))

    def coordinates(self, XV, XhU):
        """Coordinates of the projection of the matrix with the products ``X V`` and ``Xᴴ U``."""
        return self.joined(be.adjoint_matmul(self.U, XV), XhU, XV)

    @staticmethod
    def _beyond(Q, Y):
        return Y - be.matmul(Q, be.adjoint_matmul(Q, Y))


def real_inner(xp, a, b):
    """``Re ⟨a, b⟩`` of two arrays of one shape, a float."""
    product = xp.vecdot(xp.reshape(a, (-1,)), xp.reshape(b, (-1,)))
    return float(xp.real(product) if be.is_complex(product.dtype) else product)


def truncated(left, right, rank):
    """Singular triplets ``U, s, V`` (s in the dtype of the factors) of ``left rightᴴ``, the leading ones."""
    (Q, A), (W, B) = orthonormalize(left), orthonormalize(right)
    u, s, vh = be.small_svd(be.matmul(A, be.mH(B)))
    s = be.namespace(left).astype(s[:rank], left.dtype)
    return be.matmul(Q, u[:, :rank]), s, be.matmul(W, be.mH(vh[:rank, :]))
