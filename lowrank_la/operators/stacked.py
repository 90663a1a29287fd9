"""Operators on top of each other, or side by side."""

from math import hypot

from .. import _backend as be
from .algebra import add_costs, joint_dtype
from .base import LinearOperator, densify, require_one_home


class StackedOperator(LinearOperator):
    """Operators stacked along `axis`: 0 puts them on top of each other, 1 side by side.

    Parameters
    ----------
    operators : sequence of LinearOperator
        At least one, of equal width (axis 0) or height (axis 1), on one device.
    axis : {0, 1}
    """

    def __init__(self, operators, axis=0):
        self.operators, self.axis = tuple(operators), be.check_option("axis", axis, (0, 1))
        if not self.operators:
            raise ValueError("a stack needs at least one operator")
        first = self.operators[0]
        for op in self.operators[1:]:
            require_one_home("a stack", first, op)
            if op.shape[1 - axis] != first.shape[1 - axis]:
                raise ValueError(f"a stack along axis {axis} got shapes {first.shape} and {op.shape}")
        length = sum(op.shape[axis] for op in self.operators)
        shape = (length, first.shape[1]) if axis == 0 else (first.shape[0], length)
        super().__init__(shape, joint_dtype(self.operators), first.xp, first.device)

    def _matmat(self, X):
        return self._spread("matmat", X) if self.axis == 0 else self._gather("matmat", X)

    def _rmatmat(self, Y):
        return self._gather("rmatmat", Y) if self.axis == 0 else self._spread("rmatmat", Y)

    def _normal(self, X):
        if self.axis == 1:
            return super()._normal(X)
        total = self.operators[0].normal(X)
        for op in self.operators[1:]:
            total = total + op.normal(X)
        return total

    @property
    def parts(self):
        """The operators of the stack."""
        return self.operators

    def _spread(self, product, X):
        dtype = self.xp.result_type(X.dtype, self.dtype)
        blocks = (getattr(op, product)(X) for op in self.operators)
        return self.xp.concat([self.xp.astype(block, dtype, copy=False) for block in blocks], axis=0)

    def _gather(self, product, X):
        total = None
        for op, part in zip(self.operators, self._slices(), strict=True):
            block = getattr(op, product)(X[part, :])
            total = block if total is None else total + block
        return total

    def _slices(self):
        start = 0
        for op in self.operators:
            yield slice(start, start + op.shape[self.axis])
            start += op.shape[self.axis]

    def fro_norm(self):
        """Frobenius norm, a float."""
        return hypot(*(op.fro_norm() for op in self.operators))

    def take_rows(self, indices):
        """The rows `indices`."""
        return self._take_along(indices) if self.axis == 0 else self._take_across("take_rows", indices)

    def take_cols(self, indices):
        """The columns `indices`."""
        return self._take_along(indices) if self.axis == 1 else self._take_across("take_cols", indices)

    def _take_across(self, take, indices):
        return self.xp.concat([self._cast(getattr(op, take)(indices)) for op in self.operators], axis=self.axis)

    def _take_along(self, indices):
        """Ask each operator for its share, then put the pieces in the order asked for."""
        indices = be.host_indices(indices, self.shape[self.axis])
        take = "take_rows" if self.axis == 0 else "take_cols"
        blocks, positions = [], []
        for op, part in zip(self.operators, self._slices(), strict=True):
            mine = [place for place, i in enumerate(indices) if part.start <= i < part.stop]
            blocks.append(self._cast(getattr(op, take)([indices[place] - part.start for place in mine])))
            positions += mine
        order = sorted(range(len(positions)), key=positions.__getitem__)
        order = be.index_array(order, len(order), self.xp, self.device)
        return self.xp.take(self.xp.concat(blocks, axis=self.axis), order, axis=self.axis)

    def _cast(self, block):
        return self.xp.astype(densify(block), self.dtype, copy=False)

    @property
    def cost(self):
        """`Cost` of one product."""
        return add_costs(self.operators)

    def has(self, capability):
        """Whether every operator offers `capability`."""
        return super().has(capability) and all(op.has(capability) for op in self.operators)
