"""Truncated singular value decomposition as a transformer."""

from .components import Components
from .reading import leading_triplets, read
from .variances import shares, variances


class TruncatedSVD(Components):
    """Leading right singular vectors of data that is not centred; sparse data stays sparse.

    Parameters
    ----------
    n_components : int, float or None
        How many; or the share in (0, 1) of the squared norm of the data that they are to explain; None for all.
    algorithm : {"auto", "krylov", "fused", "subspace", "gram", "dense"}
        ``method`` of `lowrank_la.svd`.
    accuracy : float
        Residual asked of every returned triplet, relative to the largest singular value.
    n_oversamples : int
    random_state : int, RandomState, Generator or None

    Attributes
    ----------
    components_ : array, shape (n_components, n_features)
    singular_values_, explained_variance_, explained_variance_ratio_ : array, shape (n_components,)
    info_ : Info
        Error of the fit, its kind, and how it was found.
    n_features_in_ : int

    References
    ----------
    .. [1] musco_musco_2015
    .. [2] tropp_webber_2023

    Examples
    --------
    >>> import numpy as np
    >>> from lowrank_la.estimators import TruncatedSVD
    >>> X = np.outer(np.arange(1.0, 9.0), [3.0, 0.0, 4.0])
    >>> TruncatedSVD(1).fit(X).components_.round(6).tolist()
    [[0.6, 0.0, 0.8]]
    """

    def __init__(self, n_components=2, *, algorithm="auto", accuracy=1e-6, n_oversamples=10, random_state=None):
        self.n_components = n_components
        self.algorithm = algorithm
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
        return self._fit(X)

    def _fit(self, X):
        X = read(self, X, reset=True)
        found = leading_triplets(self, X, "algorithm")
        self.components_, self.singular_values_, self.info_ = found.Vh, found.s, found.info
        coordinates = found.U * found.s[None, :]
        self.explained_variance_, total = variances(coordinates, X)
        self.explained_variance_ratio_ = shares(self.explained_variance_, total)
        return coordinates
