"""What one slab of rows gives to a read of the whole matrix, and how the parts of two slabs are put together.

Kernels and merges are functions of the module, so that they can travel to other processes. They work in the dtype of
the slab; sums over panels and slabs run in the widest dtype of the device. With `centre`, a slab takes off its own
column means, and two slabs are merged by the outer product of the difference of their means: nothing cancels, however
large the mean.
"""

from dataclasses import dataclass

import numpy as np

from .. import _backend as be
from ..operators.blocks import added, adjoint, panels, widest, working
from .tall_qr import orthonormalize

_GRAM_ROWS = 4096
_SAMPLED = 8  # one slab of so many shows what rounding does to its first panel
_FIRST_ROWS = 64
_MIN_ASPECT = 4
_LEAST = 1e-3  # of 1 / ‖R⁻¹‖, a bound of the least singular value, for a Cholesky factor R of columns of norm one


@dataclass(frozen=True)
class Work:
    """What a fused read computes: ``scale * A``, its own means taken off or not, and which of the states.

    ``columns`` of the block that is multiplied go into ``Aᴴ(A W)``; the others are probes.
    """

    columns: int
    scale: float = 1.0
    centre: bool = False
    triangle: bool = False
    measure: bool = False


@np.errstate(over="ignore", invalid="ignore")  # the caller looks at the norm
def fused_kernel(block, _start, W, *, work):
    """``Z = Aᴴ(A W)`` of one slab, with the triangular factor of ``A W`` and the sum of squares where asked."""
    A = working(block, work.scale)
    xp, wide = be.namespace(A), widest(A)
    shift = _first_mean(A) if work.centre else None
    multiplier = be.blasable(xp.astype(W, A.dtype, copy=False))
    image = _Image(xp, wide, A.dtype != wide and not work.centre)
    Z, squares, sums = None, 0.0, None
    for panel in panels(A, shift):
        Y = panel @ multiplier
        Z = added(Z, adjoint(xp, panel, Y[:, : work.columns]), wide)
        squares = squares + be.vdot_real(panel) if work.measure else squares
        sums = added(sums, xp.sum(panel, axis=0, dtype=wide), wide) if work.centre else None
        if work.triangle:
            image.append(Y)
    state = {"Z": Z, "squares": squares, "rows": A.shape[0]}
    if work.centre:
        image.shift = _centre_fused(state, shift, sums, W, work)
    if work.triangle:
        state["R"] = image.triangle(lambda: be.matmul(A, multiplier))
    return state


class _Image:
    """``A W`` of a slab, panel by panel, and its triangular factor.

    Where its entries come from a narrower dtype only the Gram matrix is kept, in the wide one.
    """

    def __init__(self, xp, wide, gram):
        self.xp, self.wide, self.parts = xp, wide, []
        self.gram, self.G, self.shift = gram, None, None

    def append(self, Y):
        if self.gram:
            Y = self.xp.astype(Y, self.wide)
            self.G = added(self.G, be.mH(Y) @ Y, self.wide)
        else:
            self.parts.append(Y)

    def triangle(self, again):
        """The factor; ``again()`` computes ``A W`` where its Gram matrix is too ill-conditioned for one."""
        R = _of_gram(self.xp, self.G) if self.gram else None
        if R is not None:
            return R
        Y = self.xp.astype(again() if self.gram else _joined(self.xp, self.parts), self.wide, copy=False)
        return triangle(Y if self.shift is None else Y - self.shift[None, :])


def _centre_fused(state, shift, sums, W, work):
    """Correct `state` for the difference between `shift` and the mean; returns what that does to the image."""
    xp, rows = be.namespace(shift), state["rows"]
    gap, W = sums / max(rows, 1), xp.astype(W, sums.dtype, copy=False)
    missed = (gap[None, :] @ W)[0, :]
    state["Z"] = state["Z"] - rows * _outer(gap, missed[: work.columns])
    state["squares"] = max(state["squares"] - rows * be.vdot_real(gap), 0.0)
    state["mean"] = xp.astype(shift, sums.dtype) + gap
    state["image"] = (state["mean"][None, :] @ W)[0, :]
    return missed


@np.errstate(over="ignore", invalid="ignore")  # the caller looks at the norm
def merge_fused(a, b):
    """The state of two runs of slabs from theirs."""
    merged = {"Z": a["Z"] + b["Z"], "squares": a["squares"] + b["squares"], "rows": a["rows"] + b["rows"]}
    between = None
    if "mean" in a:
        share, gap = _between(merged, a, b)
        turn = a["image"] - b["image"]
        merged["image"] = a["image"] - turn * (b["rows"] / max(merged["rows"], 1))
        merged["Z"] = merged["Z"] + share * _outer(gap, turn[: a["Z"].shape[1]])
        merged["squares"] = merged["squares"] + share * be.vdot_real(gap)
        between = share**0.5 * turn[None, :]
    if "R" in a:
        merged["R"] = _stacked(a["R"], b["R"], between)
    return merged


@np.errstate(over="ignore", invalid="ignore")  # the caller looks at the norm
def gram_kernel(block, start, probes, *, scale=1.0, centre=False):
    """``AᴴA`` of one slab; ``gap`` is what rounding does to the columns `probes`.

    It is measured in the first panel of every eighth slab and counted for all. `probes` has no columns where the dtype
    of the slab is the widest of the device.
    """
    A = working(block, scale)
    xp, wide = be.namespace(A), widest(A)
    shift = _first_mean(A) if centre else None
    parts = be.fixed_partition(A.shape[0], _GRAM_ROWS) or [slice(0, 0)]
    G, gap, sums = None, None, None
    for rows in parts:
        panel = A[rows, :] if shift is None else A[rows, :] - shift[None, :]
        part = be.panel_gram(panel)
        if gap is None:
            sampled = start // max(1, A.shape[0]) % _SAMPLED == 0
            gap = _SAMPLED * len(parts) * _rounding(panel, part, probes, wide, sampled)
        G = added(G, part, wide)
        sums = added(sums, xp.sum(panel, axis=0, dtype=wide), wide) if centre else None
    state = {"G": G, "gap": gap, "rows": A.shape[0]}
    if centre:
        mean = sums / max(A.shape[0], 1)
        state["G"] = G - A.shape[0] * _outer(mean, mean)
        state["mean"] = xp.astype(shift, wide) + mean
    return state


def _rounding(panel, G, probes, wide, sampled):
    xp = be.namespace(panel)
    if probes.shape[1] == 0 or not sampled:
        return xp.astype(xp.zeros_like(probes), wide)
    exact, probes = xp.astype(panel, wide), xp.astype(probes, wide)
    return xp.astype(G, wide) @ probes - be.mH(exact) @ (exact @ probes)


@np.errstate(over="ignore", invalid="ignore")  # the caller looks at the norm
def merge_gram(a, b):
    """The state of two runs of slabs from theirs."""
    merged = {"G": a["G"] + b["G"], "gap": a["gap"] + b["gap"], "rows": a["rows"] + b["rows"]}
    if "mean" in a:
        share, gap = _between(merged, a, b)
        merged["G"] = merged["G"] + share * _outer(gap, gap)
    return merged


@np.errstate(over="ignore", invalid="ignore")  # the caller looks at the norm
def triangle_kernel(block, _start, *, scale=1.0, centre=False):
    """The triangular factor of one slab, in the widest dtype."""
    A = working(block, scale)
    xp, wide = be.namespace(A), widest(A)
    state = {"rows": A.shape[0]}
    A = xp.astype(A, wide, copy=False)
    if centre:
        first = _first_mean(A)
        A = A - first[None, :]
        gap = xp.mean(A, axis=0)
        A = A - gap[None, :]
        state["mean"] = first + gap
    state["R"] = triangle(A)
    return state


@np.errstate(over="ignore", invalid="ignore")  # the caller looks at the norm
def merge_triangles(a, b):
    """The state of two runs of slabs from theirs."""
    merged, between = {"rows": a["rows"] + b["rows"]}, None
    if "mean" in a:
        share, gap = _between(merged, a, b)
        between = share**0.5 * gap[None, :]
    merged["R"] = _stacked(a["R"], b["R"], between)
    return merged


def size_kernel(block, _start):
    """Largest modulus of the finite entries of one slab, and whether all of them are finite."""
    A = working(block)
    xp = be.namespace(A)
    finite = xp.isfinite(A)
    size = xp.max(xp.abs(xp.where(finite, A, xp.zeros_like(A)))) if 0 not in A.shape else 0.0
    return {"size": float(size), "finite": bool(xp.all(finite))}


def merge_sizes(a, b):
    """The state of two runs of slabs from theirs."""
    return {"size": max(a["size"], b["size"]), "finite": a["finite"] and b["finite"]}


def image_kernel(block, _start, T, mean=None):
    """Rows of ``(A - 1 meanᵀ) T`` in the stored dtype where that is half precision, else in that of the slab."""
    A = working(block)
    xp = be.namespace(A)
    multiplier = xp.astype(T, A.dtype, copy=False)
    if mean is None:
        rows = be.matmul(A, multiplier)
    else:
        shift = xp.astype(mean, A.dtype, copy=False)
        left = xp.astype((mean - xp.astype(shift, mean.dtype))[None, :] @ xp.astype(T, mean.dtype), A.dtype)
        rows = _joined(xp, [be.matmul(panel, multiplier) - left for panel in panels(A, shift)])
    return xp.astype(rows, block.dtype, copy=False) if be.is_half(block.dtype) else rows


def triangle(Y):
    """Triangular factor of `Y`, accurate column by column; `Y` may be wide."""
    xp = be.namespace(Y)
    if Y.shape[0] < _MIN_ASPECT * Y.shape[1]:
        return be.householder_triangle(Y)
    norms = _or_one(xp.linalg.vector_norm(Y, axis=0), Y.dtype)
    return orthonormalize(Y / norms[None, :])[1] * norms[None, :]


def _of_gram(xp, G):
    """Cholesky factor of `G`, None where its condition eats up what the wider dtype has to spare."""
    norms = _or_one(xp.sqrt(xp.real(xp.linalg.diagonal(G))), G.dtype)
    R = be.cholesky_upper(G / norms[:, None] / norms[None, :])
    if R is None:
        return None
    identity = xp.eye(R.shape[0], dtype=R.dtype, device=be.device(R))
    if not _LEAST * be.fro_norm(be.solve_upper(R, identity)) <= 1.0:  # NaN too
        return None
    return R * norms[None, :]


def _or_one(sizes, dtype):
    xp = be.namespace(sizes)
    return xp.astype(xp.where(sizes > 0, sizes, xp.ones_like(sizes)), dtype)


def _first_mean(A):
    """Mean of the first rows, near which all of them are taken to lie."""
    xp = be.namespace(A)
    if A.shape[0] == 0:
        return xp.zeros((A.shape[1],), dtype=A.dtype, device=be.device(A))
    return xp.mean(A[: min(_FIRST_ROWS, A.shape[0]), :], axis=0)


def _joined(xp, parts):
    return parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)


def _outer(x, y):
    """``x̄ yᵀ``."""
    conj = be.namespace(x).conj(x) if be.is_complex(x.dtype) else x
    return conj[:, None] * y[None, :]


def _between(merged, a, b):
    """Weight of the difference of two means, and the difference; the mean of both goes into `merged`."""
    gap = a["mean"] - b["mean"]
    rows = max(merged["rows"], 1)
    merged["mean"] = a["mean"] - gap * (b["rows"] / rows)
    return a["rows"] * b["rows"] / rows, gap


def _stacked(R, S, between):
    parts = [R, S] if between is None else [R, S, between]
    return be.householder_triangle(be.namespace(R).concat(parts, axis=0))
