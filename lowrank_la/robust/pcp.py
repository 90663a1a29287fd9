"""Principal component pursuit by the inexact augmented Lagrangian method, with truncated decompositions."""

import math

import numpy as np

from .. import _backend as be
from .doubts import doubtful_lines, with_lines_repaired
from .gauge import Gauge
from .outcome import Outcome
from .panels import Data, entries_of
from .start import clipped, leading

_GROWTH = 1.5
_FIRST = 1.25
_LARGEST = 1e7
_EXTRA = 5  # columns of the subspace beyond the rank predicted
_FAR = 1e4  # median moduli beyond which an entry is an outlier before anything is computed
_ROUNDING = 64.0  # median moduli times roundoff, below which no threshold falls: more entries would seem to exceed it
_COLD, _WARM = 4, 2  # steps of subspace iteration, from Gaussian columns and from the vectors of the step before


def pcp(data, rank, settings, watch):
    """Minimise ``‖L‖_* + λ ‖S‖_1`` with ``L + S = M`` on the known entries.

    Besides the data one array of their size is kept, the matrix X whose singular values are shrunk: the multiplier is
    the penalty times ``X - L``. Entries far beyond all others would set its scale, and leave nothing to the others
    within the iterations allowed: they count as unknown until the end.
    """
    gauge, whole = Gauge(data, settings.key), data
    far = _FAR * gauge.size() or math.inf
    data, largest = _without(data, far)
    clean = gauge.clean_norm() or data.norm
    (m, n), most = data.shape, min(data.shape) if rank is None else rank
    weight = 1.0 / math.sqrt(max(m, n) * data.count / (m * n))
    key = settings.key.child("pcp")
    top = float(leading(data.matrix, None, 1 + _EXTRA, _COLD, key.child("norm"))[1][0])
    penalty, finest = _FIRST / top, _ROUNDING * be.eps(data.dtype) * (gauge.size() or top)
    ceiling = max(penalty, min(_LARGEST * penalty, weight / finest))
    predicted, guess, history = min(2 * _EXTRA, most), None, []
    work = _initial(data, penalty, max(top, largest / weight), weight)
    while True:
        U, s, Vh, guess = _shrunk(work, 1.0 / penalty, predicted, most, guess, key.child(len(history)))
        predicted, following = min(s.shape[0] + 1, most), min(_GROWTH * penalty, ceiling)
        norm = _stepped(data, work, U, s, Vh, penalty / following, weight / following)
        relative = norm / min(max(be.fro_norm(s), clean), data.norm)
        penalty = following
        history.append(norm / whole.norm)
        over = watch.tick(residual=history[-1], rank=s.shape[0])
        if relative <= settings.tol or over:
            break
    reason = "tolerance met" if relative <= settings.tol else watch.reason
    V = be.mH(Vh)
    limit = weight / penalty
    places, residual = _support(whole, work, U, s, Vh, limit, far)
    row_counts, column_counts = _left(whole, places)
    denied, suspect = doubtful_lines(whole, row_counts, column_counts, s.shape[0])
    share = places[0].shape[0] / whole.count
    outcome = Outcome(
        U, s, V, limit, residual, reason, history, share, denied, gauge.spread(U, s, V), suspect=suspect,
        details={"weight": weight}, places=places,
    )  # fmt: skip
    return with_lines_repaired(whole, outcome, (row_counts, column_counts), settings)


def _without(data, far):
    """The data with entries beyond `far` unknown, and the largest modulus of the others."""

    def largest(part):
        size = data.xp.abs(data.matrix[part, :])
        return float(data.xp.max(size)), float(data.xp.max(data.xp.where(size > far, data.xp.zeros_like(size), size)))

    found = [pair for group in data.swept(lambda _, panels: [largest(p) for p in panels]) for pair in group]
    if not max(pair[0] for pair in found) > far:
        return data, max(pair[1] for pair in found)
    known = data.xp.abs(data.matrix) <= far
    known = known if data.known is None else known & data.known
    matrix = data.xp.where(known, data.matrix, data.xp.zeros_like(data.matrix))
    return Data(matrix, known, be.fro_norm(matrix)), max(pair[1] for pair in found)


def _left(data, places):
    """Known entries of each row and of each column outside `places`."""
    return tuple(
        known - np.bincount(be.to_numpy(numbers), minlength=known.shape[0])
        for known, numbers in zip(data.counts, places[:2], strict=True)
    )


def _initial(data, penalty, dual, weight):
    """The first matrix to be shrunk, for the multiplier M / `dual`."""
    bound, factor = weight / penalty, 1.0 + 1.0 / (dual * penalty)
    parts = data.swept(lambda _, panels: [clipped(data.matrix[p, :] * factor, bound) for p in panels])
    return data.xp.concat([panel for group in parts for panel in group], axis=0)


def _shrunk(work, floor, predicted, most, guess, key):
    """Triplets ``U, s, Vh`` of `work` above `floor`, lowered by it, and columns to start from next time."""
    steps = _COLD if guess is None else _WARM
    while True:
        U, s, V = leading(work, guess, predicted + _EXTRA, steps, key)
        count = int((be.to_numpy(s)[:most] > floor).sum())
        if count < predicted + _EXTRA - 1 or s.shape[0] >= min(most + 1, *work.shape):
            break
        predicted, guess = 2 * predicted + _EXTRA, V
    kept, xp = max(count, 1), be.namespace(s)
    return U[:, :kept], xp.clip(s[:kept] - floor, 0.0, None), be.mH(V[:, :kept]), V


def _stepped(data, work, U, s, Vh, share, bound):
    """Move the multiplier and `work` one step, in place, panel by panel; the norm of the residual."""

    def visit(_, panels):
        square = 0.0
        for part in panels:
            product = _product(U, s, Vh, part)
            moved, change = be.clip_step(
                data.matrix[part, :], data.known_rows(part), product, work[part, :], share, bound
            )
            work[part, :] = moved
            square += be.vdot_real(change)
        return square

    return math.sqrt(sum(data.swept(visit)))


def _product(U, s, Vh, part):
    return (U[part, :] * be.namespace(U).astype(s, U.dtype)[None, :]) @ Vh


def _support(data, work, U, s, Vh, limit, far):
    """Places and values of ``M - L`` at data beyond `far` or multipliers at their bound, and the residual elsewhere."""
    xp = data.xp

    def visit(_, panels):
        found, square = [], 0.0
        for part in panels:
            product = _product(U, s, Vh, part)
            gap, moved = data.matrix[part, :] - product, work[part, :]
            rounding = 4.0 * be.eps(data.dtype) * xp.abs(moved)
            at_bound = xp.abs(moved - product) + rounding >= limit * (1 - 1e-4)
            at_bound = at_bound | (xp.abs(data.matrix[part, :]) > far)
            if data.known is not None:
                at_bound = at_bound & data.known[part, :]
                gap = xp.where(data.known[part, :], gap, xp.zeros_like(gap))
            rest = xp.where(at_bound, xp.zeros_like(gap), gap)
            square += be.vdot_real(rest)
            rows, columns = be.true_places(at_bound, xp)
            found.append((rows + part.start, columns, entries_of(gap, rows, columns)))
        return found, square

    groups = data.swept(visit)
    parts = [part for group, _ in groups for part in group]
    places = tuple(x[0] if len(x) == 1 else xp.concat(list(x)) for x in zip(*parts, strict=True))
    return places, math.sqrt(sum(square for _, square in groups)) / data.norm
