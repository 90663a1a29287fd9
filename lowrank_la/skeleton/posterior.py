"""Gaussian process posterior on inducing points that are drawn anew as observations arrive."""

import numpy as np

from .. import _backend as be
from ..factor.tall_qr import orthonormalize
from .kernel_matrix import KernelMatrix, evaluated, mapped

_SHIFT = 10.0  # units of roundoff of the trace that make the kernel matrix of the inducing points definite
_TRIES = 6
_PANEL = 2048
_FIRST = 1024  # points that a first fit may draw from by their prior variances


@be.supports(sparse=False, operators=False, complex=False)
class NystromPosterior:
    """Posterior of a Gaussian process by a Nystrom approximation, with inducing points of high posterior variance.

    Parameters
    ----------
    kernel : callable
        ``kernel(X, Y)`` gives the block of prior covariances as for `KernelMatrix`.
    ridge : float
        Variance of the noise of one observation.
    budget : float
        A point observed c times becomes an inducing point with probability ``min(1, budget · c · variance / ridge)``,
        so that about `budget` times the effective dimension of the data are kept; 2 to 10 in practice.
    diag : callable or number, optional
        The prior variance, as for `KernelMatrix`.
    rng : int, numpy Generator, SeedSequence, torch or CuPy generator, optional

    Attributes
    ----------
    inducing : list of int
        Rows of the points of the last `fit` that are inducing points.
    last_rng : int or None
        The key that as `rng` of a new object repeats all draws, also where `rng` was None; None where a native
        generator draws.

    Raises
    ------
    ValueError
        If `ridge` or `budget` is not positive; in `fit` and `predict` if the kernel is not finite, not symmetric or not
        positive semidefinite on the points where it is looked at.

    Notes
    -----
    The posterior of budgeted kernelized bandits [1]_: every `fit` draws new inducing points by the variances of the
    posterior that it replaces (the prior at first), so that none stays that no longer pays. A first fit of more than
    1024 points goes through random halves of them, so that n² entries are never computed. The variance keeps what the
    inducing points do not see of the prior; with all points as inducing points both are exact. Cost for n points and m
    inducing points: n m kernel entries and n m² operations; a prediction of one point m² operations.

    References
    ----------
    .. [1] calandriello_carratino_lazaric_valko_rosasco_2019

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> def gaussian(x, y):
    ...     return np.exp(-2.0 * (x[:, None] - y[None, :]) ** 2)
    >>> x = np.linspace(0.0, 3.0, 200)
    >>> posterior = lr.NystromPosterior(gaussian, ridge=1e-4, budget=4, diag=1.0, rng=0).fit(x, np.sin(x))
    >>> mean, std = posterior.predict(np.array([1.0, 9.0]))
    >>> bool(abs(mean[0] - np.sin(1.0)) < 1e-2), round(float(std[1]), 3)
    (True, 1.0)
    """

    def __init__(self, kernel, *, ridge, budget, diag=None, rng=None):
        if not callable(kernel):
            raise TypeError(f"kernel must be a function of two arrays of points, got {type(kernel).__name__}")
        self.kernel, self.diag = kernel, diag
        self.ridge, self.budget = be.check_positive("ridge", ridge), be.check_positive("budget", budget)
        self._key, self._fits = be.resolve_rng(rng), 0
        self.last_rng = self._key.record
        self._points = self._root = self._precision = self._weights = None
        self.inducing = []

    def fit(self, X, y, counts=None):
        """Replace the observations and draw new inducing points.

        Parameters
        ----------
        X : array, shape (n, d) or (n,)
            Points, distinct for best effect.
        y : array, shape (n,)
            Mean of the observations at each point.
        counts : array, shape (n,), optional
            How many observations there are of each; one by default.

        Returns
        -------
        NystromPosterior
            Itself.
        """
        with be.single_blas():
            K = self._kernel_matrix(X)
            y, weights = _column(K, y, "y"), self._counts(K, counts)
            if self._points is None and K.shape[0] > _FIRST:
                self._fit_half(K, y, weights)
            spread = self._variance(K, None if self._points is None else self._features(K.X))
            self.inducing = self._draw(be.to_numpy(spread * weights).astype(np.float64) / self.ridge)
            self._points = K.xp.take(K.X, be.index_array(self.inducing, K.shape[0], K.xp, K.device), axis=0)
            self._root = shifted_root(evaluated(self.kernel, self._points, self._points))
            Z = self._features(K.X)
            scaled = K.xp.sqrt(weights)[:, None] * Z
            identity = K.xp.eye(Z.shape[1], dtype=Z.dtype, device=K.device) * self.ridge**0.5
            self._precision = orthonormalize(K.xp.concat([scaled, identity], axis=0))[1]
            right = be.adjoint_matmul(Z, (weights * y)[:, None])
            lower = be.mH(self._precision)
            self._weights = be.solve_upper(self._precision, K.xp.linalg.solve(lower, right))
        return self

    def predict(self, X):
        """Mean and standard deviation of the function (noise excluded) at the points `X`: two arrays (n,)."""
        with be.single_blas():
            K = self._kernel_matrix(X)
            if self._points is None:
                variance = self._variance(K, None)
                return K.xp.zeros_like(variance), K.xp.sqrt(variance)
            Z = self._features(K.X)
            return be.matmul(Z, self._weights)[:, 0], K.xp.sqrt(self._variance(K, Z))

    def _kernel_matrix(self, X):
        be.require_untracked(X, "NystromPosterior")
        if be.is_sparse(X) or not (be.is_array(X) or isinstance(X, list | tuple)):
            raise TypeError(f"points X must be a dense array, got {type(X).__name__}")
        K = KernelMatrix(X, self.kernel, self.diag)
        if be.is_complex(K.dtype) or be.is_complex(K.X.dtype):
            raise TypeError("NystromPosterior needs real points and a real kernel, got complex ones")
        return K

    def _features(self, X):
        """Rows ``z`` with ``k(x, x') ≈ zᵀ z'``: the Nystrom features on the inducing points."""

        def panel(rows):
            return be.right_solve_upper(evaluated(self.kernel, X[rows, ...], self._points), self._root)

        parts = mapped(panel, be.fixed_partition(X.shape[0], _PANEL), be.namespace(X))
        Z = parts[0] if len(parts) == 1 else be.namespace(X).concat(parts, axis=0)
        be.require_finite(Z, "the kernel matrix")
        return Z

    def _variance(self, K, Z):
        """Variance at the points of `K` with features `Z`, the prior one for None."""
        prior = K.diag()
        be.require_finite(prior, "the diagonal of the kernel matrix")
        least = float(K.xp.min(prior))
        if least < 0.0:
            raise ValueError(
                f"kernel and diag must give variances of at least 0, got {least:.3g}: not positive semidefinite"
            )
        if Z is None:
            return prior
        unseen = prior - K.xp.sum(Z * Z, axis=1)
        unseen = K.xp.where(unseen > 0, unseen, K.xp.zeros_like(unseen))
        T = be.right_solve_upper(Z, self._precision)
        return unseen + self.ridge * K.xp.sum(T * T, axis=1)

    def _draw(self, effective):
        """Points kept, each with probability ``budget · effective``; the last one when none is."""
        uniform = be.to_numpy(be.uniform(self._key.child(self._fits), slice(0, len(effective)), slice(0, 1)))[:, 0]
        self._fits += 1
        kept = np.flatnonzero(uniform <= self.budget * effective)
        return kept.tolist() if kept.size else [len(effective) - 1]

    def _fit_half(self, K, y, weights):
        """Fit a random half of the points, which shows variances that are never below those of all of them."""
        uniform = be.to_numpy(be.uniform(self._key.child("half").child(K.shape[0]), slice(0, K.shape[0]), slice(0, 1)))
        half = be.index_array(np.flatnonzero(uniform[:, 0] <= 0.5), K.shape[0], K.xp, K.device)
        self.fit(*(K.xp.take(part, half, axis=0) for part in (K.X, y, weights)))

    def _counts(self, K, counts):
        if counts is None:
            return K.xp.ones((K.shape[0],), dtype=K.dtype, device=K.device)
        counts = _column(K, counts, "counts")
        if not bool(K.xp.all(counts > 0)):
            raise ValueError("counts must be positive: leave out points that were not observed")
        return counts

    def __repr__(self):
        return f"NystromPosterior(ridge={self.ridge}, budget={self.budget}, inducing points: {len(self.inducing)})"


def _column(K, values, name):
    values = np.asarray(values) if isinstance(values, list | tuple) else values
    if not be.is_array(values) or tuple(values.shape) != (K.shape[0],):
        found = tuple(values.shape) if be.is_array(values) else type(values).__name__
        raise ValueError(f"{name} must be an array with one entry for each of the {K.shape[0]} points, got {found}")
    if be.is_complex(values.dtype):
        raise TypeError(f"{name} must be real, got {be.dtype_name(values.dtype)}")
    be.require_finite(values, name)
    return K.xp.astype(values, K.dtype, copy=False)


def shifted_root(core):
    """Upper triangular ``U`` with ``UᴴU`` equal to the kernel matrix `core` up to a shift by rounding."""
    xp, m = be.namespace(core), core.shape[0]
    be.require_finite(core, "the kernel matrix")
    gap = float(xp.max(xp.abs(core - be.mH(core))))
    if gap > be.eps(core.dtype) ** 0.5 * float(xp.max(xp.abs(core))):
        raise ValueError(f"the kernel matrix is not Hermitian: K[i, j] and K[j, i] differ by {gap:.2e}")
    core = core / 2 + be.mH(core) / 2
    trace = float(be.to_numpy(xp.linalg.diagonal(core)).real.astype(np.float64).sum())
    shift = _SHIFT * be.eps(core.dtype) * trace
    identity = xp.eye(m, dtype=core.dtype, device=be.device(core))
    for _ in range(_TRIES):
        U = be.cholesky_upper(core + shift * identity)
        if U is not None:
            return xp.reshape(xp.reshape(U, (-1,)), (m, m))  # by rows: panel after panel is solved with it
        shift *= 10.0
    raise ValueError("the kernel is not positive semidefinite on the points chosen")
