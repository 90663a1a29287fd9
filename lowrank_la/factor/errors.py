"""The error that an answer carries: by exact bookkeeping, below its floor by ten probe columns."""

import math
from functools import cached_property

import numpy as np

from .. import _backend as be
from .rangefinder import gaussian_block

_PROBES = 10
_FLOOR = 1e4
_CAUTION = 3.0


def within(error, tol, dtype):
    """Whether `error` meets `tol`, up to the rounding of ‖A‖² - ‖Â‖² where `error` was found that way."""
    eps = be.eps(dtype)
    slack = 4.0 * eps if error**2 > _FLOOR * eps else 0.0
    return error**2 <= tol**2 * (1.0 + 100.0 * eps) + slack


def pythagorean_error(A, norm, energy, approximation, key, estimate=None):
    """``(error, kind)`` of an approximation that is an orthogonal projection of `A` with squared norm `energy`.

    ‖A - Â‖² = ‖A‖² - ‖Â‖² is exact until the difference drowns in rounding, relative error 1e-6 in float64 and 3e-2
    in float32; from there, and where ‖A‖ is unknown, ten Gaussian columns estimate it, unless an `estimate` is at hand.
    ``approximation(X)`` is ``Â X``. NaN where `energy` or the products are not finite.
    """
    if not math.isfinite(energy):
        return math.nan, "estimate"
    if norm == 0.0:
        return 0.0, "exact"
    if norm is not None:
        left = 1.0 - energy / norm**2
        if left > _FLOOR * be.eps(A.dtype):
            return math.sqrt(left), "exact"
    return probed_error(A, norm, approximation, key) if estimate is None else estimate, "estimate"


def probed_error(A, norm, approximation, key):
    """Relative Frobenius error from ten Gaussian columns: the mean of ten squared norms, unbiased in the square.

    The ratio to the true error lies within [0.5, 2] with probability above 0.97 even when the error has rank one. NaN
    where a product is not finite.
    """
    X = gaussian_block(A, A.shape[1], _PROBES, key.child("error"))
    image = A.matmat(X)
    missed = math.sqrt(be.vdot_real(image - approximation(X)) / _PROBES)
    size = math.sqrt(be.vdot_real(image) / _PROBES) if norm is None else norm
    if not (math.isfinite(missed) and math.isfinite(size)):
        return math.nan
    return missed / size if size > 0 else 0.0


class Probes:
    """Ten Gaussian columns and their images under a Hermitian `A`, drawn when first needed."""

    def __init__(self, A, key):
        self.A, self.key = A, key.child("error")

    @cached_property
    def _drawn(self):
        columns = gaussian_block(self.A, self.A.shape[1], _PROBES, self.key)
        return columns, self.A.matmat(columns)

    @property
    def norm(self):
        """Estimate of ‖A‖_F."""
        return math.sqrt(be.vdot_real(self._drawn[1]) / _PROBES)

    def missed(self, w, V):
        """Estimate of ‖A - V diag(w) Vᴴ‖_F."""
        return math.sqrt(be.vdot_real(self._missed(w, V)[0]) / _PROBES)

    def missed_by_leading(self, w, V):
        """``(estimates, limits)`` for the leading 0…k pairs of `w` and `V`: host arrays.

        The limits are the estimates raised by three standard errors of the mean of ten squared norms.
        """
        gap, coefficients = self._missed(w, V)
        left, leaving = (_wide_host(part) for part in (be.adjoint_matmul(V, gap), coefficients))
        added = (abs(leaving) ** 2 + 2 * (left.conj() * leaving).real)[::-1].cumsum(axis=0)[::-1]
        columns = (abs(_wide_host(gap)) ** 2).sum(axis=0)
        squares = columns + np.concatenate([added, np.zeros((1, _PROBES))])
        mean = squares.mean(axis=1).clip(min=0.0)
        return np.sqrt(mean), np.sqrt(mean + _CAUTION * squares.std(axis=1, ddof=1) / math.sqrt(_PROBES))

    def _missed(self, w, V):
        columns, image = self._drawn
        coefficients = w[:, None] * be.adjoint_matmul(V, columns)
        return image - be.matmul(V, coefficients), coefficients


def _wide_host(x):
    host = be.to_numpy(x)
    return host.astype(np.complex128 if host.dtype.kind == "c" else np.float64)
