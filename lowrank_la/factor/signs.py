"""One sign (phase, when complex) for each pair of singular vectors, whichever backend made them."""

from .. import _backend as be

_TIE = 0.99


def fix_phases(U, Vh):
    """Make the first nearly-largest entry of each row of `Vh` real and positive; `U` turns along."""
    phase = _phases(be.mH(Vh))
    back = be.namespace(Vh).conj(phase) if be.is_complex(Vh.dtype) else phase
    return U * phase[None, :], Vh * back[:, None]


def fix_vector_phases(V):
    """Make the first nearly-largest entry of each column of `V` real and positive."""
    phase = _phases(V)
    return V * phase[None, :]


def _phases(V):
    """What each column has to be multiplied by."""
    xp = be.namespace(V)
    size = xp.abs(V)
    candidate = size >= _TIE * xp.max(size, axis=0, keepdims=True)
    rows = xp.arange(V.shape[0], device=be.device(V))
    beyond = xp.full((1, 1), V.shape[0], dtype=rows.dtype, device=be.device(V))
    first = xp.min(xp.where(candidate, rows[:, None], beyond), axis=0)
    picked = xp.sum(xp.where(rows[:, None] == first[None, :], V, xp.zeros_like(V)), axis=0)
    length = xp.abs(picked)
    one = xp.ones_like(picked)
    unit = xp.where(length > 0, picked / xp.where(length > 0, xp.astype(length, V.dtype), one), one)
    return xp.conj(unit) if be.is_complex(V.dtype) else unit
