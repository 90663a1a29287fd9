"""A dense tensor whose entries lie in memory with the first mode running fastest: read as it is, modes turned round."""

from dataclasses import dataclass, replace
from typing import Any

from .dimension_tree import DimensionTree


@dataclass(frozen=True, eq=False)
class BackwardsTensor:
    """The tensor with the entries of `turned`, its modes in the opposite order; products as of `DenseTensor`."""

    turned: Any

    is_sparse = False

    @property
    def array(self):
        """The entries, a view that is not in C order."""
        return self.xp.permute_dims(self.turned.array, tuple(reversed(range(len(self.shape)))))

    @property
    def given_dtype(self):
        """What the caller's entries were before half precision and integers were promoted."""
        return self.turned.given_dtype

    @property
    def norm(self):
        """Frobenius norm."""
        return self.turned.norm

    @property
    def shape(self):
        """Lengths of the modes."""
        return self.turned.shape[::-1]

    @property
    def dtype(self):
        """Dtype that is computed in."""
        return self.turned.dtype

    @property
    def xp(self):
        """Array namespace."""
        return self.turned.xp

    @property
    def device(self):
        """Device of the entries."""
        return self.turned.device

    def source(self):
        """The products with factors that change one at a time; see `BackwardsTree`."""
        return BackwardsTree(self)

    def mttkrps(self, factors):
        """Yield ``(k, B_k)`` for all modes; see `DenseTensor.mttkrps`."""
        tree = self.source()
        for k in range(len(self.shape)):
            yield k, tree.product(k, factors)

    def residual(self, weights, factors):
        """``(‖X - model‖_F, "exact")``."""
        return self.residual_norm(weights, factors), "exact"

    def residual_norm(self, weights, factors):
        """``‖X - model‖_F`` as a float."""
        return self.turned.residual_norm(weights, factors[::-1])

    def unfolding_gram(self, k):
        """``X_(k) X_(k)ᴴ``, an n_k×n_k matrix."""
        return self.turned.unfolding_gram(len(self.shape) - 1 - k)

    def over(self, scale):
        """The tensor divided by a power of two."""
        return replace(self, turned=self.turned.over(scale))


class BackwardsTree:
    """The products of a `BackwardsTensor`, for updates that start with the mode that lies last in memory."""

    def __init__(self, tensor):
        self._tree = DimensionTree(tensor.turned, step=-1)

    @property
    def products(self):
        """Products with the whole tensor so far."""
        return self._tree.products

    def product(self, k, factors):
        """``X_(k) conj(KR)`` (n_k, R) with `factors` as they are now."""
        return self._tree.product(len(factors) - 1 - k, factors[::-1])
