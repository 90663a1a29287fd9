"""Norms of tensors at the ends of the range of their dtype."""

import math

from .. import _backend as be

SAFE = {"float64": 1e100, "float32": 1e12}  # norms up to which squares of entries neither overflow nor vanish
_LARGEST_POWER = {"float32": 120, "float64": 1000}


def safe_scale(norm, dtype):
    """Power of two that a tensor of that norm is divided by, so that squares neither overflow nor vanish."""
    name = be.dtype_name(dtype).replace("complex64", "float32").replace("complex128", "float64")
    if norm == 0.0 or 1 / SAFE[name] < norm < SAFE[name]:
        return 1.0
    return 2.0 ** max(-_LARGEST_POWER[name], min(_LARGEST_POWER[name], math.frexp(norm)[1]))


def require_norm(values, name):
    """ValueError where finite numbers have a norm that overflows."""
    xp = be.namespace(values)
    if bool(xp.all(xp.isfinite(values))):
        raise ValueError(
            f"the Frobenius norm of {name} is beyond the range of {be.dtype_name(values.dtype)}; divide {name} by a "
            "power of two"
        )


def safely_scaled(tensor):
    """``(tensor, scale)``: the tensor over a power of two where squares of its norm overflow or vanish."""
    scale = safe_scale(tensor.norm, tensor.dtype) if math.isfinite(tensor.norm) else 1.0
    return (tensor, 1.0) if scale == 1.0 else (tensor.over(scale), scale)
