"""An operator that counts what an algorithm asks of it."""

from .base import LinearOperator


class MeteredOperator(LinearOperator):
    """The operator `inner` with its products counted.

    ``products`` counts single vectors multiplied by `A` or its adjoint, ``passes`` the reads of `A`.
    """

    def __init__(self, inner):
        super().__init__(inner.shape, inner.dtype, inner.xp, inner.device, inner.source_dtype)
        self.inner = inner
        self.products = 0
        self.passes = 0

    def around(self, inner):
        """A meter on `inner` that goes on from these counts."""
        meter = MeteredOperator(inner)
        meter.products, meter.passes = self.products, self.passes
        return meter

    def scaled(self, alpha):
        """``alpha * A`` on a meter that goes on from these counts."""
        return self.around(self.inner.scaled(alpha))

    def read(self, columns):
        """Count one read of an array that was worked on itself, worth so many products."""
        self._count(columns)

    def _count(self, columns, reads=1):
        self.products += columns
        self.passes += reads

    def _matmat(self, X):
        self._count(X.shape[1])
        return self.inner.matmat(X)

    def _rmatmat(self, Y):
        self._count(Y.shape[1])
        return self.inner.rmatmat(Y)

    def _normal(self, X):
        self._count(2 * X.shape[1], self.inner.normal_reads)
        return self.inner.normal(X)

    @property
    def H(self):
        """The adjoint, counted on the same meter."""
        return _MeteredView(self.inner.H, self)

    def narrowed(self):
        """The inner operator in single precision, counted on the same meter; or None."""
        single = self.inner.narrowed()
        return None if single is None else _MeteredView(single, self)

    @property
    def parts(self):
        """The operator that is counted."""
        return (self.inner,)

    @property
    def array(self):
        """The dense array of the inner operator."""
        return self.inner.array

    @property
    def cost(self):
        """`Cost` of the inner operator."""
        return self.inner.cost

    def fro_norm(self):
        """Frobenius norm, a float; reads that it takes of data in slabs are counted."""
        before = getattr(self.inner, "reads", 0)
        norm = self.inner.fro_norm()
        self._count(0, getattr(self.inner, "reads", 0) - before)
        return norm

    def diag(self):
        """The diagonal."""
        return self.inner.diag()

    def take_rows(self, indices):
        """The rows `indices`."""
        return self.inner.take_rows(indices)

    def take_cols(self, indices):
        """The columns `indices`."""
        return self.inner.take_cols(indices)

    def gram(self, single=False):
        """``AᴴA``; one read, worth a product with every column."""
        self._count(self.shape[1])
        return self.inner.gram(single)

    def outer_gram(self, single=False):
        """``A Aᴴ``; one read, worth a product with every row."""
        self._count(self.shape[0])
        return self.inner.outer_gram(single)

    def has(self, capability):
        """Whether the inner operator offers `capability`."""
        return self.inner.has(capability)


class _MeteredView(MeteredOperator):
    """`inner`, another view of the operator of `meter`, counted there."""

    def __init__(self, inner, meter):
        super().__init__(inner)
        self.meter = meter

    def _count(self, columns, reads=1):
        self.meter._count(columns, reads)
