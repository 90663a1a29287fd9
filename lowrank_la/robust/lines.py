"""Rows and columns that the known entries don't determine, whatever the loss says."""

from .. import _backend as be
from .measurements import EntryMeasurement
from .subgradient import fitted, product_svd

_DEVIATIONS = 4.0


def doubt_lines(task, found):
    """Take back the verdict where a row or column has too few known entries, or hardly any that are met.

    Too few are fewer than the answer has directions. Where most entries are met exactly, a line of which less than half
    is met, and less than chance explains, was given up as if all of it were spoilt.
    """
    measurement = getattr(task.measurement, "inner", task.measurement)
    if not found.converged or not isinstance(measurement, EntryMeasurement):
        return
    observed = measurement.observed
    rank = found.details.get("numerical_rank") or _numerical_rank(task, found)
    poor = [_count(counts < rank) for counts in (observed.row_counts, observed.column_counts)]
    if any(poor):
        found.converged = False
        found.reason = (
            f"{poor[0]} rows and {poor[1]} columns have fewer than {rank} known entries, which do not determine them"
        )
        return
    given_up = _given_up(task, observed, found)
    if any(given_up):
        found.converged = False
        found.reason = f"most entries of {given_up[0]} rows and {given_up[1]} columns were given up as spoilt"


def _numerical_rank(task, found):
    s = product_svd(found.U, found.V)[1]
    limit = be.eps(task.y.dtype) ** 0.5 * float(s[0])
    return sum(1 for value in s if float(value) > limit)


def _given_up(task, observed, found):
    xp = be.namespace(task.y)
    met = fitted(task.measurement.forward(found.U, found.V) - task.y, task.y)
    share = float(xp.sum(met)) / observed.count
    if share <= 0.5:
        return 0, 0
    numbers = []
    for lines, counts in (
        (be.line_numbers(observed.row_pointers, xp), observed.row_counts),
        (observed.columns, observed.column_counts),
    ):
        counts = xp.astype(counts, met.dtype)
        got = be.segment_sum(met, lines, int(counts.shape[0]), xp)
        chance = share * counts - _DEVIATIONS * xp.sqrt(share * (1.0 - share) * counts)
        numbers.append(_count((got < counts / 2) & (got < chance)))
    return tuple(numbers)


def _count(flags):
    return int(be.to_numpy(flags).sum())
