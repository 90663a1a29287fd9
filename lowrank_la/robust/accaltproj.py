"""Accelerated alternating projections: a threshold takes the outliers out, a tangent space step fits the rest."""

import math
from dataclasses import dataclass

import numpy as np

from .. import _backend as be
from .gauge import Gauge
from .outcome import Outcome
from .panels import kept
from .start import start
from .tangent_step import retracted
from .trimming import retracted_at, trimmed_bases

_FLOOR = 3.0
LARGEST_STEP = 1.9
_STALLED, _WINDOW = 0.9, 8
_DENIED = 0.3  # share of a line below which its kept entries say nothing of it
_SUSPECT, _DEVIATIONS = 0.15, 5.0  # below the share of all lines by both: a line that chance does not explain
_LEAST_LINE = 20  # entries, less at small ranks: shorter lines say nothing
_CHANCE = 1.5, 5.0  # lines that may be denied: so many times those that chance explains, and so many deviations more
_ROUNDING = 32.0
_GAP = 4.0


@dataclass(frozen=True)
class Pace:
    """How fast the threshold falls: by `decay` an iteration, sooner where `headroom` median misfits are less."""

    decay: float
    headroom: float

    def limit(self, scheduled, spread):
        """The threshold for median misfits of size `spread`."""
        if spread > 0:
            scheduled = min(scheduled, self.headroom * spread)
        return max(scheduled, _FLOOR * spread)


FAST, STEADY, CAREFUL = Pace(0.7, 40.0), Pace(0.7, 400.0), Pace(0.8, math.inf)
SLOW = Pace(0.8, 400.0)


def accaltproj(data, rank, settings, watch):
    """`Outcome` of the fast pace; where lines of the matrix speak against it of a smaller rank, or of a slow pace."""
    outcome = _attempt(data, rank, STEADY if settings.once else FAST, settings, watch)
    if outcome.sound or watch.over or settings.once:
        return outcome
    ratios = np.append(outcome.spectrum[:-1] / np.maximum(outcome.spectrum[1:], 1e-300), 0.0)
    tries = [(int(ratios.argmax()) + 1, pace) for pace in (FAST, STEADY)] if ratios.max() > _GAP else []
    for smaller, pace in [*tries, (rank, STEADY), (rank, CAREFUL)]:
        other = _attempt(data, smaller, pace, settings, watch)
        outcome = other.joined(outcome) if other.better_than(outcome) else outcome.joined(other)
        if outcome.sound or watch.over:
            break
    return outcome


def _attempt(data, rank, pace, settings, watch):
    (m, n), gauge = data.shape, Gauge(data, settings.key)
    U, s, V = start(data, rank, gauge, settings.key)
    scale, decay, beyond, ending = 0.5 / (m * n) ** 0.25, 1.0, 0.0, Ending(data, settings.tol, gauge)
    while True:
        spread = gauge.spread(U, s, V)
        limit = pace.limit(scale * (float(s[0]) * decay + beyond), spread)
        bases = None if settings.incoherence is None else trimmed_bases(U, V, settings.incoherence)
        found = kept(data, U, s, V, limit, *(bases or ()))
        over = watch.tick(residual=found.norm / data.norm, threshold=limit * settings.factor)
        if ending.after(found.norm, limit, be.fro_norm(s), watch if over else None):
            break
        step = min(m * n / max(found.count, 1), LARGEST_STEP)
        images = found.right * step, found.left * step
        U, s, V, beyond = retracted(U, s, V, *images) if bases is None else retracted_at(bases, U, s, V, *images)
        decay *= pace.decay
    return concluded(data, (U, s, V), limit, found, ending, spread)


def concluded(data, factors, limit, found, ending, spread):
    """`Outcome` of factors, and of what the last pass found of them."""
    denied, suspect = doubtful_lines(data, found.row_counts, found.column_counts, factors[1].shape[0])
    share = 1.0 - found.count / data.count
    U, s, V = factors
    return Outcome(
        U, s, V, limit, ending.history[-1], ending.reason, ending.history, share, denied, spread, suspect=suspect
    )


def doubtful_lines(data, row_counts, column_counts, rank):
    """Rows and columns of which most known entries were taken for outliers, and those of which unduly many were.

    A fit of the given rank keeps about so many entries of a line whatever they are, so short lines say nothing; and of
    many lines that are nearly as short chance denies some, which are left out of the count.
    """
    kept_share = row_counts.sum() / max(1, data.count)
    noise = _DEVIATIONS * math.sqrt(max(kept_share * (1.0 - kept_share), 0.0))
    denied = suspect = 0
    for counts, known in zip((row_counts, column_counts), data.counts, strict=True):
        enough = known >= min(_LEAST_LINE, 3 * rank + 2)
        few = (counts < _DENIED * known) & enough
        others = enough & ~few
        if few.sum() > _explained(counts[others], known[others], known[few]):
            denied += int(few.sum())
        expected = (kept_share - _SUSPECT) * known - noise * np.sqrt(known)
        suspect += int(((counts < expected) & enough).sum())
    return denied, suspect


def _explained(counts, known, denied):
    """How many lines chance may deny at the share of entries that the other lines keep."""
    if counts.size == 0 or denied.size == 0:
        return 0.0
    from scipy.special import bdtr

    share, sizes = counts.sum() / known.sum(), np.concatenate([known, denied])
    expected = float(bdtr(np.ceil(_DENIED * sizes) - 1.0, sizes, share).sum())
    return _CHANCE[0] * expected + _CHANCE[1] * math.sqrt(expected)


class Falling:
    """Thresholds for methods that fit by steps of their own: a slow fall, held up where too many misfits exceed it.

    Too many are more than the share of outliers, and more than chance adds to that among the places of the gauge.
    """

    def __init__(self, gauge, data, settings, top):
        (m, n) = data.shape
        self.gauge, self.share, self.reach = gauge, settings.sparsity, 0.5 * top / (m * n) ** 0.25

    def next(self, U, s, V):
        """The threshold for the factors of this iteration."""
        limit = SLOW.limit(self.reach, self.gauge.spread(U, s, V))
        self.reach *= SLOW.decay
        if self.share is None:
            return limit
        chance = 3.0 * math.sqrt(self.share * (1.0 - self.share) / self.gauge.places)
        return max(limit, self.gauge.exceeded(U, s, V, min(self.share + chance, 1.0)))


class Ending:
    """When an iteration ends: ‖W‖ at `tol` of the data and of L, or neither residual nor threshold falling any more.

    Rounding is that of the clean entries, whose size `gauges` tell: outliers, however large, leave ‖W‖ alone.

    Attributes
    ----------
    history : list of float
        ‖W‖ over the norm of the data.
    relative : float
        ‖W‖ over the norm of L, or of as many clean entries where that is larger.
    reason : str
        Empty while the iteration goes on.
    """

    def __init__(self, data, tol, *gauges):
        self.norm, self.tol, self.eps = data.norm, tol, be.eps(data.dtype)
        self.clean = math.hypot(*(gauge.clean_norm() for gauge in gauges)) or data.norm
        self.history, self.limits, self.reason, self.relative = [], [], "", math.inf

    def after(self, norm, limit, size, watch):
        """Take in ‖W‖, the threshold and ‖L‖; `watch` is given where no further iteration is allowed."""
        self.history.append(norm / self.norm)
        self.limits.append(limit)
        reference = min(max(size, self.clean), self.norm)
        self.relative = norm / reference
        if norm <= max(self.tol * min(size, self.norm), _ROUNDING * self.eps * reference):
            self.reason = "tolerance met"
        elif watch is not None or self._stalled():
            met = self.relative <= self.tol
            stalled = "the residual no longer falls" if watch is None else watch.reason
            self.reason = "tolerance met" if met else stalled
        return bool(self.reason)

    def _stalled(self):
        if len(self.history) <= _WINDOW:
            return False
        return all(values[-1] > _STALLED * values[-1 - _WINDOW] for values in (self.history, self.limits))
