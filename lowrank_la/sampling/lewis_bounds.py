"""What Lewis weights, converged or not, prove about l_p sensitivities, and the smaller matrix that they sample."""

import math

from .. import _backend as be
from .bernoulli import inclusion_probabilities, kept
from .duality import by_targets, descend
from .lp_norms import NormProblem, power, squares

_LEAST_REDUCED, _REDUCED = 2048, 256  # rows, and rows a column, of the matrix that starting points come from
_LEAST_COARSE, _COARSE = 512, 48
_COARSE_TOL = 0.3


def lewis_bracket(point, p):
    """Lower and upper bounds of all sensitivities from any positive weights, by Hölder's inequality."""
    xp = be.namespace(point.log_w)
    log_phi = point.log_w + (p / 2) * (point.log_tau - point.log_w)
    total = math.log(float(xp.sum(xp.exp(point.log_w))))
    excess = (p / 2) * float(xp.max(point.log_tau - point.log_w))
    by_total, by_excess = (p / 2 - 1) * total, abs(1 - 2 / p) * excess
    low = log_phi - by_excess if p >= 2 else log_phi + by_total
    high = log_phi + by_total if p >= 2 else log_phi + by_excess
    upper = xp.exp(high)
    return xp.exp(low), xp.where(upper < 1, upper, xp.ones_like(upper))


def starting_points(rows, T):
    """Minimisers ``M⁻¹ t / (tᴴ M⁻¹ t)`` of the weighted l_2 norm at the weights of `rows`."""
    Y = _lower_solve(rows.R, T)
    size = rows.xp.astype(rows.xp.sum(squares(Y), axis=0), Y.dtype)
    return be.solve_upper(rows.R, Y) / size[None, :]


def _lower_solve(R, T):
    """``R⁻ᴴ T`` for upper triangular `R`."""
    return be.mH(be.right_solve_upper(be.mH(T), R))


def targets(rows, p, index=None):
    """``T, shares``: rows `index` (all by default) brought to size one, as columns ``u_iᴴ / size_i``, and ``size_i^p``.

    A sensitivity is that of its column of `T` times its share: rows that are tiny have targets like all the others.
    """
    unit, size = (M if index is None else rows.xp.take(M, index, axis=0) for M in (rows.unit, rows.size))
    return be.mH(unit), power(size, p)


def reduced(rows, point, p, key, *, coarse=False):
    """`NormProblem` on rows sampled by their Lewis weights; on all rows where there are few."""
    least, factor = (_LEAST_COARSE, _COARSE) if coarse else (_LEAST_REDUCED, _REDUCED)
    size = max(least, factor * rows.rank)
    if size >= rows.count:
        return whole(rows, point, p)
    q = inclusion_probabilities(rows.xp.exp(point.log_w), size)
    index = kept(q, key, "reduced")
    counts = rows.xp.astype(1.0 / rows.xp.take(q, index), rows.real)
    V, sizes = (rows.xp.take(M, index, axis=0) for M in _scaled(rows, point, p))
    return NormProblem(V, counts, p, sizes)


def whole(rows, point, p):
    """`NormProblem` on all rows."""
    V, sizes = _scaled(rows, point, p)
    return NormProblem(V, None, p, sizes)


def _scaled(rows, point, p):
    """Rows over their sizes in the metric of Lewis weights, where they are w^(1/p), the largest brought to 1; sizes."""
    xp = rows.xp
    log_sizes = point.log_w / p
    log_sizes = log_sizes - xp.max(log_sizes)
    ratio = xp.exp(xp.log(rows.size) - log_sizes)
    return rows.unit * xp.astype(ratio, rows.unit.dtype)[:, None], xp.exp(log_sizes)


def estimated_sensitivities(rows, point, p, key):
    """Sensitivities of all rows relative to a small sample of them, held within the certified bounds."""
    xp = rows.xp
    lower, upper = lewis_bracket(point, p)
    problem = reduced(rows, point, p, key, coarse=True)

    def one(T):
        X = descend(problem, T, starting_points(rows, T), _COARSE_TOL)
        return (1.0 / problem.norms(X),)

    T, shares = targets(rows, p)
    (found,) = by_targets(problem, T, one)
    found = shares * found
    found = xp.where(found < upper, found, upper)
    return xp.where(found > lower, found, lower)
