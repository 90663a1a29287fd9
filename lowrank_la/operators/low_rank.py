"""Matrices given by their factors."""

from .. import _backend as be
from .base import Cost, LinearOperator, is_scalar, require_one_home


class LowRank(LinearOperator):
    """The matrix ``U diag(s) Vh``, kept factored.

    Sums of two `LowRank` matrices, products with any operator, multiples and the adjoint are `LowRank` again.

    Parameters
    ----------
    U : array, shape (m, k)
    s : array, shape (k,), or None
        Real numbers of any sign; None stands for ones.
    Vh : array, shape (k, n)
        In the namespace and on the device of `U`. Half precision is promoted to float32.

    Raises
    ------
    ValueError
        If the shapes don't fit.
    TypeError
        If the factors live in different namespaces or on different devices, or `s` is complex.

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = lr.LowRank(np.ones((4, 1)), None, np.ones((1, 3)))
    >>> (A + A).todense()[0]
    array([2., 2., 2.])
    """

    adjoint_by_construction = True

    def __init__(self, U, s, Vh):
        require_one_home("LowRank", *(factor for factor in (U, s, Vh) if factor is not None))
        if U.ndim != 2 or Vh.ndim != 2 or U.shape[1] != Vh.shape[0] or (s is not None and s.shape != (U.shape[1],)):
            raise ValueError(f"U (m, k), s (k,) and Vh (k, n) must fit, got shapes {_shapes(U, s, Vh)}")
        xp, device = be.namespace(U), be.device(U)
        source = xp.result_type(U.dtype, Vh.dtype)
        dtype = be.compute_dtype(xp, source, device)
        super().__init__((U.shape[0], Vh.shape[1]), dtype, xp, device, source)
        self.U, self.Vh = xp.astype(U, dtype, copy=False), xp.astype(Vh, dtype, copy=False)
        self.s = None if s is None else _real_vector(self, s)

    @property
    def rank(self):
        """Number of terms."""
        return self.U.shape[1]

    def _matmat(self, X):
        return be.matmul(self.U, self._scale(be.matmul(self.Vh, X)))

    def _rmatmat(self, Y):
        return be.adjoint_matmul(self.Vh, self._scale(be.adjoint_matmul(self.U, Y)))

    def _scale(self, X):
        return X if self.s is None else self.s[:, None] * X

    def _left(self):
        """``U diag(s)``."""
        return self.U if self.s is None else self.U * self.s[None, :]

    def todense(self):
        """The matrix as an array (m, n)."""
        return be.matmul(self._left(), self.Vh)

    def fro_norm(self):
        """Frobenius norm, a float; accurate also where the terms nearly cancel.

        The norm of the k×k core between orthonormal factors of `U` and `V`: its error is a few units of roundoff of
        the largest term, where expanding the square would lose half the digits.
        """
        if self.rank == 0:
            return 0.0
        left, right = be.householder_qr(self.U)[1], be.householder_qr(be.mH(self.Vh))[1]
        return be.fro_norm(be.matmul(left, self._scale(be.mH(right))))

    def diag(self):
        """The diagonal, shape (min(m, n),)."""
        k = min(self.shape)
        return self.xp.sum(self._left()[:k, :] * self.Vh[:, :k].mT, axis=1)

    def take_rows(self, indices):
        """The rows `indices`."""
        rows = be.index_array(indices, self.shape[0], self.xp, self.device)
        return be.matmul(self.xp.take(self._left(), rows, axis=0), self.Vh)

    def take_cols(self, indices):
        """The columns `indices`."""
        cols = be.index_array(indices, self.shape[1], self.xp, self.device)
        return be.matmul(self._left(), self.xp.take(self.Vh, cols, axis=1))

    @property
    def H(self):
        """The adjoint, factored."""
        return LowRank(be.mH(self.Vh), self.s, be.mH(self.U))

    @property
    def cost(self):
        """`Cost` of one product."""
        numbers = float(sum(self.shape) * self.rank)
        return Cost(flops=2.0 * numbers, bytes=numbers * be.itemsize(self.dtype), dense=False)

    def __add__(self, other):
        if not isinstance(other, LowRank):
            return super().__add__(other)
        require_one_home("a sum", self, other)
        if self.shape != other.shape:
            raise ValueError(f"a sum needs operators of one shape, got {self.shape} and {other.shape}")
        dtype = self.xp.result_type(self.dtype, other.dtype)
        pair = [self._cast(dtype), other._cast(dtype)]
        s = None if self.s is None and other.s is None else self.xp.concat([term._weights() for term in pair])
        return LowRank(
            self.xp.concat([term.U for term in pair], axis=1), s, self.xp.concat([term.Vh for term in pair], axis=0)
        )

    def __mul__(self, alpha):
        if not is_scalar(alpha):
            return NotImplemented
        alpha = complex(alpha)
        if alpha.imag == 0.0:
            return LowRank(self.U, alpha.real * self._weights(), self.Vh)
        return LowRank(alpha * self.xp.astype(self.U, be.complex_dtype(self.xp, self.dtype)), self.s, self.Vh)

    __rmul__ = __mul__

    def __matmul__(self, other):
        if isinstance(other, LowRank):
            return self._times(other)
        if isinstance(other, LinearOperator):
            require_one_home("a product", self, other)
            if self.shape[1] != other.shape[0]:
                raise ValueError(f"a product needs inner sizes that agree, got shapes {self.shape} and {other.shape}")
            return LowRank(self.U, self.s, be.mH(other.rmatmat(be.mH(self.Vh))))
        return super().__matmul__(other)

    def _times(self, other):
        require_one_home("a product", self, other)
        if self.shape[1] != other.shape[0]:
            raise ValueError(f"a product needs inner sizes that agree, got shapes {self.shape} and {other.shape}")
        core = self._scale(be.matmul(self.Vh, other._left()))
        if self.rank <= other.rank:
            return LowRank(self.U, None, be.matmul(core, other.Vh))
        return LowRank(be.matmul(self.U, core), None, other.Vh)

    def _weights(self):
        if self.s is not None:
            return self.s
        return self.xp.ones(self.rank, dtype=be.real_dtype(self.xp, self.dtype), device=self.device)

    def _cast(self, dtype):
        return self if self.dtype == dtype else LowRank(self.xp.astype(self.U, dtype), self.s, self.Vh)


def _real_vector(op, s):
    if be.is_complex(s.dtype):
        raise TypeError("s must be real; put phases into U or Vh")
    return op.xp.astype(s, be.real_dtype(op.xp, op.dtype), copy=False)


def _shapes(*factors):
    return ", ".join("None" if factor is None else str(tuple(factor.shape)) for factor in factors)
