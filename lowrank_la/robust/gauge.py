"""How large the errors of a fit are, told from some thousand of its entries."""

import math

import numpy as np

from .. import _backend as be
from .panels import entries_of_product


class Gauge:
    """Entries of the data at random places, and the spread of what factors leave of them.

    The median of moduli is about the clean entries as long as more than half of them are clean.
    """

    def __init__(self, data, key):
        self.rows, self.columns, self.values = data.sampled(key.child("gauge"))
        self.count, self.places = data.count, int(self.values.shape[0])

    def misfits(self, U, s, V):
        """Moduli of the residual at the places, a host array."""
        gap = self.values - entries_of_product(U, s, V, self.rows, self.columns)
        return np.abs(be.to_numpy(gap))

    def spread(self, U, s, V):
        """Median of the moduli of the residual."""
        return float(np.median(self.misfits(U, s, V)))

    def median(self):
        """Median of the moduli of the data."""
        return _median(np.abs(be.to_numpy(self.values)))

    def size(self):
        """Median of the moduli of the data, of those that are not zero where most of them are."""
        moduli = np.abs(be.to_numpy(self.values))
        median = _median(moduli)
        nonzero = moduli[moduli > 0]
        return median if median > 0 or nonzero.size == 0 else _median(nonzero)

    def clean_norm(self):
        """What the norm of the data less their outliers is about."""
        return self.size() * math.sqrt(self.count)

    def exceeded(self, U, s, V, share, within=math.inf):
        """The modulus that the part `share` of the misfits exceeds, of those that are not above `within`."""
        misfits = self.misfits(U, s, V)
        return float(np.quantile(misfits[misfits <= within], 1.0 - share)) if misfits.min() <= within else within


def _median(moduli):
    """The median, which the sum of the two in the middle may not overflow."""
    return 2.0 * float(np.median(moduli / 2))
