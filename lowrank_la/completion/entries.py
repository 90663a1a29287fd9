"""Observed entries out of whatever holds them."""

import math
from typing import Any, NamedTuple

import numpy as np

from .. import _backend as be
from ..operators.observed import Observed

_EXPECTED = (
    "a sparse matrix, a triple (rows, columns, values) with shape=(m, n), a dense array with NaN where nothing was "
    "observed, a pair (array, mask) or a NumPy masked array"
)


_SAFE = 2.0**20  # weights up to that size stay as they are
_FURTHEST = 1000  # powers of two that weights are scaled by at most


class Read(NamedTuple):
    """What was read.

    Attributes
    ----------
    entries : Observed
    weights : array (N,) or None
        In the order of the entries, divided by `weight_factor`.
    source : dtype
        Of the data.
    shared : bool
        Whether arrays of the entries belong to the caller.
    weight_factor : float
        A power of two, other than 1 where weights are very large or very small.
    """

    entries: Observed
    weights: Any
    source: Any
    shared: bool
    weight_factor: float


class _Stored(NamedTuple):
    """Entries as they are stored: `pointers` of sorted rows, or the row of each entry."""

    rows: Any
    columns: Any
    values: Any
    pointers: Any
    size: tuple[int, int]
    weights: Any
    source: Any


def read_entries(observed, shape, weights, duplicates, check_finite, name="weights", caller="complete"):
    """The entries and their weights, those of weight zero left out.

    `name` is what the caller calls the weights; "confidence" has no zeros and keeps its scale. Only `caller`
    "complete" needs an entry.
    """
    for given in (observed, weights):
        be.require_untracked(given if be.is_array(given) else None, caller)
    if be.is_sparse(observed):
        stored = _from_sparse(observed, shape, weights, name)
    elif isinstance(observed, tuple | list) and len(observed) == 3 and not _is_table(observed):
        stored = _from_triple(*observed, shape=shape, weights=weights, name=name, caller=caller)
    else:
        stored = _from_dense(*_array_and_mask(observed, caller), shape=shape, weights=weights, name=name, caller=caller)
    if stored.values.shape[0] == 0 and caller == "complete":
        raise ValueError("no entry is observed: there is nothing to complete from")
    checked, factor = _checked_weights(stored.weights, stored.values, name)
    entries, kept, shared = _ordered(stored, checked, duplicates)
    if check_finite:
        be.require_finite(entries.values, "the observed entries")
    return Read(entries, kept, stored.source, shared, factor)


def _ordered(stored, weights, duplicates):
    """``(entries, weights, shared)`` by rows, without those of weight zero: they say nothing, and have no part."""
    rows, columns, values, pointers, size = stored[:5]
    xp, chosen = be.namespace(values), None
    if values.shape[0] == 0:
        return _none(values, size), weights, False
    if weights is not None and bool(xp.any(weights == 0.0)):
        chosen = be.true_places((weights > 0.0)[None, :], xp)[1]
        weights = xp.take(weights, chosen)
    if pointers is not None:
        entries = Observed.from_rows(pointers, columns, values, size)
        return entries if chosen is None else entries.subset(chosen), weights, chosen is None
    if chosen is not None:
        rows, columns, values = (xp.take(x, chosen) for x in (rows, columns, values))
    made = Observed.from_entries(rows, columns, values, size, duplicates, weights)
    return (*made, False) if weights is not None else (made, None, False)


def _none(values, size):
    """No entries at all."""
    xp, device = be.namespace(values), be.device(values)
    nothing, *pointers = (
        be.index_array(np.zeros(n, np.int64), max(size), xp, device) for n in (0, size[0] + 1, size[1] + 1)
    )
    return Observed(values, pointers[0], nothing, pointers[1], nothing, nothing, size, xp, device)


def _is_table(observed):
    """Whether nested lists of three rows are meant, not three vectors."""
    lengths = {len(part) if hasattr(part, "__len__") else -1 for part in observed}
    return isinstance(observed, list) and len(lengths) == 1 and all(isinstance(part, list) for part in observed)


def _from_sparse(A, shape, weights, name):
    if A.ndim != 2:
        raise ValueError(f"a two-dimensional sparse matrix was expected, got shape {tuple(A.shape)}")
    _same_shape(A.shape, shape)
    source = A.dtype
    rows, columns, values, pointers = be.stored_entries(A)
    values = _promoted(values)
    size = tuple(int(side) for side in A.shape)
    if be.is_sparse(weights):
        weights = _weights_of(weights, size, rows if pointers is None else None, columns, values)
    return _Stored(rows, columns, values, pointers, size, _vector(name, weights, values), source)


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


def _from_triple(rows, columns, values, shape, weights, name, caller):
    if shape is None:
        raise ValueError("a triple (rows, columns, values) needs shape=(m, n): the last rows may be empty")
    size = _checked_shape(shape)
    values = _vector("values", values, None)
    be.require_untracked(values, caller)
    source = values.dtype
    values = _promoted(values)
    places = [
        _places(side, x, limit, values)
        for side, x, limit in zip(("rows", "columns"), (rows, columns), size, strict=True)
    ]
    return _Stored(places[0], places[1], values, None, size, _vector(name, weights, values), source)


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
        raise ValueError(
            f"{name} must be a vector with one number an entry, in the order of the values given (a matrix is taken "
            f"beside a dense array alone), got shape {tuple(x.shape)}"
        )
    if values is None:
        return x
    if x.shape[0] != values.shape[0]:
        raise ValueError(f"{name} must have one number an entry: got {x.shape[0]} for {values.shape[0]} values")
    xp = be.namespace(values)
    return x if be.namespace(x) is xp else be.from_numpy(be.to_numpy(x), xp, be.device(values))


def _array_and_mask(observed, caller):
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
    raise TypeError(f"{caller} needs {_EXPECTED}; got {type(observed).__name__}")


def _from_dense(A, mask, shape, weights, name, caller):
    be.require_untracked(A, caller)
    if not be.is_array(A) or A.ndim != 2:
        raise ValueError(f"{caller} needs {_EXPECTED}; got an array of shape {tuple(getattr(A, 'shape', ()))}")
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
    if be.is_array(weights) and weights.ndim == 2:
        if tuple(weights.shape) != tuple(A.shape):
            raise ValueError(f"{name} as a matrix must have the shape {tuple(A.shape)}, got {tuple(weights.shape)}")
        weights = _taken(weights, rows, columns)
    values = _taken(A, rows, columns)
    return _Stored(rows, columns, values, None, tuple(A.shape), _vector(name, weights, values), source)


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


def _checked_weights(weights, values, name):
    """Weights in the precision of the values, and the power of two that they were divided by."""
    if weights is None:
        return None, 1.0
    xp, kind = be.namespace(values), be.dtype_name(weights.dtype)
    if not kind.startswith(("bool", "int", "uint", "float", "bfloat")):
        raise TypeError(f"{name} must be real numbers, got {kind}")
    weights, real = _promoted(weights), be.real_dtype(xp, values.dtype)
    be.require_finite(weights, name)
    if weights.shape[0] == 0:
        return xp.astype(weights, real), 1.0
    low, high = float(xp.min(weights)), float(xp.max(weights))
    if low < 0.0 or high == 0.0:
        raise ValueError(f"{name} must not be negative, and not all zero, got numbers from {low!r} to {high!r}")
    if name != "weights" or 1.0 / _SAFE < high < _SAFE:
        return xp.astype(weights, real, copy=False), 1.0
    factor = 2.0 ** max(-_FURTHEST, min(_FURTHEST, math.frexp(high)[1]))
    return xp.astype(weights * (1.0 / factor), real, copy=False), factor
