"""Components of data some of whose entries are grossly wrong."""

from ..robust.robust_pca import robust_pca
from .components import Components
from .reading import read, seed_of


class RobustPCA(Components):
    """Low-rank components of data that has gross errors in some entries, found apart from them.

    Parameters
    ----------
    n_components : int or None
        Rank of the part without errors; None estimates it.
    method : {"auto", "accaltproj", "ircur", "scaled_gd", "pcp", "godec"}
        As for `lowrank_la.robust_pca`.
    tol : float
        Relative residual of low-rank plus sparse part.
    max_iter : int or None
    random_state : int, RandomState, Generator or None

    Attributes
    ----------
    components_ : array, shape (n_components, n_features)
        Right singular vectors of the low-rank part. Data is not centred.
    singular_values_ : array, shape (n_components,)
    n_components_, n_iter_, n_features_in_ : int
    result_ : RobustPCAResult
        ``result_.S`` holds the errors that were found, sparse; ``result_.U * result_.s @ result_.Vh`` the cleaned data.
    info_ : Info

    Notes
    -----
    `transform` projects rows as they are: it knows components, not which entries of new rows are wrong.

    References
    ----------
    .. [1] cai_cai_wei_2019
    .. [2] cai_hamm_huang_li_wang_2021

    Examples
    --------
    >>> import numpy as np
    >>> from lowrank_la.estimators import RobustPCA
    >>> X = np.outer(1.0 + np.arange(40.0) % 7, 1.0 + np.arange(30.0) % 5)
    >>> X[3, 4] += 1000.0
    >>> fitted = RobustPCA(1, random_state=0).fit(X)
    >>> round(float(fitted.result_.S.max()), 4)
    1000.0
    """

    _takes_sparse = False

    def __init__(self, n_components=None, *, method="auto", tol=1e-7, max_iter=None, random_state=None):
        self.n_components = n_components
        self.method = method
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X, y=None):
        """Split `X` (n_samples, n_features) into a low-rank part and errors; `y` is ignored.

        Returns
        -------
        The estimator itself.
        """
        X = read(self, X, reset=True, sparse=False)
        self.result_ = robust_pca(
            X,
            self.n_components,
            method=self.method,
            tol=self.tol,
            maxiter=self.max_iter,
            rng=seed_of(self.random_state),
        )
        self.components_, self.singular_values_ = self.result_.Vh, self.result_.s
        self.n_components_, self.info_ = self.components_.shape[0], self.result_.info
        self.n_iter_ = max(1, self.info_.iterations or 1)
        return self
