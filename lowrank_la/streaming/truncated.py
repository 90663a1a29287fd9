"""A factor ``diag(s) Vᴴ`` of bounded rank to which rows are appended, with a record of what was dropped.

Where squares of the singular values do, an update is the eigendecomposition of the Gram matrix of factor and rows, of
the order of both together and formed in the widest dtype. It takes `V` as it is, orthonormal or not, and new vectors
are combinations of the old ones and the rows. Otherwise the rows are projected on `V`. That is done twice, and once
more after the rest was orthonormalised: a residual that is rounding noise has directions that lean on `V`, and singular
values computed with them would count the same thing twice.
"""

import math

import numpy as np

from .. import _backend as be
from ..factor.tall_qr import orthonormalize
from . import whole
from .rows import densified, is_csr

_NOISE = 16.0  # units of roundoff, times the squared norm: what one update may add to the rounding of squares
_LOSS = 1e-10  # relative error of the last value kept that squaring may add, where the roundoff of rows is smaller
_SUMS = 2.0  # times the root of their number: units of roundoff by which sums of terms of norm one are off
_ROUNDS = 3
_LEAN = 0.01  # of a unit vector along V: what one more projection takes off to rounding
_NEAR = 0.1  # distance from orthonormal columns up to which one Cholesky step leaves rounding
_UPRIGHT = 0.1  # of √eps: departure of V from orthonormal columns that is mended


def empty(layout):
    """The factor before the first row."""
    return {
        "s": layout.xp.zeros((0,), dtype=layout.real, device=layout.device),
        "V": layout.zeros(layout.columns, 0),
        "dropped": 0.0,
        "spectral": 0.0,
        "noise": 0.0,
    }


def appended(state, rows, keep):
    """The factor with `rows` (c, d), an array or a `be.CSR`, below it; at most `keep` singular values are kept."""
    if rows.shape[0] == 0:
        return state
    s, V = state["s"], state["V"]
    d, held = V.shape
    long = d > held + rows.shape[0]
    found = _by_squares(s, V, rows, keep) if long else None
    if found is not None:
        s, V, noise, lean = found
        return _shortened(state | {"noise": state["noise"] + noise}, s, V, keep, lean)
    s, V = _updated(s, V, rows) if long else _stacked(s, V, densified(rows))
    return _shortened(state, s, V, keep)


def joined(state, other, between, keep):
    """The factor of two states one below the other; `between` is the row of their means, or None."""
    xp = be.namespace(state["V"])
    rows = other["s"][:, None] * be.mH(other["V"]) if other["s"].shape[0] else be.mH(other["V"])
    rows = xp.astype(rows, state["V"].dtype, copy=False)
    if between is not None:
        rows = xp.concat([xp.astype(between, rows.dtype)[None, :], rows], axis=0)
    sums = {name: state[name] + other[name] for name in ("dropped", "spectral", "noise")}
    return appended(state | sums, rows, keep)


def taken_out(state, rows, tol):
    """The factor without `rows`; None where they don't lie in the span, or carry almost all of a direction."""
    s, V = state["s"], state["V"]
    xp = be.namespace(V)
    rows = densified(rows)
    P = be.mH(be.matmul(rows, V))
    outside = be.fro_norm(rows - be.matmul(be.mH(P), be.mH(V)))
    scale = be.fro_norm(rows)
    least = float(s[-1]) if s.shape[0] else 0.0
    if scale == 0.0:
        return state
    if outside > tol * scale or least == 0.0:
        return None
    inside = P / xp.astype(s, V.dtype)[:, None]
    left = xp.eye(s.shape[0], dtype=V.dtype, device=be.device(V)) - be.matmul(inside, be.mH(inside))
    w, W = be.small_eigh((left + be.mH(left)) / 2)
    if float(w[0]) <= tol:
        return None
    root = be.matmul(W * xp.astype(xp.sqrt(w), V.dtype)[None, :], be.mH(W))
    U, s, _ = be.small_svd(xp.astype(s, V.dtype)[:, None] * root)
    return state | {"s": s, "V": be.matmul(V, U)}


def _by_squares(s, V, rows, keep):
    """``(s, V, noise, lean)``: all singular values, the first `keep` right vectors, and how far both may be off.

    None where it would cost the last of them more than the rows' own roundoff or `_LOSS`, and where squares overflow.
    `noise` is the rounding of squares, `lean` that of ``Vᴴ V``.
    """
    xp, held = be.namespace(V), s.shape[0]
    wide = be.widest_like(xp, V.dtype, be.device(V))
    if held and not _resolved(float(s[0]) ** 2, float(s[-1]) ** 2, V.dtype, wide):
        return None
    blocks = [be.mH(V), densified(rows)] if held else [densified(rows)]
    lengths = xp.concat([xp.astype(s, wide), xp.ones((rows.shape[0],), dtype=wide, device=be.device(V))])
    with np.errstate(over="ignore", invalid="ignore"):
        K = be.gram_of_rows(blocks, wide) * lengths[:, None] * lengths[None, :]
    trace = whole.energy(K)
    if not math.isfinite(trace):
        return None
    w, U = be.small_eigh(K)
    count = min(keep, w.shape[0])
    if not _resolved(float(w[-1]), float(w[-count]), V.dtype, wide):
        return None
    s = xp.sqrt(xp.flip(xp.where(w > 0, w, xp.zeros_like(w))))
    turn = xp.flip(U, axis=1)[:, :count] * lengths[:, None] / xp.astype(s[:count], wide)[None, :]
    Vh = be.combined_rows(xp.astype(be.mH(turn), V.dtype), blocks)
    lean = _SUMS * w.shape[0] ** 0.5 * be.eps(V.dtype) * float(s[0]) / float(s[count - 1])
    return s, be.mH(Vh), whole.rounding(trace, wide), lean


def _resolved(largest, least, dtype, wide):
    """Whether squares in the dtype `wide` tell the least one from rounding, for rows of `dtype`."""
    return be.eps(wide) * largest < max(be.eps(dtype), _LOSS) * least


def _stacked(s, V, rows):
    """Singular values and right vectors of the factor and the rows as one short matrix."""
    xp = be.namespace(V)
    whole = xp.concat([xp.astype(s, V.dtype)[:, None] * be.mH(V), rows], axis=0) if s.shape[0] else rows
    _, s, Vh = be.small_svd(whole)
    return s, be.mH(Vh)


def _updated(s, V, rows):
    """Singular values and right vectors by a core of the size of the factor and the block."""
    xp = be.namespace(V)
    if not s.shape[0]:
        Q, R = orthonormalize(be.mH(densified(rows)))
        U, s, _ = be.small_svd(R)
        return s, be.matmul(Q, U)
    Vh = be.mH(V)
    P = be.csr_matmat(rows, V) if is_csr(rows) else be.matmul(rows, V)
    rest = densified(rows) - be.matmul(P, Vh)
    again = be.matmul(rest, V)
    rest, P = rest - be.matmul(again, Vh), P + again
    Q, R = orthonormalize(be.mH(rest))
    for _ in range(_ROUNDS):
        lean = be.adjoint_matmul(V, Q)
        Q, S = _straightened(Q - be.matmul(V, lean))
        R = be.matmul(S, R)
        if float(xp.max(xp.abs(lean))) <= _LEAN:
            break
    held, added = s.shape[0], R.shape[1]
    upper = xp.concat([_diagonal(s, V.dtype), be.mH(P)], axis=1)
    below = xp.zeros((R.shape[0], held), dtype=V.dtype, device=be.device(V))
    core = xp.concat([upper, xp.concat([below, R], axis=1)], axis=0)
    U, s, _ = be.small_svd(core)
    return s, be.matmul(V, U[:held, :]) + be.matmul(Q, U[held : held + added, :])


def _straightened(Q):
    """``Q, R`` of a block that is orthonormal already but for what was just taken off: one Cholesky step then does."""
    xp = be.namespace(Q)
    G = be.gram(Q)
    gap = float(xp.linalg.matrix_norm(G - xp.eye(G.shape[0], dtype=G.dtype, device=be.device(G))))
    R = be.cholesky_upper(G) if gap <= _NEAR else None
    return orthonormalize(Q) if R is None else (be.right_solve_upper(Q, R), R)


def _diagonal(s, dtype):
    xp = be.namespace(s)
    return xp.eye(s.shape[0], dtype=dtype, device=be.device(s)) * xp.astype(s, dtype)[None, :]


def _shortened(state, s, V, keep, lean=math.inf):
    """The state with the largest singular values, the others counted as dropped.

    `lean` bounds how far `V` is from orthonormal columns, where that is known.
    """
    host = [float(x) for x in s]
    eps = be.eps(V.dtype)
    floor = eps * (host[0] if host else 0.0)
    count = min(keep, sum(value > floor for value in host))
    rest = [value * value for value in host[count:]]
    real = be.real_dtype(be.namespace(V), V.dtype)
    s, V = be.namespace(s).astype(s[:count], real, copy=False), V[:, :count]
    s, V = (s, V) if lean <= _UPRIGHT * eps**0.5 else _mended(s, V)
    top = host[0] ** 2 if host else 0.0
    return state | {
        "s": s,
        "V": V,
        "dropped": state["dropped"] + sum(rest),
        "spectral": state["spectral"] + (rest[0] if rest else 0.0),
        "noise": state["noise"] + _NOISE * eps * top,
    }


def _mended(s, V):
    """The same factor with `V` orthonormal again when it has drifted."""
    if not s.shape[0]:
        return s, V
    xp = be.namespace(V)
    gap = be.gram(V) - xp.eye(V.shape[1], dtype=V.dtype, device=be.device(V))
    if float(xp.max(xp.abs(gap))) <= _UPRIGHT * be.eps(V.dtype) ** 0.5:
        return s, V
    Q, R = orthonormalize(V)
    U, s, _ = be.small_svd(R * xp.astype(s, V.dtype)[None, :])
    return s, be.matmul(Q, U)
