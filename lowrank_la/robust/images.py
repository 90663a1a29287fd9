"""What the adjoint of a measurement gives: a matrix of the shape of the unknown one, kept as it comes."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .. import _backend as be
from ..factor.svd import svd
from ..operators import operator

_DENSE = 1 << 18  # numbers up to which an image is formed for its singular vectors
_PROBES = 8


@dataclass(frozen=True, eq=False)
class DenseImage:
    """A matrix in memory."""

    matrix: Any

    @cached_property
    def norm(self):
        """Frobenius norm, a float."""
        return be.fro_norm(self.matrix)

    def times(self, V):
        """``Z V``."""
        return be.matmul(self.matrix, V)

    def adjoint_times(self, U):
        """``Zᵀ U``."""
        return be.adjoint_matmul(self.matrix, U)

    def symmetrized(self):
        """``(Z + Zᵀ) / 2``."""
        return DenseImage((self.matrix + self.matrix.mT) / 2)

    def leading(self, rank, symmetric, key):
        """The `rank` leading triplets ``L, s, R``; of a symmetric one the largest eigenvalues, signed, with R = L."""
        return leading_of(self.matrix, rank, symmetric, key)


@dataclass(frozen=True, eq=False)
class ProductImage:
    """A matrix known by its products, of which nothing of its size is formed.

    Attributes
    ----------
    times, adjoint_times : callable
        ``times(V) = Z V`` and ``adjoint_times(U) = Zᵀ U``.
    shape : tuple of int
    like : array
        Any array in the namespace, dtype and device of the products.
    norm_value : float, optional
        The Frobenius norm where it is known; else eight Gaussian columns estimate it within about a fifth.
    """

    times: Any
    adjoint_times: Any
    shape: tuple
    like: Any
    norm_value: float | None = None

    @cached_property
    def norm(self):
        """Frobenius norm or its estimate, a float."""
        if self.norm_value is not None:
            return self.norm_value
        xp, device = be.namespace(self.like), be.device(self.like)
        width = min(_PROBES, self.shape[1])
        probes = be.gaussian(
            be.resolve_rng(0), slice(0, self.shape[1]), slice(0, width), be.dtype_name(self.like.dtype), xp, device
        )  # fmt: skip
        return be.fro_norm(self.times(probes)) / width**0.5

    def symmetrized(self):
        """``(Z + Zᵀ) / 2``, its norm estimated."""

        def both(V):
            return (self.times(V) + self.adjoint_times(V)) / 2

        return ProductImage(both, both, self.shape, self.like)

    def leading(self, rank, symmetric, key):
        """As `DenseImage.leading`."""
        xp, device = be.namespace(self.like), be.device(self.like)
        if self.shape[0] * self.shape[1] <= _DENSE or 4 * rank > min(self.shape):
            eye = xp.eye(self.shape[1], dtype=self.like.dtype, device=device)
            return leading_of(self.times(eye), rank, symmetric, key)
        op = operator(self.times, self.adjoint_times, self.shape, self.like.dtype, device=device)
        return leading_of(op, rank, symmetric, key)


def leading_of(matrix, rank, symmetric, key):
    """``L, s, R`` of an array or operator."""
    if be.is_array(matrix) and symmetric:
        xp = be.namespace(matrix)
        w, V = be.top_eigh((matrix + matrix.mT) / 2, rank)
        w, V = xp.flip(w, axis=0), xp.flip(V, axis=1)
        return V, w, V
    if be.is_array(matrix) and (4 * rank > min(matrix.shape) or min(matrix.shape) <= 200):
        U, s, Vh = be.small_svd(matrix)
        return U[:, :rank], s[:rank], be.mH(Vh)[:, :rank]
    result = svd(matrix, rank, accuracy=1e-4, rng=key, on_failure="warn")
    U, s, V = result.U, result.s, be.mH(result.Vh)
    if symmetric:  # a negative eigenvalue has opposite vectors
        xp = be.namespace(U)
        s = s * xp.sign(xp.sum(U * V, axis=0))
        order = be.order_of(s, descending=True)
        U, s = xp.take(U, order, axis=1), xp.take(s, order)
        return U, s, U
    return U, s, V
