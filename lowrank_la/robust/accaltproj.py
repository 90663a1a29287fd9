"""Accelerated alternating projections: a threshold takes the outliers out, a tangent space step fits the rest."""

import numpy as np

from .. import _backend as be
from .doubts import concluded
from .ending import Ending
from .gauge import Gauge
from .pace import CAREFUL, FAST, LARGEST_STEP, STEADY
from .panels import kept
from .start import start
from .tangent_step import retracted
from .trimming import retracted_at, trimmed_bases

_GAP = 4.0


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
    return concluded(data, (U, s, V), limit, found, ending, spread, settings)
