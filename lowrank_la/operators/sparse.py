"""A sparse matrix as an operator."""

import math

from .. import _backend as be
from .base import Cost, LinearOperator
from .narrowed import NarrowedOperator

_NARROW_COLUMNS = 16


class SparseOperator(LinearOperator):
    """Products with a sparse matrix of SciPy, cupyx or torch, which stays where it is.

    It is read by rows; CSC input is read as its transpose by rows. Other layouts are converted once, duplicates are
    added up and narrow types promoted in a copy.

    Notes
    -----
    `normal` of a matrix with more rows than columns reads it once and stores no product ``A X``. For that it has to lie
    by rows: CSC input, and the adjoint of a wide CSR matrix, are copied to that layout by the first large `normal`.
    """

    adjoint_by_construction = True

    def __init__(self, A):
        csr, transposed = be.to_csr(A)
        self._bind(csr, transposed, transposed and be.is_complex(csr.dtype), A.dtype)

    @classmethod
    def of_csr(cls, csr):
        """On the arrays of a canonical `_backend.CSR`, which are not looked at."""
        return cls._view(csr, False, False, csr.dtype)

    @classmethod
    def _view(cls, csr, transposed, mirrored, source_dtype):
        operator = cls.__new__(cls)
        operator._bind(csr, transposed, mirrored, source_dtype)
        return operator

    def _bind(self, csr, transposed, mirrored, source_dtype):
        """Be the matrix of `csr` (its adjoint when `transposed`), conjugated when `mirrored`."""
        shape = csr.shape[::-1] if transposed else csr.shape
        super().__init__(shape, csr.dtype, csr.xp, csr.device, source_dtype)
        self._csr, self._transposed, self._mirrored = csr, transposed, mirrored

    def scaled(self, alpha):
        """``alpha * A`` in a copy: for matrices whose squares would overflow or vanish."""
        scaled = be.to_csr(self._csr.native * alpha)[0]
        return self._view(scaled, self._transposed, self._mirrored, self.source_dtype)

    @property
    def H(self):
        """The adjoint, on the same arrays."""
        return self._view(self._csr, not self._transposed, self._mirrored, self.source_dtype)

    def _matmat(self, X):
        product = be.csr_rmatmat if self._transposed else be.csr_matmat
        return self._mirror(product(self._csr, self._mirror(X)))

    def _rmatmat(self, Y):
        product = be.csr_matmat if self._transposed else be.csr_rmatmat
        return self._mirror(product(self._csr, self._mirror(Y)))

    normal_reads = 1

    def _normal(self, X):
        by_rows = self._by_rows(X.shape[1])
        if by_rows is None:
            return super()._normal(X)
        return self._mirror(be.csr_normal(by_rows, self._mirror(X))[0])

    def narrowed(self):
        """The fused product in single precision, where a compiled kernel takes it."""
        pays = be.is_double(self.dtype) and be.kernel_pays(self._csr, _NARROW_COLUMNS)
        return NarrowedOperator(self, self._normal) if pays else None

    def centred_normal(self, X, mean):
        """``(A - 1 meanᵀ)ᴴ (A - 1 meanᵀ) X``; nothing dense of the shape of `A` is formed."""
        with be.single_blas():  # threads that BLAS wakes for a small product go on spinning beside the kernel
            shift = (mean[None, :] @ X)[0, :]
        by_rows = self._by_rows(X.shape[1])
        if by_rows is None:
            T = self._matmat(X) - shift
            Z, sums = self._rmatmat(T), self.xp.sum(T, axis=0)
        else:
            Z, sums = be.csr_normal(by_rows, self._mirror(X), self._mirror(shift))
            Z, sums = self._mirror(Z), self._mirror(sums)
        Z -= self._mirrored_always(mean)[:, None] * sums[None, :]
        return Z

    def _by_rows(self, columns):
        """The matrix by rows for a fused product (up to the conjugate), None where two products are better."""
        if self.shape[0] < self.shape[1] or not be.kernel_pays(self._csr, columns):
            return None
        return self._csr.adjoint if self._transposed else self._csr

    def _mirror(self, X):
        return self.xp.conj(X) if self._mirrored else X

    def _mirrored_always(self, x):
        return self.xp.conj(x) if be.is_complex(x.dtype) else x

    @property
    def nnz(self):
        """Number of stored entries."""
        return self._csr.nnz

    def fro_norm(self):
        """Frobenius norm, a float."""
        return be.fro_norm(self._csr.values) if self.nnz else 0.0

    def largest(self):
        """Largest modulus of an entry, a float (NaN when an entry is)."""
        return float(self.xp.max(self.xp.abs(self._csr.values))) if self.nnz else 0.0

    def _column_ids(self):
        return self._csr.row_ids if self._transposed else self._csr.indices

    def column_means(self):
        """Column means, shape (n,), accumulated in the widest dtype of the device."""
        wide = be.widest_like(self.xp, self.dtype, self.device)
        values = self.xp.astype(self._values(), wide, copy=False)
        sums = be.segment_sum(values, self._column_ids(), self.shape[1], self.xp)
        return self.xp.astype(sums / self.shape[0], self.dtype)

    def centred_fro_norm(self, mean):
        """Frobenius norm of ``A - 1 meanᵀ``, from the entries: a large mean costs no digits."""
        columns = self._column_ids()
        inside = be.fro_norm(self._values() - self.xp.take(mean, columns)) if self.nnz else 0.0
        ones = self.xp.ones(self.nnz, dtype=be.real_dtype(self.xp, self.dtype), device=self.device)
        empty = self.shape[0] - be.segment_sum(ones, columns, self.shape[1], self.xp)
        return math.hypot(inside, be.fro_norm(mean * empty**0.5))

    def _values(self):
        """Nonzeros of the operator: the stored ones are conjugates where it is an adjoint or mirrored, not both."""
        values = self._csr.values
        return self._mirrored_always(values) if self._transposed != self._mirrored else values

    def diag(self):
        """The diagonal, shape (min(m, n),)."""
        csr, size = self._csr, min(self.shape)
        on_diagonal = csr.row_ids == csr.indices
        places = csr.indices[on_diagonal]
        return be.segment_sum(self._values()[on_diagonal], places, size, self.xp)

    def take_rows(self, indices):
        """The rows `indices`, sparse."""
        chosen = be.index_array(indices, self.shape[0], self.xp, self.device)
        return self._oriented(be.sparse_take(self._csr, chosen, axis=1 if self._transposed else 0))

    def take_cols(self, indices):
        """The columns `indices`, sparse."""
        chosen = be.index_array(indices, self.shape[1], self.xp, self.device)
        return self._oriented(be.sparse_take(self._csr, chosen, axis=0 if self._transposed else 1))

    def _oriented(self, taken):
        taken = taken.T if self._transposed else taken
        return taken.conj() if be.is_complex(self.dtype) and self._transposed != self._mirrored else taken

    def combine_rows(self, places, signs, d):
        """Each row added, times its signs, to rows of a dense (d, n) array.

        Parameters
        ----------
        places, signs : NumPy integer arrays, shape (m, stacks)
            Row i goes to the rows ``places[i]`` with the factors ``signs[i]``.
        d : int
        """
        xp, n, values = self.xp, self.shape[1], self._values()
        rows, columns = self._csr.row_ids, self._csr.indices
        if self._transposed:
            rows, columns = columns, rows
        total = xp.zeros(d * n, dtype=self.dtype, device=self.device)
        real = be.dtype_name(be.real_dtype(xp, self.dtype))
        for stack in range(places.shape[1]):
            first = be.from_numpy(places[:, stack] * n, xp, self.device)
            sign = be.from_numpy(signs[:, stack].astype(real), xp, self.device)
            cells = xp.take(first, rows) + columns
            total += be.segment_sum(values * xp.take(sign, rows), cells, d * n, xp)
        return xp.reshape(total, (d, n))

    @property
    def cost(self):
        """`Cost` of one product."""
        entry = be.itemsize(self.dtype) + be.itemsize(self._csr.indices.dtype)
        return Cost(flops=2.0 * self.nnz, bytes=float(self.nnz * entry), dense=False)
