"""One sign (phase, when complex) for each pair of singular vectors, whichever backend made them."""

from .. import _backend as be

_TIE = 0.99


def fix_phases(U, Vh):
    """Make the first nearly-largest entry of each row of `Vh` real and positive; `U` turns along."""
    if be.is_complex(Vh.dtype):
        phase = _phases(be.mH(Vh))
        return U * phase[None, :], Vh * be.namespace(Vh).conj(phase)[:, None]
    sign = _signs(Vh, axis=1)
    return U * sign[None, :], Vh * sign[:, None]


def fix_vector_phases(V):
    """Make the first nearly-largest entry of each column of `V` real and positive."""
    phase = _phases(V) if be.is_complex(V.dtype) else _signs(V, axis=0)
    return V * phase[None, :]


def _signs(V, axis):
    """±1 for each vector along `axis`: the sign of its first entry within a hundredth of the largest modulus."""
    xp = be.namespace(V)
    high, low = xp.max(V, axis=axis, keepdims=True), -xp.min(V, axis=axis, keepdims=True)
    bound = _TIE * xp.where(high > low, high, low)
    count = V.shape[axis]
    index = xp.arange(count, dtype=xp.int32, device=be.device(V))
    index = index[None, :] if axis == 1 else index[:, None]
    beyond = xp.full((1, 1), count, dtype=xp.int32, device=be.device(V))
    first_up = xp.min(xp.where(bound <= V, index, beyond), axis=axis)
    first_down = xp.min(xp.where(-bound >= V, index, beyond), axis=axis)
    up = xp.ones_like(first_up)
    return xp.astype(xp.where(first_up <= first_down, up, -up), V.dtype)


def _phases(V):
    """What each complex column has to be multiplied by."""
    xp = be.namespace(V)
    size = xp.abs(V)
    candidate = size >= _TIE * xp.max(size, axis=0, keepdims=True)
    rows = xp.arange(V.shape[0], device=be.device(V))
    beyond = xp.full((1, 1), V.shape[0], dtype=rows.dtype, device=be.device(V))
    first = xp.min(xp.where(candidate, rows[:, None], beyond), axis=0)
    picked = xp.sum(xp.where(rows[:, None] == first[None, :], V, xp.zeros_like(V)), axis=0)
    length = xp.abs(picked)
    one = xp.ones_like(picked)
    return xp.conj(xp.where(length > 0, picked / xp.where(length > 0, xp.astype(length, V.dtype), one), one))
