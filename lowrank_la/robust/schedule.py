"""How far and how fast the sub-gradient method has to go, read off the data."""

import math
from dataclasses import dataclass
from typing import Any

from .. import _backend as be

_SURPLUS = 1.2  # growth asked for, in units of that which brings the weakest direction to its size
_ROOM = 1.0
_LEAST = 14.0  # growth that leaves room to converge after a large start
_SIGNIFICANT = 1.25  # a singular value this far above the edge of the noise is a signal


@dataclass(frozen=True, eq=False)
class Start:
    """The image of the signs of the data: its leading triplets, and what they say.

    Attributes
    ----------
    left, values, right : arrays (m, k), (k,), (n, k)
    norm : float
        Frobenius norm of the image.
    size : float
        ``size * image`` has the size of the unknown matrix: a robust fit of one number.
    count : int
        How many values stand out of the noise, 0 for none.
    """

    left: Any
    values: Any
    right: Any
    norm: float
    size: float
    count: int

    def factors(self, scale):
        """``U, V`` with ``U Vᵀ`` that part of the image times ``scale² size``."""
        xp = be.namespace(self.values)
        roots = xp.sqrt(xp.maximum(self.values, xp.zeros_like(self.values)) * self.size) * scale
        return self.left * roots[None, :], self.right * roots[None, :]

    @property
    def weakest(self):
        """The smallest value that stands out, relative to the norm of the image."""
        return float(self.values[max(self.count, 1) - 1]) / self.norm


def start_from(image, measurement, z, rank, symmetric, key, significant=_SIGNIFICANT):
    """`Start` from the image of the signs of `z`, the part of the data that is to be explained."""
    left, values, right = image.leading(rank, symmetric, key)
    norm = max(image.norm, float(be.fro_norm(values)))
    count = count_above_noise([float(value) for value in values], norm, measurement.shape, significant)
    taken = max(count, 1)
    unit = left[:, :taken] * (values[:taken] / (norm or 1.0))[None, :]
    size = median_ratio(z, measurement.forward(unit, right[:, :taken])) / norm if norm > 0.0 else 0.0
    return Start(left, values, right, norm, size, count)


def count_above_noise(values, norm, shape, significant=_SIGNIFICANT):
    """How many descending singular values stand out of a bulk like that of a random matrix.

    A matrix (m, n) of independent entries has singular values up to its Frobenius norm times ``1/√m + 1/√n``. The
    answer is the largest number, at most half of the shorter side, whose last value is well above that edge of what is
    left when they are taken off.
    """
    bulk, count = norm**2, 0
    for place, value in enumerate(values[: max(1, min(shape) // 2)], 1):
        if value <= 0.0:
            break
        bulk = max(bulk - value**2, 0.0)
        edge = math.sqrt(bulk) * sum(max(side - place, 1) ** -0.5 for side in shape)
        if min(shape) == 1 or value > significant * edge:
            count = place
    return count


def median_ratio(y, a):
    """The number t that minimises ``Σ |y_i - t a_i|``: a weighted median of ratios; 0 where `a` is zero."""
    xp = be.namespace(y)
    weights = xp.abs(a)
    total = float(xp.sum(weights))
    if total == 0.0:
        return 0.0
    used = weights > 0
    ratios = xp.where(used, y / xp.where(used, a, xp.ones_like(a)), xp.zeros_like(a))
    order = be.order_of(ratios)
    sums = xp.cumulative_sum(xp.take(weights, order))
    place = int(xp.sum(xp.astype(sums < total / 2, sums.dtype)))
    return float(ratios[order[min(place, y.shape[0] - 1)]])


@dataclass(frozen=True)
class Schedule:
    """Steps ``first * decay**t``, relative to the size of the sub-gradient.

    Attributes
    ----------
    first : float
    decay : float
        q < 1.
    """

    first: float
    decay: float

    def step(self, t):
        """The step at iteration t."""
        return self.first * self.decay**t

    def steps(self, tol):
        """Iterations until the step is below `tol`."""
        return max(1, math.ceil(math.log(min(tol / self.first, 0.5)) / math.log(self.decay)))


def schedule_for(start, init_scale, first):
    """`Schedule` that lets the weakest direction found grow from `init_scale` to one, and then converge.

    Notes
    -----
    Near zero the sub-gradient is minus the image of the signs, so that direction i grows by ``1 + h λ_i/‖C‖`` in a
    step h, and by ``λ_i/‖C‖ · first/(1 - q)`` in the exponent altogether. Too little and it stays at zero, too much and
    the noise grows too: 1.2 times what is needed, and one more.
    """
    growth = max(_SURPLUS * math.log(1.0 / init_scale) + _ROOM, _LEAST)
    return Schedule(first, 1.0 - min(0.5, first * start.weakest / growth))
