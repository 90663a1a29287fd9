"""A rank for `cp`, from core consistency and split halves."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _backend as be
from ..results import Info, Result
from .core_consistency import consistency as core_figure
from .split_half import best_of_starts, dense_samples, split_half

_CONSISTENT, _ALIKE = 50.0, 0.8


@dataclass(frozen=True, eq=False)
class RankSuggestion(Result):
    """A rank and the figures of all ranks tried, 1 … max_rank, as NumPy arrays."""

    rank: int
    errors: Any
    consistency: Any
    agreement: Any
    info: Info

    _unpack = ("rank", "errors", "consistency", "agreement")

    def __repr__(self):
        return f"RankSuggestion(rank {self.rank} of 1…{self.errors.shape[0]})"


@be.supports(sparse=False, operators=False)
def suggest_rank(X, max_rank, *, axis=0, splits=2, starts=3, rng=None, check_finite=True, **options):
    """Number of rank-one terms that the data support.

    Parameters
    ----------
    X : array, shape (n_1, …, n_N), N ≥ 3
    max_rank : int
        Largest rank that is tried.
    axis : int or None
        The mode whose lines are samples, for `split_half`; None leaves that out.
    splits, starts : int
        Random splits, and starts of each decomposition.
    rng : optional
        Seed or generator of the splits and starts.
    check_finite : bool
        Refuse NaN and infinite entries.
    **options
        Passed on to `cp`. With ``mask="finite"`` there is no core consistency: split halves alone decide.

    Returns
    -------
    RankSuggestion
        ``rank``: the largest one whose `core_consistency` is at least 50 and whose mean split-half score is at least
        0.8, 1 if there is none. ``errors``, ``consistency`` and ``agreement`` (max_rank,) hold the relative error, the
        core consistency in percent and the mean split-half score for each rank, NaN where there is no such figure. The
        limits are rules of thumb: look at the figures. ``info.error`` is that of the suggested rank.

    Notes
    -----
    ``starts + 2 splits · starts`` decompositions a rank. A core consistency that is NaN, for ranks above the length of
    a mode, counts as none.

    References
    ----------
    .. [1] bro_kiers_2003
    """
    X = dense_samples("suggest_rank", X, options)
    if X.ndim < 3:
        raise ValueError(f"suggest_rank needs three or more modes, got shape {tuple(X.shape)}: take svd for a matrix")
    max_rank, key = be.check_count("max_rank", max_rank), be.resolve_rng(rng)
    splits, starts = be.check_count("splits", splits), be.check_count("starts", starts)
    options["check_finite"] = be.check_flag("check_finite", check_finite)
    partly = options.get("mask") is not None
    if partly and axis is None:
        raise ValueError("suggest_rank with a mask has split halves alone to go by: give the axis of the samples")
    figures = np.full((3, max_rank), np.nan)
    for rank in range(1, max_rank + 1):
        here = key.child(f"rank {rank}")
        found = best_of_starts(X, rank, starts, here.child("whole"), options)
        figures[0, rank - 1] = found.info.error
        if not partly:
            figures[1, rank - 1] = core_figure(X, found, check_finite=False)
        if axis is not None:
            halves = split_half(X, rank, axis=axis, splits=splits, starts=starts, rng=here.child("halves"), **options)
            figures[2, rank - 1] = float(np.mean(halves.scores))
    errors, consistency, agreement = figures
    fits = partly | (consistency >= _CONSISTENT)
    fits = fits if axis is None else fits & (agreement >= _ALIKE)
    rank = int(np.flatnonzero(fits).max(initial=0)) + 1
    by = [name for name, used in (("core consistency", not partly), ("split halves", axis is not None)) if used]
    info = Info(error=float(errors[rank - 1]), error_kind="exact", method=" and ".join(by), rng=key.record)
    return RankSuggestion(rank, errors, consistency, agreement, info)
