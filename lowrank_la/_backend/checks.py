"""Argument checks that state the value found, what was expected and what to do."""

import math
import operator


def check_count(name, value, low=1, high=None):
    """`value` as an int in ``low…high``; TypeError for anything that is not an integer."""
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r} of type {type(value).__name__}") from None
    if count < low or (high is not None and count > high):
        expected = f"at least {low}" if high is None else f"between {low} and {high}"
        raise ValueError(f"{name} must be {expected}, got {count}")
    return count


def check_rank(rank, shape):
    """`rank` as an int in ``1…min(shape)``."""
    m, n = shape
    if min(m, n) == 0:
        raise ValueError(f"a matrix of shape {m}×{n} is empty and has no factors")
    count = check_count("rank", rank)
    if count > min(m, n):
        raise ValueError(f"rank must be at most min(m, n) = {min(m, n)} for a matrix of shape {m}×{n}, got {count}")
    return count


def check_tol(tol, name="tol"):
    """`tol` as a float in (0, 1)."""
    if isinstance(tol, bool) or not isinstance(tol, int | float) and not hasattr(tol, "__float__"):
        raise TypeError(f"{name} must be a number in (0, 1), got {tol!r}")
    value = float(tol)
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
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None
    if not math.isfinite(number) or number < 0 or (number == 0 and not zero):
        raise ValueError(f"{name} must be {'non-negative' if zero else 'positive'} and finite, got {value!r}")
    return number


def check_option(name, value, options):
    """`value` when it is one of `options`."""
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}; got {value!r}")
    return value
