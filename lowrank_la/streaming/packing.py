"""Estimator states as flat dicts of arrays, numbers and strings, and back."""

import numpy as np

from .. import _backend as be
from .rows import Layout, is_csr

FORMAT = "lowrank_la.stream.1"
_SMALL = 1 << 63


def packed(stream):
    """The state of `stream`: copies of its arrays, and what rebuilds it."""
    state = {"format": FORMAT, "class": type(stream).__name__, "rows_seen": stream.rows_seen}
    state |= {f"parameter.{name}": _plain(value) for name, value in stream._arguments().items() if value is not None}
    if stream.layout is not None:
        for name, value in stream._state.items():
            state |= _entries(name, value)
    return state | packed_layout(stream)


def packed_layout(stream):
    """What the rows of `stream` have in common, and those that wait for a block to fill."""
    if stream.layout is None:
        return {}
    state = {"layout.columns": stream.layout.columns, "layout.source": stream.layout.source}
    state |= {"layout.dtype": be.dtype_name(stream.layout.dtype), "layout.like": stream.layout.zeros(0)}
    return state | _packed_rows(stream)


def _entries(name, value):
    """What stands for one entry of a state: None by a key of its own, a tuple of arrays by one key an array."""
    if value is None:
        return {f"absent.{name}": True}
    if isinstance(value, tuple):
        parts = {f"tuple.{name}.{i:08d}": _outside(part) for i, part in enumerate(value)}
        return {f"length.{name}": len(value)} | parts
    return {f"state.{name}": _outside(value)}


def _packed_rows(stream):
    if not stream._pieces:
        return {}
    rows, weights = stream._assembled(stream._pieces)
    parts = {} if weights is None else {"waiting.weights": _outside(weights)}
    if not is_csr(rows):
        return parts | {"waiting.rows": _outside(rows)}
    names = ("values", "indices", "indptr")
    return parts | {f"waiting.{name}": _outside(getattr(rows, name)) for name in names}


def checked(cls, state):
    """The entries of `state` as they were before a file; ValueError unless it is a state of class `cls`."""
    state = {name: _inside(value) for name, value in dict(state).items()}
    if state.get("format") != FORMAT or state.get("class") != cls.__name__:
        raise ValueError(
            f"a state of format {FORMAT!r} and class {cls.__name__!r} was expected, "
            f"got {state.get('format')!r} and {state.get('class')!r}"
        )
    return state


def unpacked(cls, state, like):
    """The estimator of class `cls` that `state` describes."""
    state = checked(cls, state)
    try:
        given = under("parameter.", state)
        stream = cls(**{name: _argument(value) for name, value in given.items()})
        if "layout.columns" in state:
            restore_layout(stream, state, like)
            _restore(stream, state)
        stream.rows_seen = int(state["rows_seen"])
    except KeyError as error:
        raise ValueError(f"the state of {cls.__name__} is not complete: {error} is missing") from None
    return stream


def restore_layout(stream, state, like):
    """Set the layout and the waiting rows of `stream`."""
    sample = state["layout.like"] if like is None else like
    xp, device = be.namespace(sample), be.device(sample)
    dtype = getattr(xp, state["layout.dtype"])
    stream.layout = Layout(int(state["layout.columns"]), dtype, state["layout.source"], xp, device)
    parts = {name: _moved(value, stream) for name, value in under("waiting.", state).items()}
    stream._pieces = [_waiting_rows(parts, stream)] if parts else []
    stream._waiting = sum(piece.shape[0] for piece, _ in stream._pieces)


def _moved(value, stream):
    """A copy of an array in the namespace and on the device of `stream`; anything else as it is."""
    xp, device = stream.layout.xp, stream.layout.device
    if not be.is_array(value):
        return value
    if be.kind(be.namespace(value)) == be.kind(xp) and be.device(value) == device:
        return xp.asarray(value, copy=True)
    return be.from_numpy(be.to_numpy(value), xp, device)


def _restore(stream, state):
    empty = stream._empty_state()
    found = {name: _moved(value, stream) for name, value in under("state.", state).items()}
    found |= dict.fromkeys(under("absent.", state))
    for name, length in under("length.", state).items():
        found[name] = tuple(_moved(state[f"tuple.{name}.{i:08d}"], stream) for i in range(length))
    if set(found) != set(empty):
        raise ValueError(
            f"the state of {type(stream).__name__} is not complete, or of another version: "
            f"missing {sorted(set(empty) - set(found))}, unknown {sorted(set(found) - set(empty))}"
        )
    stream._state = {name: found[name] for name in empty}


def _waiting_rows(parts, stream):
    if "rows" in parts:
        return parts["rows"], parts.get("weights")
    height = parts["indptr"].shape[0] - 1
    rows = be.csr_of(parts["values"], parts["indices"], parts["indptr"], (height, stream.layout.columns))
    return rows, parts.get("weights")


def under(prefix, state):
    """Entries whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _outside(value):
    """A copy of an array, or a number as it is; whole numbers of more than 64 bits as text."""
    if be.is_array(value):
        return be.namespace(value).asarray(value, copy=True)
    return _plain(value)


def _plain(value):
    if isinstance(value, tuple | list):
        return np.asarray(value)
    if isinstance(value, int) and not isinstance(value, bool) and not -_SMALL <= value < _SMALL:
        return hex(value)
    return value


def _inside(value):
    """Numbers and strings that a file has turned into arrays without dimensions, as they were."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = value.item()
    if isinstance(value, str) and value.startswith("0x"):
        return int(value, 16)
    return value


def _argument(value):
    return tuple(value.tolist()) if be.is_array(value) else value
