"""Observed entries out of whatever holds them."""

import numpy as np

from .. import _backend as be
from ..operators.observed import Observed

_EXPECTED = (
    "a sparse matrix, a triple (rows, columns, values) with shape=(m, n), a dense array with NaN where nothing was "
    "observed, a pair (array, mask) or a NumPy masked array"
)


def read_entries(observed, shape, weights, duplicates, check_finite, name="weights"):
    """``(entries, weights, source dtype, shared)``.

    `shared` says that arrays of the entries belong to the caller. Weights come in the order of the entries; `name` is
    what the caller calls them.
    """
    be.require_untracked(observed if be.is_array(observed) else None, "complete")
    if be.is_sparse(observed):
        found = _from_sparse(observed, shape, weights, duplicates)
    elif isinstance(observed, tuple | list) and len(observed) == 3 and not _is_table(observed):
        found = _from_triple(*observed, shape=shape, weights=weights, duplicates=duplicates)
    else:
        found = _from_dense(*_array_and_mask(observed), shape=shape, weights=weights)
    entries, weights, source, shared = found
    if entries.count == 0:
        raise ValueError("no entry is observed: there is nothing to complete from")
    if check_finite:
        be.require_finite(entries.values, "the observed entries")
    return entries, _checked_weights(weights, entries, name), source, shared


def _is_table(observed):
    """Whether nested lists of three rows are meant, not three vectors."""
    lengths = {len(part) if hasattr(part, "__len__") else -1 for part in observed}
    return isinstance(observed, list) and len(lengths) == 1 and all(isinstance(part, list) for part in observed)


def _from_sparse(A, shape, weights, duplicates):
    if A.ndim != 2:
        raise ValueError(f"a two-dimensional sparse matrix was expected, got shape {tuple(A.shape)}")
    _same_shape(A.shape, shape)
    source = A.dtype
    rows, columns, values, pointers = be.stored_entries(A)
    values = _promoted(values)
    size = tuple(int(side) for side in A.shape)
    if be.is_sparse(weights):
        weights = _weights_of(weights, size, rows if pointers is None else None, columns, values)
    weights = _vector("weights", weights, values)
    if pointers is not None:
        return Observed.from_rows(pointers, columns, values, size), weights, source, True
    return *_sorted(rows, columns, values, size, duplicates, weights), source, False


def _weights_of(weights, size, rows, columns, values):
    """Stored numbers of a sparse matrix of weights whose places are those of the data, in the same order."""
    other_rows, other_columns, numbers, pointers = be.stored_entries(weights)
    xp = be.namespace(values)
    fits = tuple(weights.shape) == size and numbers.shape == values.shape and (rows is None) == (pointers is not None)
    if not (fits and bool(xp.all(other_columns == columns)) and (rows is None or bool(xp.all(other_rows == rows)))):
        raise ValueError(
            "a sparse matrix of weights must store the same places in the same format and order as the observed "
            "entries; pass the vector of weights in the order of the stored values instead"
        )
    return numbers


def _from_triple(rows, columns, values, shape, weights, duplicates):
    if shape is None:
        raise ValueError("a triple (rows, columns, values) needs shape=(m, n): the last rows may be empty")
    size = _checked_shape(shape)
    values = _vector("values", values, None)
    be.require_untracked(values, "complete")
    source = values.dtype
    values = _promoted(values)
    places = [
        _places(name, x, limit, values)
        for name, x, limit in zip(("rows", "columns"), (rows, columns), size, strict=True)
    ]
    weights = _vector("weights", weights, values)
    made = _sorted(*places, values=values, size=size, duplicates=duplicates, weights=weights)
    return *made, source, False


def _sorted(rows, columns, values, size, duplicates, weights):
    made = Observed.from_entries(rows, columns, values, size, duplicates, weights)
    return made if weights is not None else (made, None)


def _places(name, x, limit, values):
    x = _vector(name, x, values)
    if not be.dtype_name(x.dtype).startswith(("int", "uint")):
        raise TypeError(f"{name} must be integers, got {be.dtype_name(x.dtype)}")
    if x.shape[0]:
        xp = be.namespace(x)
        low, high = int(xp.min(x)), int(xp.max(x))
        if low < 0 or high >= limit:
            raise ValueError(f"{name} must lie in 0…{limit - 1}, got {low}…{high}")
    return x


def _vector(name, x, values):
    """`x` as a vector in the namespace of `values`, of the same length; None stays None."""
    if x is None:
        return None
    x = x if be.is_array(x) else np.asarray(x)
    if x.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional here, got shape {tuple(x.shape)}")
    if values is None:
        return x
    if x.shape[0] != values.shape[0]:
        raise ValueError(f"{name} must have one number an entry: got {x.shape[0]} for {values.shape[0]} values")
    xp = be.namespace(values)
    return x if be.namespace(x) is xp else be.from_numpy(be.to_numpy(x), xp, be.device(values))


def _array_and_mask(observed):
    if isinstance(observed, np.ma.MaskedArray):
        return observed.data, ~np.ma.getmaskarray(observed)
    if isinstance(observed, tuple) and len(observed) == 2 and getattr(observed[1], "ndim", 0) == 2:
        return observed
    if be.is_array(observed) and be.kind(be.namespace(observed)) != "other":
        return observed, None
    if isinstance(observed, list | tuple):
        try:
            return np.asarray(observed, dtype=None), None
        except ValueError as error:
            raise ValueError(f"nested lists must have rows of equal length: {error}") from None
    raise TypeError(f"complete needs {_EXPECTED}; got {type(observed).__name__}")


def _from_dense(A, mask, shape, weights):
    be.require_untracked(A, "complete")
    if not be.is_array(A) or A.ndim != 2:
        raise ValueError(f"complete needs {_EXPECTED}; got an array of shape {tuple(getattr(A, 'shape', ()))}")
    _same_shape(A.shape, shape)
    xp, source = be.namespace(A), A.dtype
    A = _promoted(A)
    if mask is None:
        mask = ~xp.isnan(A)
    else:
        mask = mask if be.is_array(mask) else np.asarray(mask)
        if be.dtype_name(mask.dtype) != "bool" or tuple(mask.shape) != tuple(A.shape):
            raise ValueError(
                f"the mask must be boolean (True = observed) and of shape {tuple(A.shape)}, got "
                f"{be.dtype_name(mask.dtype)} of shape {tuple(mask.shape)}"
            )
    rows, columns = be.true_places(mask, xp)
    if weights is not None and getattr(weights, "ndim", 0) == 2:
        weights = _taken(weights, rows, columns)
    values = _taken(A, rows, columns)
    weights = _vector("weights", weights, values)
    return *_sorted(rows, columns, values, tuple(A.shape), "raise", weights), source, False


def _taken(A, rows, columns):
    """The entries of a matrix at places."""
    xp = be.namespace(A)
    return xp.take(xp.reshape(A, (-1,)), rows * A.shape[1] + columns)


def _promoted(values):
    xp = be.namespace(values)
    return xp.astype(values, be.compute_dtype(xp, values.dtype, be.device(values)), copy=False)


def _checked_shape(shape):
    try:
        m, n = shape
    except (TypeError, ValueError):
        raise TypeError(f"shape must be a pair (m, n), got {shape!r}") from None
    return be.check_count("shape[0]", m), be.check_count("shape[1]", n)


def _same_shape(found, shape):
    if shape is not None and tuple(found) != _checked_shape(shape):
        raise ValueError(f"shape={shape!r} was given for data of shape {tuple(found)}; leave it out")


def _checked_weights(weights, entries, name):
    if weights is None:
        return None
    xp = entries.xp
    weights = xp.astype(weights, be.real_dtype(xp, entries.dtype), copy=False)
    be.require_finite(weights, name)
    if float(xp.min(weights)) < 0.0 or float(xp.max(weights)) == 0.0:
        raise ValueError(f"{name} must not be negative, and not all zero")
    return weights
