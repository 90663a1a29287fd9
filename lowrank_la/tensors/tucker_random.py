"""Tucker decomposition from a random start: few thin products in place of Gram matrices of the whole tensor."""

import math

from .. import _backend as be
from ..factor.tall_qr import orthonormalize
from ..sketch import Gaussian
from .hooi import all_but, halves, power_step
from .modes import contract, contract_all, contract_in_single, in_order, left_out
from .rank_choice import allowed_square, cut_to, least_ranks
from .st_hosvd import Parts
from .subspace import leading
from .tucker_gauge import canonical

_OVERSAMPLE = 10
_FIRST = 16
_GAIN = 1e-2
_FLOOR = 1e-10
_THIN, _LONG = 3, 64
_LARGE = 1 << 21  # entries from which on single precision saves more than it loses


def pays(shape, ranks, modes):
    """Whether the random start is clearly thinner than the tensor."""
    modes = [k for k in modes if ranks[k] < shape[k]]
    if len(modes) < 2 or math.prod(shape) < _LARGE:
        return False
    last = modes[-1]
    return all(max(_LONG, _THIN * (ranks[k] + _OVERSAMPLE)) <= shape[k] for k in (modes[0], last))


def from_random_start(X, norm, ranks, key, watch):
    """`Parts` of the given ranks (None: mode left alone), about as good as orthogonal iteration makes them.

    The modes of the first half are multiplied by Gaussian matrices, whose product shows the ranges of the second half;
    the tensor in these bases shows those of the first. For large tensors single precision will do for both. Then each
    half in turn takes one step of orthogonal iteration against the other, until the squared error falls by less than a
    hundredth.
    """
    modes = [k for k, rank in enumerate(ranks) if rank is not None and rank < X.shape[k]]
    left, right = halves(modes[::-1])  # products with the first modes are the cheaper ones
    factors, known = _start(X, ranks, left, right, key)
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
    Y = contract_all(X, factors, skip=all_but(factors, others))
    for k in ours:
        Z = contract_all(Y, factors, skip=[*all_but(factors, ours), k])
        factors[k] = power_step(Z, k, factors[k])
    return contract(Z, ours[-1], factors[ours[-1]])


def _start(X, ranks, left, right, key):
    """Bases of all modes from one product with Gaussian matrices and one with the left bases, and what they capture."""
    xp, T, factors = be.namespace(X), X, [None] * X.ndim
    large = math.prod(X.shape) >= _LARGE
    product = contract_in_single if large else contract
    for k in reversed(right):
        T = product(T, k, _gaussian(X, k, _width(X.shape, ranks, left, right, k), key.child(k), large))
    for k in left:
        factors[k] = leading(T, k, ranks[k], precise=False)
    first, *more = in_order(factors)
    Y = product(X, first, factors[first])
    for k in more:
        Y = contract(Y, k, factors[k])
    for k in right:
        factors[k] = leading(Y, k, ranks[k], precise=False)
        Y = contract(Y, k, factors[k])
    factors = [None if U is None else orthonormalize(xp.astype(U, X.dtype, copy=False))[0] for U in factors]
    return factors, be.vdot_real(Y)


def _width(shape, ranks, left, right, k):
    """Columns of the Gaussian matrix of mode `k`: enough for the ranks of all left modes."""
    wide = ranks[k] + _OVERSAMPLE
    for j in left:
        columns = math.prod(shape[i] if i not in right else ranks[i] + _OVERSAMPLE for i in range(len(shape)) if i != j)
        others = max(1, columns // wide)
        wide = max(wide, -(-2 * (ranks[j] + _OVERSAMPLE) // others))
    return min(shape[k], wide)


def _gaussian(X, k, width, key, single):
    """A Gaussian matrix (n_k, width) in the precision of `X`, or in single precision."""
    xp = be.namespace(X)
    name = be.dtype_name(be.single_dtype(xp, X.dtype) if single else X.dtype)
    draw = Gaussian(width, X.shape[k], key, dtype=name)
    return be.mH(draw.todense(xp=xp, device=be.device(X), dtype=name))
