"""Blocks of rows added to a Gram matrix: in which precision, at which scale, and when it is given up for a factor."""

import math

import numpy as np

from .. import _backend as be
from . import whole
from .centring import Moments, block_moments, discounts
from .rows import require_finite_rows, scaled_rows, values_of

_REACH = {"float32": 1e10, "float64": 1e100}  # norms of a first block whose squares leave room for larger rows
_LARGEST_POWER = {"float32": 120, "float64": 1000}
_GROUP = 8  # blocks that are multiplied before their products are added
_FEWER = 8  # how many times more blocks there are when the spectrum is looked at again
_FAR = 1e2  # squared distance of mean and shift, over the scatter, from which the shift follows
TYPICAL = 8.0  # by which the error of a Gram matrix stays below the roundoff of its products


def decide(block, weights, stream):
    """Scale, precision and form of the state, from the first block that is not zero; nothing for a block of zeros."""
    values, layout = values_of(block), stream.layout
    norm = be.fro_norm(values) if 0 not in values.shape else 0.0
    if not math.isfinite(norm):
        require_finite_rows(block)
    if norm == 0.0:
        return {}
    scale = safe_scale(norm, layout)
    found = {"scale": scale}
    if stream._state.get("gram") is None:
        return found
    block = scaled_rows(block, scale)
    moments = block_moments(block, weights, stream.center, layout)
    state = stream._state | found | ({"shift": moments.mean} if stream.center else {})
    if moments.weight == 0.0:
        return {}
    ((G, sums),) = whole.grams_of([block], [weights], state["shift"], layout.wide, layout)
    S, noise = whole.scatter(state | {"gram": G, "sums": sums}, moments)
    precision, coarse = _form(S, noise, stream, block.shape[0], True)
    found["single"] = precision
    if coarse:
        return found | whole.empty_factor(layout)
    return found | {"shift": state["shift"]}


def safe_scale(norm, layout):
    """Power of two by which rows of that norm are divided, 1 for all but extreme ones."""
    name = be.dtype_name(layout.real)
    if 1.0 / _REACH[name] < norm < _REACH[name]:
        return 1.0
    power = math.frexp(norm)[1] if math.isfinite(norm) else _LARGEST_POWER[name]
    return 2.0 ** max(-_LARGEST_POWER[name], min(_LARGEST_POWER[name], power))


def _form(S, noise, stream, rows, first):
    """What the spectrum of `S` asks for: products in single precision, and a factor where squares won't do."""
    layout = stream.layout
    count = max(1, min(stream.rank, rows - stream.center))
    squared = _condition(S, count, noise)
    single = layout.dtype != layout.wide and (first or stream._state["single"])
    single = single and be.eps(layout.dtype) / TYPICAL * squared <= stream.accuracy
    return single, stream.method == "auto" and be.eps(layout.wide) * squared > stream.accuracy


def _condition(S, count, noise):
    """Squared ratio of the largest singular value to number `count`; infinite where that is rounding."""
    w = be.to_numpy(be.namespace(S).linalg.eigvalsh(S)).astype(np.float64)[::-1]
    last = float(w[min(count, w.shape[0]) - 1])
    return float(w[0]) / last if last > noise / whole.ROUNDING else math.inf


def group_size(blocks):
    """Blocks that may be taken at once before the spectrum is looked at again."""
    following = 1
    while following <= blocks:
        following *= _FEWER
    return min(_GROUP, following - blocks)


def absorb_gram(blocks, weights, stream):
    """The entries of the state that change when `blocks` are added to its Gram matrix."""
    state, layout = stream._state, stream.layout
    dtype = layout.dtype if state["single"] else layout.wide
    weights = [discounts(b.shape[0], w, stream.forget, layout) for b, w in zip(blocks, weights, strict=True)]
    products = whole.grams_of(blocks, weights, state["shift"], dtype, layout)
    first = stream.forget ** (2 * blocks[0].shape[0])
    G, sums, noise, total = state["gram"] * first, state["sums"], state["noise"], state["weight"]
    for place, (block, weight, (more, line)) in enumerate(zip(blocks, weights, products, strict=True)):
        age = stream.forget ** (2 * block.shape[0])
        trace = whole.energy(more)
        if not math.isfinite(trace):
            more, line, trace = _in_wide(block, weight, state["shift"], layout)
        if place and age != 1.0:
            G *= age
        G += more
        noise = noise * age + whole.rounding(trace, dtype)
        total = total * age + (block.shape[0] if weight is None else float(layout.xp.sum(weight)))
        sums = None if sums is None else sums * age + line
    return {"gram": G, "sums": sums, "noise": noise, "weight": float(total), "blocks": state["blocks"] + len(blocks)}


def _in_wide(block, weight, shift, layout):
    """A product that overflowed, again in the widest dtype; ValueError where the rows are not finite, or too large."""
    require_finite_rows(block)
    ((more, line),) = whole.grams_of([block], [weight], shift, layout.wide, layout)
    trace = whole.energy(more)
    if not math.isfinite(trace):
        raise ValueError(
            "squares of these rows overflow next to those before: the batch was refused; "
            "divide all rows by a power of two, or take method='qr'"
        )
    return more, line, trace


def reconsider(stream):
    """Look at the spectrum again when there are eight times as many blocks as the last time."""
    state = stream._state
    if group_size(state["blocks"] - 1) != 1 or state["blocks"] < _FEWER or state["scale"] is None:
        return
    moments = Moments(state["weight"], whole.mean_of(state, state["weight"]))
    S, noise = whole.scatter(state, moments)
    single, coarse = _form(S, noise, stream, stream.rank + 1, False)
    stream._state = (whole.as_factor(state, moments) if coarse else state) | {"single": single}
    if coarse:
        return
    if state["shift"] is not None and be.vdot_real(state["sums"]) > _FAR * moments.weight * whole.energy(S):
        stream._state = whole.about_mean(stream._state, moments)
