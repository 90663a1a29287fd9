"""l_p sensitivities: the largest share that one row can have of ‖A x‖_p^p."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _backend as be
from ..factor.iteration import Watch, settle
from ..results import Info, Result
from .basis import row_basis, scored_operator
from .duality import bracket, by_targets, descend, place
from .lewis import lewis_point
from .lewis_bounds import lewis_bracket, reduced, starting_points, targets, whole
from .weighted import WeightedRows, scatter

_MAXITER = 20
_LEAST_DRAWS, _FIRST_DRAWS, _DRAWS = 30, 512, 4096
_FIXED_POINT = 1e-3
_FAILURE = 0.01
_ADVICE = "the bounds hold all the same; raise samples or maxiter, or loosen tol"


@dataclass(frozen=True, eq=False, repr=False)
class SensitivityResult(Result):
    """Bounds ``lower ≤ σ ≤ upper`` of the sensitivity of every row, and of their sum."""

    lower: Any
    upper: Any
    total: tuple
    info: Info

    _unpack = ("lower", "upper", "total")
    __references__ = ("cohen_peng_2015", "padmanabhan_woodruff_zhang_2023")

    def __repr__(self):
        low, high = self.total
        return f"SensitivityResult({self.lower.shape[0]} rows, total in [{low:.4g}, {high:.4g}])"


@be.supports(blocks=True)
def lp_sensitivities(
    A,
    p,
    *,
    tol=0.05,
    rows=None,
    samples=_DRAWS,
    maxiter=None,
    rng=None,
    callback=None,
    progress=False,
    on_failure="warn",
    check_finite=True,
):
    r"""Brackets of the l_p sensitivities ``σ_i = max_x |a_i x|^p / ‖A x‖_p^p`` and of their sum.

    Parameters
    ----------
    A : array, sparse matrix, operator or result, shape (m, n)
    p : float
        Positive.
    tol : float
        upper / lower - 1 asked of `rows` and of the total, in (0, 1).
    rows : sequence of int, optional
        Rows to bracket to `tol`. All the others, except those drawn for the total, have the bounds that Lewis weights
        prove.
    samples : int
        Most rows drawn for the total. A matrix with no more rows than that has all of them bracketed; below 30 draws
        no interval is read from them, and the total keeps the bounds that Lewis weights prove.
    maxiter : int, optional
        Limit on Newton steps with the whole of `A`, 20 by default.
    rng : int, numpy Generator, SeedSequence, torch or CuPy generator, optional
        Where rows are drawn; ``info.rng`` repeats the draw.
    callback : callable, optional
        Called once a batch of rows with ``iteration``, ``size`` and ``error``; True stops.
    progress : bool
        Show a progress bar.
    on_failure : {"warn", "raise"}
        What happens when `tol` is not met.
    check_finite : bool
        Refuse NaN and infinite entries.

    Returns
    -------
    SensitivityResult
        ``lower`` and ``upper`` (m,) hold for every row, up to rounding; what is below the smallest normal number of
        the dtype may be zero. ``total`` = (lower, upper) brackets the sum: a "bound" in ``info.error_kind`` where it
        adds up bounds of all rows, else an "estimate" by Student's interval for draws by Lewis weights, with the
        probability 0.01 of a miss shared among the times that it is looked at. The ratios averaged lie within a factor
        of n^\|1 - p/2\|; should a few rows of high ratio have less weight together than one in as many as are drawn,
        the draws may not see them. ``info.refined`` lists the rows bracketed to `tol`; ``info.error`` is
        upper / lower - 1 of the total, ``info.gap`` the largest of the rows refined.

    Raises
    ------
    ValueError
        If `p` is not positive and finite, `A` is empty or not finite, or an argument is out of range.
    IndexError
        If `rows` are not rows of `A`.
    TypeError
        If `A` is not a matrix or records gradients, or an argument is of the wrong type.
    ConvergenceError
        If `tol` is not met and ``on_failure="raise"``; with "warn" a `ConvergenceWarning` is issued.

    Notes
    -----
    With Lewis weights w of a matrix of rank d [1]_, Hölder's inequality gives ``w_i d^(p/2-1) ≤ σ_i ≤ w_i`` for p ≤ 2
    and ``w_i ≤ σ_i ≤ w_i d^(p/2-1)`` for p ≥ 2; the bounds returned hold for weights that have not converged, too. A
    row asked for takes Newton's method on ``min ‖A x‖_p`` with ``a_i x = 1``, first on rows sampled by Lewis weights,
    then on `A`: x bounds σ_i from below, the multipliers of the same step, which satisfy ``Aᴴ y = a_iᴴ`` exactly, by
    ‖y‖_q^p from above. Steps for many rows are matrix products, about mn²/2 multiplications a row and step. Below p = 1
    the problem is not convex: the lower bound comes from a local optimum and the upper one from Lewis weights. For the
    total, the heaviest rows are taken and others drawn in proportion to Lewis weights, which is unbiased [2]_.

    References
    ----------
    .. [1] cohen_peng_2015
    .. [2] padmanabhan_woodruff_zhang_2023

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = np.vander(np.linspace(0.0, 1.0, 100), 4)
    >>> lower, upper, total = lr.lp_sensitivities(A, 1)
    >>> bool((upper <= 1.05 * lower).all()), 2.0 <= total[0] <= total[1] <= 4.0
    (True, True)
    """
    p, tol = be.check_positive("p", p), be.check_tol(tol)
    be.check_option("on_failure", on_failure, ("warn", "raise"))
    maxiter = be.check_count("maxiter", _MAXITER if maxiter is None else maxiter)
    samples, key = be.check_count("samples", samples), be.resolve_rng(rng)
    watch = Watch(1 << 30, be.check_callback(callback), be.check_flag("progress", progress), "lp_sensitivities")
    op, _ = scored_operator(A, "lp_sensitivities", check_finite)
    chosen = [] if rows is None else be.host_indices(rows, op.shape[0])
    with be.single_blas(), watch:
        result = _Brackets(op, p, tol, maxiter, key, watch).answer(chosen, samples)
    settle(result.info, on_failure, _ADVICE)
    return result


class _Brackets:
    """Bounds of all sensitivities, tightened batch by batch."""

    def __init__(self, op, p, tol, maxiter, key, watch):
        self.op, self.p, self.tol, self.maxiter, self.key, self.watch = op, p, tol, maxiter, key, watch
        self.rows = WeightedRows(row_basis(op))
        self.point = lewis_point(self.rows, p, max(_FIXED_POINT, 100 * be.eps(op.dtype)), Watch(200))
        self.done = np.zeros(self.rows.count, bool)
        self.total = (0.0, 0.0)
        if self.rows.count == 0:
            self.lower = self.upper = self.point.log_w
        elif p == 2:
            self.lower = self.upper = op.xp.exp(self.rows.log_scores(op.xp.zeros_like(self.point.log_w)))
            self.done[:] = True
        else:
            self.lower, self.upper = lewis_bracket(self.point, p)
            self.lower = op.xp.minimum(self.lower, self.upper)
            self.whole = whole(self.rows, self.point, p)
            self.problem = reduced(self.rows, self.point, p, key)

    def answer(self, chosen, samples):
        """Result with the rows `chosen` (of `A`) and the total within `tol`, as far as they go."""
        alive = None if self.rows.alive is None else be.to_numpy(self.rows.alive)
        inner = np.asarray(chosen, np.int64) if alive is None else np.flatnonzero(np.isin(alive, chosen))
        few = self.rows.count <= samples
        self.refine(np.arange(self.rows.count) if few else inner, self.tol)
        drawn = 0 if few or self.done.all() or samples < _LEAST_DRAWS else self._draw_total(samples)
        if not drawn:
            self.total = tuple(float(x) for x in (self._host(self.lower).sum(), self._host(self.upper).sum()))
        return self._result(alive, drawn)

    def refine(self, index, tol):
        """Tighten the bounds of the rows `index` (among those that are not zero) that have not been so far."""
        index = np.unique(index)
        index = index[~self.done[index]]
        if index.size == 0:
            return
        xp, rows = self.op.xp, self.rows
        at = be.index_array(index, rows.count, xp, self.op.device)

        def one(T):
            X = descend(self.problem, T, starting_points(rows, T), tol)
            return bracket(self.whole, T, X, tol, self.maxiter)

        T, shares = targets(rows, self.p, at)
        lower, upper = (xp.where(xp.isfinite(x), shares * x, x) for x in by_targets(self.whole, T, one))
        self.lower = xp.minimum(place(self.lower, index, lower, xp.maximum), xp.ones_like(self.lower))
        self.upper = xp.maximum(place(self.upper, index, upper, xp.minimum), self.lower)
        self.done[index] = True

    def _draw_total(self, samples):
        """Bracket the sum from heavy rows and others drawn in proportion to Lewis weights; the number of draws."""
        lows, highs = self._host(self.lower).sum(), self._host(self.upper).sum()
        log_w = self._host(self.point.log_w)
        weights = np.exp(log_w)
        heavy = weights * min(samples, _FIRST_DRAWS) > weights.sum()
        self.refine(np.flatnonzero(heavy), self.tol / 2)
        weights = np.where(heavy, 0.0, np.exp(log_w - log_w[~heavy].max()))
        law = np.cumsum(weights)
        weights, drawn, count = weights / law[-1], np.zeros(0, np.int64), 0
        failure = _FAILURE / (1 + max(0, math.ceil(math.log2(samples / _FIRST_DRAWS))))
        while True:
            more = slice(count, min(samples, max(_FIRST_DRAWS, 2 * count)))
            u = np.asarray(be.to_numpy(be.uniform(self.key.child("draws"), more, slice(0, 1))))[:, 0]
            drawn, count = np.append(drawn, np.searchsorted(law, u * law[-1])), more.stop
            self.refine(drawn, self.tol / 2)
            low, high = (
                bound[heavy].sum() + bound[drawn] / weights[drawn]
                for bound in map(self._host, (self.lower, self.upper))
            )
            least, most = low.mean() - _margin(low, failure), high.mean() + _margin(high, failure)
            self.total = float(max(lows, least)), float(max(lows, least, min(highs, most)))
            over = self.watch.tick(size=count, error=self.total[1] / self.total[0] - 1)
            if over or count == samples or self.total[1] <= (1 + self.tol) * self.total[0]:
                return count

    def _host(self, x):
        return be.to_numpy(x).astype(np.float64)

    def _result(self, alive, drawn):
        low, high = self.total
        lower, upper = (self._host(bound)[self.done] for bound in (self.lower, self.upper))
        least = float(self.op.xp.finfo(self.rows.real).smallest_normal)
        gap = max(0.0, float(np.max(upper / np.maximum(lower, least), initial=0.0)) - 1.0)
        error = high / low - 1 if low > 0 else 0.0
        met = max(gap, error) <= self.tol * (1 + 100 * be.eps(self.op.dtype))
        refined = np.flatnonzero(self.done) if alive is None else alive[self.done]
        reason = "tolerance met" if met else "no certificate above Lewis weights below p = 1" if self.p < 1 else None
        reason = reason or ("stopped by callback" if self.watch.stopped else "samples or maxiter reached")
        info = Info(
            error=error, error_kind="estimate" if drawn else "bound", converged=bool(met), reason=reason,
            iterations=self.watch.count, method="leverage" if self.p == 2 else "lewis+newton", rng=self.key.record,
            details={"refined": refined, "gap": float(gap), "draws": drawn, "rank": self.rows.rank},
        )  # fmt: skip
        m = self.op.shape[0]
        lower, upper = (scatter(bound, self.rows.alive, m) for bound in (self.lower, self.upper))
        return SensitivityResult(lower, upper, self.total, info)


def _margin(ratios, failure):
    """Half the width of Student's interval for a mean, which misses with probability `failure`."""
    from scipy.special import stdtrit

    return float(stdtrit(ratios.size - 1, 1 - failure / 2)) * ratios.std(ddof=1) / math.sqrt(ratios.size)
