"""A matrix of extreme scale is worked on as a power-of-two multiple, so that squares neither overflow nor vanish."""

import math

from .. import _backend as be

_SAFE = {"float32": 1e9, "float64": 1e100}


def safe(A, check_finite):
    """``(operator, factor, norm)`` with ``A = factor · operator`` and ``norm = ‖operator‖_F`` (None when unknown).

    Raises
    ------
    ValueError
        If `check_finite` and `A` holds NaN or infinite values.
    """
    norm = norm_of(A)
    if norm is None:
        return A, 1.0, None
    reach = _SAFE[be.dtype_name(be.real_dtype(A.xp, A.dtype))]
    if 1 / reach < norm < reach:
        return A, 1.0, norm
    largest = A.largest() if A.has("largest") else norm
    if not math.isfinite(largest):
        if check_finite:
            raise ValueError("A holds NaN or infinite values; clean them, or complete missing entries first")
        return A, 1.0, None
    if largest == 0.0:
        return A, 1.0, 0.0
    factor = 2.0 ** math.frexp(largest)[1]
    scaled = A.scaled(1.0 / factor)
    return scaled, factor, scaled.fro_norm()


def norm_of(A):
    """‖A‖_F when the operator can tell, else None."""
    return A.fro_norm() if A.has("fro_norm") else None
