"""How far a Chebyshev-Tucker approximation is from its function: at random points, and on lines through the worst."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _backend as be
from . import chebyshev
from .chebtuck_lines import FIRST
from .modes import expand_all
from .multilinear import at_points, truncate

_SHARES = (0.25, 0.05, 0.01)  # of the tolerance that truncation may take
_PLACES = (0.25, 0.5, 0.75)  # looked at between neighbouring nodes, in parts of their angle
_NEAR = 33  # places looked at around the worst of a line
_TURNS = 2  # of a search along the axes


@dataclass(frozen=True)
class Judge:
    """Deviations relative to the largest modulus seen.

    Attributes
    ----------
    trials : NumPy array, shape (p, d)
        Points in [-1, 1].
    truth : array, shape (p,)
        The function there.
    sampler : Sampler
    tol : float
    """

    trials: Any
    truth: Any
    sampler: Any
    tol: float

    def __call__(self, core, factors):
        """The largest deviation at the trial points and, where `tol` is met there, on lines through the worst one."""
        error, worst = _largest(self._gaps(core, factors))
        return error if error > self.tol else max(error, self._on_lines(core, factors, worst))

    def on_lines(self, core, factors):
        """The largest deviation met by going along one axis after the other, from the worst trial point on.

        Between nodes a smooth function deviates alike everywhere, one with a kink most at the kink, which random points
        seldom meet: such lines cross it.
        """
        return self._on_lines(core, factors, _largest(self._gaps(core, factors))[1])

    def _on_lines(self, core, factors, worst):
        here, found = np.arccos(self.trials[worst]), 0.0
        for _ in range(_TURNS if len(factors) > 1 else 1):
            for k, factor in enumerate(factors):
                angles = _between_nodes(max(FIRST, int(factor.shape[0])))
                error, place = self._along(core, factors, here, k, angles)
                step = 2.0 * abs(angles[1] - angles[0])
                near = np.clip(np.linspace(angles[place] - step, angles[place] + step, _NEAR), 0.0, np.pi)
                closer, place = self._along(core, factors, here, k, near)
                here = here.copy()
                here[k], found = near[place], max(found, error, closer)
        return found

    def _along(self, core, factors, here, k, angles):
        """The largest deviation where angle k of the point with the angles `here` is one of `angles`, and its place."""
        points = np.tile(here, (len(angles), 1))
        points[:, k] = angles
        rows = [None if j == k else chebyshev.at_angles(c, here[j : j + 1]) for j, c in enumerate(factors)]
        series = be.matmul(factors[k], be.namespace(core).reshape(expand_all(core, rows), (-1, 1)))
        return _largest(self._relative(chebyshev.at_angles(series, angles)[:, 0], self.sampler(np.cos(points))))

    def _gaps(self, core, factors):
        angles = np.arccos(self.trials).T
        values = at_points(core, [chebyshev.at_angles(c, x) for c, x in zip(factors, angles, strict=True)])
        return self._relative(values, self.truth)

    def _relative(self, values, truth):
        gaps = be.to_numpy(be.namespace(values).abs(values - truth)).astype(float)
        return gaps / self.sampler.largest if self.sampler.largest > 0 else gaps


def truncated(coefficients, judge, resolved):
    """``core, factors, error``; truncation takes less where its first share of the tolerance was too much.

    Where coefficients are not `resolved`, their tail being above the tolerance, that would not help.
    """
    best = None
    for share in _SHARES:
        found = truncate(coefficients, share * judge.tol * judge.sampler.largest)
        error = judge(found.core, found.factors)
        worth = best is None or error < best[2] / 2.0
        best = (found.core, found.factors, error) if worth else best
        if best[2] <= judge.tol or not worth or not resolved:
            break
    return best


def _largest(gaps):
    """The largest entry, NaN counting as such, and its place."""
    place = int(np.argmax(gaps))
    return float(gaps[place]), place


def _between_nodes(m):
    """Angles of points between `m` neighbouring nodes, three in each gap."""
    return (np.pi / (m - 1) * (np.arange(m - 1)[:, None] + np.array(_PLACES)[None, :])).ravel()
