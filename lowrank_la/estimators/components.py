"""Coordinates along orthonormal components, and back."""

from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from .. import _backend as be
from ..operators import as_operator
from .reading import read


class Components(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of estimators whose fit leaves `components_` (k, n_features), orthonormal rows, and perhaps `mean_`."""

    _takes_sparse = True

    def transform(self, X):
        """Coordinates of the rows of `X`.

        Parameters
        ----------
        X : array or sparse matrix, shape (n_samples, n_features)

        Returns
        -------
        array, shape (n_samples, n_components)
            In the namespace, dtype and device of `X`.
        """
        X = read(self, X, reset=False, sparse=self._takes_sparse)
        return self._coordinates(X)

    def inverse_transform(self, X):
        """Rows with the coordinates `X`.

        Parameters
        ----------
        X : array, shape (n_samples, n_components)

        Returns
        -------
        array, shape (n_samples, n_features)
        """
        check_is_fitted(self)
        X = self._coloured(be.dense_array(X, "X"))
        rows = be.matmul(X, self._like(self.components_, X))
        mean = getattr(self, "mean_", None)
        return rows if mean is None else rows + self._like(mean, rows)[None, :]

    def _coordinates(self, X):
        op = as_operator(X)
        V = self._like(self.components_.T, X)
        Z = op.matmat(V)
        mean = getattr(self, "mean_", None)
        if mean is not None:
            Z = Z - be.matmul(self._like(mean, Z)[None, :], V)
        return self._whitened(Z)

    def _whitened(self, Z):
        """Coordinates as they are returned."""
        return Z

    def _coloured(self, Z):
        """Coordinates as they were before `_whitened`."""
        return Z

    @staticmethod
    def _like(fitted, X):
        """A fitted array in the dtype of `X`; TypeError where it is of another library."""
        if be.is_sparse(X):
            return fitted.astype(X.dtype, copy=False)
        xp = be.namespace(fitted)
        if be.namespace(X) is not xp or be.device(X) != be.device(fitted):
            raise TypeError(
                f"X is an array of {be.kind(be.namespace(X))} on {be.device(X)}, the estimator was fitted with "
                f"{be.kind(xp)} on {be.device(fitted)}: move X, or fit again"
            )
        return xp.astype(fitted, X.dtype, copy=False)

    @property
    def _n_features_out(self):
        return self.components_.shape[0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._takes_sparse
        tags.array_api_support = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
