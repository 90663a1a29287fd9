"""The error that an answer carries: by exact bookkeeping, below its floor by ten probe columns."""

import math

from .. import _backend as be
from .rangefinder import gaussian_block

_PROBES = 10
_FLOOR = 1e4


def within(error, tol, dtype):
    """Whether `error` meets `tol`, up to the rounding of ‖A‖² - ‖Â‖² where `error` was found that way."""
    eps = be.eps(dtype)
    slack = 4.0 * eps if error**2 > _FLOOR * eps else 0.0
    return error**2 <= tol**2 * (1.0 + 100.0 * eps) + slack


def pythagorean_error(A, norm, energy, approximation, key, estimate=None):
    """``(error, kind)`` of an approximation that is an orthogonal projection of `A` with squared norm `energy`.

    ‖A - Â‖² = ‖A‖² - ‖Â‖² is exact until the difference drowns in rounding, relative error 1e-6 in float64 and 3e-2
    in float32; from there, and where ‖A‖ is unknown, ten Gaussian columns estimate it, unless an `estimate` is at hand.
    ``approximation(X)`` is ``Â X``.
    """
    if norm == 0.0:
        return 0.0, "exact"
    if norm is not None:
        left = 1.0 - energy / norm**2
        if left > _FLOOR * be.eps(A.dtype):
            return math.sqrt(left), "exact"
    return probed_error(A, norm, approximation, key) if estimate is None else estimate, "estimate"


def probed_error(A, norm, approximation, key):
    """Relative Frobenius error from ten Gaussian columns: the mean of ten squared norms, unbiased in the square.

    The ratio to the true error lies within [0.5, 2] with probability above 0.97 even when the error has rank one.
    """
    X = gaussian_block(A, A.shape[1], _PROBES, key.child("error"))
    image = A.matmat(X)
    missed = math.sqrt(be.vdot_real(image - approximation(X)) / _PROBES)
    size = math.sqrt(be.vdot_real(image) / _PROBES) if norm is None else norm
    return missed / size if size > 0 else 0.0
