"""How many singular values stand out."""

import numpy as np

from .. import _backend as be
from .gauge import Gauge
from .start import start

_MOST = 40
_GAP = 1.5
_WIDE_GAP = 2.0
_ROUNDING = 100.0  # times the tolerance, below which singular values make no difference


def rank_by_gap(data, key, most=_MOST):
    """Rank at the largest ratio of two neighbouring singular values of the clipped data; None without a clear one.

    The last values of a small matrix, which fall to nothing whatever it holds, are left out.
    """
    short = min(data.shape)
    most = min(most, short)
    if most == 1:
        return 1
    _, s, _ = start(data, most, Gauge(data, key), key.child("rank"))
    host = np.asarray(be.to_numpy(s), np.float64)
    seen = max(1, min(most - 1, short // 3))
    if not host[0] > 0:
        return 1
    ratios = host[:seen] / np.maximum(host[1 : seen + 1], 1e-12 * host[0])
    return int(ratios.argmax()) + 1 if ratios.max() >= _GAP else None


def rank_before_gap(spectrum, tol):
    """Rank before the widest gap of singular values found; None where there is none or what follows is rounding."""
    after = spectrum[1:]
    seen = after > _ROUNDING * tol * spectrum[0]
    if not seen.any():
        return None
    ratios = np.where(seen, spectrum[:-1] / np.where(seen, after, 1.0), 0.0)
    return int(ratios.argmax()) + 1 if ratios.max() > _WIDE_GAP else None
