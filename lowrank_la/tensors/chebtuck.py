"""Functions of several variables as a small core between Chebyshev expansions, one mode each."""

from dataclasses import dataclass
from typing import Any

from .. import _backend as be
from ..factor.iteration import settle
from ..results import Info, Result
from . import chebyshev
from .boxes import box, centres_of, to_reference
from .chebtuck_arguments import degrees_of, is_kruskal, like_domain
from .chebtuck_function import fit_function
from .chebtuck_grid import fit_grid, fit_kruskal
from .given_arrays import numbers, real_like
from .modes import expand_all
from .multilinear import at_points


@be.supports(sparse=False, operators=False)
@dataclass(frozen=True, eq=False, repr=False)
class ChebTuck(Result):
    """``f(x) ≈ Σ core[i, j, …] p_i(x_1) q_j(x_2) …`` with polynomials given by Chebyshev coefficients.

    Made by `ChebTuck.fit`. Calling it evaluates the approximation.

    Attributes
    ----------
    core : array, shape (r_1, …, r_d)
    factors : tuple of arrays, shapes (m_k, r_k)
        Chebyshev coefficients of the polynomials of each mode, orthonormal columns.
    domain : NumPy array, shape (d, 2)
        Bounds of the box.
    info : Info
    """

    core: Any
    factors: tuple
    domain: Any
    info: Info

    _unpack = ("core", "factors")
    __references__ = ("benner_khoromskij_khoromskaia_sun_2025",)

    @classmethod
    def fit(cls, f, domain=None, *, tol=1e-10, degree=None, rng=None, on_failure="warn", check_finite=True):
        r"""Approximate a function, a tensor of values on a grid, or a sum of separable terms on a grid.

        Parameters
        ----------
        f : callable, array (n_1, …, n_d), or pair (weights, factors)
            A function of points (p, d) in the domain that returns (p,) values, real or complex. Or values at the
            centres of equal cells. Or such values as ``Σ_r weights[r] · factors[0][:, r] ∘ factors[1][:, r] ∘ …``, as
            `cp` and `newton_kernel` return them.
        domain : array (d, 2) or pairs (low, high), optional
            The box. A function needs it, and gets its points in the library, on the device and in the precision of
            `domain` (NumPy and double for nested lists). For values on a grid [-1, 1] in every mode by default.
        tol : float
            Accuracy wanted, in the sense of ``info.error``.
        degree : int or d ints, optional
            Degrees of the polynomials. By default they grow until the last coefficients are below `tol`.
        rng : optional
            Seed or generator of the points at which functions are tried.
        on_failure : {"warn", "raise"}
            What happens where `tol` is missed.
        check_finite : bool
            Refuse NaN and infinite values.

        Returns
        -------
        ChebTuck
            In the library, device and dtype of the values, half precision promoted to single. ``info.error`` is for
            functions the largest deviation at 300 random points and on lines along the axes from the worst of them on,
            relative to the largest value seen ("estimate": a feature that neither meets is missed); for grids the
            relative Frobenius error of ``to_grid`` ("exact"; "estimate" from 4000 entries where a sum has too many
            terms for that). ``info.degrees``, ``info.tail`` (norm of the last tenth of the coefficients, the largest
            over modes, relative to all), and ``info.evaluations`` of functions are there too.

        Raises
        ------
        TypeError
            If `f` is none of the above.
        ValueError
            If the domain does not fit, an option is out of range, or values are not finite or of the wrong shape.

        Notes
        -----
        Interpolation in the product of Chebyshev points and a truncated higher-order SVD of the coefficients, the
        hybrid format of [1]_, here with relative tolerances. Degrees of functions are chosen on lines through the box,
        then judged on all coefficients: ``∏ (degree + 1)`` evaluations, at most 2²⁴. Degrees that are not given end at
        1023, of functions of one variable at 4096, of n cells at 4n, beyond which they show the spline and not the
        data. Functions of several variables that 1023 would not resolve on a line, such as those with a kink, get 2¹⁸
        nodes in all; `degree` gives them more. Grids are compressed first, so splines run through a few columns per
        mode alone; a sum of R terms is never expanded, and costs ``O(Σ m_k R min(m_k, R) + R ∏ r_k)``. Values between
        the centres are those of not-a-knot cubic splines: fourth order in the cell. See [2]_ for another way to such
        approximations, from few evaluations.

        References
        ----------
        .. [1] benner_khoromskij_khoromskaia_sun_2025
        .. [2] dolgov_kressner_strossner_2021

        Examples
        --------
        >>> import numpy as np, lowrank_la as lr
        >>> g = lr.ChebTuck.fit(lambda x: np.exp(-np.sum(x**2, axis=1)), [(0.0, 1.0)] * 3, tol=1e-12)
        >>> bool(abs(g.integrate() - 0.746824132812427**3) < 1e-12)
        True
        """
        tol, key = be.check_tol(tol), be.resolve_rng(rng)
        be.check_option("on_failure", on_failure, ("warn", "raise"))
        be.check_flag("check_finite", check_finite)
        with be.single_blas():
            if is_kruskal(f):
                weights, factors = f
                if len(factors) == 0:
                    raise ValueError("f = (weights, factors) must have a factor for every variable, got none")
                bounds = box(domain, len(factors))
                fitted = fit_kruskal(weights, factors, tol, degrees_of(degree, bounds), key, check_finite)
            elif be.is_array(f) or isinstance(f, list):
                X = numbers(f, "f")
                if X.ndim == 0:
                    raise ValueError("f must be an array of one mode or more, got a single number")
                bounds = box(domain, X.ndim)
                fitted = fit_grid(X, tol, degrees_of(degree, bounds), check_finite)
            elif callable(f) and not hasattr(f, "shape"):
                if domain is None:
                    raise ValueError("domain is needed for a function: give a pair (low, high) for every variable")
                bounds = box(domain)
                fitted = fit_function(
                    f, bounds, like_domain(domain), tol, degrees_of(degree, bounds), key, check_finite
                )
            else:
                raise TypeError(
                    "f must be a function of points (p, d), an array of values at the centres of cells, or a pair "
                    f"(weights, factors); got {type(f).__name__}"
                )
        settle(fitted.info, on_failure, "raise degree or tol, or give values on a finer grid")
        return cls(fitted.core, fitted.factors, bounds, fitted.info)

    @property
    def ranks(self):
        """Sizes of the core."""
        return tuple(int(r) for r in self.core.shape)

    @property
    def degrees(self):
        """Degrees of the polynomials of each mode."""
        return tuple(int(factor.shape[0]) - 1 for factor in self.factors)

    @property
    def shape(self):
        """Shape of the tensor of Chebyshev coefficients."""
        return tuple(int(factor.shape[0]) for factor in self.factors)

    def __call__(self, points):
        """Values of the approximation, by Clenshaw's recurrence.

        Parameters
        ----------
        points : array, shape (p, d) or (d,)
            Points of the box, or one point.

        Returns
        -------
        array, shape (p,), or of no dimension for one point

        Raises
        ------
        ValueError
            If a point lies outside the domain, or the shape does not fit.
        """
        vectors, single = self._reference(points)
        return _first_if(single, at_points(self.core, [self._values(k, x) for k, x in enumerate(vectors)]))

    def grad(self, points):
        """Gradients of the approximation, exact up to rounding.

        Parameters
        ----------
        points : array, shape (p, d) or (d,)
            As for a call, with its errors.

        Returns
        -------
        array, shape (p, d) or (d,)
        """
        vectors, single = self._reference(points)
        values = [self._values(k, x) for k, x in enumerate(vectors)]
        slopes = []
        for k, x in enumerate(vectors):
            low, high = self.domain[k].tolist()
            slope = chebyshev.clenshaw(self._differentiated(k), x) * (2.0 / (high - low))
            slopes.append(at_points(self.core, [*values[:k], slope, *values[k + 1 :]]))
        return _first_if(single, be.namespace(self.core).stack(slopes, axis=1))

    def derivative(self, axis):
        """The partial derivative of the approximation.

        Parameters
        ----------
        axis : int
            Variable, 0…d - 1.

        Returns
        -------
        ChebTuck
            Its error is not known.
        """
        axis = self._checked(axis)
        low, high = self.domain[axis].tolist()
        factors = list(self.factors)
        factors[axis] = self._differentiated(axis) * (2.0 / (high - low))
        return type(self)(self.core, tuple(factors), self.domain, Info(method="derivative"))

    def integrate(self):
        """Integral of the approximation over the box.

        Returns
        -------
        float or complex
        """
        rows = []
        for factor, (low, high) in zip(self.factors, self.domain.tolist(), strict=True):
            weights = chebyshev.like(chebyshev.integrals(factor.shape[0]) * (high - low) / 2.0, factor)
            rows.append(be.matmul(weights[None, :], factor))
        total = be.namespace(self.core).reshape(expand_all(self.core, rows), (-1,))[0]
        return complex(total) if be.is_complex(self.core.dtype) else float(total)

    def to_grid(self, n):
        """Values at the centres of equal cells.

        Parameters
        ----------
        n : int or sequence of int
            Cells of every mode, or of each.

        Returns
        -------
        array, shape (n_1, …, n_d)

        Raises
        ------
        ValueError
            If `n` has another length than there are modes, or is below 1.
        """
        sizes = list(n) if isinstance(n, tuple | list) else [n] * len(self.factors)
        if len(sizes) != len(self.factors):
            raise ValueError(f"n must be one int or {len(self.factors)} of them, got {n!r}")
        with be.single_blas():
            return expand_all(self.core, [self.on_grid(k, be.check_count("n", m)) for k, m in enumerate(sizes)])

    def on_grid(self, axis, n):
        """Polynomials of one mode at the centres of equal cells, a factor of ``to_grid``.

        Parameters
        ----------
        axis : int
            Mode, 0…d - 1.
        n : int
            Cells.

        Returns
        -------
        array, shape (n, r)
        """
        factor, n = self.factors[self._checked(axis)], be.check_count("n", n)
        return chebyshev.clenshaw(factor, chebyshev.like(chebyshev.cell_centres(n), factor))

    def grid_points(self, axis, n):
        """Centres of equal cells along one mode.

        Parameters
        ----------
        axis : int
            Mode, 0…d - 1.
        n : int
            Cells.

        Returns
        -------
        array, shape (n,)
            In the library of the factors.
        """
        return chebyshev.like(centres_of(be.check_count("n", n), self.domain[self._checked(axis)]), self.core)

    def _checked(self, axis):
        return be.check_count("axis", axis, 0, len(self.factors) - 1)

    def _values(self, k, x):
        return chebyshev.clenshaw(self.factors[k], x)

    def _differentiated(self, k):
        factor = self.factors[k]
        return be.matmul(chebyshev.like(chebyshev.derivative_matrix(factor.shape[0]), factor), factor)

    def _reference(self, points):
        """Coordinates as vectors in [-1, 1], and whether one point was given alone."""
        points = real_like(points, "points", self.core)
        single = points.ndim == 1 and points.shape[0] == len(self.factors)
        points = points[None, :] if single else points
        if points.ndim != 2 or points.shape[1] != len(self.factors):
            raise ValueError(f"points must have shape (p, {len(self.factors)}), got {tuple(points.shape)}")
        return to_reference(points, self.domain), single


def _first_if(single, values):
    return values[0, ...] if single else values
