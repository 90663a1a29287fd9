"""Rows and columns that determine a low-rank matrix well, found by looking at few of its entries."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _backend as be
from ..factor.tall_qr import orthonormalize
from ..operators import as_operator
from ..operators.base import densify
from ..results import Info, Result
from ..skeleton.subspace_rows import maxvol, qdeim

_WIDER = 4
_METHODS = ("auto", "qr", "maxvol", "leverage")


@dataclass(frozen=True, eq=False, repr=False)
class SelectedAnchors(Result):
    """Numbers of rows and columns, ascending."""

    rows: Any
    cols: Any
    info: Info

    _unpack = ("rows", "cols")


def select_anchors(A, size, *, rank=None, method="auto", rng=None, check_finite=True):
    """Anchor rows and columns for `anchor_estimate`.

    Parameters
    ----------
    A : array, sparse matrix or operator that gives rows and columns, shape (m, n)
    size : int or pair of int
        How many rows and columns; a pair tells them apart.
    rank : int, optional
        Of the matrix behind the noise; None takes the singular values of the random cross before their largest gap.
    method : {"auto", "qr", "maxvol", "leverage"}
        How rows of the bases are chosen: pivoted QR, what "auto" takes, maximal volume, or a draw by leverage scores.
    rng : optional
        Seed or generator of the random cross, and of the draw.
    check_finite : bool
        Refuse NaN and infinite values among what is read.

    Returns
    -------
    SelectedAnchors
        ``rows`` and ``cols``, integer arrays, ascending, in the namespace and on the device of `A`.

    Raises
    ------
    ValueError
        If `A` is empty or not finite, or an argument is out of range.
    TypeError
        If `A` does not give rows and columns.

    Notes
    -----
    Reads four times as many rows and columns as wanted, at random. Bases of the column and row space are their products
    with the leading singular vectors of the block where they meet. The first `rank` anchors are the pivots of these
    bases, the next those of what is left when they are taken out, and so on: with more anchors than the rank the
    noise is averaged. O((m + n) size rank) operations and O((m + n) size) memory.

    References
    ----------
    .. [1] shah_song_xu_yang_2020

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = np.outer(np.arange(1.0, 7.0), np.ones(5))
    >>> rows, cols = lr.select_anchors(A, 1, rng=0)
    >>> int(rows[0])
    5
    """
    op = as_operator(A)
    be.check_option("method", method, _METHODS)
    if not (op.has("take_rows") and op.has("take_cols")):
        raise TypeError(f"select_anchors needs rows and columns of the matrix, which {type(A).__name__} does not give")
    be.require_untracked(op.array if op.has("array") else None, "select_anchors")
    be.check_rank(1, op.shape)
    check_finite, key = be.check_flag("check_finite", check_finite), be.resolve_rng(rng)
    pair = size if isinstance(size, tuple | list) else (size, size)
    if len(pair) != 2:
        raise ValueError(f"size must be an integer or a pair, got {size!r}")
    sizes = [be.check_count("size", count, 1, most) for count, most in zip(pair, op.shape, strict=True)]
    rank = None if rank is None else be.check_rank(rank, op.shape)
    with be.single_blas():
        I, J = (_random(op.shape[axis], _WIDER * max(sizes), key.child(axis)) for axis in (0, 1))
        R, C = densify(op.take_rows(I)), densify(op.take_cols(J))
        if check_finite:
            be.require_finite(R, "A")
            be.require_finite(C, "A")
        xp = op.xp
        W = xp.take(C, be.index_array(I, op.shape[0], xp, op.device), axis=0)
        W = W * (1.0 / (float(xp.max(xp.abs(W))) or 1.0))
        a, s, bh = be.small_svd(W)
        k = _rank(np.asarray(be.to_numpy(s), np.float64), W, rank)
        bases = be.matmul(C, be.mH(bh[:k, :])), be.matmul(be.mH(R), a[:, :k])
        chosen = [
            _picked(orthonormalize(_unit(basis))[0], count, method, key.child(f"draw {axis}"))
            for axis, (basis, count) in enumerate(zip(bases, sizes, strict=True))
        ]
    rows, cols = (
        be.index_array(sorted(part), most, xp, op.device) for part, most in zip(chosen, op.shape, strict=True)
    )
    details = {"rank": k, "rows_read": len(I), "columns_read": len(J)}
    info = Info(method="qr" if method == "auto" else method, converged=True, rng=key.record, details=details)
    return SelectedAnchors(rows, cols, info)


def _random(size, count, key):
    order = be.uniform(key, slice(0, size), slice(0, 1))[:, 0].argsort(kind="stable")
    return sorted(int(i) for i in order[: min(count, size)])


def _unit(M):
    size = be.fro_norm(M)
    return M * (1.0 / size) if size > 0 and math.isfinite(size) else M


def _rank(s, W, rank):
    floor = 4 * max(W.shape) * be.eps(W.dtype) * s[0]
    most = max(1, int((s > floor).sum()))
    if rank is not None:
        return min(rank, most)
    ratios = np.maximum(s[:-1], floor) / np.maximum(s[1:], max(floor, 1e-300))
    return min(int(ratios.argmax()) + 1, most) if ratios.size and ratios.max() > 10.0 else most


def _picked(Q, count, method, key):
    """`count` row numbers of the orthonormal `Q`, in rounds of as many as it has columns."""
    if method == "leverage":
        return _drawn(Q, count, key)
    left, chosen = list(range(Q.shape[0])), []
    pick, xp = maxvol if method == "maxvol" else qdeim, be.namespace(Q)
    while len(chosen) < count:
        rest = xp.take(Q, be.index_array(left, Q.shape[0], xp, be.device(Q)), axis=0)
        found = pick(rest)[: count - len(chosen)] if rest.shape[0] >= Q.shape[1] and be.fro_norm(rest) > 0 else []
        places = found or list(range(min(count - len(chosen), len(left))))
        chosen += [left[i] for i in places]
        gone = set(places)
        left = [line for i, line in enumerate(left) if i not in gone]
    return chosen


def _drawn(Q, count, key):
    """Rows without replacement, with odds in proportion to their leverage scores."""
    xp = be.namespace(Q)
    scores = np.asarray(be.to_numpy(xp.sum(xp.abs(Q) ** 2, axis=1)), np.float64)
    waits = -np.log(be.uniform(key, slice(0, Q.shape[0]), slice(0, 1))[:, 0]) / np.maximum(scores, 1e-300)
    return [int(i) for i in waits.argsort(kind="stable")[:count]]
