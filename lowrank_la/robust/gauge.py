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
        self.count = data.count

    def misfits(self, U, s, V):
        """Moduli of the residual at the places, a host array."""
        gap = self.values - entries_of_product(U, s, V, self.rows, self.columns)
        return np.abs(be.to_numpy(gap))

    def spread(self, U, s, V):
        """Median of the moduli of the residual."""
        return float(np.median(self.misfits(U, s, V)))

    def median(self):
        """Median of the moduli of the data."""
        return float(np.median(np.abs(be.to_numpy(self.values))))

    def size(self):
        """Median of the moduli of the data, of those that are not zero where most of them are."""
        moduli = np.abs(be.to_numpy(self.values))
        median = float(np.median(moduli))
        nonzero = moduli[moduli > 0]
        return median if median > 0 or nonzero.size == 0 else float(np.median(nonzero))

    def clean_norm(self):
        """What the norm of the data less their outliers is about."""
        return self.size() * math.sqrt(self.count)

    def exceeded(self, U, s, V, share):
        """The modulus that the part `share` of the misfits exceeds."""
        return float(np.quantile(self.misfits(U, s, V), 1.0 - share))
