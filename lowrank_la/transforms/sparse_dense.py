"""The transform of a small cube that is looked at as a whole."""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, chdtri

from .. import _backend as be
from .sparse_check import PEAK
from .sparse_decoder import RISK
from .sparse_groups import SPARE, unpacked
from .sparse_noise import Noise, exceeds

_MEDIAN = {1: 0.45493642311957283, 2: 0.6931471805599453}  # of a chi-square variable over its degrees of freedom
_MANY = 0.25  # share of coefficients above which their median says nothing about the noise
_FEW = 16  # values below which it says nothing either
_CERTAIN = 1e-6  # that a certificate counts noise among the coefficients
_ROUNDED = 16.0  # times the floor of rounding: the square of a coefficient that may be rounding


@dataclass(frozen=True, eq=False)
class Cube:
    """Coefficients of a cube that stand out, and what was left.

    Attributes
    ----------
    keys : uint64 array (k, 1)
    values : array (k,)
    noise : Noise
    limit : float
        Least square of a coefficient that counts.
    error : float
        ‖f - Σ‖ / ‖f‖.
    doubt : str or None
        Why there is no certificate.
    """

    keys: np.ndarray
    values: np.ndarray
    noise: Noise
    limit: float
    error: float
    doubt: str | None


def whole_cube(oracle, noise, degree):
    """The `Cube` from all ``2**n`` values.

    Coefficients count when they pass rounding, or a level that noise passes with probability 0.01 in any of them; for
    a certificate all of them have to pass one that noise passes with probability 1e-6.
    """
    n = oracle.n
    words = np.zeros((1 << n, 1), np.uint64)
    words[:, 0] = np.arange(1 << n, dtype=np.uint64)
    values = oracle.values(words)[:-SPARE]
    X = be.walsh(values.reshape(1, -1, 1), 1.0 / values.size)[0, :, 0]
    squares = X.real**2 + X.imag**2
    total = float(np.sum(squares))
    floor = (oracle.precision ** (2.0 / 3.0)) ** 2 * total
    parts = 2 if np.iscomplexobj(X) else 1
    unit = _unit(noise, oracle.scale or 1.0, squares, parts)
    limit = max(_ROUNDED * floor, unit / parts * float(chdtri(parts, RISK / X.size)))
    strong = squares > limit
    kept = strong if degree is None else strong & (unpacked(words, n).sum(axis=1) <= degree)
    left = float(np.sum(squares[~kept]))
    doubt = f"{np.sum(strong & ~kept)} coefficients are above the degree" if np.any(strong & ~kept) else None
    doubt = doubt or (
        _rounding_doubt(X, kept, floor) if noise is None else _noise_doubt(squares, kept, unit, floor, parts, noise)
    )
    error = (left / total) ** 0.5 if total > 0.0 else 0.0
    return Cube(words[kept], X[kept], Noise(unit * X.size, floor), limit, error, doubt)


def _unit(noise, scale, squares, parts):
    """Variance of a coefficient that is noise alone."""
    if noise is None:
        return 0.0
    return float(np.median(squares)) / _MEDIAN[parts] if noise == "unknown" else (noise / scale) ** 2 / squares.size


def _certain(count, parts, noise):
    """Squares of `count` coefficients of noise, over the variance in use, all stay below this but for `_CERTAIN`.

    Where the variance comes from their median, half of that is left for a median that is far too small: the rank of
    the median among uniform numbers follows a beta distribution.
    """
    if noise != "unknown":
        return float(chdtri(parts, _CERTAIN / count)) / parts
    below = betaincinv((count + 1) // 2, count // 2 + 1, _CERTAIN / 2.0)
    found = float(chdtri(parts, 1.0 - below)) / parts / _MEDIAN[parts]
    return float(chdtri(parts, _CERTAIN / 2.0 / count)) / parts / found


def _rounding_doubt(X, kept, floor):
    """Why coefficients of exact values may be missing; None where no value is off by more than random points may be."""
    off = be.walsh(np.where(kept, 0.0, X).reshape(1, -1, 1))
    allowed = PEAK * (floor * X.size) ** 0.5
    return "what is left is more than rounding" if float(np.max(np.abs(off))) > allowed else None


def _noise_doubt(squares, kept, unit, floor, parts, noise):
    """Why the coefficients that stand out of noise may not be all, or not all be some; None where they are."""
    count, total = int(np.sum(~kept)), float(np.sum(squares))
    if count and exceeds(float(np.sum(squares[~kept])), (unit + floor) * count, parts * count):
        return "what is left is no noise"
    if noise == "unknown" and total > 0.0:
        if squares.size < _FEW or np.mean(kept) >= _MANY:
            return "too few values without a coefficient tell the noise"
        if not kept.any():
            return "nothing stands out of the noise, which can't be told from many coefficients"
    if np.any(squares[kept] <= unit * _certain(squares.size, parts, noise)):
        return "the smallest coefficient may be noise"
    return None
