"""Rows of any scale, brought by a power of two to where their squared lengths neither overflow nor vanish."""

import math

import numpy as np

from .. import _backend as be

_RANGE = {"float32": 40, "float64": 400}  # squared lengths between 2**-range and 2**range need no scaling
_LARGEST_POWER = {"float32": 120, "float64": 1000}


def scaled_rows(block, scale, energy):
    """The rows over ``2**scale``, with that exponent chosen anew where their squares would leave the range.

    Parameters
    ----------
    block : array, shape (b, d)
    scale : int
        The exponent so far.
    energy : float
        Sum of the squared lengths so far, in units of ``4**scale``.

    Returns
    -------
    rows : array, shape (b, d)
    squares : float64 array on the host, shape (b,)
        Their squared lengths.
    scale : int
        The exponent from now on. It changes with the first rows and for ones that are far longer.
    """
    xp = be.namespace(block)
    name = be.dtype_name(be.real_dtype(xp, block.dtype))
    with np.errstate(over="ignore"):  # rows far larger than those before: a larger scale follows
        rows = scaled(block, -scale)
    squares = row_squares(rows)
    largest, limit = float(squares.max(initial=0.0)), _RANGE[name]
    if 2.0**-limit < largest < 2.0**limit or (largest <= 2.0**-limit < energy):
        return rows, squares, scale
    size = float(xp.max(xp.abs(block)))
    if size == 0.0:
        return rows, squares, scale
    if not math.isfinite(size):
        raise ValueError("rows hold NaN or infinite values, which check_finite=False lets pass: drop or repair them")
    power = max(-_LARGEST_POWER[name], min(_LARGEST_POWER[name], math.frexp(size)[1]))
    rows = scaled(block, -power)
    return rows, row_squares(rows), power


def scaled(x, power):
    """``2**power x``."""
    return x if power == 0 else x * 2.0**power


def scaled_number(x, power):
    """``2**power x`` for a number that is not negative: inf where that is too large, and zero stays zero."""
    try:
        return math.ldexp(x, power)
    except OverflowError:
        return math.inf


@np.errstate(over="ignore", invalid="ignore")  # the caller looks at the largest one
def row_squares(rows):
    """Squared lengths of the rows: float64 on the host."""
    xp = be.namespace(rows)
    parts = (xp.real(rows), xp.imag(rows)) if be.is_complex(rows.dtype) else (rows,)
    squares = sum(xp.sum(part * part, axis=1) for part in parts)
    return be.to_numpy(squares).astype("float64")


def unit_vector(x):
    """``x / ‖x‖`` for a vector of any scale; zero stays zero."""
    xp = be.namespace(x)
    largest = float(xp.max(xp.abs(x)))
    if largest == 0.0:
        return x
    x = x / largest
    return x / float(xp.linalg.vector_norm(x))
