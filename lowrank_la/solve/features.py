"""Polynomials that are orthonormal for a probability measure on the line, and points drawn by their leverage."""

import math

import numpy as np

from .. import _backend as be

_CELLS = 2048
_STEPS = 60
_CLOSE = 1e-10  # a Newton step that small leaves rounding
_TINY = 1e-300
_HERMITE_MOST = 128
_HERMITE_TAIL = 10.0


class _Polynomials:
    """First `count` orthonormal polynomials ``φ_0 … φ_{count-1}``.

    A subclass gives the three-term recurrence, a chart of the domain by an interval, and on that interval the mass
    below and the density of the mean square ``Σ φ_j² / count``.
    """

    _interval: tuple[float, float]

    def __init__(self, d):
        self.count = be.check_count("d", d)
        self._prepare()

    def _prepare(self):
        self._nodes = np.linspace(*self._interval, _CELLS + 1)
        self._mass = self._mass_and_density(self._nodes)[0]

    def __call__(self, points):
        """Values ``φ_j(points)``, shape (p, count), in the library of `points`."""
        xp = be.namespace(points)
        real = be.compute_dtype(xp, points.dtype, be.device(points))
        return xp.stack(self._values(xp.astype(points, real, copy=False), xp), axis=1)

    def _values(self, x, xp):
        values, before = [xp.ones_like(x)], xp.zeros_like(x)
        for j in range(self.count - 1):
            a, b = self._recurrence(j)
            values.append(a * x * values[-1] - b * before)
            before = values[-2]
        return values

    def leverage(self, points):
        """``Σ φ_j(points)²``, shape (p,), with mean `count` under the measure."""
        values = self(points)
        return be.namespace(values).sum(values**2, axis=1)

    def quantile(self, u):
        """Points below which the mean square has mass `u` (NumPy, in [0, 1]), by bracketed Newton steps."""
        u = np.asarray(u, np.float64)
        cell = np.clip(np.searchsorted(self._mass, u) - 1, 0, _CELLS - 1)
        low, high = self._nodes[cell], self._nodes[cell + 1]
        t = (low + high) / 2
        for _ in range(_STEPS):
            mass, density = self._mass_and_density(t)
            below = mass < u
            low, high = np.where(below, t, low), np.where(below, high, t)
            step = t + (u - mass) / np.maximum(density, _TINY)
            before, t = t, np.where((low <= step) & (step <= high), step, (low + high) / 2)
            if np.all(np.abs(t - before) <= _CLOSE * self._interval[1]):
                break
        return self._point(t)

    def _point(self, t):
        return t

    def _recurrence(self, j):
        """``a, b`` with ``φ_{j+1} = a x φ_j - b φ_{j-1}``."""
        raise NotImplementedError

    def _mass_and_density(self, t):
        """Mass below `t` on the chart, and its derivative."""
        raise NotImplementedError

    def __repr__(self):
        return f"{type(self).__name__}({self.count})"


class Legendre(_Polynomials):
    """Legendre polynomials, orthonormal for the uniform probability on [-1, 1].

    Parameters
    ----------
    d : int
        Number of polynomials, of degrees 0 to d - 1.

    Notes
    -----
    ``Legendre(d)(points)`` evaluates them, ``quantile(u)`` draws points by leverage, and `ProjectionDPP` and
    `weighted_lstsq` take them whole. The mass of φ_j² below x follows from that of φ_{j-1}² in closed form.

    References
    ----------
    .. [1] nouy_michel_2023

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> lr.Legendre(3)(np.asarray([1.0])).round(4)
    array([[1.    , 1.7321, 2.2361]])
    >>> lr.ProjectionDPP(lr.Legendre(3)).sample(rng=0).shape
    (3,)
    """

    _interval = (0.0, math.pi)

    def _recurrence(self, j):
        grow = math.sqrt(2 * j + 3) / (j + 1)
        return grow * math.sqrt(2 * j + 1), grow * j / math.sqrt(2 * j - 1) if j else 0.0

    def _point(self, t):
        return -np.cos(t)

    def _mass_and_density(self, t):
        x = -np.cos(t)
        values = self._values(x, np)
        P = [value / math.sqrt(2 * j + 1) for j, value in enumerate(values)]
        total = self.count * np.sin(t / 2) ** 2
        for j in range(1, self.count):
            total += (self.count - j) * (x * (P[j] ** 2 + P[j - 1] ** 2) / 2 - P[j] * P[j - 1])
        return total / self.count, sum(value**2 for value in values) * np.sin(t) / (2 * self.count)


class Hermite(_Polynomials):
    """Hermite polynomials, orthonormal for the standard normal probability.

    Parameters
    ----------
    d : int
        Number of polynomials, of degrees 0 to d - 1; at most 128, beyond which their squares leave the range.

    Notes
    -----
    As for `Legendre`. The mass of φ_j² below x follows from that of φ_{j-1}² in closed form.

    References
    ----------
    .. [1] nouy_michel_2023

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> lr.Hermite(3)(np.asarray([2.0])).round(4)
    array([[1.    , 2.    , 2.1213]])
    """

    def _prepare(self):
        be.check_count("d", self.count, 1, _HERMITE_MOST)
        reach = 2.0 * math.sqrt(self.count) + _HERMITE_TAIL
        self._interval = (-reach, reach)
        super()._prepare()

    def _recurrence(self, j):
        return 1.0 / math.sqrt(j + 1), math.sqrt(j / (j + 1))

    def _mass_and_density(self, t):
        from scipy.special import ndtr

        values, before = [np.exp(-(t**2) / 4) / (2 * math.pi) ** 0.25], np.zeros_like(t)
        correction = np.zeros_like(t)
        for j in range(self.count - 1):
            a, b = self._recurrence(j)
            values.append(a * t * values[-1] - b * before)
            before = values[-2]
            correction += (self.count - 1 - j) * values[-1] * before / math.sqrt(j + 1)
        return ndtr(t) - correction / self.count, sum(value**2 for value in values) / self.count


class Chebyshev(_Polynomials):
    """Chebyshev polynomials, orthonormal for the arcsine probability on [-1, 1].

    Parameters
    ----------
    d : int
        Number of polynomials, of degrees 0 to d - 1.

    Notes
    -----
    As for `Legendre`. With ``x = -cos t`` the functions are cosines, and their squares have primitives.

    References
    ----------
    .. [1] nouy_michel_2023

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> lr.Chebyshev(3)(np.asarray([1.0])).round(4)
    array([[1.    , 1.4142, 1.4142]])
    """

    _interval = (0.0, math.pi)

    def _recurrence(self, j):
        return (2.0, 1.0) if j > 1 else ((math.sqrt(2.0), 0.0) if j == 0 else (2.0, math.sqrt(2.0)))

    def _point(self, t):
        return -np.cos(t)

    def _mass_and_density(self, t):
        total, rate = self.count * t, self.count + 0.0 * t
        for j in range(1, self.count):
            total = total + np.sin(2 * j * t) / (2 * j)
            rate = rate + np.cos(2 * j * t)
        return total / (self.count * math.pi), rate / (self.count * math.pi)
