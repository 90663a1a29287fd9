"""The stored state of a Tucker sketch, checked before it is taken."""

from collections.abc import Mapping

from .. import _backend as be

_HEADER = ("rng", "source", "shape", "ranks", "widths")


def read_header(state, expected):
    """``shape, ranks, widths, key, source`` of a state in the format `expected`."""
    if not isinstance(state, Mapping):
        raise TypeError(f"state must be a dict as state_dict returns it, got {type(state).__name__}")
    if str(state.get("format")) != expected:
        raise ValueError(f"a state of format {expected!r} was expected, got {state.get('format')!r}")
    _require(state, _HEADER)
    try:
        lengths = [tuple(int(n) for n in state[name]) for name in ("shape", "ranks", "widths")]
        key = int(str(state["rng"]), 16)
    except (TypeError, ValueError):
        raise ValueError(
            "the state is damaged: shape, ranks and widths must be lists of integers, rng a hexadecimal number, got "
            f"{[state[name] for name in ('shape', 'ranks', 'widths', 'rng')]}"
        ) from None
    return *lengths, key, str(state["source"])


def read_arrays(state, shapes, source, like):
    """Copies of the arrays named in `shapes`, in the library and on the device of `like` where that is given."""
    _require(state, shapes)
    dtype, parts = "float32" if source in ("float16", "bfloat16") else source, {}
    for name, shape in shapes.items():
        part = be.dense_array(state[name], f"the state's {name}")
        if tuple(part.shape) != shape or be.dtype_name(part.dtype) != dtype:
            raise ValueError(
                f"the state is damaged: {name} must have shape {shape} and dtype {dtype}, got {tuple(part.shape)} and "
                f"{be.dtype_name(part.dtype)}"
            )
        be.require_finite(part, f"the state's {name}")
        if like is None:
            parts[name] = be.namespace(part).asarray(part, copy=True)
        else:
            parts[name] = be.from_numpy(be.to_numpy(part).copy(), be.namespace(like), be.device(like))
    return parts


def _require(state, names):
    missing = [name for name in names if name not in state]
    if missing:
        raise ValueError(f"the state is damaged: it lacks {', '.join(missing)}")
