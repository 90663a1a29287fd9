"""Missing entries filled by a low-rank matrix."""

from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin

from .. import _backend as be
from ..completion.complete import complete
from .reading import read, seed_of


class MatrixCompletion(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Fill NaN with the entries of a low-rank matrix that fits what is known.

    Parameters
    ----------
    n_components : int or None
        Rank; None estimates it.
    alpha : float
        Penalty of the squared norms of the factors, for noisy data; above 0 the factors are those of "altmin".
    method : str
        As for `lowrank_la.complete`.
    tol : float
        Relative residual on the known entries.
    max_iter : int or None
    random_state : int, RandomState, Generator or None

    Attributes
    ----------
    components_ : array, shape (n_components, n_features)
        ``X ≈ U @ components_``.
    n_components_, n_iter_, n_features_in_ : int
    result_ : CompletionResult
    info_ : Info
        ``info_.error`` is the relative error on known entries kept back.

    Notes
    -----
    `transform` leaves known entries as they are. Rows that were not seen in `fit` get the factor that fits their known
    entries best.

    References
    ----------
    .. [1] gu_song_yin_zhang_2024
    .. [2] keshavan_montanari_oh_2010

    Examples
    --------
    >>> import numpy as np
    >>> from lowrank_la.estimators import MatrixCompletion
    >>> X = np.outer(np.arange(1.0, 13.0), [1.0, 2.0, 3.0, 4.0])
    >>> X[3, 1] = np.nan
    >>> round(float(MatrixCompletion(1, random_state=0).fit_transform(X)[3, 1]), 6)
    8.0
    """

    def __init__(self, n_components=None, *, alpha=0.0, method="auto", tol=1e-6, max_iter=None, random_state=None):
        self.n_components = n_components
        self.alpha = alpha
        self.method = method
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X, y=None):
        """Fit a low-rank matrix to the entries of `X` (n_samples, n_features) that are not NaN; `y` is ignored.

        Returns
        -------
        The estimator itself.
        """
        X = read(self, X, reset=True, sparse=False, missing=True)
        self.result_ = complete(
            X,
            self.n_components,
            method=self.method,
            tol=self.tol,
            maxiter=self.max_iter,
            regularization=self.alpha,
            rng=seed_of(self.random_state),
        )
        self.components_, self.info_ = be.mH(self.result_.V), self.result_.info
        self.n_components_, self.n_iter_ = self.components_.shape[0], max(1, self.info_.iterations or 1)
        return self

    def transform(self, X):
        """`X` with its missing entries filled, in its namespace, dtype and device."""
        X = read(self, X, reset=False, sparse=False, missing=True)
        xp = be.namespace(X)
        known = ~xp.isnan(X)
        if bool(xp.all(known)):
            return xp.asarray(X, copy=True)
        like = xp.astype(self.components_, X.dtype, copy=False)
        U = self.result_.transform((xp.where(known, X, xp.zeros_like(X)), known))
        return xp.where(known, X, be.matmul(xp.astype(U, X.dtype, copy=False), like))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.array_api_support = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
