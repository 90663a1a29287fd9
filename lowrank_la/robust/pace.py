"""How fast the threshold falls that tells outliers from misfits."""

import math
from dataclasses import dataclass

_FLOOR = 3.0
LARGEST_STEP = 1.9
"""The most by which a step is lengthened for the entries that were put aside."""


@dataclass(frozen=True)
class Pace:
    """How fast the threshold falls: by `decay` an iteration, sooner where `headroom` median misfits are less."""

    decay: float
    headroom: float

    def limit(self, scheduled, spread):
        """The threshold for median misfits of size `spread`."""
        if spread > 0:
            scheduled = min(scheduled, self.headroom * spread)
        return max(scheduled, _FLOOR * spread)


FAST, STEADY, CAREFUL = Pace(0.7, 40.0), Pace(0.7, 400.0), Pace(0.8, math.inf)
SLOW = Pace(0.8, 400.0)


class Falling:
    """Thresholds for methods that fit by steps of their own: a slow fall, held up where too many misfits exceed it.

    Too many are more than the share of outliers, and more than chance adds to that among the places of the gauge.
    """

    def __init__(self, gauge, data, settings, top):
        (m, n) = data.shape
        self.gauge, self.share, self.reach = gauge, settings.sparsity, 0.5 * top / (m * n) ** 0.25

    def next(self, U, s, V):
        """The threshold for the factors of this iteration."""
        limit = SLOW.limit(self.reach, self.gauge.spread(U, s, V))
        self.reach *= SLOW.decay
        if self.share is None:
            return limit
        chance = 3.0 * math.sqrt(self.share * (1.0 - self.share) / self.gauge.places)
        return max(limit, self.gauge.exceeded(U, s, V, min(self.share + chance, 1.0)))
