"""Rows and columns that a fit gave up, fitted anew to their own known entries."""

import math
from dataclasses import replace

import numpy as np

from .. import _backend as be
from .factors import product_svd
from .gauge import Gauge
from .panels import kept

_ROUNDS = 40
_HALVED = 0.5
_HEADROOM = 40.0
_MOST = 256  # lines
_SHARE = 0.5  # of all lines, that may be fitted to the directions of the others
_ROUNDING = 64.0
_MAJORITY = 0.55  # share of a line that its new fit has to meet: as many entries may agree on something else


def repaired(data, outcome, counts, needed, judge, settings):
    """`outcome` with robust fits of the lines that too few entries were kept of, or as it is where that settles none.

    Each of these fits has to meet most of the known entries of its line.

    Parameters
    ----------
    counts : pair of NumPy arrays
        Entries kept of rows and of columns.
    needed : callable
        ``needed(known, rank)`` gives how many have to be kept of lines with so many known ones.
    judge : callable
        ``judge(data, row_counts, column_counts, rank)`` gives the numbers of lines denied and suspected.
    """
    rank = outcome.U.shape[1]
    given_up = [(have < needed(known, rank)) & (known >= rank) for have, known in zip(counts, data.counts, strict=True)]
    sizes = [int(lines.sum()) for lines in given_up]
    if not any(sizes) or max(sizes) > _MOST or any(2 * k > n for k, n in zip(sizes, data.shape, strict=True)):
        return outcome
    gauge = Gauge(data, settings.key)
    limit = max(_HEADROOM * outcome.spread, _ROUNDING * be.eps(data.dtype) * gauge.size())
    limit = limit if outcome.places is not None else max(limit, outcome.limit)
    weights = data.xp.astype(outcome.s, outcome.U.dtype)[None, :]
    left, right = outcome.U * weights, outcome.V
    left = _with_lines(data, 0, given_up[0], left, right, limit)
    right = _with_lines(data, 1, given_up[1], right, left, limit)
    U, s, V = product_svd(left, right)
    found = kept(data, U, s, V, limit)
    again = (found.row_counts, found.column_counts)
    if any(
        (_MAJORITY * known > have)[lines].any() for lines, have, known in zip(given_up, again, data.counts, strict=True)
    ):
        return outcome
    denied, suspect = judge(data, *again, rank)
    clean = min(max(be.fro_norm(s), gauge.clean_norm()), data.norm)
    if denied >= outcome.denied or found.norm > max(settings.tol, outcome.residual) * clean:
        return outcome
    return replace(
        outcome, U=U, s=s, V=V, limit=limit, residual=found.norm / data.norm, share=1.0 - found.count / data.count,
        denied=denied, suspect=suspect, spread=gauge.spread(U, s, V), places=None, kind="exact",
    )  # fmt: skip


def _with_lines(data, axis, lines, factor, basis, limit):
    """`factor` with its rows of those `lines` fitted to their known entries, given the factor of the other side."""
    if not lines.any():
        return factor
    xp, size = data.xp, data.shape[axis]
    numbers = np.flatnonzero(lines)
    places = be.index_array(numbers, size, xp, data.device)
    part = xp.take(data.matrix, places, axis=axis)
    known = None if data.known is None else xp.take(data.known, places, axis=axis)
    if axis == 1:
        part, known = be.mH(part), None if known is None else known.mT
    fitted = robust_rows(part, known, basis, limit)
    order = np.arange(size)
    order[numbers] = size + np.arange(numbers.size)
    return xp.take(xp.concat([factor, fitted]), be.index_array(order, size + numbers.size, xp, data.device), axis=0)


def robust_rows(A, known, B, limit):
    """Rows X with ``A ≈ X Bᴴ`` on the known entries: least absolute misfits, then least squares of those in `limit`.

    Parameters
    ----------
    A : array, shape (p, n)
    known : boolean array, shape (p, n), or None
    B : array, shape (n, k)
    """
    xp, k = be.namespace(A), B.shape[1]
    real = be.real_dtype(xp, A.dtype)
    squares = xp.reshape(xp.conj(B)[:, :, None] * B[:, None, :] if be.is_complex(B.dtype) else
                         B[:, :, None] * B[:, None, :], (B.shape[0], k * k))  # fmt: skip
    used = xp.ones(A.shape, dtype=real, device=be.device(A)) if known is None else xp.astype(known, real)

    def fitted(weights):
        weights = xp.astype(weights, A.dtype)
        normal = xp.reshape(be.matmul(weights, squares), (-1, k, k))
        size = xp.max(xp.abs(normal), axis=(1, 2), keepdims=True)
        damping = xp.where(size > 0, size, xp.ones_like(size)) * (be.eps(A.dtype) * k)
        normal = normal.mT + xp.astype(damping, A.dtype) * xp.eye(k, dtype=A.dtype, device=be.device(A))
        return xp.linalg.solve(normal, be.matmul(weights * A, B)[:, :, None])[:, :, 0]

    X, bound = fitted(used), xp.max(xp.abs(A) * used, axis=1, keepdims=True)
    for _ in range(_ROUNDS):
        bound = xp.clip(bound * _HALVED, limit, None)
        misfits = xp.abs(A - be.matmul(X, be.mH(B)))
        X = fitted(used / xp.where(misfits > bound, misfits, bound))
    for reach in (math.sqrt(_HEADROOM), 1.0):
        misfits = xp.abs(A - be.matmul(X, be.mH(B)))
        X = fitted(used * xp.astype(misfits <= reach * limit, real))
    return X
