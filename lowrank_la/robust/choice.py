"""Which method runs, at which rank, and which of two answers is taken."""

import math
from dataclasses import replace
from importlib import import_module

from .. import _backend as be
from .clean import block, clean
from .doubts import crowded
from .gauge import Gauge
from .outcome import Outcome
from .panels import Data
from .rank import rank_before_gap, rank_by_gap

METHODS = "accaltproj", "ircur", "scaled_gd", "pcp", "godec"
_SPARSE = 0.05
_SMALL = 60  # shorter side up to which singular values of the data tell the rank too badly to be relied on
_LOOKED_AT = 400  # rows and columns that tell whether a rank that was given is too large


def run(data, rank, method, settings, watch):
    """``(outcome, method that ran)``."""
    if data.norm == 0.0:
        outcome, method = _zero(data, rank or 1), "accaltproj" if method == "auto" else method
        return replace(outcome, kind="estimate") if method == "ircur" else outcome, method
    if not math.isfinite(data.norm):
        raise ValueError(
            "M holds NaN or infinite values, which check_finite=False let pass: no method goes on from there"
        )
    if method == "pcp":
        outcome = _method(method)(data, rank, settings, watch)
    else:
        outcome, method = _chosen(data, rank, method, settings, watch)
    return _sparser(data, outcome, settings), method


def _chosen(data, rank, method, settings, watch):
    name = "accaltproj" if method == "auto" else method
    outcome = None if name == "ircur" else clean(data, rank, settings, watch)
    if outcome is not None:
        return outcome, name
    tried = rank_by_gap(data, settings.key) if rank is None else rank
    if tried is None and method == "auto":
        return _method("pcp")(data, None, settings, watch), "pcp"
    if tried is None:
        raise ValueError(
            f"rank=None: the singular values of the data have no clear gap; give rank, or take method='pcp' "
            f"in place of {method!r}"
        )
    outcome = _to_a_rank(name, data, tried, settings, watch)
    unsure = rank is None and min(data.shape) < _SMALL
    if method != "auto" or watch.over or (_stands(data, outcome) and not unsure):
        return outcome, name
    other = _method("pcp")(data, rank, settings, watch)
    if _stands(data, other) and (not _stands(data, outcome) or other.numbers(data) < outcome.numbers(data)):
        return other, "pcp"
    return outcome, name


def _stands(data, outcome):
    return outcome.met and not outcome.contradicted and not crowded(data, outcome)


def _to_a_rank(name, data, rank, settings, watch):
    """The outcome at `rank`; where the data or its singular values have a gap that of a rank before, if as few do.

    Directions too many that the start has brought in are held up by outliers that are none.
    """
    outcome = _method(name)(data, rank, settings, watch)
    if not outcome.met or outcome.share == 0.0 or settings.incoherence is not None:
        return outcome
    for smaller in _smaller_ranks(data, rank, outcome, settings):
        other = None if watch.over else _method(name)(data, smaller, replace(settings, once=True), watch)
        if other is None or (watch.over and not other.met):
            return replace(outcome, reason=f"{watch.reason} before rank {smaller} was ruled out,")
        outcome = other.joined(outcome) if other.simpler_than(outcome) else outcome.joined(other)
    return outcome


def _smaller_ranks(data, rank, outcome, settings):
    found = {rank_before_gap(outcome.spectrum, settings.tol)}
    if rank > 1:
        part = block(data, _LOOKED_AT, settings.key) if data.known is None else data.matrix
        part = data if data.known is not None else Data(part, None, be.fro_norm(part))
        found.add(rank_by_gap(part, settings.key, rank + 1))
    return sorted((smaller for smaller in found if smaller is not None and smaller < rank), reverse=True)


def _sparser(data, outcome, settings):
    """`outcome`, or no low-rank part at all where the data are sparser than what the outcome leaves of them."""
    if outcome.share < _SPARSE or outcome.kind != "exact" or Gauge(data, settings.key).median() > 0:
        return outcome
    found = data.swept(lambda _, panels: sum(int(data.xp.sum(data.matrix[p, :] != 0)) for p in panels))
    if sum(found) > outcome.share * data.count:
        return outcome
    zero = _zero(data, 1)
    return replace(zero, share=sum(found) / data.count, history=outcome.history)


def _method(name):
    return getattr(import_module(f".{name}", __package__), name)


def _zero(data, rank):
    xp, (m, n) = data.xp, data.shape
    s = xp.zeros(rank, dtype=be.real_dtype(xp, data.dtype), device=data.device)
    U, V = (xp.eye(size, rank, dtype=data.dtype, device=data.device) for size in (m, n))
    return Outcome(U, s, V, 0.0, 0.0, "tolerance met", [], 0.0, 0, 0.0)
