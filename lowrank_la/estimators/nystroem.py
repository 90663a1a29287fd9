"""A feature map whose inner products approximate a kernel."""

from numbers import Real

from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from .. import _backend as be
from ..skeleton.kernel_matrix import KernelMatrix
from ..skeleton.rpcholesky import rpcholesky
from .kernels import kernel_function
from .reading import read, seed_of


class Nystroem(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Nyström features of a kernel, its landmarks drawn by randomly pivoted Cholesky.

    Parameters
    ----------
    kernel : str or callable
        "rbf", "linear", "poly" or "polynomial", "sigmoid", "cosine" on any array library; any other name that
        `sklearn.metrics.pairwise.pairwise_kernels` knows on NumPy; or a function of two arrays of points (p, d) and
        (q, d) that returns the block (p, q).
    gamma : float, optional
        1 / n_features by default.
    coef0, degree : float, optional
        1 and 3 by default.
    kernel_params : dict, optional
        Further arguments of the kernel.
    n_components : int
        Number of landmarks; that of the samples where they are fewer.
    random_state : int, RandomState, Generator or None

    Attributes
    ----------
    components_ : array, shape (n_components, n_features)
        The landmarks.
    component_indices_ : array, shape (n_components,)
        Their rows.
    normalization_ : array, shape (n_components, n_components)
        Maps kernel values with the landmarks to features.
    info_ : Info
        ``info_.error`` is the exact relative trace error of the approximated kernel matrix.
    n_features_in_ : int

    Notes
    -----
    Landmarks are drawn in proportion to what the earlier ones leave unexplained, and few that are redundant are taken
    [1]_. A kernel of low numerical rank gives fewer features than asked for.

    References
    ----------
    .. [1] chen_epperly_tropp_webber_2025

    Examples
    --------
    >>> import numpy as np
    >>> from lowrank_la.estimators import Nystroem
    >>> X = np.linspace(0.0, 1.0, 200)[:, None]
    >>> Z = Nystroem(gamma=1.0, n_components=10, random_state=0).fit_transform(X)
    >>> bool(np.abs(Z @ Z.T - np.exp(-((X - X.T) ** 2))).max() < 1e-6)
    True
    """

    def __init__(
        self,
        kernel="rbf",
        *,
        gamma=None,
        coef0=None,
        degree=None,
        kernel_params=None,
        n_components=100,
        random_state=None,
    ):
        self.kernel = kernel
        self.gamma = gamma
        self.coef0 = coef0
        self.degree = degree
        self.kernel_params = kernel_params
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X, y=None):
        """Draw landmarks among the rows of `X` (n_samples, n_features); `y` is ignored.

        Returns
        -------
        The estimator itself.
        """
        X = read(self, X, reset=True, sparse=False)
        self._kernel = self._function(X)
        wanted = min(be.check_count("n_components", self.n_components), X.shape[0])
        found = rpcholesky(KernelMatrix(X, self._kernel), wanted, tol=None, rng=seed_of(self.random_state))
        self.component_indices_, self.info_ = found.indices, found.info
        xp = be.namespace(X)
        self.components_ = xp.take(X, found.indices, axis=0)
        self.normalization_ = inverse_root(self._kernel(self.components_, self.components_))
        return self

    def transform(self, X):
        """Features (n_samples, n_components), in the namespace, dtype and device of `X`."""
        X = read(self, X, reset=False, sparse=False)
        xp = be.namespace(X)
        K = self._kernel(X, xp.astype(self.components_, X.dtype, copy=False))
        return be.matmul(K, xp.astype(self.normalization_, K.dtype, copy=False))

    def _function(self, X):
        given = {"gamma": self.gamma, "coef0": self.coef0, "degree": self.degree}
        for name, value in given.items():
            if value is not None and not isinstance(value, Real):
                raise ValueError(f"{name} must be a number or None, got {value!r}")
        named = {name: value for name, value in given.items() if value is not None}
        return kernel_function(self.kernel, X, named, self.kernel_params or {})

    @property
    def _n_features_out(self):
        return self.components_.shape[0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def inverse_root(K):
    """``K^(-1/2)`` of a positive semidefinite matrix on the eigenvalues above rounding, zero on the others."""
    xp = be.namespace(K)
    w, V = be.small_eigh((K + K.T) / 2)
    floor = max(float(w[-1]), 0.0) * w.shape[0] * be.eps(K.dtype)
    root = xp.where(w > floor, 1.0 / xp.sqrt(xp.where(w > floor, w, xp.ones_like(w))), xp.zeros_like(w))
    return be.matmul(V * root[None, :], V.T)
