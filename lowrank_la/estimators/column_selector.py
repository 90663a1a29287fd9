"""Features of which the others are linear combinations."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted

from .. import _backend as be
from ..skeleton.interpolative import interpolative
from .reading import is_integer, read, seed_of


class ColumnSelector(SelectorMixin, BaseEstimator):
    """Select features that span the others: the columns of an interpolative decomposition.

    Parameters
    ----------
    n_features_to_select : int, float or None
        How many; or their share in (0, 1]; None for half of them, where `tol` is None.
    tol : float or None
        Relative error with which the features kept have to give all of them; as many are kept as that takes, and
        `n_features_to_select` at most where that is given.
    method : str
        As for `lowrank_la.interpolative`.
    random_state : int, RandomState, Generator or None

    Attributes
    ----------
    indices_ : array, shape (k,)
        The columns kept, the most telling first; `get_support` and `transform` keep the order of the data.
    coefficients_ : array, shape (k, n_features)
        ``X ≈ X[:, indices_] @ coefficients_``.
    n_features_in_ : int
    info_ : Info
        ``info_.error`` is the relative error of that.

    References
    ----------
    .. [1] duersch_gu_2017
    .. [2] gu_eisenstat_1996

    Examples
    --------
    >>> import numpy as np
    >>> from lowrank_la.estimators import ColumnSelector
    >>> a, b = np.arange(10.0), np.cos(np.arange(10.0))
    >>> X = np.stack([a, 2 * a, b, a + b], axis=1)
    >>> ColumnSelector(tol=1e-8).fit_transform(X).shape
    (10, 2)
    """

    def __init__(self, n_features_to_select=None, *, tol=None, method="auto", random_state=None):
        self.n_features_to_select = n_features_to_select
        self.tol = tol
        self.method = method
        self.random_state = random_state

    def fit(self, X, y=None):
        """Choose among the columns of `X` (n_samples, n_features); `y` is ignored.

        Returns
        -------
        The estimator itself.
        """
        X = read(self, X, reset=True)
        rank = self._rank(X.shape)
        found = interpolative(X, rank, tol=self.tol, method=self.method, rng=seed_of(self.random_state))
        self.indices_, self.coefficients_, self.info_ = found.indices, found.coefficients, found.info
        return self

    def _rank(self, shape):
        wanted, largest = self.n_features_to_select, min(shape)
        if wanted is None:
            return None if self.tol is not None else min(largest, max(1, shape[1] // 2))
        if is_integer(wanted):
            if 1 <= wanted <= shape[1]:
                return min(int(wanted), largest)
        elif isinstance(wanted, float) and 0.0 < wanted <= 1.0:
            return min(largest, max(1, int(wanted * shape[1])))
        raise ValueError(
            f"n_features_to_select must be an integer in 1…{shape[1]}, a share in (0, 1] or None, got {wanted!r}"
        )

    def transform(self, X):
        """The columns of `X` that were chosen, in their order; sparse where `X` is."""
        if be.is_array(X) and not isinstance(X, np.ndarray):
            X = read(self, X, reset=False)
            xp = be.namespace(X)
            kept = be.index_array(np.flatnonzero(self.get_support()), X.shape[1], xp, be.device(X))
            return xp.take(X, kept, axis=1)
        return super().transform(X)

    def inverse_transform(self, X):
        """The chosen columns in their places, zeros in the others; `coefficients_` tells those better."""
        if be.is_array(X) and not isinstance(X, np.ndarray):
            check_is_fitted(self)
            xp, device = be.namespace(X), be.device(X)
            chosen = np.flatnonzero(self.get_support())
            if X.ndim != 2 or X.shape[1] != chosen.size:
                raise ValueError(f"X must have the {chosen.size} columns that were chosen, got {tuple(X.shape)}")
            place = np.full(self.n_features_in_, chosen.size)
            place[chosen] = np.arange(chosen.size)
            padded = xp.concat([X, xp.zeros((X.shape[0], 1), dtype=X.dtype, device=device)], axis=1)
            return xp.take(padded, be.index_array(place, chosen.size + 1, xp, device), axis=1)
        return super().inverse_transform(X)

    def _get_support_mask(self):
        check_is_fitted(self)
        mask = np.zeros(self.n_features_in_, dtype=bool)
        mask[be.to_numpy(self.indices_)] = True
        return mask

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.array_api_support = True
        return tags
