"""The fused product of an operator computed in single precision, from the data as they are."""

from .. import _backend as be
from .base import LinearOperator


class NarrowedOperator(LinearOperator):
    """`inner` seen through single precision: ``normal`` takes and gives it; nothing is copied.

    No other product is offered: what is found this way is a subspace, to be judged with `inner` itself.
    """

    def __init__(self, inner, normal):
        single = be.single_dtype(inner.xp, inner.dtype)
        super().__init__(inner.shape, single, inner.xp, inner.device, inner.source_dtype)
        self.inner, self._inner_normal = inner, normal
        self.normal_reads = inner.normal_reads

    def _normal(self, X):
        return self.xp.astype(self._inner_normal(X), self.dtype, copy=False)

    @property
    def cost(self):
        """`Cost` of one product."""
        return self.inner.cost
