"""A diagonal matrix as an operator."""

from .. import _backend as be
from .base import Cost, LinearOperator


class DiagonalOperator(LinearOperator):
    """``diag(d)`` for a vector `d` of n entries, shape (n, n)."""

    adjoint_by_construction = True

    def __init__(self, d):
        if not be.is_array(d) or d.ndim != 1:
            raise ValueError(f"a diagonal operator needs a one-dimensional array, got {_described(d)}")
        xp, device = be.namespace(d), be.device(d)
        dtype = be.compute_dtype(xp, d.dtype, device)
        super().__init__((d.shape[0], d.shape[0]), dtype, xp, device, source_dtype=d.dtype)
        self._d = xp.astype(d, dtype, copy=False)

    def _matmat(self, X):
        return self._d[:, None] * X

    def _rmatmat(self, Y):
        return self._conj(self._d)[:, None] * Y

    @property
    def H(self):
        """The adjoint, diagonal as well."""
        return DiagonalOperator(self.xp.conj(self._d)) if be.is_complex(self.dtype) else self

    def fro_norm(self):
        """Frobenius norm, a float."""
        return be.fro_norm(self._d)

    def diag(self):
        """The diagonal."""
        return self._d

    def take_rows(self, indices):
        """The rows `indices`."""
        indices = be.index_array(indices, self.shape[0], self.xp, self.device)
        chosen = indices[:, None] == self.xp.arange(self.shape[0], dtype=indices.dtype, device=self.device)[None, :]
        return self.xp.astype(chosen, self.dtype) * self._d[None, :]

    def take_cols(self, indices):
        """The columns `indices`."""
        return self.take_rows(indices).mT

    @property
    def cost(self):
        """`Cost` of one product."""
        n = self.shape[0]
        return Cost(flops=float(n), bytes=float(n * be.itemsize(self.dtype)), dense=False)


def _described(d):
    return f"shape {tuple(d.shape)}" if hasattr(d, "shape") else type(d).__name__
