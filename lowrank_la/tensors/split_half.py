"""Whether two halves of the data tell the same CP decomposition."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _backend as be
from ..factor.iteration import settle
from ..results import Info, Result
from .congruence import factor_match_score
from .cp import decomposed
from .given_arrays import array_of


@dataclass(frozen=True, eq=False, repr=False)
class SplitHalfResult(Result):
    """Agreement of the decompositions of two halves, a NumPy array with one number for each random split."""

    scores: Any
    info: Info

    _unpack = ("scores",)


@be.supports(sparse=False, operators=False)
def split_half(X, rank, *, axis=0, splits=3, starts=2, rng=None, check_finite=True, **options):
    """Split-half analysis of a CP decomposition.

    Parameters
    ----------
    X : array, shape (n_1, …, n_N), N ≥ 3
    rank : int
    axis : int
        The mode whose lines are dealt out to the halves: one whose lines are samples.
    splits : int
        Number of random splits.
    starts : int
        Decompositions of each half from different starts, of which the one of least error counts.
    rng : optional
        Seed or generator of the splits and starts.
    check_finite : bool
        Refuse NaN and infinite entries.
    **options
        Passed on to `cp`; missing entries as NaN with ``mask="finite"``, since a start or an array of the shape of `X`
        does not fit its halves.

    Returns
    -------
    SplitHalfResult
        ``scores`` (splits,): the `factor_match_score` of the two halves over the modes but `axis`, without weights.
        Near 1 the terms are found again in other samples; above 0.85 they are commonly called alike. ``info.error`` is
        None.

    Raises
    ------
    ValueError
        If mode `axis` has fewer than two lines, `X` fewer than three modes, or an option of `cp` does not fit halves.
    TypeError
        If `X` is sparse.
    """
    X = dense_samples("split_half", X, options)
    if X.ndim < 3:
        raise ValueError(
            f"split_half needs three or more modes, got shape {tuple(X.shape)}: factors of a matrix rotate"
        )
    axis = be.check_count("axis", axis, 0, X.ndim - 1)
    splits, starts = be.check_count("splits", splits), be.check_count("starts", starts)
    rank, key, n = be.check_count("rank", rank), be.resolve_rng(rng), X.shape[axis]
    if n < 2:
        raise ValueError(f"axis must be a mode with two or more lines, got {n} along axis {axis}")
    options["check_finite"] = be.check_flag("check_finite", check_finite)
    scores = []
    for split in range(splits):
        here = key.child(f"split {split}")
        order = be.order_of(be.uniform(here, slice(0, n), slice(0, 1), "float64", np, None)[:, 0])
        halves = [
            best_of_starts(be.namespace(X).take(X, _index(X, part), axis=axis), rank, starts, here.child(h), options)
            for h, part in enumerate((np.sort(order[: n // 2]), np.sort(order[n // 2 :])))
        ]
        scores.append(factor_match_score(*halves, weights=False, skip=(axis,)))
    info = Info(method="split_half", rng=key.record, details={"axis": axis, "rank": rank})
    return SplitHalfResult(np.array(scores), info)


def best_of_starts(X, rank, starts, key, options):
    """The CP decomposition of least error among some starts; it does not warn, and raises where that is asked."""
    options = dict(options)
    on_failure = be.check_option("on_failure", options.pop("on_failure", "warn"), ("warn", "raise"))
    result, advice = decomposed(X, rank, starts=starts, rng=key, **options)
    if on_failure == "raise":
        settle(result.info, on_failure, advice)
    return result


def dense_samples(caller, X, options):
    """`X` as an array; TypeError where it is sparse, ValueError for options of `cp` that don't fit parts of it."""
    if be.is_sparse(X):
        raise TypeError(f"{caller} needs a dense X, got a sparse one: pass X.toarray(), or compare cp of parts of it")
    for name in ("mask", "weights", "init"):
        given = options.get(name)
        if given is not None and not isinstance(given, str):
            advice = "a name such as 'random'" if name == "init" else "mask='finite' and NaN where nothing is known"
            raise ValueError(f"{name} must fit the parts that {caller} takes of X: pass {advice}")
    return array_of(X, "X")


def _index(X, lines):
    return be.index_array(lines, X.shape[0], be.namespace(X), be.device(X))
