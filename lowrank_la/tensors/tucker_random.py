"""Tucker decomposition from a random start: few thin products in place of Gram matrices of the whole tensor."""

import math

from .. import _backend as be
from .hooi import all_but, power_step
from .modes import contract, contract_all, contract_side, left_out
from .rank_choice import allowed_square, cut_to, least_ranks
from .st_hosvd import Parts
from .tucker_gauge import canonical
from .tucker_start import first_read, random_bases

_FIRST = 16
_BESIDE = 10  # columns that are reckoned with beside a rank
_GAIN = 1e-2
_FLOOR = 1e-10
_THIN, _LONG = 3, 64
_LARGE = 1 << 21  # entries from which on there is something to save


def pays(shape, ranks, modes):
    """Whether the random start is clearly thinner than the tensor."""
    modes = [k for k in modes if ranks[k] < shape[k]]
    if len(modes) < 2 or math.prod(shape) < _LARGE:
        return False
    last = modes[-1]
    return all(max(_LONG, _THIN * (ranks[k] + _BESIDE)) <= shape[k] for k in (modes[0], last))


def from_random_start(X, norm, ranks, key, watch, first=None):
    """`Parts` of the given ranks (None: mode left alone), about as good as orthogonal iteration makes them.

    From the bases of `random_bases` each half of the modes in turn takes one step of orthogonal iteration against the
    other, until the squared error falls by less than a hundredth. `first` is what `first_read` returned, if it was
    called before.
    """
    first = first_read(X, ranks, key) if first is None else first
    left, right = first.left, first.right
    factors, known = random_bases(X, ranks, first, key)
    core, done, tiny, over = None, 0, 0, False
    while not over:
        ours, others = (left, right) if done % 2 == 0 else (right, left)
        core = _half(X, factors, ours, others)
        done += 1
        size = be.vdot_real(core)
        gained, missed, known = size - known, norm**2 - size, size
        over = watch.tick(error=math.sqrt(max(0.0, missed)) / norm)
        tiny += missed <= _FLOOR * norm**2
        if tiny >= 2 or (not tiny and gained <= _GAIN * missed):
            break
    return Parts(core, factors, 2 + done, done)


def to_error(X, norm, tol, most, key, watch):
    """`Parts` with an error of at most ``tol · norm``, or None where the ranks that takes are not clearly thin.

    Ranks are doubled until half the error allowed is left over, or little is gained; `least_ranks` spends the rest.

    Parameters
    ----------
    most : list of int or None
        The most that is kept of each mode, None for modes left alone.
    """
    modes = [k for k, rank in enumerate(most) if rank is not None]
    rank, before, reads = _FIRST, math.inf, 0
    while True:
        ranks = [None if n is None else min(n, rank) for n in most]
        if not pays(X.shape, ranks, modes):
            return None
        parts = from_random_start(X, norm, ranks, key.child(rank), watch)
        missed = norm**2 - be.vdot_real(parts.core)
        if missed <= 100 * be.eps(X.dtype) * norm**2:
            missed = left_out(X, parts.core, parts.factors) ** 2
        reads += parts.reads
        allowed = allowed_square(norm, tol, X.dtype)
        stuck = missed <= 0.9 * allowed and before - missed <= 0.1 * missed
        if missed <= 0.25 * allowed or stuck or all(r is None or r == n for r, n in zip(ranks, most, strict=True)):
            break
        rank, before = 2 * rank, missed
    core, factors = canonical(parts.core, list(parts.factors))
    core, factors = cut_to(core, factors, least_ranks(core, max(0.0, allowed - missed), missed, modes), X.shape)
    return Parts(core, factors, reads, watch.count)


def _half(X, factors, ours, others):
    """One step of each of `ours` against all others, in place; the core."""
    Y = contract_side(X, factors, others)
    for k in ours:
        Z = contract_all(Y, factors, skip=[*all_but(factors, ours), k])
        factors[k] = power_step(Z, k, factors[k])
    return contract(Z, ours[-1], factors[ours[-1]])
