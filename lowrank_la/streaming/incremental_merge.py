"""States of `IncrementalSVD` joined, and rows taken out of them."""

from .. import _backend as be
from . import left_vectors, truncated, whole
from .centring import rows_to_append
from .rows import scaled_rows
from .scales import block_norm, common_scale, fitting_scale

_SQUARES = ("gram", "gram_rest", "noise", "dropped", "spectral")
_LENGTHS = ("sums", "sums_rest", "shift", "factor", "s", "mean", "mean_rest", "backward")
_SUMMED = 4096  # rows whose sum is behind a mean: what is summed in larger blocks is summed in parts
_NO_DOWNDATE = (
    "the rows don't lie in what the state holds, or are almost all of one direction of it: what is left would be "
    "rounding noise. The state is as it was; a SlidingWindow forgets rows without subtracting"
)


def rescaled(state, scale):
    """The state with its rows in units of `scale`."""
    if state["scale"] is None or scale is None or state["scale"] == scale:
        return dict(state)
    ratio, state = state["scale"] / scale, dict(state)
    for names, factor in ((_SQUARES, ratio * ratio), (_LENGTHS, ratio)):
        state |= {name: state[name] * factor for name in names if state.get(name) is not None}
    if "coordinates" in state:
        state |= {"coordinates": left_vectors.current(state) * ratio, "changes": ()}
    return state | {"scale": scale}


def aged(state, age):
    """The state after all rows were multiplied by `age`."""
    if age == 1.0:
        return state
    square = age * age
    names = (*_SQUARES, "sums", "sums_rest", "weight")
    changed = {name: state[name] * square for name in names if state.get(name) is not None}
    lengths = (name for name in ("factor", "s", "backward") if state.get(name) is not None)
    return state | changed | {name: state[name] * age for name in lengths}


def join(stream, other):
    """Put the rows of the settled estimator `other` behind those of `stream`."""
    scale = common_scale(stream._state, other._state)
    mine = dict(aged(rescaled(stream._state, scale), stream.forget**other.rows_seen))
    theirs = rescaled(other._state, scale)
    before, added = stream._moments(mine), stream._moments(theirs)
    together = before.joined(added)
    lighter = min(before, added, key=lambda moments: moments.weight)
    mine["backward"] += theirs["backward"] + lighter.rounding(_SUMMED)
    if mine["V"] is not None:
        between = before.between(added) if _both(before, added) else None
        joined = mine | truncated.joined(mine, theirs, between, stream._kept())
        joined |= _left(mine, theirs, joined["V"], before, added, together)
    elif mine["factor"] is None and theirs["factor"] is None:
        joined = whole.joined(mine, theirs, before, added)
    else:
        joined = _factors(mine, theirs, before, added)
    joined |= {name: mine[name] or theirs[name] for name in ("void", "single")}
    stream._state = joined | {"blocks": mine["blocks"] + theirs["blocks"], "scale": scale}
    stream._remember(together)


def _both(before, added):
    return before.mean is not None and before.weight > 0 and added.weight > 0


def _factors(mine, theirs, before, added):
    mine, theirs = whole.as_factor(mine, before), whole.as_factor(theirs, added)
    rows = theirs["factor"]
    if _both(before, added):
        rows = be.namespace(rows).concat([before.between(added)[None, :], rows], axis=0)
    together = mine | {"noise": mine["noise"] + theirs["noise"]}
    return together | whole.factor_appended(together, rows)


def _left(mine, theirs, V, before, added, together):
    """Coordinates of the rows of both states in the basis that they share now."""
    if "coordinates" not in mine:
        return {}
    change, offset = _change(mine, V, before, together)
    turn, shift = _change(theirs, V, added, together)
    return left_vectors.extended(mine, change, offset, be.matmul(left_vectors.current(theirs), turn) + shift[None, :])


def _change(state, V, moments, together):
    xp = be.namespace(V)
    change = be.adjoint_matmul(state["V"], V)
    if together.mean is None:
        return change, xp.zeros((V.shape[1],), dtype=V.dtype, device=be.device(V))
    return change, (xp.astype(together.distance(moments), V.dtype)[None, :] @ V)[0, :]


def take_out(stream, batch, weights, tol):
    """Subtract rows that `stream` has seen."""
    stream._flush()
    state, moments = stream._state, stream._moments(stream._state)
    if state["factor"] is not None or stream.forget != 1.0 or stream.keep_u:
        what = "a triangular factor" if state["factor"] is not None else "forgetting or with left vectors"
        raise ValueError(f"rows can't be taken out of a state with {what}; keep a SlidingWindow instead")
    if fitting_scale(block_norm(batch, weights), state["scale"] or 1.0, stream.layout) != (state["scale"] or 1.0):
        raise ValueError(_NO_DOWNDATE)
    rows = scaled_rows(batch, state["scale"])
    weight = float(batch.shape[0]) if weights is None else float(stream.layout.xp.sum(weights))
    if batch.shape[0] >= stream.rows_seen or weight >= moments.weight:
        raise ValueError(f"downdate leaves at least one row: {batch.shape[0]} of {stream.rows_seen} were given")
    rows, found = _to_remove(rows, weights, moments, stream)
    left = moments.without(found)
    if state["V"] is not None:
        changed = truncated.taken_out(state, rows, tol)
    else:
        changed = _from_gram(state, rows, moments, left, stream.layout)
    if changed is None:
        raise ValueError(_NO_DOWNDATE)
    stream._state = changed | {"void": True}
    stream._remember(left)
    stream.rows_seen -= batch.shape[0]


def _to_remove(rows, weights, moments, stream):
    """Rows whose Gram matrix is what the scatter loses, and their own moments."""
    dtype = stream.layout.dtype if stream._state["V"] is not None else stream.layout.wide
    return rows_to_append(moments, rows, weights, stream.layout, dtype, sign=-1.0)


def _from_gram(state, rows, moments, left, layout):
    """The Gram state without `rows`; None where it would not be positive semidefinite up to its rounding."""
    ((taken, _),) = whole.grams_of([rows], [None], None, layout.wide, layout)
    S, noise = whole.scatter(state, moments)
    S, noise = S - taken, noise + whole.rounding(whole.energy(taken), S.dtype)
    least = float(be.namespace(S).linalg.eigvalsh(S)[0])
    return whole.with_scatter(state, S, noise, left) if least >= -noise / whole.TYPICAL else None
