"""Estimator states as flat dicts of arrays, numbers and strings, and back."""

import numpy as np

from .. import _backend as be
from .rows import Layout, is_csr
from .state_shapes import require_shapes, told_array

FORMAT = "lowrank_la.stream.2"
_SMALL = 1 << 63
_DTYPES = ("float16", "bfloat16", "float32", "float64", "complex64", "complex128")


def packed(stream):
    """The state of `stream`: copies of its arrays, and what rebuilds it."""
    state = {"format": FORMAT, "class": type(stream).__name__, "rows_seen": stream.rows_seen}
    for name, value in stream._arguments().items():
        state |= {f"default.{name}": True} if value is None else {f"parameter.{name}": _plain(value)}
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
    parts = _packed_rows(stream)
    return (
        state
        | {"layout.waiting": stream._waiting, "layout.parts": " ".join(parts)}
        | {f"waiting.{name}": value for name, value in parts.items()}
    )


def _entries(name, value):
    """What stands for one entry of a state: None by a key of its own, a tuple of arrays by one key an array."""
    if value is None:
        return {f"absent.{name}": True}
    if isinstance(value, tuple):
        parts = {f"tuple.{name}.{i:08d}": _outside(part) for i, part in enumerate(value)}
        return {f"length.{name}": len(value)} | parts
    return {f"state.{name}": _outside(value)}


def _packed_rows(stream):
    """The arrays that hold the rows which wait, by name."""
    if not stream._pieces:
        return {}
    rows, weights = stream._assembled()
    parts = {} if weights is None else {"weights": _outside(weights)}
    if not is_csr(rows):
        return parts | {"rows": _outside(rows)}
    return parts | {name: _outside(getattr(rows, name)) for name in ("values", "indices", "indptr")}


def checked(cls, state):
    """The entries of `state` as they were before a file; ValueError unless it is a state of class `cls`."""
    state = {name: _inside(value) for name, value in dict(state).items()}
    for name, expected in (("format", FORMAT), ("class", cls.__name__)):
        if state.get(name) != expected:
            found = f"got {state[name]!r}" if name in state else f"{name!r} is missing"
            raise ValueError(
                f"a state of format {FORMAT!r} and class {cls.__name__!r} was expected: {name} must be {expected!r}, "
                f"{found}"
            )
    return state


def unpacked(cls, state, like):
    """The estimator of class `cls` that `state` describes."""
    state = checked(cls, state)
    try:
        stream = cls(**_parameters(cls, state))
        restore_rows_seen(stream, state)
        if has_layout(state):
            restore_layout(stream, state, like)
            _restore(stream, state)
    except KeyError as error:
        raise ValueError(f"the state of {cls.__name__} is not complete: {error} is missing") from None
    return stream


def _parameters(cls, state):
    """Arguments of the constructor, each of them told."""
    given = {name: _argument(value) for name, value in under("parameter.", state).items()}
    given |= dict.fromkeys(under("default.", state))
    for name in cls._parameters:
        if name not in given:
            raise KeyError(f"parameter.{name}")
    if set(given) != set(cls._parameters):
        raise ValueError(f"{cls.__name__} knows no parameter {sorted(set(given) - set(cls._parameters))[0]!r}")
    return given


def restore_rows_seen(stream, state):
    """Set the number of rows that `stream` has seen."""
    stream.rows_seen = whole_number(state, "rows_seen")


def whole_number(state, name, least=0):
    """An entry that has to be an integer."""
    value = state[name]
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return value


def has_layout(state):
    """Whether a state tells of rows, and so has to hold all that describes them."""
    prefixes = ("layout.", "waiting.", "state.", "absent.", "length.", "tuple.")
    return state["rows_seen"] > 0 or any(name.startswith(prefixes) for name in state)


def restore_layout(stream, state, like):
    """Set the layout and the waiting rows of `stream`, whose parameters and number of rows are known."""
    sample = state["layout.like"]
    sample = sample if like is None else like
    xp, device = be.namespace(sample), be.device(sample)
    columns = whole_number(state, "layout.columns", 1)
    dtype, source = (_known_dtype(xp, state, name) for name in ("layout.dtype", "layout.source"))
    if be.dtype_name(be.compute_dtype(xp, source, device)) != be.dtype_name(dtype):
        raise ValueError(f"layout.dtype is {state['layout.dtype']!r}, but rows of {state['layout.source']} are given")
    stream.layout = Layout(columns, dtype, state["layout.source"], xp, device)
    names = state["layout.parts"].split()
    parts = {name: _moved(state[f"waiting.{name}"], stream) for name in names}
    stream._pieces = [_waiting_rows(parts, stream)] if parts else []
    stream._waiting = _waiting_count(stream, state)


def _known_dtype(xp, state, name):
    """The dtype of `xp` that an entry names."""
    told = state[name]
    if told not in _DTYPES or not hasattr(xp, told):
        raise ValueError(f"{name} must be one of {', '.join(x for x in _DTYPES if hasattr(xp, x))}, got {told!r}")
    return getattr(xp, told)


def _waiting_count(stream, state):
    """Rows that wait, when all that tells of them agrees."""
    count, held = whole_number(state, "layout.waiting"), sum(rows.shape[0] for rows, _ in stream._pieces)
    if held != count:
        raise ValueError(f"layout.waiting tells of {count} rows that wait, and waiting.* hold {held}")
    if count >= stream._block_rows() or count > stream.rows_seen:
        raise ValueError(
            f"layout.waiting is {count}, and of {stream.rows_seen} rows fewer than {stream._block_rows()} can wait"
        )
    return count


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
    require_shapes(found, empty, type(stream)._shapes, stream.layout.columns, type(stream).__name__)
    stream._state = {name: found[name] for name in empty}


def _waiting_rows(parts, stream):
    """``(rows, weights)``, all of one height, and as wide as the layout says."""
    layout = stream.layout
    if "rows" in parts:
        rows = parts["rows"]
        if not be.is_array(rows) or rows.ndim != 2 or rows.shape[1] != layout.columns or rows.dtype != layout.dtype:
            raise ValueError(
                f"waiting.rows must be an array of {layout.columns} columns and dtype {be.dtype_name(layout.dtype)}, "
                f"got {told_array(rows)}"
            )
    else:
        rows = _waiting_csr(parts["values"], parts["indices"], parts["indptr"], layout)
    weights = parts.get("weights")
    if weights is not None and tuple(weights.shape) != (rows.shape[0],):
        raise ValueError(f"waiting.weights must have shape ({rows.shape[0]},), got {tuple(weights.shape)}")
    return rows, weights


def _waiting_csr(values, indices, indptr, layout):
    pointers, places = (be.to_numpy(part) for part in (indptr, indices))
    ordered = pointers.size > 0 and pointers[0] == 0 and (np.diff(pointers) >= 0).all()
    if not ordered or not pointers[-1] == places.size == values.shape[0]:
        raise ValueError("waiting.values, waiting.indices and waiting.indptr are not those of one sparse matrix")
    if places.size and not 0 <= places.min() <= places.max() < layout.columns:
        raise ValueError(f"waiting.indices must lie in 0 … {layout.columns - 1}, as layout.columns says")
    return be.csr_of(values, indices, indptr, (pointers.size - 1, layout.columns))


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
