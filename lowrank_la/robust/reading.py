"""Measurements and their values out of what the caller has."""

import math

import numpy as np

from .. import _backend as be
from ..operators.observed import Observed
from .measurements import DenseMeasurement, EntryMeasurement, FunctionMeasurement, PairedMeasurement, ScaledMeasurement
from .rank_one import RankOne, RankOneMeasurement
from .sizes import typical

_EXPECTED = (
    "an array of shape (count, m, n), a pair of functions (measure, adjoint), a pair of integer arrays (rows, cols), "
    "or lowrank_la.RankOne(x, w)"
)

_EXTREME = 64  # powers of two by which a measurement may be off without being scaled


def read_measurements(measure, y, shape, symmetric, check_finite):
    """``(measurement, y, source dtype)``, `y` in the precision that is worked with and in the measurement's order."""
    y, shape = _read_values(y), _checked_shape(shape)
    if symmetric and shape[0] != shape[1]:
        raise ValueError(f"symmetric=True needs a square shape, got {shape[0]}×{shape[1]}")
    xp, source = be.namespace(y), y.dtype
    dtype = be.compute_dtype(xp, y.dtype, be.device(y))
    if be.is_complex(dtype):
        raise TypeError("recover is for real measurements, y is complex: measure real and imaginary parts")
    y = xp.astype(y, dtype, copy=False)
    if check_finite:
        be.require_finite(y, "y")
    elif not be.all_finite(y):
        raise ValueError("y holds NaN or infinite values, which check_finite=False let pass: leave these values out")
    measurement = _read_measure(measure, y, shape)
    if measurement.count != y.shape[0]:
        raise ValueError(f"y must hold one number a measurement: got {y.shape[0]} for {measurement.count}")
    if isinstance(measurement, EntryMeasurement):
        return measurement, measurement.observed.values, source
    if isinstance(measurement, RankOneMeasurement) and measurement.quadratic:
        if not symmetric:
            raise ValueError("quadratic forms see the symmetric part alone: pass symmetric=True, or RankOne(x, w)")
        if measurement.count < 2:
            raise ValueError("quadratic forms are compared in pairs: at least two are needed")
        paired = PairedMeasurement(measurement)
        return paired, paired.of(y), source
    return measurement, y, source


def _read_values(y):
    if isinstance(y, list | tuple):
        y = np.asarray(y)
    if not be.is_array(y) or be.kind(be.namespace(y)) == "other" or y.ndim != 1:
        found = f"shape {tuple(y.shape)}" if be.is_array(y) else type(y).__name__
        raise TypeError(f"y must be a one-dimensional array of the measured values, got {found}")
    be.require_untracked(y, "recover", "y")
    if y.shape[0] == 0:
        raise ValueError("y is empty: there is nothing to recover from")
    return y


def _checked_shape(shape):
    try:
        m, n = shape
    except (TypeError, ValueError):
        raise TypeError(f"shape must be a pair (m, n), got {shape!r}") from None
    return be.check_count("shape[0]", m), be.check_count("shape[1]", n)


def _read_measure(measure, y, shape):
    if isinstance(measure, RankOne):
        x = _factor("RankOne.x", measure.x, y, shape[0])
        return RankOneMeasurement(x, x if measure.w is None else _factor("RankOne.w", measure.w, y, shape[1]))
    if be.is_array(measure):
        return _read_array(measure, y, shape)
    if isinstance(measure, tuple | list) and len(measure) == 2:
        first, second = measure
        if callable(first) and callable(second):
            made = FunctionMeasurement(first, second, shape, y)
            made.require_adjoint()
            return made
    if isinstance(measure, tuple | list):
        if _depth(measure) == 3:
            return _read_array(be.from_numpy(np.asarray(measure), be.namespace(y), be.device(y)), y, shape)
        if len(measure) != 2:
            raise TypeError(f"measure must be {_EXPECTED}; got a {type(measure).__name__} of {len(measure)}")
        first, second = measure
        return _read_places(first, second, y, shape)
    raise TypeError(f"measure must be {_EXPECTED}; got {type(measure).__name__}")


def _depth(nested):
    """How many axes nested sequences have, followed along their first parts."""
    if not isinstance(nested, tuple | list):
        return int(getattr(nested, "ndim", 0))
    return 1 + (_depth(nested[0]) if nested else 0)


def _read_array(array, y, shape):
    if array.ndim != 3 or tuple(array.shape[1:]) != shape:
        raise ValueError(f"a measurement array must have the shape (count, {shape[0]}, {shape[1]}), got {array.shape}")
    return DenseMeasurement.of(_alike("measure", array, y))


def _factor(name, x, y, side):
    x = np.asarray(x) if isinstance(x, list | tuple) else x
    if not be.is_array(x) or x.ndim != 2 or tuple(x.shape) != (y.shape[0], side):
        raise ValueError(f"{name} must be an array of shape ({y.shape[0]}, {side}), got {getattr(x, 'shape', x)!r}")
    x = _alike(name, x, y)
    be.require_finite(x, name)
    return x


def _alike(name, x, y):
    """`x` in the dtype of `y`; TypeError for an array of another library or device."""
    xp = be.namespace(y)
    be.require_untracked(x, "recover", "measure")
    if be.namespace(x) is not xp or be.device(x) != be.device(y):
        raise TypeError(f"{name} must be an array of the library and on the device of y, {be.kind(xp)!r}")
    if be.is_complex(x.dtype):
        raise TypeError(f"recover is for real measurements, {name} is complex")
    return xp.astype(x, y.dtype, copy=False)


def _read_places(rows, cols, y, shape):
    rows, cols = (
        _places(name, x, size, y) for name, x, size in zip(("rows", "cols"), (rows, cols), shape, strict=True)
    )
    try:
        return EntryMeasurement(Observed.from_entries(rows, cols, y, shape))
    except ValueError as error:
        if "repeat a place" not in str(error):
            raise
        what = str(error).split(";")[0]
        raise ValueError(f"{what}: recover takes each place once, so keep one of each, or their mean") from None


def _places(name, x, size, y):
    x = np.asarray(x) if isinstance(x, list | tuple) else x
    if not be.is_array(x) or x.ndim != 1 or not be.dtype_name(x.dtype).startswith(("int", "uint")):
        raise TypeError(f"measure must be {_EXPECTED}; its part {name} is no integer vector")
    if x.shape[0] != y.shape[0]:
        raise ValueError(f"{name} must have one number a measurement: got {x.shape[0]} for {y.shape[0]}")
    xp = be.namespace(x)
    low, high = int(xp.min(x)), int(xp.max(x))
    if low < 0 or high >= size:
        raise ValueError(f"{name} must lie in 0…{size - 1}, got {low}…{high}")
    if be.namespace(y) is xp:
        return x
    small = np.int32 if size < 2**31 else np.int64
    return be.from_numpy(be.to_numpy(x).astype(small), be.namespace(y), be.device(y))


def at_safe_scale(measurement, y):
    """``(measurement, y, exponent)`` brought to the size of one by powers of two.

    The unknown matrix is ``2**exponent`` times the one that the scaled data belong to.
    """
    xp = be.namespace(y)
    largest = float(xp.max(xp.abs(y)))
    if largest == 0.0 or not math.isfinite(largest):
        return measurement, y, 0
    shift = _exponent(typical(y) or largest)
    y = _shifted(y, -shift)
    gain = _gain(measurement, y)
    if gain == 0.0:
        return measurement, y, 0
    power = _exponent(gain)
    if abs(power) < _EXTREME:
        return measurement, y, shift
    return ScaledMeasurement(measurement, 2.0**-power), y, shift - power


def _gain(measurement, y):
    """Root mean square of the measurements of a matrix of norm one that looks like the answer."""
    xp = be.namespace(y)
    image = measurement.adjoint(xp.sign(y) / y.shape[0])
    size = image.norm
    if not math.isfinite(size):
        raise ValueError("the measurement holds NaN or infinite values")
    return size


def _exponent(value):
    return math.frexp(value)[1]


def _shifted(y, exponent):
    """``y * 2**exponent`` in two factors, each of which fits."""
    half = exponent // 2
    return y * 2.0**half * 2.0 ** (exponent - half)
