"""Noise of the bins: thresholds, an estimate of its variance, and the repeats that votes need."""

import math
from dataclasses import dataclass

import numpy as np
import scipy.special

QUANTILE = 0.03
_ROUNDING = 2.0 / 3.0
_DIGITS, _DIGIT = 1e-8, 0.25  # of the square that counts as rounding, of the relative precision
_SURE = 3.3  # standard deviations by which the vote on a bit should differ from zero


@dataclass(frozen=True)
class Noise:
    """Noise of the samples.

    Attributes
    ----------
    variance : float
    floor : float
        Square of what counts as rounding in a bin.
    digits : float
        Square of what would change no digit of a coefficient.
    slack : float
        Doubt about the variance.
    """

    variance: float
    floor: float
    digits: float = 0.0
    slack: float = 0.0

    def of_bin(self, size):
        """Variance of a value in a group of `size` bins."""
        return self.variance / size + self.floor


def rounding(groups, precision):
    """The noise of exact values: ``precision**(2/3)`` times the root mean square of the samples counts as rounding."""
    square = mean_square(groups)
    floor = (precision**_ROUNDING) ** 2 * square
    return Noise(0.0, floor, max(_DIGITS * floor, (_DIGIT * precision) ** 2 * square))


def mean_square(groups):
    """Mean square of the samples."""
    return groups.squares / groups.samples


def thresholds(groups, noise, risk, parts):
    """``zero, single, growth`` of each group for the decoder.

    Energies of noise alone and of what one coefficient leaves pass them with probability `risk` in any bin; `parts`
    is 2 for complex values. Without noise they are multiples of the rounding floor.
    """
    widths = np.array(groups.widths, np.float64)
    if noise.variance == 0.0:
        zero = widths * noise.floor
        return zero, zero, np.zeros(len(groups))
    zero, single = np.empty(len(groups)), np.empty(len(groups))
    for c, (size, width) in enumerate(zip(groups.sizes, groups.widths, strict=True)):
        unit = noise.of_bin(size) / parts
        zero[c] = unit * _upper(parts * width, risk / groups.bins)
        single[c] = unit * _upper(max(parts * (width - 1), 1), risk / groups.bins)
    return zero, single, 1.0 / widths


def _upper(freedom, risk):
    """Number that a chi-square variable of `freedom` degrees passes with probability `risk`."""
    return float(scipy.special.chdtri(freedom, risk))


def estimated_variance(groups, sparsity, parts):
    """Variance of a sample from the bins of least energy.

    A share ``exp(-sparsity / size)`` of the bins holds noise alone; the energies of those are chi-square, and a low
    quantile over all bins is a less low one of theirs.
    """
    width = groups.widths[0]
    weights = np.array([size / width for size, width in zip(groups.sizes, groups.widths, strict=True)])
    weighted = groups.energies()[0] * weights[groups.group_of]
    empty = float(np.mean([math.exp(-sparsity / size) for size in groups.sizes]))
    share = min(max(QUANTILE, 1.5 / weighted.size), 0.5)
    inside = min(share / max(empty, 1e-9), 0.5)
    quantile = float(scipy.special.gammaincinv(0.5 * parts * width, inside)) * 2.0
    return float(np.quantile(weighted, share)) * parts * width / quantile


def exceeds(energy, expected, count, slack=0.0):
    """Whether `count` real normal numbers have an energy four standard deviations above what is expected."""
    return energy > expected * (1.0 + 4.0 * (2.0 / count) ** 0.5 + slack)


def repeats_for(strength):
    """Repeats with which all bits of a frequency are right; a squared coefficient is `strength` bin variances."""
    return max(1, math.ceil(_SURE**2 * (2.0 * strength + 1.0) / strength**2)) if strength > 0.0 else 64
