"""The rank that the observed entries support."""

from dataclasses import replace

import numpy as np

from .. import _backend as be
from ..factor.iteration import Watch
from .altmin import altmin
from .answer import balanced_parts_of
from .start import leading_values, spectral_start

_SWEEPS = 40
_STALLED = 0.03
_PATIENCE = 2
_BETTER = 0.97  # a rank counts as better when the error on the entries kept back falls below this part
_LEAST_OVERSAMPLING = 1.1
_MOST = 64
_TRIED = 3
_HALVED = 0.3
_GAP = 4.0  # a gap of singular values by which the columns beyond it are tried to be done without


def estimated_rank(problem, held, settings):
    """``(problem, U, V, details)`` for the rank that predicts the entries kept back best.

    From about half of what the largest gap of singular values says, ranks are tried in turn, each from the factors of
    the last and the leading pair of what they leave over, until two in a row predict no better or the fit is exact.

    Parameters
    ----------
    problem : Problem
        Of any rank.
    held : HeldOut or None
        None leaves the choice to the gap alone.
    settings : Settings
    """
    most = _largest(problem)
    values = leading_values(replace(problem, rank=most), settings.key)
    by_gap = gap_rank(values)
    if held is None:
        chosen = replace(problem, rank=by_gap)
        return chosen, *spectral_start(chosen, settings.key), {"rank_by_gap": by_gap, "rank_by_holdout": None}
    k = max(1, min(most, by_gap // 2))
    current = replace(problem, rank=k)
    U, V = spectral_start(current, settings.key)
    best, errors, waited = None, [], 0
    while True:
        stage = replace(settings, stalled=_STALLED, warm=best is not None)
        found = altmin(current, U, V, stage, Watch(_SWEEPS))
        error = held.error(found.U, found.V)
        errors.append((k, error))
        if best is None or error < _BETTER * best[0]:
            best, waited = (error, current, found), 0
        else:
            waited += 1
        if waited >= _PATIENCE or k >= most or found.history[-1] <= settings.tol:
            break
        k, current = k + 1, replace(problem, rank=k + 1)
        U, V = _widened(problem, found.U, found.V, settings.key.child(f"rank {k}"))
    _, chosen, found = best
    path = np.array(errors)
    details = {"rank_by_gap": by_gap, "rank_by_holdout": chosen.rank, "rank_path": path}
    return chosen, found.U, found.V, details


def _largest(problem):
    """The largest rank whose number of parameters the entries exceed, at most 64."""
    m, n = problem.shape
    k = 1
    while k < min(m, n, _MOST) and problem.observed.count >= _LEAST_OVERSAMPLING * (k + 1) * (m + n - k - 1):
        k += 1
    return k


def gap_rank(values):
    """Place of the largest ratio of neighbours in descending `values`, those at rounding counted as one."""
    s = be.to_numpy(values).astype(float)
    if s.size < 2 or s[0] == 0.0:
        return 1
    floor = 100 * be.eps(values.dtype) * s[0]
    s = np.maximum(s, floor)
    return int(np.argmax(s[:-1] / s[1:])) + 1


def _widened(problem, U, V, key, count=1):
    """More columns each: the leading pairs of the residual."""
    xp, observed = problem.xp, problem.observed
    left = replace(problem, observed=observed.with_values(observed.residual(U, V)), rank=count)
    u, v = spectral_start(left, key)
    return xp.concat([U, u], axis=1), xp.concat([V, v], axis=1)


def grown_start(problem, settings):
    """Factors that grew to the rank of the problem in a few steps, each fitted before the next."""
    k = max(1, problem.rank // 2)
    step = max(1, -(-(problem.rank - k) // 3))
    U, V = spectral_start(replace(problem, rank=k), settings.key)
    while k < problem.rank:
        found = altmin(replace(problem, rank=k), U, V, replace(settings, stalled=_STALLED), Watch(_SWEEPS))
        more = min(step, problem.rank - k)
        k += more
        U, V = _widened(problem, found.U, found.V, settings.key.child(f"grown to {k}"), more)
    return U, V


def reduced(problem, outcome, settings):
    """The outcome of a lower rank, filled up with zero columns, where that fits as well.

    Columns that the entries don't need fit single lines, and predict nothing there.
    """
    Q, s, W = balanced_parts_of(outcome.U, outcome.V)
    values = be.to_numpy(s)
    for k in [k for k in range(1, problem.rank) if values[k] * _GAP <= values[k - 1]][:_TRIED]:
        start = Q[:, :k], W[:, :k] * problem.xp.astype(s[None, :k], W.dtype)
        found = altmin(replace(problem, rank=k), *start, replace(settings, stalled=_HALVED), Watch(_SWEEPS))
        if problem.error_of(found) <= settings.tol:
            return _filled_up(problem, outcome, found, k)
    return replace(outcome, details={**outcome.details, "numerical_rank": problem.rank})


def _filled_up(problem, outcome, found, k):
    """`outcome` with the factors of `found`, of rank `k`, and zero columns beside them."""
    xp = problem.xp
    U, V = (
        xp.concat([x, xp.zeros((x.shape[0], problem.rank - k), dtype=x.dtype, device=be.device(x))], axis=1)
        for x in (found.U, found.V)
    )
    return replace(outcome, U=U, V=V, error=found.error, details={**outcome.details, "numerical_rank": k})
