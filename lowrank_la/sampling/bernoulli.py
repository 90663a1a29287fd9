"""Independent inclusion of rows with probabilities proportional to scores."""

import numpy as np

from .. import _backend as be
from .basis import where_true


def inclusion_probabilities(scores, size):
    """``q = min(1, α scores)`` with sum `size` exactly; `size` is at most the number of positive scores.

    With the scores in descending order the t largest get 1, t the least number for which the factor that the others
    then need, ``α = (size - t) / Σ_{i>t} s_i``, leaves the next one at most 1. α itself may overflow and is not formed.
    """
    xp = be.namespace(scores)
    wide = xp.astype(scores, be.widest_real(xp, be.device(scores)))
    wide = wide / xp.max(wide)
    ordered = xp.flip(xp.sort(wide))
    rest = xp.flip(xp.cumulative_sum(xp.flip(ordered)))
    taken = xp.arange(rest.shape[0], dtype=wide.dtype, device=be.device(scores))
    left = xp.where(taken < size, size - taken, xp.zeros_like(taken))
    rest = xp.where(rest > 0, rest, xp.ones_like(rest))
    fits = np.flatnonzero(be.to_numpy(left * (ordered / rest) <= 1))
    if not fits.size:
        return xp.astype(wide > 0, wide.dtype)
    first = int(fits[0])
    q = left[first] * (xp.where(wide < ordered[first], wide, ordered[first]) / rest[first])
    sure = wide >= ordered[first - 1] if first else q > 1
    return xp.where(sure | (q > 1), xp.ones_like(q), q)


def kept(q, key, label):
    """Indices, ascending, of the rows that independent draws with probabilities `q` keep."""
    xp, place = be.namespace(q), be.device(q)
    drawn = be.uniform(key.child(label), slice(0, q.shape[0]), slice(0, 1), be.dtype_name(q.dtype), xp, place)[:, 0]
    return where_true(drawn <= q)
