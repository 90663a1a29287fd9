"""Variances of coordinates beside those of the data."""

from .. import _backend as be
from ..operators import as_operator
from ..operators.centred import CentredOperator


def total_variance(X, mean=None):
    """Sum of the variances of all features (divisor n), about `mean` or the mean of each."""
    return CentredOperator(as_operator(X), mean).fro_norm() ** 2 / X.shape[0]


def variances(coordinates, X):
    """Variance of each coordinate and of the data (divisor n)."""
    xp = be.namespace(coordinates)
    return xp.var(coordinates, axis=0), total_variance(X)


def shares(values, total):
    """``values / total``; zeros where nothing varies."""
    return values / total if total > 0 else values * 0
