"""Rows and columns that the known entries don't determine, whatever the loss says."""

from dataclasses import replace

import numpy as np

from .. import _backend as be
from .factors import product_svd
from .measurements import EntryMeasurement
from .repair import robust_rows
from .sizes import fitted, telling, typical

_BY_CHANCE = 1e-4  # probability below which a line that is hardly met is no accident
_ROUNDS = 4
_NEARLY_ALL = 0.95
_LARGE = 1 << 24  # entries of lines fitted anew
_EXACT = 1e-6


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
    if _in_pieces(observed, be.namespace(task.y)):
        found.converged = False
        found.reason = "the known entries fall apart into blocks that share no row and no column: recover each of them"
        return
    given_up = _given_up(task, observed, found)
    if not task.symmetric and any(flags.any() for flags in given_up):
        given_up = _refitted(task, observed, found, given_up)
    if any(flags.any() for flags in given_up):
        found.converged = False
        rows, columns = (int(flags.sum()) for flags in given_up)
        found.reason = f"most entries of {rows} rows and {columns} columns were given up as spoilt"
    elif _mostly_zero(task, found):
        found.converged, found.reason = None, "most values are zero, and too many others are not met to tell the rest"


def _in_pieces(observed, xp):
    """Whether rows and columns with known entries fall apart into unconnected blocks."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = (be.to_numpy(x).astype(np.int64) for x in _numbers(observed, xp))
    m, n = observed.shape
    graph = coo_array((np.ones(rows.size, np.int8), (rows, columns + m)), shape=(m + n, m + n))
    labels = connected_components(graph, directed=False)[1]
    return bool((labels[rows] != labels[rows[0]]).any())


def _numerical_rank(task, found):
    s = product_svd(found.U, found.V)[1]
    limit = be.eps(task.y.dtype) ** 0.5 * float(s[0])
    return sum(1 for value in s if float(value) > limit)


def _given_up(task, observed, found):
    """Rows and columns, as flags on the host, of which less than half is met, and less than chance explains."""
    from scipy.special import bdtr

    xp, told = be.namespace(task.y), telling(task.y)
    met = told * fitted(task.measurement.forward(found.U, found.V) - task.y, task.y)
    share = float(xp.sum(met)) / max(float(xp.sum(told)), 1.0)
    if share <= 0.5:
        return tuple(np.zeros(size, bool) for size in task.measurement.shape)
    flags = []
    for lines, size in zip(_numbers(observed, xp), task.measurement.shape, strict=True):
        got, counts = (be.to_numpy(be.segment_sum(x, lines, size, xp)).astype(np.float64) for x in (met, told))
        flags.append((got < counts / 2) & (bdtr(got, counts.astype(np.int64), share) < _BY_CHANCE))
    return tuple(flags)


def _mostly_zero(task, found):
    """Whether most values are zero, which zero lines meet, and of the others more than a few are not met."""
    xp, told = be.namespace(task.y), telling(task.y)
    met = told * fitted(task.measurement.forward(found.U, found.V) - task.y, task.y)
    return float(xp.sum(told)) < told.shape[0] and float(xp.sum(met)) < _NEARLY_ALL * float(xp.sum(told))


def _numbers(observed, xp):
    return be.line_numbers(observed.row_pointers, xp), observed.columns


def _refitted(task, observed, found, given_up):
    """Fit lines that were given up to their own entries, and keep that where fewer are given up then; what is left."""
    U, V, (m, n) = found.U, found.V, task.measurement.shape
    counts = [int(flags.sum()) for flags in given_up]
    if any(2 * count > size for count, size in zip(counts, (m, n), strict=True)) or (
        counts[0] * n + counts[1] * m > _LARGE
    ):
        return given_up
    for _ in range(_ROUNDS):
        before = U, V
        U = _with_lines(task, observed, given_up[0], 0, U, V)
        V = _with_lines(task, observed, given_up[1], 1, V, U)
        trial = replace(found, U=U, V=V)
        left = _given_up(task, observed, trial)
        if sum(flags.sum() for flags in left) >= sum(flags.sum() for flags in given_up):
            found.U, found.V = before
            return given_up
        given_up = left
        if not any(flags.any() for flags in left):
            break
    found.U, found.V = U, V
    return given_up


def _with_lines(task, observed, flags, axis, factor, basis):
    if not flags.any():
        return factor
    xp, device, sizes = be.namespace(task.y), be.device(task.y), task.measurement.shape
    chosen, length = np.flatnonzero(flags), sizes[1 - axis]
    numbers = [be.to_numpy(x) for x in _numbers(observed, xp)]
    place = np.full(sizes[axis], -1)
    place[chosen] = np.arange(chosen.size)
    entries = np.flatnonzero(place[numbers[axis]] >= 0)
    total = chosen.size * length
    flat = place[numbers[axis][entries]] * length + numbers[1 - axis][entries]
    flat = be.index_array(flat, total, xp, device)
    values = xp.take(task.y, be.index_array(entries, task.y.shape[0], xp, device))
    dense, known = (
        xp.reshape(be.segment_sum(x, flat, total, xp), (chosen.size, length)) for x in (values, xp.ones_like(values))
    )
    rows = robust_rows(dense, known > 0.5, basis, max(_EXACT, be.eps(task.y.dtype) ** 0.5) * typical(task.y))
    order = np.arange(sizes[axis])
    order[chosen] = sizes[axis] + np.arange(chosen.size)
    order = be.index_array(order, sizes[axis] + chosen.size, xp, device)
    return xp.take(xp.concat([factor, rows]), order, axis=0)


def _count(flags):
    return int(be.to_numpy(flags).sum())
