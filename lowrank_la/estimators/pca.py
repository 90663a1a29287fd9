"""Principal component analysis as a transformer."""

import math

from .. import _backend as be
from .components import Components
from .reading import leading_triplets, read
from .variances import shares, total_variance


class Principal(Components):
    """Base of principal component analyses: what follows from `components_`, `explained_variance_` and `mean_`."""

    def _whitened(self, Z):
        return Z / self._scale(Z) if self.whiten else Z

    def _coloured(self, Z):
        return Z * self._scale(Z) if self.whiten else Z

    def _scale(self, Z):
        """Deviation of each coordinate; 1 where there is none."""
        xp, variance = be.namespace(Z), self._like(self.explained_variance_, Z)
        floor = be.eps(Z.dtype) * float(xp.max(variance)) if variance.shape[0] else 0.0
        return xp.sqrt(xp.where(variance > floor, variance, xp.ones_like(variance)))[None, :]

    def _remember(self, found, samples, total):
        """Attributes from singular values and vectors; `total` is the sum of all variances with divisor n - 1."""
        self.components_, self.singular_values_, self.mean_ = found.Vh, found.s, found.mean
        self.info_ = found.info
        self.explained_variance_ = found.s**2 / (samples - 1)
        self.explained_variance_ratio_ = shares(self.explained_variance_, total)
        self.n_components_ = found.s.shape[0]
        left = min(samples, found.Vh.shape[1]) - self.n_components_
        rest = max(0.0, total - float(be.to_numpy(self.explained_variance_).sum()))
        self.noise_variance_ = rest / left if left > 0 else 0.0

    def get_covariance(self):
        """Covariance (n_features, n_features) of the probabilistic model: the components, and noise elsewhere."""
        V, xp = self.components_, be.namespace(self.components_)
        excess = xp.clip(self.explained_variance_ - self.noise_variance_, min=0.0)
        noise = self.noise_variance_ * xp.eye(V.shape[1], dtype=V.dtype, device=be.device(V))
        return be.matmul(V.T * excess[None, :], V) + noise

    def score_samples(self, X):
        """Log-likelihood (n_samples,) of each row in the probabilistic model of Tipping and Bishop (1999).

        Nothing of size n_features squared is formed.
        """
        X = read(self, X, reset=False, sparse=False)
        xp = be.namespace(X)
        centred = X - self._like(self.mean_, X)[None, :]
        Z = be.matmul(centred, self._like(self.components_.T, X))
        d, k = self.components_.shape[1], self.n_components_
        tiny = be.eps(X.dtype) * max(1.0, float(be.to_numpy(self.explained_variance_).max(initial=0.0)))
        noise = max(self.noise_variance_, tiny)
        variance = xp.clip(self._like(self.explained_variance_, X), min=noise)
        inside = xp.sum(Z**2 / variance[None, :], axis=1)
        outside = xp.clip(xp.sum(centred**2, axis=1) - xp.sum(Z**2, axis=1), min=0.0) / noise
        determinant = float(xp.sum(xp.log(variance))) + (d - k) * math.log(noise)
        return -0.5 * (inside + outside + determinant + d * math.log(2 * math.pi))

    def score(self, X, y=None):
        """Mean log-likelihood of the rows of `X`."""
        values = self.score_samples(X)
        return float(be.namespace(values).mean(values))


class PCA(Principal):
    """Principal components; sparse data is centred without becoming dense.

    Parameters
    ----------
    n_components : int, float or None
        How many; or the share in (0, 1) of the variance that they are to explain; None for all.
    whiten : bool
        Scale coordinates to variance 1.
    svd_solver : {"auto", "krylov", "fused", "subspace", "gram", "dense"}
        ``method`` of `lowrank_la.svd`.
    accuracy : float
        Residual asked of every returned component, relative to the largest singular value.
    n_oversamples : int
    random_state : int, RandomState, Generator or None

    Attributes
    ----------
    components_ : array, shape (n_components, n_features)
    explained_variance_, explained_variance_ratio_, singular_values_ : array, shape (n_components,)
    mean_ : array, shape (n_features,)
    noise_variance_ : float
        Mean variance along the directions left out.
    n_components_, n_samples_, n_features_in_ : int
    info_ : Info
        Error of the fit, its kind, and how it was found.

    References
    ----------
    .. [1] musco_musco_2015
    .. [2] tropp_webber_2023

    Examples
    --------
    >>> import numpy as np
    >>> from lowrank_la.estimators import PCA
    >>> X = np.outer(np.arange(8.0), [3.0, 0.0, 4.0]) + 5.0
    >>> pca = PCA(0.99).fit(X)
    >>> pca.n_components_, pca.components_.round(6).tolist()
    (1, [[0.6, 0.0, 0.8]])
    """

    def __init__(
        self,
        n_components=None,
        *,
        whiten=False,
        svd_solver="auto",
        accuracy=1e-6,
        n_oversamples=10,
        random_state=None,
    ):
        self.n_components = n_components
        self.whiten = whiten
        self.svd_solver = svd_solver
        self.accuracy = accuracy
        self.n_oversamples = n_oversamples
        self.random_state = random_state

    def fit(self, X, y=None):
        """Find the components of `X` (n_samples, n_features); `y` is ignored.

        Returns
        -------
        The estimator itself.
        """
        self._fit(X)
        return self

    def fit_transform(self, X, y=None):
        """The coordinates (n_samples, n_components) of the rows of `X`, which is fitted."""
        found = self._fit(X)
        return self._whitened(found.U * found.s[None, :])

    def _fit(self, X):
        X = read(self, X, reset=True, least_samples=2)
        found = leading_triplets(self, X, "svd_solver", center=True)
        self.n_samples_ = X.shape[0]
        self._remember(found, X.shape[0], total_variance(X, found.mean) * X.shape[0] / (X.shape[0] - 1))
        return found
