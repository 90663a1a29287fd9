"""Rows and columns of an answer that are far larger than their entries say."""

import math

from .. import _backend as be

_FACTOR = 16.0  # in squares
_CHANCE = 1e-6  # that the entries of a line are so much smaller than the line by luck
_MANY = 32  # entries from which luck is no explanation
NOISY = 1e-4  # a tolerance from which the data are taken to be noisy: exact data show such lines by their residual
_ENTRIES = 1 << 15  # worked on at a time


def oversized(problem, U, V, tol):
    """Whether the mean square of a row or column of ``U Vᴴ`` is far above that of its observed entries.

    Where entries are few and noisy, the residual can meet a tolerance while single lines are far off: a line that
    leans on directions which its own entries hardly see. Nothing is suspected where a penalty holds lines down.
    """
    if tol < NOISY or not problem.plain:
        return False
    observed, (m, n) = problem.observed, problem.shape
    rows, columns = _sums_of_squares(observed)
    return _any_above(_line_squares(U, be.gram(V)) / n, rows, observed.row_counts) or _any_above(
        _line_squares(V, be.gram(U)) / m, columns, observed.column_counts
    )


def _any_above(means, sums, counts):
    xp = be.namespace(means)
    limits = xp.asarray(_LIMITS, dtype=means.dtype, device=be.device(means))
    limits = xp.take(limits, xp.clip(counts, 0, _MANY))
    return bool(xp.any(means * xp.astype(counts, means.dtype) > limits * sums))


def _limit(count):
    """What the mean square of a line may be over that of its `count` entries.

    The mean square of so many Gaussian numbers is below x times their variance with a probability of at most
    ``(x count / 2)^(count / 2) / Γ(count / 2 + 1)``.
    """
    return max(_FACTOR, count / (2.0 * (_CHANCE * math.gamma(count / 2 + 1)) ** (2 / count)))


_LIMITS = [0.0, *(_limit(count) for count in range(1, _MANY)), _FACTOR]


def _line_squares(X, G):
    """Squared norms of the rows of ``X Yᴴ`` from the Gram matrix of `Y`."""
    xp = be.namespace(X)
    if be.is_complex(X.dtype):
        return xp.sum(xp.real(be.matmul(X, G) * xp.conj(X)), axis=1)
    return xp.sum(be.matmul(X, G) * X, axis=1)


def _sums_of_squares(observed):
    """Sums of the squared entries of every row and every column, shapes (m,) and (n,)."""
    xp, pointers, (m, n) = observed.xp, observed.row_pointers, observed.shape
    by_row, by_column = [], 0.0
    for rows in be.fixed_partition(m, max(1, m * _ENTRIES // max(1, observed.count))):
        inside = slice(int(pointers[rows.start]), int(pointers[rows.stop]))
        squares = xp.abs(observed.values[inside]) ** 2
        lines = be.line_numbers(pointers[rows.start : rows.stop + 1], xp)
        by_row.append(be.segment_sum(squares, lines, rows.stop - rows.start))
        by_column = by_column + be.segment_sum(squares, observed.columns[inside], n)
    return xp.concat(by_row), by_column
