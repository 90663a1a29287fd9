"""The last look before an answer is certified: values on random subspaces, and whether noise was there to be told."""

import math

import numpy as np

from .. import _kernels
from .sparse_decoder import relative_error
from .sparse_groups import SPARE, WORD
from .sparse_noise import QUANTILE, exceeds, mean_square

CHECKS = 2144
_DIMENSION, _SMALLER = 5, 2  # of the subspaces, from this number of points on and below it
_MANY = 64  # known coefficients from which on the number of values is bounded
_SPARE = 0.6  # of ``sparsity (1 + n + verify)`` values, what the groups leave of 3.6
_LOUD = 0.5  # share of the root mean square that counts as noise, above which bins of another size have to agree
PEAK = 8.0  # sizes of what coefficients below the resolution add up to


def checks_for(sparsity, n, verify):
    """Points to look at: fewer for a known sparsity, so that its bound on the number of values holds."""
    bounded = sparsity is not None and sparsity >= _MANY
    most = min(CHECKS, int(_SPARE * sparsity * (1 + n + verify))) if bounded else CHECKS
    return min(most, 1 << n)


def dimension_for(count):
    """Logarithm of the points of a subspace."""
    return _DIMENSION if count >= CHECKS else _SMALLER


class RandomSubspaces:
    """Values of a function on independent random affine subspaces, which no decoding has seen, or on the whole cube.

    An expansion is evaluated on all points of a subspace at the price of a few. They are uniform and pairwise
    independent: m of them hit a set that holds a share p of all points N times, with E N = m p and E N² =
    m p (1 - p) + (m p)². So the inequality of Cauchy and Schwarz, (E N)² ≤ P(N > 0) E N², bounds the probability that
    all of them miss it by ``(1 - p) / (1 - p + m p)``, and those of independent subspaces are multiplied.

    Parameters
    ----------
    sampler : Sampler
    count : int
        Points altogether.
    """

    def __init__(self, sampler, count):
        self.dimension = dimension_for(count)
        subspaces, n = -(-count >> self.dimension), sampler.code.n
        whole = count == 1 << n and n >= self.dimension
        drawn = _cosets(n, self.dimension) if whole else sampler.points(subspaces * (1 + self.dimension))
        points = np.empty((subspaces << self.dimension, drawn.shape[1]), np.uint64)
        side = WORD // (1 + self.dimension)
        self.tables = np.empty((-(-sampler.code.n // 4), 16, -(-subspaces // (8 * side)) * 8), np.uint64)
        _kernels.lookup("lay_out_subspaces", "numpy")(drawn, self.dimension, points, self.tables)
        self.values = sampler.oracle.values(points[:count])[:-SPARE] if count else np.zeros(0)

    def doubt(self, found, groups, noise):
        """``text, share``: how the points contradict a decoding and at which share of them; None where they don't."""
        if not self.values.size:
            return None
        size, turned = self.values.size, self.values.dtype.kind == "c"
        above, total = _kernels.lookup("leave_on_subspaces", "numpy")(
            found.keys,
            found.values,
            self.tables,
            self.dimension,
            self.values,
            PEAK**2 * noise.floor * max(groups.sizes),
        )
        if noise.variance == 0.0:
            text = f"{above} of {size} random points contradict the answer"
            return (text, above / size) if above else None
        expected = size * noise.variance * (1.0 + found.keys.shape[0] / groups.samples)
        if exceeds(total, expected, (1 + turned) * size, noise.slack):
            return f"{size} random points hold more than noise beside the answer", 1.0
        return None


def _cosets(n, dimension):
    """All points of a small cube: the span of the last unit vectors, and what parts it from its cosets."""
    drawn = np.zeros((1 << n - dimension, 1 + dimension), np.uint64)
    drawn[:, 0] = np.arange(0, 1 << n, 1 << dimension)
    drawn[:, 1:] = 1 << np.arange(dimension)
    return drawn.reshape(-1, 1)


def noise_doubt(found, groups, plan, n):
    """Why an estimate of unknown noise can't be trusted; None where it can, or where the noise is given."""
    if plan.noise != "unknown" or mean_square(groups) == 0.0:
        return None
    if found.keys.shape[0] == 0:
        return "nothing stands out of the noise, which can't be told from many coefficients"
    if found.empty <= 2.0 * QUANTILE:
        return "no bins are left empty that show the noise"
    few, many = min(groups.sizes), max(groups.sizes)
    if relative_error(found, groups) > _LOUD and many < min(4 * few, 1 << n):
        return "most of what is seen counts as noise, in bins of one size alone"
    return None


def bits_of_share(share):
    """Logarithm of the fewest coefficients of a function that differs from zero at this share of the points."""
    return math.ceil(math.log2(1.0 / share))
