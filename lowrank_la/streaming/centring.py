"""Weighted rows as rows to append to a factor: discounted, centred about a running mean, none of them dependent."""

from dataclasses import dataclass
from typing import Any

from .. import _backend as be
from .rows import cut, densified, is_csr

_SECOND = 4.0  # times the squared roundoff of a sum: what the two parts of a mean are off


@dataclass(frozen=True)
class Moments:
    """Weight and mean of rows; the mean is None where rows are not centred.

    The mean (d,) is ``mean + rest``, which are never added up: `rest` is below the roundoff of `mean`. In one number an
    entry it would be off by its own roundoff, and rows that are far from the origin next to their deviations would show
    it in the scatter: a block of h rows adds ``√h (its mean - theirs)``, the small difference of two large vectors. Of
    two parts the difference is off by its own roundoff, as all other rows that are appended are.
    """

    weight: float
    mean: Any
    rest: Any = None

    def aged(self, factor):
        """The moments after all weights were multiplied by `factor`."""
        return Moments(self.weight * factor, self.mean, self.rest)

    def joined(self, other):
        """Moments of both together."""
        if self.weight == 0.0 or other.weight == 0.0:
            return self if other.weight == 0.0 else other
        total = self.weight + other.weight
        return self._moved(total, None if self.mean is None else (other.weight / total) * self.distance(other))

    def without(self, other):
        """Moments of what is left when `other` is taken out."""
        left = self.weight - other.weight
        return self._moved(left, None if self.mean is None else -(other.weight / left) * self.distance(other))

    def distance(self, other):
        """The mean of `other` less this one."""
        return (other.mean - self.mean) + (other.rest - self.rest)

    def between(self, other, sign=1.0):
        """The row that the distance of the two means adds to the scatter (takes off it, for sign -1)."""
        share = self.weight * (other.weight / (self.weight + sign * other.weight))
        return share**0.5 * self.distance(other)

    def rounding(self, rows):
        """Bound of the error of a row that the mean of so many rows adds: second order, and all there is if they agree.

        The first part is off by `rows` units of roundoff, and the second one, a sum of what it is off, by as many.
        """
        if self.mean is None:
            return 0.0
        return _SECOND * self.weight**0.5 * (rows * be.eps(self.mean.dtype)) ** 2 * be.fro_norm(self.mean)

    def _moved(self, weight, step):
        return Moments(weight, None) if step is None else Moments(weight, *in_two_parts(self.mean, self.rest + step))


def in_two_parts(a, b):
    """``a + b`` as the rounded sum and what rounding took off it, both exact."""
    total = a + b
    share = total - a
    return total, (a - (total - share)) + (b - share)


def discounts(height, weights, forget, layout):
    """Weights (height,) of the rows of a block with forgetting, in the widest real dtype; None when all are 1."""
    if forget == 1.0:
        return weights
    xp = layout.xp
    wide = be.widest_real(xp, layout.device)
    age = xp.arange(height - 1, -1, -1, dtype=wide, device=layout.device)
    decay = xp.pow(xp.full((height,), forget, dtype=wide, device=layout.device), 2 * age)
    return decay if weights is None else decay * weights


def weighted(block, weights, dtype):
    """The rows, each multiplied by the root of its weight in the wider dtype of block and result, in `dtype`."""
    xp = be.namespace(block)
    if weights is None:
        return xp.astype(block, dtype, copy=False)
    wider = xp.result_type(block.dtype, dtype)
    roots = xp.astype(xp.sqrt(weights), be.real_dtype(xp, wider))
    return xp.astype(xp.astype(block, wider, copy=False) * xp.astype(roots, wider)[:, None], dtype, copy=False)


def block_moments(block, weights, center, layout):
    """`Moments` of the rows of a block, both parts of the mean in the widest dtype of the device."""
    xp = layout.xp
    total = float(block.shape[0]) if weights is None else float(xp.sum(weights))
    if not center:
        return Moments(total, None)
    if total == 0.0:
        zeros = layout.zeros(layout.columns, dtype=layout.wide)
        return Moments(0.0, zeros, zeros)
    rows = xp.astype(densified(block), layout.wide)
    line = None if weights is None else xp.astype(weights, layout.wide)[:, None]
    near = xp.sum(rows if line is None else rows * line, axis=0) / total
    shifted = rows - near[None, :]
    return Moments(total, *in_two_parts(near, xp.sum(shifted if line is None else shifted * line, axis=0) / total))


def contrasts(block, weights, mean, dtype):
    """Rows whose Gram matrix is the scatter of the block about its `mean`: one row fewer than the block has.

    A Householder reflection takes the roots of the weights to the first axis; what is orthogonal to them is the
    deviation from the mean. Centred rows themselves are dependent, and what a factorisation makes of that is noise.
    """
    xp = be.namespace(block)
    rows = weighted(xp.astype(block, mean.dtype) - mean[None, :], weights, mean.dtype)
    height = rows.shape[0]
    if weights is None:
        axis = xp.full((height,), height**-0.5, dtype=rows.dtype, device=be.device(rows))
    else:
        axis = xp.astype(xp.sqrt(weights / xp.sum(weights)), rows.dtype)
    first = xp.arange(height, device=be.device(rows)) == 0
    normal = axis + xp.astype(first, rows.dtype)
    scale = 1.0 / (1.0 + abs(complex(axis[0])))
    rows = rows - (scale * normal)[:, None] * (normal[None, :] @ rows)
    return xp.astype(rows[1:, :], dtype)


def rows_to_append(moments, block, weights, layout, dtype, sign=1.0):
    """``(rows, moments)`` of a block, the rows in `dtype`, weights discounted already, next to older rows of `moments`.

    The Gram matrix of the rows is what the block adds to the scatter about the common mean, or takes off it for
    sign -1. `moments` that are returned are those of the block.
    """
    xp, center = layout.xp, moments.mean is not None
    if not center:
        rows = block if weights is None and is_csr(block) else weighted(densified(block), weights, dtype)
        return rows, block_moments(block, weights, False, layout)
    block = densified(block)
    if weights is not None:
        kept = [i for i, w in enumerate(be.to_numpy(weights).tolist()) if w > 0]
        if len(kept) < block.shape[0]:
            index = be.index_array(kept, block.shape[0], xp, layout.device)
            block, weights = xp.take(block, index, axis=0), xp.take(weights, index)
    found = block_moments(block, weights, True, layout)
    if found.weight == 0.0:
        return cut(block, 0, 0), found
    rows = contrasts(block, weights, found.mean, dtype)
    if moments.weight > 0.0:
        between = moments.between(found, sign)
        rows = xp.concat([xp.astype(between, dtype)[None, :], rows], axis=0)
    return rows, found
