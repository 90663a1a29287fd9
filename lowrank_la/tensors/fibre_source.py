"""Products of a sparse tensor with factors that change one at a time."""

from .. import _backend as be


class FibreSource:
    """``X_(k) conj(KR)`` of a sparse tensor for alternating updates.

    On the host the factors stand one below the other in one array; those that were replaced since the last product,
    told by the identity of the arrays, are copied there. Factors are never written to.
    """

    def __init__(self, tensor):
        self.tensor = tensor
        self.products = 0
        self._stack, self._held = None, []

    def product(self, k, factors):
        """``X_(k) conj(KR)`` (n_k, R) with `factors` as they are now."""
        self.products += 1
        tensor, rank = self.tensor, factors[k].shape[1]
        if not tensor.is_compiled(rank):
            return tensor.mttkrp(factors, k)
        self._refresh(factors, rank)
        return be.fibre_products(tensor.tree(k), tensor.listed(k), self._stack, rank)

    def _refresh(self, factors, rank):
        if self._stack is None or len(self._held) != len(factors) or self._held[0].shape[1] != rank:
            self._stack = be.stacked([factor.astype(self.tensor.dtype, copy=False) for factor in factors])
            self._held = list(factors)
            return
        first = 0
        for j, factor in enumerate(factors):
            if factor is not self._held[j]:
                self._stack[first : first + factor.shape[0], :rank] = factor
                self._held[j] = factor
            first += factor.shape[0]
