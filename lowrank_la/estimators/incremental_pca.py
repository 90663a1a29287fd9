"""Principal component analysis of batches as a transformer."""

from sklearn.utils import gen_batches

from .. import _backend as be
from ..streaming.incremental_svd import IncrementalSVD
from .pca import Principal
from .reading import read


class IncrementalPCA(Principal):
    """Principal components of rows that arrive in batches of any size, sparse ones too.

    Parameters
    ----------
    n_components : int or None
        How many; None for as many as the first batch has rows or columns.
    whiten : bool
        Scale coordinates to variance 1.
    batch_size : int or None
        Rows that `fit` passes on at a time; five times the number of features when None. The answer does not depend on
        it.

    Attributes
    ----------
    components_ : array, shape (n_components, n_features)
    explained_variance_, explained_variance_ratio_, singular_values_ : array, shape (n_components,)
    mean_ : array, shape (n_features,)
    noise_variance_ : float
    n_components_, n_samples_seen_, n_features_in_ : int
    info_ : Info
        ``info_.error`` bounds the relative error of the projection.
    stream_ : IncrementalSVD
        The state, which can be saved and merged.

    Notes
    -----
    The answer is that of all rows at once, to the accuracy of `lowrank_la.IncrementalSVD`; for up to 2048 features no
    row is ever forgotten.

    References
    ----------
    .. [1] ross_lim_lin_yang_2008
    .. [2] brand_2006

    Examples
    --------
    >>> import numpy as np
    >>> from lowrank_la.estimators import IncrementalPCA
    >>> X = np.outer(np.arange(8.0), [3.0, 0.0, 4.0]) + 5.0
    >>> pca = IncrementalPCA(1).partial_fit(X[:3]).partial_fit(X[3:])
    >>> pca.components_.round(6).tolist()
    [[0.6, 0.0, 0.8]]
    """

    def __init__(self, n_components=None, *, whiten=False, batch_size=None):
        self.n_components = n_components
        self.whiten = whiten
        self.batch_size = batch_size

    def fit(self, X, y=None):
        """Forget what was seen and take all rows of `X`; `y` is ignored.

        Returns
        -------
        The estimator itself.
        """
        X = read(self, X, reset=True, least_samples=2)
        self._begin(X)
        rows = 5 * X.shape[1] if self.batch_size is None else be.check_count("batch_size", self.batch_size)
        for batch in gen_batches(X.shape[0], rows):
            self.stream_.partial_fit(X[batch, :], check_finite=False)
        return self._report()

    def partial_fit(self, X, y=None):
        """Take further rows; `y` is ignored.

        Returns
        -------
        The estimator itself.
        """
        first = not hasattr(self, "stream_")
        X = read(self, X, reset=first) if first else self._read_next(X)
        if first:
            self._begin(X)
        self.stream_.partial_fit(X, check_finite=False)
        return self._report()

    def _read_next(self, X):
        X = read(self, X, reset=False)
        return X if be.is_sparse(X) else self._in_first_dtype(X)

    def _in_first_dtype(self, X):
        dtype = self.stream_.layout.dtype
        return X if be.is_sparse(X) or X.dtype == dtype else be.namespace(X).astype(X, dtype)

    def _begin(self, X):
        wanted = min(X.shape) if self.n_components is None else be.check_count("n_components", self.n_components)
        if wanted > X.shape[1]:
            raise ValueError(f"n_components must lie in 1…n_features = {X.shape[1]}, got {wanted}")
        self.stream_ = IncrementalSVD(wanted, center=True)

    def _report(self):
        self.n_samples_seen_ = self.stream_.rows_seen
        found = self.stream_.result()
        explained = float(be.to_numpy(found.s**2).sum())
        share = 1.0 - (found.info.error or 0.0) ** 2
        samples = max(2, self.n_samples_seen_)
        self._remember(found, samples, explained / share / (samples - 1) if share > 0 else 0.0)
        return self
