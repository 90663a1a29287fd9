"""A memory map as an operator: read in slabs by whoever knows how, and an array to all others."""

from functools import cached_property

from .blocks import BlockOperator
from .dense import DenseOperator


class MappedOperator(BlockOperator):
    """A `BlockOperator` of a `numpy.memmap` that has besides all that an array in memory has.

    Notes
    -----
    Products and norms are read in slabs. Whatever needs the array gets the map itself, whose pages the system brings
    in; maps of integers and of half precision are promoted in a copy in memory when that is asked for, and not before.
    """

    @cached_property
    def whole(self):
        """The `DenseOperator` of the map."""
        return DenseOperator(self.source.array)

    @property
    def array(self):
        """The map as an array."""
        return self.whole.array

    def scaled(self, alpha):
        """``alpha * A`` in a copy in memory."""
        return self.whole.scaled(alpha)

    def diag(self):
        """The diagonal."""
        return self.whole.diag()

    def gram(self, single=False):
        """``AᴴA``, exactly Hermitian; with `single`, of panels rounded to single precision, added up in double."""
        return self.whole.gram(single)

    def outer_gram(self, single=False):
        """``A Aᴴ``, the Gram matrix of the adjoint."""
        return self.whole.outer_gram(single)

    def centred_gram(self, mean, single=False):
        """``BᴴB`` for ``B = A - 1 meanᵀ``."""
        return self.whole.centred_gram(mean, single)

    def centred_outer_gram(self, mean, single=False):
        """``B Bᴴ`` for ``B = A - 1 meanᵀ``."""
        return self.whole.centred_outer_gram(mean, single)
