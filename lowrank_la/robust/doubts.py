"""Rows and columns that speak against an answer, and the answer with what they say."""

import math

import numpy as np

from .outcome import Outcome
from .repair import repaired

_DENIED = 0.3  # share of a line below which its kept entries say nothing of it
_BEYOND_RANK = 2  # entries of a line beyond the rank that have to be kept: fewer fit whatever they are
_CROWDED = 2.0 / 3.0
_SUSPECT, _DEVIATIONS = 0.15, 5.0  # below the share of all lines by both: a line that chance does not explain
_CHANCE = 1.5, 5.0  # lines that may be denied: so many times those that chance explains, and so many deviations more


def concluded(data, factors, limit, found, ending, spread, settings):
    """`Outcome` of factors, and of what the last pass found of them; lines that were given up are fitted anew."""
    denied, suspect = doubtful_lines(data, found.row_counts, found.column_counts, factors[1].shape[0])
    share = 1.0 - found.count / data.count
    U, s, V = factors
    outcome = Outcome(
        U, s, V, limit, ending.history[-1], ending.reason, ending.history, share, denied, spread, suspect=suspect
    )
    return with_lines_repaired(data, outcome, (found.row_counts, found.column_counts), settings)


def with_lines_repaired(data, outcome, counts, settings):
    """The outcome, lines that were given up fitted anew where it met the tolerance elsewhere."""
    if outcome.denied == 0 or not outcome.met:
        return outcome
    return repaired(data, outcome, counts, needed, doubtful_lines, settings)


def crowded(data, outcome):
    """Whether the two parts hold hardly fewer numbers than the data: any data are the sum of such parts."""
    return outcome.share > 0.0 and outcome.numbers(data) > _CROWDED * data.count


def doubtful_lines(data, row_counts, column_counts, rank):
    """Rows and columns of which too few known entries were kept to determine them, and those of which unduly few were.

    Too few are three in ten, and hardly more than the rank where some were taken for outliers: about so many a fit
    keeps whatever they are. Of many short lines chance denies some, which are left out of the count.
    """
    kept_share = row_counts.sum() / max(1, data.count)
    noise = _DEVIATIONS * math.sqrt(max(kept_share * (1.0 - kept_share), 0.0))
    denied = suspect = 0
    for counts, known in zip((row_counts, column_counts), data.counts, strict=True):
        few = counts < needed(known, rank)
        if few.sum() > _explained(counts[~few], known[~few], known[few], rank):
            denied += int(few.sum())
        expected = (kept_share - _SUSPECT) * known - noise * np.sqrt(known)
        suspect += int(((counts < expected) & (known > rank + _BEYOND_RANK)).sum())
    return denied, suspect


def needed(known, rank):
    """Entries that have to be kept of lines with so many known ones."""
    return np.minimum(np.maximum(_DENIED * known, rank + _BEYOND_RANK), known)


def _explained(counts, known, denied, rank):
    """How many lines chance may deny at the share of entries that the other lines keep."""
    if known.sum() == 0 or denied.size == 0:
        return 0.0
    from scipy.special import bdtr

    share, sizes = counts.sum() / known.sum(), np.concatenate([known[known > 0], denied])
    expected = float(bdtr(np.ceil(needed(sizes, rank)) - 1.0, sizes, share).sum())
    return _CHANCE[0] * expected + _CHANCE[1] * math.sqrt(expected)
