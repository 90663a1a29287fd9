"""Argument checks that state the value found, what was expected and what to do."""

import math
import operator

import numpy as np

from ._names import dtype_name


def check_count(name, value, low=1, high=None):
    """`value` as an int in ``low…high``; TypeError for anything that is not an integer."""
    if isinstance(value, bool) or (hasattr(value, "dtype") and dtype_name(value.dtype).startswith("bool")):
        raise TypeError(f"{name} must be an integer, got {_described(value)}")
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {_described(value)}") from None
    if count < low or (high is not None and count > high):
        expected = f"at least {low}" if high is None else f"between {low} and {high}"
        raise ValueError(f"{name} must be {expected}, got {count}")
    return count


def check_rank(rank, shape, name="A"):
    """`rank` as an int in ``1…min(shape)``, for the matrix called `name`."""
    m, n = shape
    if min(m, n) == 0:
        raise ValueError(f"{name} of shape {m}×{n} is empty: it must have one row and one column at least")
    count = check_count("rank", rank)
    if count > min(m, n):
        raise ValueError(f"rank must be at most min(m, n) = {min(m, n)} for a matrix of shape {m}×{n}, got {count}")
    return count


def check_tol(tol, name="tol"):
    """`tol` as a float in (0, 1)."""
    value = _real_number(tol)
    if value is None:
        raise TypeError(f"{name} must be a number in (0, 1), got {_described(tol)}")
    if not 0.0 < value < 1.0:
        raise ValueError(f"{name} must lie in (0, 1), got {value!r}")
    return value


def check_rank_or_tol(rank, tol, shape):
    """``(rank or None, tol or None)``, at least one given."""
    if rank is None and tol is None:
        raise ValueError("give rank (how many terms) or tol (the relative Frobenius error allowed), or both")
    if rank is None:
        check_rank(1, shape)
    return (
        None if rank is None else check_rank(rank, shape),
        None if tol is None else check_tol(tol),
    )


def check_positive(name, value, *, zero=False):
    """`value` as a finite positive float (zero allowed when `zero`)."""
    number = _real_number(value)
    if number is None:
        raise TypeError(f"{name} must be a number, got {_described(value)}")
    if not math.isfinite(number) or number < 0 or (number == 0 and not zero):
        raise ValueError(f"{name} must be {'non-negative' if zero else 'positive'} and finite, got {value!r}")
    return number


def check_option(name, value, options):
    """`value` when it is one of `options`."""
    if getattr(value, "ndim", 0) or value not in tuple(options):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}; got {value!r}")
    return value


def check_flag(name, value):
    """`value` as a bool; TypeError for anything else, numbers too."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {_described(value)}")
    return bool(value)


def check_callback(callback):
    """`callback` when it can be called or is None."""
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be a function of one argument, the state, or None; got {_described(callback)}")
    return callback


def _real_number(value):
    """`value` as a float, None where it is no real number; a zero-dimensional array of a real dtype is one."""
    if hasattr(value, "dtype"):
        real = dtype_name(value.dtype).startswith(("float", "bfloat", "int", "uint"))
        return float(value) if real and getattr(value, "ndim", None) == 0 else None
    return float(value) if hasattr(value, "__float__") and not isinstance(value, bool) else None


def _described(value):
    return f"{value!r} of type {type(value).__name__}"
