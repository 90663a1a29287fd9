"""The last look before an answer is certified: independent random points, and whether noise was there to be told."""

import math

import numpy as np

from .. import _kernels
from .sparse_noise import QUANTILE, exceeds, mean_square

CHECKS = 2048
_MANY = 64  # known coefficients from which on the number of values is bounded
_SPARE = 0.3  # of ``sparsity (1 + n + verify)`` values, what the groups leave of 3.6
_LOUD = 0.5  # share of the root mean square that counts as noise, above which bins of another size have to agree
_PEAK = 8.0  # sizes of what coefficients below the resolution add up to


def checks_for(sparsity, n, verify):
    """Points to look at: fewer for a known sparsity, so that its bound on the number of values holds."""
    bounded = sparsity is not None and sparsity >= _MANY
    most = min(CHECKS, int(_SPARE * sparsity * (1 + n + verify))) if bounded else CHECKS
    return min(most, 1 << n)


class RandomPoints:
    """Values of a function at independent uniform points, which no decoding has seen.

    Parameters
    ----------
    sampler : Sampler
    count : int
    """

    def __init__(self, sampler, count):
        self.words = sampler.points(count)
        self.values = sampler.oracle.values(self.words) if count else np.zeros(0)

    def doubt(self, found, groups, noise):
        """``text, share``: how the points contradict a decoding and at which share of them; None where they don't."""
        if not self.values.size:
            return None
        left = self.values.astype(np.result_type(self.values.dtype, found.values.dtype))
        _kernels.lookup("take_from_points", "numpy")(self.words, found.keys, found.values, left)
        squares = left.real**2 + left.imag**2
        if noise.variance == 0.0:
            bad = int(np.sum(squares > _PEAK**2 * noise.floor * max(group.size for group in groups)))
            text = f"{bad} of {squares.size} random points contradict the answer"
            return (text, bad / squares.size) if bad else None
        samples = sum(group.bins.size for group in groups)
        expected = squares.size * noise.variance * (1.0 + found.keys.shape[0] / samples)
        parts = 2 if np.iscomplexobj(left) else 1
        if exceeds(float(np.sum(squares)), expected, parts * squares.size, noise.slack):
            return f"{squares.size} random points hold more than noise beside the answer", 1.0
        return None


def noise_doubt(found, groups, plan, error, n):
    """Why an estimate of unknown noise can't be trusted; None where it can, or where the noise is given."""
    if plan.noise != "unknown" or mean_square(groups) == 0.0:
        return None
    if found.keys.shape[0] == 0:
        return "nothing stands out of the noise, which can't be told from many coefficients"
    if found.empty <= 2.0 * QUANTILE:
        return "no bins are left empty that show the noise"
    sizes = [group.size for group in groups]
    if error > _LOUD and max(sizes) < min(4 * min(sizes), 1 << n):
        return "most of what is seen counts as noise, in bins of one size alone"
    return None


def bits_of_share(share):
    """Logarithm of the fewest coefficients of a function that differs from zero at this share of the points."""
    return math.ceil(math.log2(1.0 / share))
