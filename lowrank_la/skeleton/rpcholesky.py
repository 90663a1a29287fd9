"""Partial Cholesky factor of a positive semidefinite matrix with randomly drawn pivots."""

import warnings
from dataclasses import dataclass

import numpy as np

from .. import _backend as be
from ..exceptions import RankWarning
from ..factor.iteration import Watch, settle
from ..factor.prologue import require_square, untracked_operator
from ..operators import LowRank
from ..results import Info, Result
from .cholesky_factor import CholeskyFactor

_ADVICE = "allow a larger rank or loosen tol"
_EXHAUSTED = "numerical rank reached"
_LEAST_BLOCK, _LARGEST_BLOCK = 8, 256


@dataclass(frozen=True, eq=False, repr=False)
class RPCholeskyResult(Result):
    """``K ≈ F @ Fᴴ`` from the columns `indices` of `K`; an operator itself (``result @ x``)."""

    F: object
    indices: object
    info: Info

    _unpack = ("F", "indices")

    def __lowrank_operator__(self):
        return LowRank(self.F, None, be.mH(self.F))


@be.supports(blocks=True)
def rpcholesky(
    K, rank, *, tol=None, block=None, rng=None, callback=None, progress=False, on_failure="warn", check_finite=True
):
    """Partial Cholesky factor of a positive semidefinite matrix, its pivots drawn at random.

    Each pivot is drawn with probability proportional to the diagonal of what the factor has not explained yet. Of the
    matrix no more is read than its diagonal and about `rank` columns, and no more is stored than the factor.

    Parameters
    ----------
    K : KernelMatrix, array, sparse matrix or operator, shape (n, n)
        Hermitian positive semidefinite. An operator that knows products alone gives its diagonal by n products; take
        `nystrom` for those.
    rank : int
        Largest number of columns, 1…n.
    tol : float, optional
        Relative trace error allowed, in (0, 1): the first pivot that meets it is the last one.
    block : int, optional
        Pivots proposed at a time; half of `rank` and no more than 256 by default. It changes the speed and which pivots
        a seed gives, not their law.
    rng, callback, progress, on_failure, check_finite
        As for `svd`; finiteness is asked of the entries that are read.

    Returns
    -------
    RPCholeskyResult
        ``F`` (n, k) and ``indices`` (k,), the pivots in the order of the draw. ``info.error`` is the relative trace
        error ``tr(K - F Fᴴ) / tr K``, "exact" to rounding, which bounds the relative error in the nuclear norm since
        ``K - F Fᴴ`` is positive semidefinite. `k` is below `rank` where `tol` is met earlier, or every diagonal entry
        of what is left is as small as rounding of the largest one (that of half precision where `K` is an array in
        it): such entries are no pivots, but the error counts them. ``info.proposals`` counts draws, ``info.entries``
        the entries of `K` that were read.

    Raises
    ------
    ValueError
        If `K` is not square, not Hermitian or not positive semidefinite in the entries that were read, empty or not
        finite, or an argument is out of range.
    TypeError
        If `K` is not a matrix, or a tensor that records gradients, which this function has not, or an argument is of
        the wrong type.

    Notes
    -----
    The law is that of randomly pivoted Cholesky one pivot at a time [1]_, reached by rejection: `block` proposals are
    drawn from the current diagonal, and each is accepted with the probability that what the ones before it have left
    bears to it [2]_. Cost: n k entries, about n k² operations in matrix products, one n × `rank` buffer. The expected
    trace error is at most (1 + ε) times that of the best approximation of rank r once k ≥ r/ε + r log(1/(ε η)), η being
    the relative trace error of the latter. Across backends one seed gives the same pivots, and `F` to the rounding of
    the pivots, as long as what is left is above it: the last ones of a matrix exhausted to rounding may differ.

    References
    ----------
    .. [1] chen_epperly_tropp_webber_2025
    .. [2] epperly_tropp_webber_2024

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> x = np.linspace(0.0, 1.0, 500)
    >>> K = lr.KernelMatrix(x, lambda a, b: np.exp(-((a[:, None] - b[None, :]) ** 2)), diag=1.0)
    >>> F, indices = lr.rpcholesky(K, 8, rng=0)
    >>> bool(np.linalg.norm(K.take_cols(range(500)) - F @ F.T) < 1e-5 * 500)
    True
    """
    op = untracked_operator(K, "rpcholesky")
    require_square(op, "rpcholesky", "positive semidefinite")
    rank, tol = be.check_rank(rank, op.shape, "K"), None if tol is None else be.check_tol(tol)
    block = min(max(_LEAST_BLOCK, -(-rank // 2)), _LARGEST_BLOCK) if block is None else be.check_count("block", block)
    be.check_option("on_failure", on_failure, ("warn", "raise"))
    check_finite = be.check_flag("check_finite", check_finite)
    watch = Watch(op.shape[0] + rank, be.check_callback(callback), be.check_flag("progress", progress), "rpcholesky")
    key = be.resolve_rng(rng)
    with be.single_blas(), watch:
        growing = CholeskyFactor(op, rank, check_finite)
        reason = _grow(growing, block, tol, key.child("proposals"), watch)
    result = _assemble(growing, reason, tol, key, watch)
    settle(result.info, on_failure, _ADVICE)
    if tol is None and reason == _EXHAUSTED:
        warnings.warn(f"F has {growing.size} of the {rank} columns asked for: the rest is rounding", RankWarning, 2)
    return result


def _assemble(growing, reason, tol, key, watch):
    op = growing.op
    F = growing.trimmed()
    info = Info(
        error=growing.error, error_kind="exact", converged=tol is None or growing.error <= tol, reason=reason,
        iterations=watch.count, products=growing.products, method="rpcholesky", rng=key.record,
        details={"proposals": growing.proposals, "entries": growing.entries},
    )  # fmt: skip
    F = op.xp.astype(F, op.source_dtype) if be.is_half(op.source_dtype) else F
    return RPCholeskyResult(F, be.index_array(growing.indices, op.shape[0], op.xp, op.device), info)


def _grow(growing, block, tol, key, watch):
    """Rounds of `block` proposals until the rank, the tolerance or rounding is reached; returns which."""
    goal = -1.0 if tol is None else tol * growing.trace
    while growing.size < growing.rank:
        weights = growing.weights()
        if growing.remaining <= goal:
            return "tolerance met"
        if not weights.any():
            return _EXHAUSTED
        draws = be.to_numpy(be.uniform(key, slice(watch.count, watch.count + 1), slice(0, 2 * block)))[0]
        met = growing.extend(propose(weights, draws[:block]), draws[block:], goal)
        over = watch.tick(size=growing.size, error=growing.error)
        if met:
            return "tolerance met"
        if over:
            return watch.reason
    return "rank reached"


def propose(weights, uniform):
    """Indices drawn independently with probability proportional to `weights`; those of weight 0 never."""
    reach = np.cumsum(weights)
    return np.searchsorted(reach, uniform * reach[-1], side="left")
