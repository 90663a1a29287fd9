"""The condition of a triangular factor without its singular values."""

import numpy as np

from .. import _backend as be

SMALL = 512
"""Columns up to which singular values are cheap enough to be computed."""

_STEPS = 8


def estimated_condition(R):
    """Condition of upper triangular `R` by power iteration on ``RᴴR`` and its inverse; inf where that breaks down.

    Never above the condition but for rounding, and seldom below half of it; 16 products or solves with one column.
    """
    xp = be.namespace(R)
    if float(xp.min(xp.abs(xp.linalg.diagonal(R)))) == 0.0:
        return float("inf")
    largest = _iterated(R, lambda x: be.adjoint_matmul(R, be.matmul(R, x)))
    least = _iterated(R, lambda x: be.solve_upper(R, be.mH(be.right_solve_upper(be.mH(x), R))))
    condition = (largest * least) ** 0.5
    return condition if np.isfinite(condition) else float("inf")


def _iterated(R, product):
    """Norm of what `product` makes of a vector, after some steps."""
    name, size = be.dtype_name(R.dtype), 1.0
    x = be.gaussian(be.resolve_rng(0), slice(0, R.shape[0]), slice(0, 1), name, be.namespace(R), be.device(R))
    for _ in range(_STEPS):
        x = product(x / be.fro_norm(x))
        size = be.fro_norm(x)
        if not np.isfinite(size) or size == 0.0:
            return float("inf")
    return size
