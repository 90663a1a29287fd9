"""What all estimators ask of their data and their parameters."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import _backend as be
from ..factor.svd import svd

_SOLVERS = ("auto", "krylov", "fused", "subspace", "gram", "dense")

_SPARSE = ("csr", "csc")


def read(estimator, X, *, reset, sparse=True, missing=False, least_samples=1, least_features=1):
    """`X` checked: NumPy's and sparse data by scikit-learn, arrays of other libraries where they are.

    `reset` remembers the number and the names of the features; otherwise they are compared.
    """
    if not reset:
        check_is_fitted(estimator)
    if be.is_array(X) and not isinstance(X, np.ndarray):
        return _of_another_library(estimator, X, reset, missing, least_samples, least_features)
    return validate_data(
        estimator,
        X,
        reset=reset,
        accept_sparse=_SPARSE if sparse else False,
        dtype=[np.float64, np.float32],
        ensure_all_finite="allow-nan" if missing else True,
        ensure_min_samples=least_samples,
        ensure_min_features=least_features,
    )


def _of_another_library(estimator, X, reset, missing, least_samples, least_features):
    name = type(estimator).__name__
    if X.ndim != 2:
        raise ValueError(f"X must be a matrix (samples, features), got {X.ndim} dimensions: reshape it")
    if X.shape[0] < least_samples or X.shape[1] < least_features:
        raise ValueError(
            f"{name} needs at least {least_samples} samples of {least_features} features, got shape {tuple(X.shape)}"
        )
    if be.is_complex(X.dtype):
        raise ValueError(f"{name} is for real data, got {be.dtype_name(X.dtype)}")
    xp = be.namespace(X)
    X = xp.astype(X, be.compute_dtype(xp, X.dtype, be.device(X)), copy=False)
    bad = xp.isinf(X) if missing else ~xp.isfinite(X)
    if bool(xp.any(bad)):
        raise ValueError(f"X holds {'infinite' if missing else 'NaN or infinite'} values: drop or replace them")
    if reset:
        estimator.n_features_in_ = X.shape[1]
        if hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
    elif X.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"X has {X.shape[1]} features, but {name} is expecting {estimator.n_features_in_} features as input"
        )
    return X


def rank_and_tol(value, largest, *, name="n_components"):
    """``(rank, tol)`` of a number of components, or of the share of the squared norm that they are to explain."""
    if value is None:
        return largest, None
    if is_integer(value):
        if 1 <= value <= largest:
            return int(value), None
        raise ValueError(f"{name} must lie in 1…min(n_samples, n_features) = {largest}, got {value}")
    if isinstance(value, Real) and 0.0 < value < 1.0:
        return None, (1.0 - float(value)) ** 0.5
    raise ValueError(f"{name} must be a positive integer, a share in (0, 1) or None, got {value!r}")


def leading_triplets(estimator, X, solver, **options):
    """`svd` of `X` with the parameters that the estimator names; its method is the one called `solver`."""
    rank, tol = rank_and_tol(estimator.n_components, min(X.shape))
    method = be.check_option(solver, getattr(estimator, solver), _SOLVERS)
    oversample = be.check_count("n_oversamples", estimator.n_oversamples, 0)
    accuracy, rng = estimator.accuracy, seed_of(estimator.random_state)
    return svd(X, rank, tol=tol, method=method, accuracy=accuracy, oversample=oversample, rng=rng, **options)


def is_integer(value):
    """Whether `value` is an integer, of NumPy too, and no bool."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def seed_of(random_state):
    """What functions of this library take for `random_state`: None, or a seed."""
    if random_state is None or isinstance(random_state, Integral | np.random.Generator):
        return random_state
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
