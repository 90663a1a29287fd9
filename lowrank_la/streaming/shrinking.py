"""One step of Frequent Directions: the leading directions of a sketch and the rows below it, all squares reduced."""

import math

from .. import _backend as be
from ..factor.slabs import triangle
from . import whole

LEVELS = ("single", "double", "rows")  # what the singular values come from: Gram matrices, or the rows themselves
_TWO_STEPS = 4.0  # times the rounding of a Gram matrix: that of a triangular factor and its decomposition
_RESOLVED = 32.0  # times the rounding allowed for: what the square that is taken off has to exceed


def shrunk(B, rows, size, level, layout):
    """``(B, delta, noise, level)``: at most `size` rows that stand for `B` and `rows`, what was taken off, and how.

    `B` is in the widest dtype. Each level is left for the next one, and never taken again, when the square that is
    taken off is not well above its rounding; no more rows than `size` lose nothing, and leave the level as it is. Short
    blocks of long rows are multiplied in the widest dtype at once.
    """
    if B.shape[0] + rows.shape[0] == 0:
        return B, 0.0, 0.0, level
    if B.shape[0] + rows.shape[0] <= size:
        return *_by_rows(B, rows, size, layout), level
    short = layout.columns > B.shape[0] + rows.shape[0]
    for name in LEVELS[LEVELS.index(level) :]:
        if name == "rows":
            return *_by_rows(B, rows, size, layout), name
        if short and name == "single":
            continue
        dtype = layout.dtype if name == "single" else layout.wide
        found = _by_products(B, rows, size, layout) if short else _by_columns(B, rows, size, dtype, layout)
        if found is not None:
            return *found, name
    raise AssertionError("the last level always answers")


def _settled(w, size, noise):
    """``(squares, delta)`` of ascending eigenvalues; None where rounding may hide what is taken off."""
    values = [float(x) for x in be.to_numpy(w)][::-1]
    delta = values[size] if len(values) > size else 0.0
    if not delta > _RESOLVED * noise:
        return None
    return [max(value - delta, 0.0) for value in values[:size]], delta


def _by_columns(B, rows, size, dtype, layout):
    """By the Gram matrix of the columns, when there are fewer of them."""
    ((G, _),) = whole.grams_of([rows], [None], None, dtype, layout)
    noise = whole.rounding(whole.energy(G), dtype)
    xp = layout.xp
    G = xp.astype(G, layout.wide, copy=False) + be.gram(B)
    trace = whole.energy(G)
    if not math.isfinite(trace):
        return None
    noise += whole.rounding(trace, layout.wide)
    w, V = be.top_eigh(G, min(size + 1, G.shape[0]))
    found = _settled(w, size, noise)
    if found is None:
        return None
    squares, delta = found
    return _scaled(squares, be.mH(xp.flip(V, axis=1)[:, : len(squares)]), layout), delta, noise


def _by_products(B, rows, size, layout):
    """By the Gram matrix of the rows, when there are fewer of them; the new rows are combinations of the old ones."""
    xp = layout.xp
    M = _stacked(B, rows, layout)
    K = be.gram(be.mH(M))
    trace = whole.energy(K)
    if not math.isfinite(trace):
        return None
    noise = whole.rounding(trace, layout.wide)
    w, U = be.top_eigh(K, min(size + 1, K.shape[0]))
    found = _settled(w, size, noise)
    if found is None:
        return None
    squares, delta = found
    ratio = [(square / (square + delta)) ** 0.5 for square in squares]
    U = xp.flip(U, axis=1)[:, : len(squares)]
    factors = xp.asarray(ratio, dtype=be.real_dtype(xp, layout.wide), device=layout.device)
    return be.matmul(be.mH(U * xp.astype(factors, layout.wide)[None, :]), M), delta, noise


def _by_rows(B, rows, size, layout):
    """By a decomposition that does not square the condition."""
    M = _stacked(B, rows, layout)
    _, s, Vh = be.small_svd(triangle(M) if M.shape[0] > M.shape[1] else M)
    values = [float(x) for x in be.to_numpy(s)]
    delta = values[size] ** 2 if len(values) > size else 0.0
    squares = [max(value * value - delta, 0.0) for value in values[:size]]
    count = sum(square > 0 for square in squares)
    noise = _TWO_STEPS * whole.rounding(values[0] ** 2, layout.wide)
    return _scaled(squares[:count], Vh[:count, :], layout), delta, noise


def _stacked(B, rows, layout):
    rows = layout.xp.astype(rows, layout.wide, copy=False)
    return layout.xp.concat([B, rows], axis=0) if B.shape[0] else rows


def _scaled(squares, Vh, layout):
    real = be.real_dtype(layout.xp, layout.wide)
    lengths = layout.xp.asarray([square**0.5 for square in squares], dtype=real, device=layout.device)
    return layout.xp.astype(lengths, layout.wide)[:, None] * Vh
