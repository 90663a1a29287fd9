"""Iterated robust CUR: outliers are told apart on some rows and columns alone."""

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import _backend as be
from ..factor.tall_qr import orthonormalize
from .clean import carried_alone, clean_rank, misfit_limit
from .doubts import doubtful_lines, with_lines_repaired
from .ending import Ending
from .factors import product_svd
from .gauge import Gauge
from .outcome import Outcome
from .pace import CAREFUL, LARGEST_STEP, STEADY, Pace
from .panels import Data, entries_of_product, kept
from .start import clipped, leading, start

_LINES = 3.0  # rows and columns that are read: so many times k log m and k log n
_FEWEST = 100  # fewer do not tell outliers from the others
_HEADROOM = 40.0
_ELSEWHERE = 10.0
_PACE = Pace(0.7, 100.0)
_TINY = 1e-10
_LEVEL, _HARDLY_ANY = 0.95, 0.01


def ircur(data, rank, settings, watch):
    """`Outcome` of a fit to some rows and columns; where lines speak against it of others, at slower paces."""
    outcome = _clean(data, rank, settings, watch)
    if outcome is not None:
        return outcome
    pace = STEADY if settings.once else _PACE
    outcome = _repaired(data, _attempt(data, rank, pace, settings, watch, settings.key.child("cross")), settings)
    for label, pace in (("other cross", STEADY), ("third cross", CAREFUL)):
        if outcome.sound or watch.over or settings.once:
            break
        other = _attempt(data, rank, pace, settings, watch, settings.key.child(label))
        outcome = other.joined(outcome) if other.better_than(outcome) else outcome.joined(other)
    return outcome


def _attempt(data, rank, pace, settings, watch, key):
    cross = Cross.drawn(data, rank, key)
    fit, top = cross.first(rank, key)
    gauges = [Gauge(part, key.child(label)) for label, part in (("columns", cross.C), ("rows", cross.R))]
    decay, level, ending = 1.0, pace is not _PACE, Ending(cross, settings.tol, *gauges)
    while True:
        sides = fit.on_columns(cross), fit.on_rows(cross)
        spread = max(gauge.spread(*side) for gauge, side in zip(gauges, sides, strict=True))
        if not level and _is_level(ending.history):
            level, top = True, min(top, _exceeded_by_few(gauges, sides, ending.limits[-1]) / decay)
        limit = pace.limit(top * decay, spread)
        found = [
            kept(part, U, s, V, limit, products=wanted)
            for part, (U, s, V), wanted in zip((cross.C, cross.R), sides, ("right", "left"), strict=True)
        ]
        norm = math.hypot(*(part.norm for part in found))
        over = watch.tick(residual=norm / cross.norm, threshold=limit * settings.factor)
        size = math.hypot(be.fro_norm(sides[0][0]), be.fro_norm(sides[1][2]))
        if ending.after(norm, limit, size, watch if over else None):
            break
        fit = fit.moved(cross, sides, found)
        decay *= pace.decay
    doubts = [
        doubtful_lines(part, seen.row_counts, seen.column_counts, rank)
        for part, seen in zip((cross.C, cross.R), found, strict=True)
    ]
    counts = [sum(part) for part in zip(*doubts, strict=True)]
    return _judged(data, fit.triplets(), limit, ending, counts, cross, settings)


def _clean(data, rank, settings, watch):
    """`Outcome` without outliers where the cross has none, as `clean.clean` gives for all data; else None."""
    found = clean_rank(data, rank, settings)
    if found is None:
        return None
    key = settings.key.child("cross")
    cross = Cross.drawn(data, found, key)
    fit = cross.plain(found, key)
    sides = fit.on_columns(cross), fit.on_rows(cross)
    if any(carried_alone(Q) for Q in (sides[0][2], sides[1][0])):
        return None
    spread = max(Gauge(part, key).spread(*side) for part, side in zip((cross.C, cross.R), sides, strict=True))
    limit = max(misfit_limit(part, spread) for part in (cross.C, cross.R))
    rest = [kept(part, side[0], side[1], side[2], limit) for part, side in zip((cross.C, cross.R), sides, strict=True)]
    norm = math.hypot(*(part.norm for part in rest))
    if any(part.count < whole.count for part, whole in zip(rest, (cross.C, cross.R), strict=True)):
        return None
    if norm > settings.tol * cross.norm:
        return None
    watch.tick(residual=norm / cross.norm, threshold=limit * settings.factor)
    ending = SimpleNamespace(history=[norm / cross.norm], reason="tolerance met", relative=norm / cross.norm)
    outcome = _judged(data, fit.triplets(), limit, ending, (0, 0), cross, settings)
    return outcome if outcome.met and outcome.share == 0.0 else None


def _repaired(data, outcome, settings):
    """The outcome, lines fitted anew that were given up: one read of the data where there are such."""
    if outcome.denied == 0 or not outcome.met:
        return outcome
    found = kept(data, outcome.U, outcome.s, outcome.V, outcome.limit, products="right")
    return with_lines_repaired(data, outcome, (found.row_counts, found.column_counts), settings)


def _is_level(history):
    """Whether the last step left the residual as it was: no threshold much above the misfits tells outliers apart."""
    return len(history) > 1 and history[-1] > _LEVEL * history[-2]


def _exceeded_by_few(gauges, sides, within):
    """A threshold that takes a hundredth of the misfits for outliers, beside those above the last one."""
    return max(gauge.exceeded(*side, _HARDLY_ANY, within) for gauge, side in zip(gauges, sides, strict=True))


def _judged(data, factors, limit, ending, doubts, cross, settings):
    """The outcome, with residual and share of outliers at places that the fit has mostly not seen."""
    rows, columns, values = data.sampled(settings.key.child("judge"))
    U, s, V = factors
    misfits = np.abs(be.to_numpy(values - entries_of_product(U, s, V, rows, columns)))
    spread = float(np.median(misfits))
    limit = max(limit, _HEADROOM * spread if spread < limit else limit)
    small = misfits[misfits <= limit]
    size = be.fro_norm(values)
    rest = float(np.linalg.norm(small.astype(np.float64)))
    residual = rest / size if size > 0 else 0.0
    clean = _clean_norm(be.to_numpy(values), misfits <= limit)
    share, reason = 1.0 - small.shape[0] / max(1, misfits.shape[0]), ending.reason
    if reason == "tolerance met" and rest > _ELSEWHERE * max(settings.tol, ending.relative) * clean:
        reason = "the fit of the chosen rows and columns does not hold elsewhere"
    details = {"rows_read": cross.R.shape[0], "columns_read": cross.C.shape[1]}
    return Outcome(
        U, s, V, limit, residual, reason, ending.history, share, doubts[0], spread, suspect=doubts[1],
        kind="estimate", details=details,
    )  # fmt: skip


def _clean_norm(values, kept):
    """Norm of as many entries as there are `values`, told from those that were kept."""
    part = values[kept].astype(np.complex128)
    return float(np.linalg.norm(part)) * math.sqrt(values.shape[0] / max(1, part.shape[0]))


@dataclass(frozen=True, eq=False)
class Cross:
    """Columns `C` and rows `R` of the data, and their numbers `J` and `I`."""

    C: Data
    R: Data
    I: Any
    J: Any

    @classmethod
    def drawn(cls, data, rank, key):
        """Uniform rows and columns, ``3 k log m`` and ``3 k log n``, and 2 k more; 100 at least."""
        chosen = []
        for label, size in zip(("rows", "columns"), data.shape, strict=True):
            count = min(size, max(_FEWEST, math.ceil(_LINES * rank * math.log(size + 1)) + 2 * rank))
            order = be.uniform(key.child(label), slice(0, size), slice(0, 1))[:, 0].argsort(kind="stable")
            chosen.append(be.index_array(np.sort(order[:count]), size, data.xp, data.device))
        I, J = chosen
        return cls(_part(data, J, 1), _part(data, I, 0), I, J)

    @property
    def dtype(self):
        """Dtype of the data."""
        return self.C.dtype

    @property
    def norm(self):
        """Norm of rows and columns together."""
        return math.hypot(self.C.norm, self.R.norm) or 1.0

    def plain(self, rank, key):
        """A `Fit` to the rows as they are, with columns by least squares."""
        _, _, V = leading(self.R.matrix, None, rank + 5, 2, key.child("clean"))
        Q, T = orthonormalize(self.C.xp.take(V[:, :rank], self.J, axis=0))
        a, sigma, bh = be.small_svd(T)
        inverse = be.matmul(be.mH(bh) * _inverse(sigma, a.dtype)[None, :], be.mH(a))
        return Fit(be.matmul(be.matmul(self.C.matrix, Q), be.mH(inverse)), be.mH(V[:, :rank]))

    def first(self, rank, key):
        """A `Fit` to the rows, with columns by least squares, and the threshold to begin with."""
        gauge = Gauge(self.R, key.child("first"))
        _, s, V = start(self.R, rank, gauge, key)
        (m, q), (p, n) = self.C.shape, self.R.shape
        top = 0.5 * float(s[0]) * math.sqrt(m / p) / (m * n) ** 0.25
        xp = self.C.xp
        Q, T = orthonormalize(xp.take(V, self.J, axis=0))
        bound = 3.0 * gauge.size()
        a, sigma, bh = be.small_svd(T)
        inverse = be.matmul(be.mH(bh) * _inverse(sigma, a.dtype)[None, :], be.mH(a))
        F = be.matmul(be.matmul(clipped(self.C.matrix, bound), Q), be.mH(inverse)) / (self.C.count / (m * q))
        return Fit(F, be.mH(V)), top


@dataclass(frozen=True, eq=False)
class Fit:
    """``L = F H`` with `F` (m, k) and `H` (k, n)."""

    F: Any
    H: Any

    def on_columns(self, cross):
        """``U, s, V`` of the chosen columns of L, `V` orthonormal."""
        xp = be.namespace(self.F)
        Q, T = be.householder_qr(be.mH(xp.take(self.H, cross.J, axis=1)))
        return be.matmul(self.F, be.mH(T)), _ones(T), Q

    def on_rows(self, cross):
        """``U, s, V`` of the chosen rows of L, `U` orthonormal."""
        xp = be.namespace(self.F)
        Q, T = be.householder_qr(xp.take(self.F, cross.I, axis=0))
        return Q, _ones(T), be.mH(be.matmul(T, self.H))

    def moved(self, cross, sides, found):
        """The skeleton ``C v (uᴴ C[I] v)⁺ uᴴ R`` of the rows and columns less their outliers."""
        (left, _, _), (u, _, right) = sides
        steps = [
            min(part.shape[0] * part.shape[1] / max(seen.count, 1), LARGEST_STEP)
            for part, seen in zip((cross.C, cross.R), found, strict=True)
        ]
        Cv = left + steps[0] * found[0].right
        uR = be.mH(right + steps[1] * found[1].left)
        a, sigma, bh = be.small_svd(be.adjoint_matmul(u, be.namespace(Cv).take(Cv, cross.I, axis=0)))
        F = be.matmul(Cv, be.mH(bh) * _inverse(sigma, Cv.dtype)[None, :])
        return Fit(F, be.matmul(be.mH(a), uR))

    def triplets(self):
        """``U, s, V`` with orthonormal factors."""
        return product_svd(self.F, be.mH(self.H))


def _part(data, indices, axis):
    xp = data.xp
    matrix = xp.take(data.matrix, indices, axis=axis)
    known = None if data.known is None else xp.take(data.known, indices, axis=axis)
    be.require_finite(matrix, "M")
    return Data(matrix, known, be.fro_norm(matrix))


def _inverse(sigma, dtype):
    """Reciprocals of singular values, zero for those that are rounding."""
    xp = be.namespace(sigma)
    large = sigma > _TINY * xp.max(sigma)
    return xp.astype(xp.where(large, 1.0 / xp.where(large, sigma, xp.ones_like(sigma)), xp.zeros_like(sigma)), dtype)


def _ones(T):
    xp = be.namespace(T)
    return xp.ones(T.shape[0], dtype=be.real_dtype(xp, T.dtype), device=be.device(T))
