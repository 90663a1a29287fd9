"""A low-rank matrix plus a sparse one, as completion and robust recovery produce them."""

from .. import _backend as be
from .algebra import SumOperator
from .base import LinearOperator, densify
from .low_rank import LowRank

_PANEL = 1 << 18


class SparsePlusLowRank(SumOperator):
    """The matrix ``U Vᴴ + S``; nothing of size m×n is formed.

    Parameters
    ----------
    U : array, shape (m, k)
    V : array, shape (n, k)
    S : sparse matrix or operator, shape (m, n)
        In the namespace and on the device of `U`.

    Examples
    --------
    >>> import numpy as np, scipy.sparse, lowrank_la as lr
    >>> A = lr.SparsePlusLowRank(np.ones((3, 1)), np.ones((2, 1)), scipy.sparse.eye_array(3, 2, format="csr"))
    >>> A @ np.ones(2)
    array([3., 3., 2.])
    """

    def __init__(self, U, V, S):
        from .convert import as_operator

        self.low_rank, self.sparse = LowRank(U, None, be.mH(V)), as_operator(S)
        super().__init__(self.low_rank, self.sparse)

    def fro_norm(self):
        """Frobenius norm, a float.

        ‖S‖² + ‖U Vᴴ‖² + 2 Re⟨S, U Vᴴ⟩ for k products with `S`; where the parts cancel so far that the expansion
        has lost its digits, the rows are formed panel by panel.
        """
        S, L = self.sparse.fro_norm(), self.low_rank.fro_norm()
        scale = max(S, L)
        if scale == 0.0 or not scale < float("inf"):
            return scale
        left = self.xp.astype(self.low_rank.U, self.dtype, copy=False) * (1.0 / scale)
        cross = self.sparse.matmat(be.mH(self.low_rank.Vh)) * (1.0 / scale)
        product = self._conj(left) * cross
        inner = float(self.xp.sum(self.xp.real(product) if be.is_complex(product.dtype) else product))
        square = (S / scale) ** 2 + (L / scale) ** 2 + 2.0 * inner
        if square > be.eps(self.dtype) ** 0.5 or not self.sparse.has("take_rows"):
            return scale * max(square, 0.0) ** 0.5
        return self._norm_by_rows()

    def _norm_by_rows(self):
        rows = be.fixed_partition(self.shape[0], max(1, _PANEL // self.shape[1]))
        panels = (densify(self.take_rows(range(part.start, part.stop))) for part in rows)
        return sum(be.fro_norm(panel) ** 2 for panel in panels) ** 0.5

    def has(self, capability):
        """Whether the sparse part offers `capability` (the low-rank part offers all but the array)."""
        return LinearOperator.has(self, capability) and self.sparse.has(capability)
