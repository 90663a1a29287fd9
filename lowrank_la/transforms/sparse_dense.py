"""The transform of a small cube that is looked at as a whole."""

import numpy as np

from .. import _backend as be
from .sparse_decoder import RISK
from .sparse_groups import WORD
from .sparse_noise import Noise

_MEDIAN = {1: 0.45493642311957283, 2: 0.6931471805599453}  # of a chi-square variable over its degrees of freedom
_MANY = 0.25  # share of coefficients above which their median says nothing about the noise


def whole_cube(oracle, noise):
    """``keys, values, complete, noise`` from all ``2**n`` values.

    Coefficients count when they pass rounding, or a level that noise passes with probability 0.01 in any of them.
    """
    n = oracle.n
    words = np.zeros((1 << n, 1), np.uint64)
    words[:, 0] = np.arange(1 << n, dtype=np.uint64)
    words <<= np.uint64(WORD - n) if n else np.uint64(0)
    values = np.concatenate([oracle.values(part) for part in np.array_split(words, max(1, (n << n) >> 26))])
    X = be.walsh(values.reshape(1, -1, 1), 1.0 / values.size)[0, :, 0]
    squares = X.real**2 + X.imag**2
    floor = (oracle.precision ** (2.0 / 3.0)) ** 2 * float(np.sum(squares))
    parts = 2 if np.iscomplexobj(X) else 1
    unit, limit, complete = 0.0, 16.0 * floor, True
    if noise is not None:
        unit = (
            float(np.median(squares)) / _MEDIAN[parts] if noise == "unknown" else (noise / oracle.scale) ** 2 / X.size
        )
        limit = max(limit, _level(unit, parts, X.size))
    kept = np.flatnonzero(squares > limit)
    if noise is not None:
        complete = _as_noise(squares, kept, unit + floor, parts) and (noise != "unknown" or kept.size < _MANY * X.size)
    return words[kept], X[kept], complete, Noise(unit * X.size, floor)


def _level(unit, parts, count):
    from scipy.special import chdtri

    return unit / parts * float(chdtri(parts, RISK / count))


def _as_noise(squares, kept, unit, parts):
    """Whether the coefficients that were dropped have the energy of the noise, to four standard deviations."""
    count = squares.size - kept.size
    if count == 0 or unit == 0.0:
        return True
    left = float(np.sum(squares)) - float(np.sum(squares[kept]))
    return left <= unit * (count + 4.0 * (2.0 * count / parts) ** 0.5)
