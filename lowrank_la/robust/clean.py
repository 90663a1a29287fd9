"""Data that are of low rank as they are: nothing has to be put aside."""

import math

import numpy as np

from .. import _backend as be
from .gauge import Gauge
from .outcome import Outcome
from .panels import kept
from .start import leading

_BLOCK, _MORE = 120, 20  # sides of the block that is looked at first: without a rank, and beyond the rank
_EXTRA, _STEPS = 5, 2
_SPREADS = 12.0  # median misfits: noise stays within, an outlier does not
_ROUNDING = 1e3
_ALONE = 1e-6  # how close to one the leverage of a line is that carries a direction by itself


def clean(data, rank, settings, watch):
    """`Outcome` without outliers where truncated singular vectors meet the tolerance, else None.

    A block of some rows and columns tells the rank first, so that other data cost next to nothing.
    """
    found = clean_rank(data, rank, settings)
    if found is None:
        return None
    U, s, V = leading(data.matrix, None, found + _EXTRA, _STEPS, settings.key.child("clean"))
    U, s, V = U[:, :found], s[:found], V[:, :found]
    if found < min(data.shape) and any(carried_alone(Q) for Q in (U, V)):
        return None
    spread = Gauge(data, settings.key).spread(U, s, V)
    limit = misfit_limit(data, spread)
    rest = kept(data, U, s, V, limit, products="right")
    if rest.count < data.count or rest.norm > settings.tol * data.norm:
        return None
    residual = rest.norm / data.norm
    watch.tick(residual=residual, threshold=limit * settings.factor)
    return Outcome(U, s, V, limit, residual, "tolerance met", [residual], 0.0, 0, spread)


def clean_rank(data, rank, settings):
    """Rank of a block of the data where it is at most `rank`, or half of what it could be without one; else None."""
    if data.known is not None or settings.incoherence is not None:
        return None
    part = block(data, _BLOCK if rank is None else rank + _MORE, settings.key)
    s = np.asarray(be.to_numpy(be.small_svd(part)[1]), np.float64)
    most = min(part.shape) // 2 if rank is None else rank
    share = math.sqrt(part.shape[0] * part.shape[1] / (data.shape[0] * data.shape[1]))
    for floor in (_ROUNDING * be.eps(data.dtype) * s[0], settings.tol * data.norm * share):
        count = int((s > floor).sum())
        if 0 < count <= most:
            return count
    return None


def block(data, side, key):
    """Entries where `side` random rows and columns meet, at most."""
    part = data.matrix
    for axis, size in enumerate(data.shape):
        if size > side:
            order = be.uniform(key.child(f"block {axis}"), slice(0, size), slice(0, 1))[:, 0].argsort(kind="stable")
            part = data.xp.take(part, be.index_array(np.sort(order[:side]), size, data.xp, data.device), axis=axis)
    return part


def carried_alone(Q):
    """Whether a line carries a direction by itself: the others say nothing of it, and an outlier does just that."""
    length = be.namespace(Q).linalg.vector_norm(Q, axis=1)
    return float(be.namespace(Q).max(length)) ** 2 > 1.0 - _ALONE


def misfit_limit(data, spread):
    """The modulus that no misfit exceeds where there are no outliers: some medians, or rounding."""
    return max(_SPREADS * spread, 8.0 * be.eps(data.dtype) * data.norm)
