"""The Newton kernel 1/‖x - a‖ on a grid as a sum of separable Gaussians, split by range."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from .. import _backend as be
from ..results import Info, Result
from . import chebyshev
from .boxes import box, centres_of
from .given_arrays import numbers, real_like

_MOST_TERMS = 400
_RADII = 400
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
_NARROWING = 40
_SMALLEST = 1e-140  # half a side whose square is in the range


@dataclass(frozen=True, eq=False, repr=False)
class NewtonKernelResult(Result):
    """``Σ_r weights[r] · factors[0][:, r] ∘ factors[1][:, r] ∘ factors[2][:, r]``, smoothest Gaussians first.

    Attributes
    ----------
    weights : array, shape (R·N,)
        For R Gaussians around each of N centres; the N columns of one Gaussian are neighbours.
    factors : tuple of three arrays, shapes (n_k, R·N)
        Gaussians at the cell centres, of height one.
    exponents : array, shape (R,)
        Ascending; term r is ``exp(-exponents[r] ‖x - a‖²)``.
    domain : array, shape (3, 2)
    info : Info
    """

    weights: Any
    factors: tuple
    exponents: Any
    domain: Any
    info: Info

    _unpack = ("weights", "factors")
    __references__ = ("hackbusch_khoromskij_2006", "benner_khoromskaia_khoromskij_2018")

    @property
    def shape(self):
        """Shape of the grid."""
        return tuple(int(factor.shape[0]) for factor in self.factors)

    @property
    def long_terms(self):
        """Number of Gaussians in the long-range part unless told otherwise, ``⌈R/2⌉ - 3`` and at least one."""
        return max(1, -(-self.exponents.shape[0] // 2) - 3)

    def long_range(self, terms=None):
        """The smoothest `terms` Gaussians around every centre: the same kind of result, ``info.error`` left open."""
        return self._part(slice(0, self._checked(terms)), "long range")

    def short_range(self, terms=None):
        """All but the smoothest `terms` Gaussians."""
        return self._part(slice(self._checked(terms), self.exponents.shape[0]), "short range")

    def _checked(self, terms):
        most = self.exponents.shape[0] - 1
        if most == 0:
            raise ValueError("a kernel of one Gaussian can't be split by range; ask newton_kernel for terms=2 or more")
        return min(self.long_terms, most) if terms is None else be.check_count("terms", terms, 1, most)

    def _part(self, chosen, name):
        copies = self.weights.shape[0] // self.exponents.shape[0]
        columns = slice(chosen.start * copies, chosen.stop * copies)
        factors = tuple(factor[:, columns] for factor in self.factors)
        info = Info(
            converged=self.info.converged, reason="part of a kernel, taken exactly",
            method=f"{self.info.method}, {name}", details={"terms": chosen.stop - chosen.start},
        )  # fmt: skip
        exponents = self.exponents[chosen]
        return replace(self, weights=self.weights[columns], factors=factors, exponents=exponents, info=info)


def newton_kernel(n, domain=None, *, tol=1e-7, terms=None, centers=None, charges=None):
    r"""The potential ``Σ_i charges[i] / ‖x - centers[i]‖`` at the cell centres of a grid, as a sum of separable terms.

    Parameters
    ----------
    n : int or three ints
        Cells along each mode.
    domain : three pairs (low, high), or one for all, optional
        The box, [-1, 1]³ by default.
    tol : float
        Largest relative error of the quadrature at distances from one cell to the diagonal of the box, or from the
        nearest to the farthest place of the box where centres lie outside.
    terms : int, optional
        Number R of Gaussians in place of `tol`; their step is then the best one.
    centers : array, shape (N, 3), optional
        Inside the box or not; the origin by default. Their library, device and dtype are those of the result; NumPy in
        double by default.
    charges : array, shape (N,), optional
        Real; ones by default.

    Returns
    -------
    NewtonKernelResult
        ``weights, factors`` as `cp` has them, for `ChebTuck.fit`; ``long_range()`` and ``short_range()`` split the
        Gaussians by width. ``info.error`` is the largest relative error found on 400 distances in that range; closer
        than one cell the sum stays finite.

    Raises
    ------
    ValueError
        If a size is out of range, `tol` asks for more than 400 terms, values are not finite, or the box is so small or
        large that exponents leave the range of the dtype.
    TypeError
        If `centers` or `charges` are complex or no numbers.

    Notes
    -----
    Sinc quadrature of ``1/r = (2/√π) ∫ exp(-r² t²) dt`` over t > 0 with ``t = sinh u``: the trapezoidal rule
    converges exponentially in the number of terms [1]_. The kernel is even in u, so one half of the terms suffices.
    The split by range is that of [2]_, the default number of long terms ``⌈R/2⌉ - 3`` that of [3]_.
    Memory ``(n_1 + n_2 + n_3) · R · N`` numbers.

    References
    ----------
    .. [1] hackbusch_khoromskij_2006
    .. [2] benner_khoromskaia_khoromskij_2018
    .. [3] benner_khoromskij_khoromskaia_sun_2025

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> weights, factors = lr.newton_kernel(32, tol=1e-6)
    >>> value = np.sum(weights * factors[0][0] * factors[1][0] * factors[2][0])
    >>> bool(abs(value * np.sqrt(3.0) * 31 / 32 - 1.0) < 1e-6)
    True
    """
    sizes = _sizes(n)
    bounds = box(domain, 3)
    centers = _checked_centers(centers)
    charges = _checked_charges(charges, centers)
    xp, unit = be.namespace(centers), _half_side(bounds)
    nearest, farthest = _reach(bounds, sizes, be.to_numpy(centers).astype(float))
    step, found, error = _quadrature(nearest / unit, farthest / unit, be.check_tol(tol), terms)
    nodes = step * np.arange(found)
    heights = step / math.sqrt(math.pi) * np.where(nodes == 0, 1.0, 2.0 * np.cosh(nodes)) / unit
    exponents = _exponents(nodes, unit, bounds, centers)
    weights = xp.reshape(chebyshev.like(heights, centers)[:, None] * charges[None, :], (-1,))
    factors = []
    for k, m in enumerate(sizes):
        distance = chebyshev.like(centres_of(m, bounds[k]), centers)[:, None] - centers[:, k][None, :]
        gaussians = xp.exp(-(distance[:, None, :] ** 2) * exponents[None, :, None])
        factors.append(xp.reshape(gaussians, (m, -1)))
    info = Info(
        error=error, error_kind="estimate", converged=terms is not None or error <= tol, reason="quadrature chosen",
        method="sinc quadrature", details={"terms": found, "step": step},
    )  # fmt: skip
    return NewtonKernelResult(weights, tuple(factors), exponents, bounds, info)


def _sizes(n):
    sizes = list(n) if isinstance(n, tuple | list) else [n] * 3
    if len(sizes) != 3:
        raise ValueError(f"n must be one number of cells or three, got {n!r}")
    return [be.check_count("n", size) for size in sizes]


def _checked_centers(centers):
    """`centers` as a real array (N, 3)."""
    centers = np.zeros((1, 3)) if centers is None else numbers(centers, "centers")
    xp, place = be.namespace(centers), be.device(centers)
    dtype = be.compute_dtype(xp, centers.dtype, place)
    if be.is_complex(dtype):
        raise TypeError(f"centers must be real, got {be.dtype_name(dtype)}")
    if centers.ndim != 2 or centers.shape[1] != 3 or centers.shape[0] == 0:
        raise ValueError(f"centers must have shape (N, 3) with N at least one, got {tuple(centers.shape)}")
    centers = xp.astype(centers, dtype, copy=False)
    be.require_finite(centers, "centers")
    return centers


def _checked_charges(charges, centers):
    """`charges` as an array (N,) in the library, on the device and in the dtype of `centers`."""
    count = int(centers.shape[0])
    charges = real_like(np.ones(count) if charges is None else charges, "charges", centers)
    if tuple(charges.shape) != (count,):
        raise ValueError(f"charges must have shape ({count},), one for each centre, got {tuple(charges.shape)}")
    be.require_finite(charges, "charges")
    return charges


def _half_side(bounds):
    """Half the longest side of the box, refused where its square leaves the range."""
    unit = float((bounds[:, 1] - bounds[:, 0]).max()) / 2.0
    if not _SMALLEST < unit < 1.0 / _SMALLEST:
        raise ValueError(f"domain {bounds.tolist()} has sides whose squares leave the range; choose other units")
    return unit


def _reach(bounds, sizes, centers):
    """Least and largest distance that counts: from one cell, or the nearest centre, to the farthest corner."""
    low, high = bounds.T
    beyond = np.maximum(0.0, np.maximum(low - centers, centers - high))
    corners = np.maximum(np.abs(centers - low), np.abs(high - centers))
    nearest = max(float(((high - low) / sizes).min()), float(np.linalg.norm(beyond, axis=1).min()))
    return nearest, max(float(np.linalg.norm(high - low)), float(np.linalg.norm(corners, axis=1).max()))


def _exponents(nodes, unit, bounds, like):
    """Exponents of the Gaussians, refused where they leave the range of the dtype."""
    with np.errstate(over="ignore"):
        exponents = chebyshev.like(np.sinh(nodes) ** 2 / unit**2, like)
    if not be.all_finite(exponents):
        raise ValueError(
            f"domain {bounds.tolist()} leaves the range of {be.dtype_name(like.dtype)} when its sides are "
            "squared; choose other units"
        )
    return exponents


@lru_cache(64)
def _quadrature(nearest, farthest, tol, terms):
    """``step, terms, error``: the least number of terms that meets `tol`, with the best step for that number."""
    if terms is not None:
        return _best_step(nearest, farthest, be.check_count("terms", terms, 1, _MOST_TERMS))
    low, high = 0, 8
    while (best := _best_step(nearest, farthest, high))[2] > tol:
        low, high = high, 2 * high
        if high > _MOST_TERMS:
            raise ValueError(f"tol={tol} asks for more than {_MOST_TERMS} Gaussians on this grid: raise tol")
    while high - low > 1:
        middle = (low + high) // 2
        trial = _best_step(nearest, farthest, middle)
        if trial[2] <= tol:
            high, best = middle, trial
        else:
            low = middle
    return best


def _best_step(nearest, farthest, terms):
    """``step, terms, error`` with the best step, by golden section: larger ones lose accuracy, smaller ones reach."""
    radii = np.geomspace(nearest, farthest, _RADII)
    # the sharpest Gaussian has to be narrower than the least distance: the search starts where it is ten times so
    high = math.asinh(10.0 / nearest) / max(terms - 1, 1) + 0.5
    low = 0.02

    def error(step):
        return _relative_error(radii, step, terms)

    a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_a, at_b = error(a), error(b)
    for _ in range(_NARROWING):
        if at_a < at_b:
            high, b, at_b = b, a, at_a
            a = high - _GOLDEN * (high - low)
            at_a = error(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + _GOLDEN * (high - low)
            at_b = error(b)
    step = a if at_a < at_b else b
    return step, terms, min(at_a, at_b)


def _relative_error(radii, step, terms):
    """Largest relative error of the quadrature of 1/r over `radii`."""
    u = step * np.arange(1, terms)
    total = 1.0 + 2.0 * np.exp(-np.outer(radii**2, np.sinh(u) ** 2)) @ np.cosh(u)
    return float(np.abs(step / math.sqrt(math.pi) * total * radii - 1.0).max())
