"""Blocks of rows added to a Gram matrix: in which precision, at which scale, and when it is given up for a factor."""

import math

import numpy as np

from .. import _backend as be
from . import whole
from .centring import block_moments, discounts
from .incremental_merge import rescaled
from .rows import scaled_rows
from .scales import block_norm, safe_scale

_LARGEST_TRACE = {"float32": 2.0**110, "float64": 2.0**910}  # of one block: sums of more than there can be are finite
_GROUP = 8  # blocks that are multiplied before their products are added
_FEWER = 8  # how many times more blocks there are when the spectrum is looked at again
_FAR = 1e2  # squared distance of mean and shift, over the scatter, from which the shift follows


def decide(block, weights, stream):
    """Scale, precision and form of the state, from the first block that is not zero; nothing for a block of zeros."""
    layout, norm = stream.layout, block_norm(block, weights)
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
    S, noise = whole.scatter(state | {"gram": G} | ({} if sums is None else {"sums": sums}), moments)
    precision, coarse = _form(S, noise, stream, block.shape[0], True)
    found["single"] = precision
    if coarse:
        return found | whole.empty_factor(layout)
    return found | {"shift": state["shift"]}


def _form(S, noise, stream, rows, first):
    """What the spectrum of `S` asks for: products in single precision, and a factor where squares won't do."""
    layout = stream.layout
    count = max(1, min(stream.rank, rows - stream.center))
    squared = _condition(S, count, noise)
    single = layout.dtype != layout.wide and (first or stream._state["single"])
    single = single and be.eps(layout.dtype) / whole.TYPICAL * squared <= stream.accuracy
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
    """Add `blocks` to the Gram matrix of `stream`, in new units from a block on whose squares overflow in the old."""
    taken, asked = 0, None
    while taken < len(blocks):
        scale = stream._state["scale"]
        changed, count = _added([scaled_rows(x, scale) for x in blocks[taken:]], weights[taken:], stream)
        stream._state |= changed
        taken += count
        if taken == len(blocks):
            return
        if asked == taken:
            raise ValueError("squares of these rows overflow at any scale: the batch was refused; divide the weights")
        asked = taken
        stream._state = rescaled(stream._state, _scale_about_shift(blocks[taken], weights[taken], stream))


def _scale_about_shift(block, weights, stream):
    """Units in which the rows of a block, less the shift, have squares of moderate size."""
    norm, scale, shift = block_norm(block, weights), stream._state["scale"] or 1.0, stream._state["shift"]
    if shift is not None:
        heaviest = 1.0 if weights is None else float(stream.layout.xp.max(weights))
        norm += scale * be.fro_norm(shift) * (block.shape[0] * heaviest) ** 0.5
    return max(scale, safe_scale(norm, stream.layout))


def _added(blocks, weights, stream):
    """Entries of the state that change when `blocks` are added, as far as their squares do not overflow; how many."""
    state, layout = stream._state, stream.layout
    narrow = state["single"] and all(block.dtype == layout.dtype for block in blocks)
    dtype = layout.dtype if narrow else layout.wide
    weights = [discounts(b.shape[0], w, stream.forget, layout) for b, w in zip(blocks, weights, strict=True)]
    products = whole.grams_of(blocks, weights, state["shift"], dtype, layout)
    held, noise, total = whole.Sums(state), state["noise"], state["weight"]
    largest = _LARGEST_TRACE[be.dtype_name(be.real_dtype(layout.xp, layout.wide))]
    for place, (block, weight, (more, line)) in enumerate(zip(blocks, weights, products, strict=True)):
        age = stream.forget ** (2 * block.shape[0])
        trace = whole.energy(more)
        if not math.isfinite(trace):
            ((more, line),) = whole.grams_of([block], [weight], state["shift"], layout.wide, layout)
            trace = whole.energy(more)
        if not trace <= largest:
            break
        noise = noise * age + held.age(age) + whole.tallness(block.shape[0]) * whole.rounding(trace, dtype)
        held.add(more, line, state["blocks"] + place + 1)
        total = total * age + (block.shape[0] if weight is None else float(layout.xp.sum(weight)))
    else:
        place = len(blocks)
    if place == 0:
        return {}, 0
    changed = held.entries() | {"noise": noise, "weight": float(total), "blocks": state["blocks"] + place}
    return changed, place


def reconsider(stream):
    """Look at the spectrum again when there are eight times as many blocks as the last time."""
    state = stream._state
    if group_size(state["blocks"] - 1) != 1 or state["blocks"] < _FEWER or state["scale"] is None:
        return
    moments = whole.moments_of(state)
    S, noise = whole.scatter(state, moments)
    single, coarse = _form(S, noise, stream, stream.rank + 1, False)
    stream._state = (whole.as_factor(state, moments) if coarse else state) | {"single": single}
    if coarse:
        return
    if state["shift"] is not None and be.vdot_real(state["sums"]) > _FAR * moments.weight * whole.energy(S):
        stream._state = whole.about_mean(stream._state, moments)
