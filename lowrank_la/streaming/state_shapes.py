"""Whether the entries of a state that was read fit each other."""

from numbers import Number

from .. import _backend as be


def require_shapes(found, empty, shapes, columns, name):
    """ValueError naming the first entry of a state that can't be one of the estimator `name`.

    Parameters
    ----------
    found, empty : dict
        The entries, and those before the first row: sizes that are not 0 then stay as they are.
    shapes : dict
        For entries that change, names of their sizes; the same name is the same size, and "columns" that of a row.
    columns : int
    """
    sizes = {"columns": columns}
    for entry, value in found.items():
        start = empty[entry]
        if be.is_array(start):
            _require_like(entry, value, start, name)
        elif isinstance(start, Number | str) and not isinstance(value, Number if isinstance(start, Number) else str):
            raise ValueError(f"state.{entry} of {name} must be like {start!r}, got {told_array(value)}")
        if entry in shapes and value is not None:
            _require_sizes(entry, value, shapes[entry], sizes, name)


def _require_like(entry, value, start, name):
    """An array with as many axes, and of the same size along those that were not empty; or None."""
    if value is None:
        return
    fits = be.is_array(value) and value.ndim == start.ndim
    if not fits or any(size not in (0, held) for size, held in zip(start.shape, value.shape, strict=True)):
        sides = ", ".join(str(size) if size else "any" for size in start.shape)
        raise ValueError(f"state.{entry} of {name} must be an array of shape ({sides}), got {told_array(value)}")


def _require_sizes(entry, value, names, sizes, name):
    if not be.is_array(value) or value.ndim != len(names):
        raise ValueError(f"state.{entry} of {name} must be an array of {len(names)} axes, got {told_array(value)}")
    for size, held in zip(names, value.shape, strict=True):
        if sizes.setdefault(size, held) != held:
            raise ValueError(
                f"state.{entry} of {name} must have {sizes[size]} {size} as other entries have, got {told_array(value)}"
            )


def told_array(value):
    """An entry in words."""
    if not be.is_array(value):
        return repr(value)
    return f"one of shape {tuple(value.shape)} and dtype {be.dtype_name(value.dtype)}"
