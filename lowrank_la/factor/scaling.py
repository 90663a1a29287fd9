"""A matrix of extreme scale is worked on as a power-of-two multiple, so that squares neither overflow nor vanish."""

import math

from .. import _backend as be
from .rangefinder import gaussian_block

_SAFE = {"float32": 1e6, "float64": 1e60}  # the fourth power is formed, with room for sums

_LARGEST_POWER = {"float32": 120, "float64": 1000}  # its inverse has to be a number, too

_PRODUCTS = (
    "products of A with random vectors hold NaN or infinite values: A does, or it is so large that they overflow; "
    "clean it, or scale it down"
)


def safe(A, check_finite, key=None):
    """``(operator, factor, norm)`` with ``A = factor · operator`` and ``norm = ‖operator‖_F`` (None when unknown).

    `A` is a `MeteredOperator`, and so is the operator returned. Where the norm is unknown, products with two Gaussian
    columns of `key` tell the scale. Finite entries whose norm overflows are brought down.

    Raises
    ------
    ValueError
        If `check_finite` and `A` holds NaN or infinite values.
    """
    known = A.has("fro_norm")
    name = be.dtype_name(be.real_dtype(A.xp, A.dtype))
    size = A.fro_norm() if known else _probed_size(A, key)
    if known and size == math.inf:
        largest = 2.0 ** _LARGEST_POWER[name]
        smaller = A.scaled(1.0 / largest)
        norm = smaller.fro_norm()
        if math.isfinite(norm):
            return smaller, largest, norm
    if not math.isfinite(size):
        if check_finite:
            raise ValueError(not_finite(A) if known else _PRODUCTS)
        return A, 1.0, None
    reach = _SAFE[name]
    if 1 / reach < size < reach or size == 0.0:
        return A, 1.0, size if known else None
    factor = 2.0 ** max(-_LARGEST_POWER[name], min(_LARGEST_POWER[name], math.frexp(size)[1]))
    scaled = A.scaled(1.0 / factor)
    return scaled, factor, scaled.fro_norm() if known else None


def restored(x, factor, what):
    """``factor · x``; ValueError where an entry leaves the range of its dtype. `what` names `x` in the plural."""
    if factor == 1.0:
        return x
    if factor > 1.0 and math.prod(x.shape):
        xp = be.namespace(x)
        largest = float(xp.finfo(x.dtype).max)
        if float(xp.max(xp.abs(x))) * factor > largest:
            name = be.dtype_name(x.dtype)
            advice = "divide A by a power of two" if be.is_double(x.dtype) else "pass A in double precision"
            raise ValueError(f"{what} of A exceed {largest:.1e}, the largest number of {name}; {advice}")
    return x * factor


def not_finite(A):
    """What is wrong with an operator whose norm is no number."""
    cause = "" if A.has("array") else ", or its norm overflows"
    return f"A holds NaN or infinite values{cause}; clean them, or complete missing entries first"


def _probed_size(A, key):
    image = A.matmat(gaussian_block(A, A.shape[1], 2, key.child("scale")))
    return float(A.xp.max(A.xp.abs(image)))
