"""A matrix of extreme scale is worked on as a power-of-two multiple, so that squares neither overflow nor vanish."""

import math

from .. import _backend as be
from .rangefinder import gaussian_block

_SAFE = {"float32": 1e6, "float64": 1e60}  # the fourth power is formed, with room for sums

_LARGEST_POWER = {"float32": 120, "float64": 1000}  # its inverse has to be a number, too


def safe(A, check_finite, key=None):
    """``(operator, factor, norm)`` with ``A = factor · operator`` and ``norm = ‖operator‖_F`` (None when unknown).

    `A` is a `MeteredOperator`, and so is the operator returned. Where the norm is unknown, products with two Gaussian
    columns of `key` tell the scale.

    Raises
    ------
    ValueError
        If `check_finite` and `A` holds NaN or infinite values.
    """
    known = A.has("fro_norm")
    size = A.fro_norm() if known else _probed_size(A, key)
    if not math.isfinite(size):
        if check_finite:
            raise ValueError("A holds NaN or infinite values; clean them, or complete missing entries first")
        return A, 1.0, None
    reach = _SAFE[be.dtype_name(be.real_dtype(A.xp, A.dtype))]
    if 1 / reach < size < reach or size == 0.0:
        return A, 1.0, size if known else None
    name = be.dtype_name(be.real_dtype(A.xp, A.dtype))
    factor = 2.0 ** max(-_LARGEST_POWER[name], min(_LARGEST_POWER[name], math.frexp(size)[1]))
    scaled = A.scaled(1.0 / factor)
    return scaled, factor, scaled.fro_norm() if known else None


def _probed_size(A, key):
    image = A.matmat(gaussian_block(A, A.shape[1], 2, key.child("scale")))
    return float(A.xp.max(A.xp.abs(image)))
