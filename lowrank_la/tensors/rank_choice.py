"""The ranks at which a core may be cut: leading blocks in bases that sort its slices by energy."""

import math

import numpy as np

from .. import _backend as be

_SHARE, _FEW = 0.2, 3.0  # what a rank may exceed the least one by that its own mode needs: a share of it, or a few
_HALVINGS = 12
_ROOM = 4.0  # rounding steps


def least_ranks(core, allowed, spent, modes):
    """Ranks of a leading block of `core` whose complement has a squared norm of at most `allowed`.

    No mode can do with fewer slices than `lb`, the least number whose own tail is within what is allowed. The ranks
    tried are ``lb + t · max(0.2 lb, 3)`` in all modes alike, with the least `t` that will do; then slices that still
    fit are dropped, the smallest first.

    Parameters
    ----------
    core : array
        In orthonormal bases whose columns are sorted by energy.
    allowed, spent : float
        Squared errors: that may still be made, and that was made before.
    modes : iterable of int
        Modes whose rank may fall.

    Returns
    -------
    list of int
    """
    energy, modes, shape = squares(core), sorted(modes), core.shape
    least = [_least(_marginal(energy, k), allowed + spent) if k in modes else shape[k] for k in range(core.ndim)]

    def at(t):
        return [min(shape[k], low + math.floor(t * max(_SHARE * low, _FEW))) for k, low in enumerate(least)]

    low, high = 0.0, max((n - lb) / max(_SHARE * lb, _FEW) for n, lb in zip(shape, least, strict=True)) + 1.0
    if _outside(energy, at(0.0)) <= allowed:
        return _trimmed(energy, at(0.0), allowed, modes)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if _outside(energy, at(middle)) <= allowed else (middle, high)
    return _trimmed(energy, at(high), allowed, modes)


def allowed_square(norm, tol, dtype):
    """Squared error allowed, with room for the rounding of the answer in `dtype`."""
    return max(0.0, tol**2 - (_ROOM * be.eps(dtype)) ** 2) * norm**2


def cut_to(core, factors, ranks, shape):
    """``(core, factors)`` with the leading `ranks` slices and columns; None stands for an identity of `shape`."""
    xp = be.namespace(core)
    for k, rank in enumerate(ranks):
        if rank < core.shape[k]:
            core = part_of(core, k, 0, rank)
            whole = xp.eye(shape[k], dtype=core.dtype, device=be.device(core)) if factors[k] is None else factors[k]
            factors[k] = whole[:, :rank]
    return xp.asarray(core, copy=True), factors


def part_of(X, k, start, stop):
    """The slices `start` to `stop` of mode `k`."""
    return X[(slice(None),) * k + (slice(start, stop), ...)]


def squares(core):
    """Squared moduli in the widest real dtype."""
    xp = be.namespace(core)
    wide = be.widest_real(xp, be.device(core))
    parts = (xp.real(core), xp.imag(core)) if be.is_complex(core.dtype) else (core,)
    return sum(xp.astype(part, wide, copy=False) ** 2 for part in parts)


def _marginal(energy, k):
    xp = be.namespace(energy)
    others = tuple(j for j in range(energy.ndim) if j != k)
    return be.to_numpy(xp.sum(energy, axis=others)).astype(float)


def _least(marginal, allowed):
    """Least number of leading slices, at least one, whose tail is within `allowed`."""
    tails = np.append(np.cumsum(marginal[::-1])[::-1], 0.0)
    return max(1, int(np.argmax(tails <= allowed)))


def _outside(energy, ranks):
    """Sum of `energy` outside of the leading block, added up without cancellation."""
    xp, total = be.namespace(energy), 0.0
    for k, rank in enumerate(ranks):
        total += float(xp.sum(part_of(energy, k, rank, None)))
        energy = part_of(energy, k, 0, rank)
    return total


def _trimmed(energy, ranks, allowed, modes):
    """`ranks` after dropping last slices, the one of least energy first, as long as all that is dropped is allowed."""
    xp, ranks = be.namespace(energy), list(ranks)
    left = allowed - _outside(energy, ranks)
    block = energy[tuple(slice(0, rank) for rank in ranks)]
    while True:
        losses = {k: float(xp.sum(part_of(block, k, ranks[k] - 1, None))) for k in modes if ranks[k] > 1}
        k = min(losses, key=losses.get, default=None)
        if k is None or losses[k] > left:
            return ranks
        left -= losses[k]
        ranks[k] -= 1
        block = part_of(block, k, 0, ranks[k])
