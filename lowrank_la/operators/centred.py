"""A matrix with its column means taken off, never formed."""

from .. import _backend as be
from .base import Cost, LinearOperator, densify, require_one_home
from .narrowed import NarrowedOperator


def column_means(A):
    """Column means of an operator, shape (n,).

    From the entries where the operator has them, else one product of the adjoint with a column of ones, in the
    widest dtype that the operator can take.
    """
    if A.shape[0] == 0:
        raise ValueError("a matrix without rows has no column means")
    if hasattr(A, "column_means"):
        return A.column_means()
    xp = A.xp
    ones = xp.ones((A.shape[0], 1), dtype=be.widest_real(xp, A.device), device=A.device)
    sums = A.rmatmat(ones)[:, 0] / A.shape[0]
    return xp.astype(xp.conj(sums) if be.is_complex(sums.dtype) else sums, A.dtype)


class CentredOperator(LinearOperator):
    """``A - 1 meanᵀ``: the row `mean` is taken off every row of `A`, without a conjugate also for complex data.

    Parameters
    ----------
    inner : LinearOperator
        `A`, shape (m, n). Sparse stays sparse, and a dense array is not copied.
    mean : array, shape (n,), optional
        The column means of `A` when not given. A complex `mean` makes the operator complex.

    Notes
    -----
    `normal` takes ``meanᵀ X`` off the rows of ``A X`` before the adjoint is applied: correcting ``Aᴴ A X`` afterwards
    would lose as many digits as the square of the mean is larger than the variance.
    """

    def __init__(self, inner, mean=None):
        mean = column_means(inner) if mean is None else mean
        require_one_home("centring", inner, mean)
        if tuple(mean.shape) != (inner.shape[1],):
            raise ValueError(f"mean must have shape {(inner.shape[1],)}, got {tuple(mean.shape)}")
        xp, dtype = inner.xp, inner.dtype
        if be.is_complex(mean.dtype):
            dtype = be.complex_dtype(xp, dtype)
        super().__init__(inner.shape, dtype, xp, inner.device, inner.source_dtype)
        self.normal_reads = inner.normal_reads
        self.inner, self.mean = inner, xp.astype(mean, dtype, copy=False)

    def _matmat(self, X):
        product, shift = self.inner.matmat(X), be.matmul(self.mean[None, :], X)
        if not self.inner.adjoint_by_construction or product.dtype != shift.dtype:
            return product - shift
        product -= shift  # an array of our own making: somebody else's code may hand out one that it keeps
        return product

    def _rmatmat(self, Y):
        return self.inner.rmatmat(Y) - self._conj(self.mean)[:, None] * be.column_sums(Y)[None, :]

    def _normal(self, X):
        if hasattr(self.inner, "centred_normal") and X.dtype == self.inner.dtype:
            return self.inner.centred_normal(X, self.mean)
        return super()._normal(X)

    @property
    def parts(self):
        """The operator that is centred."""
        return (self.inner,)

    def narrowed(self):
        """The fused product in single precision, where the inner operator has it."""
        if self.dtype != self.inner.dtype or self.inner.narrowed() is None:
            return None
        return NarrowedOperator(self, lambda X: self.inner.centred_normal(X, self.mean))

    def fro_norm(self):
        """Frobenius norm, a float; from the entries, so that a large mean costs no digits."""
        return self._entries("fro_norm").centred_fro_norm(self.mean)

    def diag(self):
        """The diagonal."""
        return self.inner.diag() - self.mean[: min(self.shape)]

    def take_rows(self, indices):
        """The rows `indices`, dense."""
        return densify(self.inner.take_rows(indices)) - self.mean[None, :]

    def take_cols(self, indices):
        """The columns `indices`, dense."""
        chosen = be.index_array(indices, self.shape[1], self.xp, self.device)
        return densify(self.inner.take_cols(indices)) - self.xp.take(self.mean, chosen)[None, :]

    def gram(self, single=False):
        """``BᴴB`` of the centred matrix `B`, by centred panels: the square of the mean costs no digits."""
        return self._entries("gram").centred_gram(self.mean, single)

    def outer_gram(self, single=False):
        """``B Bᴴ`` of the centred matrix `B`."""
        return self._entries("outer_gram").centred_outer_gram(self.mean, single)

    def _entries(self, capability):
        if not self.has(capability):
            raise self._missing(capability)
        return self.inner

    @property
    def cost(self):
        """`Cost` of one product."""
        inner, numbers = self.inner.cost, float(sum(self.shape))
        return Cost(inner.flops + 2.0 * numbers, inner.bytes + numbers * be.itemsize(self.dtype), inner.dense)

    def has(self, capability):
        """Whether the centred operator offers `capability`; its norm and Gram matrices need the entries of `A`."""
        if capability == "fro_norm":
            return hasattr(self.inner, "centred_fro_norm")
        if capability in ("gram", "outer_gram"):
            return self.dtype == self.inner.dtype and hasattr(self.inner, f"centred_{capability}")
        return super().has(capability) and self.inner.has(capability)
