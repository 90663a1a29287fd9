"""A dense array as an operator."""

import math

from .. import _backend as be
from .base import Cost, LinearOperator

_PROVISIONAL_ROWS = 64


class DenseOperator(LinearOperator):
    """Products with an array that stays where it is; half precision and integers are promoted in a copy."""

    adjoint_by_construction = True

    def __init__(self, A):
        xp = be.namespace(A)
        device = be.device(A)
        dtype = be.compute_dtype(xp, A.dtype, device)
        self._array = A if A.dtype == dtype else xp.astype(A, dtype)
        super().__init__(A.shape, dtype, xp, device, source_dtype=A.dtype)

    def _matmat(self, X):
        return be.matmul(self._array, X)

    def _rmatmat(self, Y):
        return be.adjoint_matmul(self._array, Y)

    def _normal(self, X):
        return be.fused_normal(self._array, X)

    @property
    def array(self):
        """The array."""
        return self._array

    def fro_norm(self):
        """Frobenius norm, a float."""
        return be.fro_norm(self._array)

    def scaled(self, alpha):
        """``alpha * A`` in a copy: for matrices whose squares would overflow or vanish."""
        return DenseOperator(self._array * alpha)

    def diag(self):
        """The diagonal."""
        return self.xp.linalg.diagonal(self._array)

    def take_rows(self, indices):
        """The rows `indices`."""
        rows = be.index_array(indices, self.shape[0], self.xp, self.device)
        return self.xp.take(self._array, rows, axis=0)

    def take_cols(self, indices):
        """The columns `indices`."""
        cols = be.index_array(indices, self.shape[1], self.xp, self.device)
        return self.xp.take(self._array, cols, axis=1)

    def gram(self, single=False):
        """``AᴴA``, exactly Hermitian; with `single`, of panels rounded to single precision, added up in double."""
        return be.gram_in_single(self._array) if single else be.gram(self._array)

    def outer_gram(self, single=False):
        """``A Aᴴ``, the Gram matrix of the adjoint."""
        rows = self._array.mT
        return self._conj(be.gram_in_single(rows) if single else be.gram(rows))

    def centred_gram(self, mean, single=False):
        """``BᴴB`` for ``B = A - 1 meanᵀ``."""
        return (be.gram_in_single if single else be.gram)(self._array, mean[None, :])

    def centred_outer_gram(self, mean, single=False):
        """``B Bᴴ`` for ``B = A - 1 meanᵀ``."""
        return self._conj((be.gram_in_single if single else be.gram)(self._array.mT, mean[:, None]))

    def column_means(self):
        """Column means, shape (n,), from one read.

        Sums run over the differences to a provisional mean of the first rows, in the widest dtype of the device, so
        that a mean far above the spread of the data costs no digits.
        """
        xp, A = self.xp, self._array
        wide = be.widest_like(xp, self.dtype, self.device)
        first = xp.mean(A[: min(_PROVISIONAL_ROWS, A.shape[0]), :], axis=0)
        sums = be.map_row_panels(lambda panel: xp.sum(panel - first[None, :], axis=0, dtype=wide), A)
        total = sums[0]
        for part in sums[1:]:
            total = total + part
        return xp.astype(xp.astype(first, wide) + total / A.shape[0], self.dtype)

    def centred_normal(self, X, mean):
        """``Bᴴ (B X)`` for ``B = A - 1 meanᵀ``."""
        return be.fused_normal(self._array, X, mean)

    def centred_fro_norm(self, mean):
        """Frobenius norm of ``A - 1 meanᵀ``, by panels: no centred copy is formed."""
        return math.hypot(*be.map_row_panels(lambda panel: be.fro_norm(panel - mean[None, :]), self._array))

    @property
    def cost(self):
        """`Cost` of one product."""
        numbers = float(self.shape[0] * self.shape[1])
        return Cost(flops=2.0 * numbers, bytes=numbers * be.itemsize(self.dtype), dense=True)
