"""Sizes that the data tell before a descent, and which residuals count."""

from dataclasses import dataclass
from typing import Any

from .. import _backend as be
from .sizes import spread, typical, within

_WIDE = 10.0  # medians, where the limit of residuals that count starts


@dataclass(frozen=True, eq=False)
class Scales:
    """What the image of the data says about sizes.

    Attributes
    ----------
    gain : float
        ``‖A(Z)‖ / ‖Z‖`` of the best approximation Z of that image.
    left, values, right
        Leading triplets of the spectral estimate of the unknown matrix.
    """

    gain: float
    left: Any
    values: Any
    right: Any

    @property
    def largest(self):
        """Estimated largest singular value."""
        return float(self.values[0])


def scales_of(task):
    """`Scales`, or None where the data say nothing."""
    xp, y = be.namespace(task.y), task.y
    weights = y if task.truncate is None else y * within(y, first_limit(task))
    image = task.image(task.measurement.adjoint(weights / y.shape[0]))
    left, values, right = image.leading(task.rank, task.symmetric, task.key)
    values = xp.maximum(values, xp.zeros_like(values))
    size = be.fro_norm(values)
    if size == 0.0:
        return None
    gain = be.fro_norm(task.measurement.forward(left * (values / size)[None, :], right))
    if gain == 0.0:
        return None
    return Scales(gain, left, values * (y.shape[0] / gain / gain), right)


def limit_of(task, z):
    """The modulus above which a residual counts for nothing: so many medians."""
    return task.truncate * spread(z, task.y)


def first_limit(task):
    """The limit that the values themselves are held to."""
    return max(task.truncate, _WIDE) * typical(task.y)
