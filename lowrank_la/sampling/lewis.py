"""Lewis weights: the change of density under which a subspace of l_p looks like one of l_2."""

import math
from dataclasses import dataclass

from .. import _backend as be
from ..factor.iteration import Watch, settle
from ..results import Info, Result
from .basis import row_basis, scored_operator
from .weighted import WeightedRows, scatter

_MAXITER = 500
_AVERAGED = 40
_PATIENCE = 60
_SLOWEST = 1e-3
_ADVICE = "the weights are one-sided up to info.one_sided, enough for sampling; raise maxiter or loosen tol for more"


@dataclass(frozen=True, eq=False, repr=False)
class LewisResult(Result):
    """l_p Lewis weights of the rows, which add up to the rank."""

    weights: object
    info: Info

    _unpack = ("weights",)

    @property
    def __references__(self):
        averaged = self.info.method == "averaged fixed point"
        return ("cohen_peng_2015", *(("cohen_cousins_lee_yang_2019",) if averaged else ()))


@dataclass(frozen=True)
class LewisPoint:
    """Logarithms of weights and of their leverage scores, what they miss, and the rows at these weights."""

    log_w: object
    log_tau: object
    error: float
    one_sided: float
    reason: str

    @classmethod
    def at(cls, log_w, log_tau, reason=""):
        """The point with its errors measured."""
        xp = be.namespace(log_w)
        gap = log_tau - log_w
        return cls(log_w, log_tau, float(xp.max(xp.abs(gap))), math.expm1(float(xp.max(gap))), reason)


@be.supports(blocks=True)
def lewis_weights(A, p, *, tol=1e-6, maxiter=None, callback=None, progress=False, on_failure="warn", check_finite=True):
    r"""l_p Lewis weights: the w with ``w = leverage(W^(1/2-1/p) A)``.

    Parameters
    ----------
    A : array, sparse matrix, operator or result, shape (m, n)
    p : float
        Positive.
    tol : float
        Largest \|log(leverage / w)\| accepted, in (0, 1); taken as at least 100 eps.
    maxiter : int, optional
        Limit on iterations, 500 by default.
    callback : callable, optional
        Called once an iteration with ``iteration`` and ``error``; True stops.
    progress : bool
        Show a progress bar.
    on_failure : {"warn", "raise"}
        What happens when `tol` is not met.
    check_finite : bool
        Refuse NaN and infinite entries.

    Returns
    -------
    LewisResult
        ``weights`` (m,), real; zero rows have weight 0. ``info.error`` is the largest \|log(leverage / w)\|.
        ``info.one_sided`` is the least c with leverage ≤ (1 + c) w, which is what bounds of row sampling need;
        ``info.rank`` the numerical rank, to which the weights add up within `tol`.

    Raises
    ------
    ValueError
        If `p` is not positive and finite, `A` is empty or not finite, or an argument is out of range.
    TypeError
        If `A` is not a matrix or records gradients, or an argument is of the wrong type.
    ConvergenceError
        If `tol` is not met and ``on_failure="raise"``; with "warn" a `ConvergenceWarning` is issued.

    Notes
    -----
    The fixed-point iteration of [1]_ multiplies w by (leverage / w)^(p/2) and contracts for p < 4. Its steps are taken
    4/(p + 2) times as long, which makes the local rate \|p - 2\| / (p + 2) for every p; should the error grow, the
    plain steps come back. From p = 4 on the average of 40 undamped iterates comes first, as for p = ∞ in [2]_; it is
    one-sided within a few percent, and steps halve where they do not help. For p of ten and more weights can span fifty
    orders of magnitude: then the one-sided certificate is what can be had, and the result says so.

    Leverage scores come from the triangular factor of the scaled rows, preconditioned by that of the step before;
    weights are kept as logarithms. An orthonormal basis (m, n) is stored; an iteration takes about 3mn² operations.

    References
    ----------
    .. [1] cohen_peng_2015
    .. [2] cohen_cousins_lee_yang_2019

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = np.vander(np.linspace(0.0, 1.0, 100), 4)
    >>> w = lr.lewis_weights(A, 1).weights
    >>> float(abs(lr.leverage_scores(A / w[:, None] ** 0.5).scores - w).max()) < 1e-6
    True
    """
    p = be.check_positive("p", p)
    tol = be.check_tol(tol)
    be.check_option("on_failure", on_failure, ("warn", "raise"))
    maxiter = be.check_count("maxiter", _MAXITER if maxiter is None else maxiter)
    watch = Watch(maxiter, be.check_callback(callback), be.check_flag("progress", progress), "lewis_weights")
    op, _ = scored_operator(A, "lewis_weights", check_finite)
    with be.single_blas(), watch:
        result = _assemble(op, p, max(tol, 100 * be.eps(op.dtype)), watch)
    settle(result.info, on_failure, _ADVICE)
    return result


def _assemble(op, p, tol, watch):
    basis = row_basis(op)
    rows = WeightedRows(basis)
    point = lewis_point(rows, p, tol, watch)
    weights = scatter(op.xp.exp(point.log_w), rows.alive, op.shape[0])
    info = Info(
        error=point.error, error_kind="exact", converged=point.error <= tol, reason=point.reason,
        iterations=watch.count, method="fixed point" if p < 4 else "averaged fixed point",
        details={"one_sided": point.one_sided, "rank": basis.rank},
    )  # fmt: skip
    return LewisResult(weights, info)


def lewis_point(rows, p, tol, watch):
    """`LewisPoint` of `WeightedRows`, to `tol` or as far as it goes."""
    xp, count = rows.xp, rows.count
    if count == 0:
        empty = xp.zeros((0,), dtype=rows.real, device=rows.device)
        return LewisPoint(empty, empty, 0.0, 0.0, "the matrix is zero")
    start = xp.full((count,), math.log(rows.rank / count), dtype=rows.real, device=rows.device)
    if p < 4:
        return _descend(rows, p, tol, watch, start)
    averaged = _average(rows, p, tol, watch, start)
    if averaged.error <= tol or watch.over:
        return averaged
    point = _descend(rows, p, tol, watch, averaged.log_w)
    return point if point.error <= tol or point.one_sided < averaged.one_sided else averaged


def _average(rows, p, tol, watch, log_w):
    """Average of undamped iterates ``w ← leverage(W^(1/2-1/p) A)``."""
    xp, total, steps = rows.xp, log_w, 1
    while steps < _AVERAGED:
        log_tau = rows.log_scores((0.5 - 1.0 / p) * log_w)
        point = LewisPoint.at(log_w, log_tau, "tolerance met")
        if point.error <= tol or watch.tick(error=point.error):
            break
        log_w, total, steps = log_tau, xp.logaddexp(total, log_tau), steps + 1
    if point.error <= tol:
        return point
    log_w = total - math.log(steps)
    return LewisPoint.at(log_w, rows.log_scores((0.5 - 1.0 / p) * log_w), watch.reason)


def _descend(rows, p, tol, watch, log_w):
    """Long steps of the fixed-point iteration; where the error grows, plain ones (p < 4) or shorter ones."""
    step, best, since, previous = 4.0 / (p + 2.0), None, 0, math.inf
    while True:
        point = LewisPoint.at(log_w, rows.log_scores((0.5 - 1.0 / p) * log_w))
        if point.error <= tol:
            return _because(point, "tolerance met")
        grew = point.error > previous
        previous, since = point.error, since + 1
        if best is None or point.error < 0.9 * best.error:
            best, since = point, 0
        if watch.tick(error=point.error):
            return _because(point if point.error < best.error else best, watch.reason)
        if grew:
            step = min(step, 1.0) if p < 4 else step / 2
        stuck = p >= 4 and (step < _SLOWEST or since > _PATIENCE)
        if stuck or not math.isfinite(point.error):
            return _because(best, "no step brings the weights closer")
        log_w = log_w + (step * p / 2) * (point.log_tau - log_w)


def _because(point, reason):
    return LewisPoint(point.log_w, point.log_tau, point.error, point.one_sided, reason)
