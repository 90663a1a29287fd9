"""Weighted least squares from few, well-chosen evaluations of a function."""

from dataclasses import dataclass

import numpy as np

from .. import _backend as be
from ..operators import as_operator
from ..results import Info, Result
from ..sampling import designs
from ..sampling.proposals import PointProposals, RowProposals
from ..sampling.span import orthonormal_span

_METHODS = ("volume_rescaled", "repeated_dpp", "iid", "conditioned")
_DESIGNS = {
    "volume_rescaled": designs.volume_rescaled,
    "repeated_dpp": designs.repeated,
    "iid": designs.independent,
    "conditioned": designs.repeated,
}
_TRIES = 1000


@dataclass(frozen=True, eq=False, repr=False)
class WeightedLstsqResult(Result):
    """`coefficients` of the features, the `points` where the function was evaluated, and the `weights` of the rows."""

    coefficients: object
    points: object
    weights: object
    info: Info

    _unpack = ("coefficients", "points", "weights")


@be.supports(blocks=True)
def weighted_lstsq(features, f, size, *, method="volume_rescaled", delta=0.5, rng=None):
    r"""Least squares approximation of a function in the span of features, from `size` evaluations.

    Parameters
    ----------
    features : features, or array, sparse matrix or operator, shape (n, d)
        `Legendre(d)`, `Hermite(d)` or `Chebyshev(d)`, or a matrix whose rows are the values of d features at n places.
    f : callable
        Takes all points at once, a NumPy array (size,) of the domain, or of row numbers for a matrix (in its library),
        and returns an array (size,) or (size, c). Called once.
    size : int
        Number of evaluations, at least d.
    method : {"volume_rescaled", "repeated_dpp", "iid", "conditioned"}
        Where to evaluate: a determinantal set and independent points (unbiased); independent determinantal sets (better
        conditioned, slightly biased); independent points by leverage; or determinantal sets redrawn until the least
        eigenvalue of the weighted Gram matrix is at least ``1 - delta`` (stable for certain, biased).
    delta : float
        For "conditioned", in (0, 1).
    rng : None, int, generator or Key

    Returns
    -------
    WeightedLstsqResult
        ``coefficients`` (d,) or (d, c), ``points`` (size,), ``weights`` (size,) equal to √(d / leverage), which
        multiply rows. ``info.smallest_eigenvalue`` is that of the weighted Gram matrix of the orthonormal features at
        the points, divided by `size`: 1 would be perfect, and its inverse bounds how much the values' errors are
        amplified in the mean square. ``info.tries`` counts designs, ``info.rank`` is the numerical rank met.

    Raises
    ------
    ValueError
        If `size` is less than d, an option is out of range, values are not finite or of the wrong shape, or
        "conditioned" finds no design within 1000 draws.
    TypeError
        If `features` is none of those above, `f` can't be called or `size` is not an integer.

    Notes
    -----
    The designs and their conditioning are compared in [1]_; the unbiased one is of [2]_. Systems are solved by the
    singular value decomposition of the weighted orthonormal features; where points repeat so often that it is
    singular, the solution of least norm is returned and ``info.converged`` is False.

    References
    ----------
    .. [1] nouy_michel_2023
    .. [2] derezinski_warmuth_hsu_2018

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> coefficients, points, weights = lr.weighted_lstsq(lr.Legendre(12), np.exp, 24, rng=0)
    >>> x = np.linspace(-1.0, 1.0, 5)
    >>> bool(np.max(np.abs(lr.Legendre(12)(x) @ coefficients - np.exp(x))) < 1e-9)
    True
    """
    be.check_option("method", method, _METHODS)
    delta, key = be.check_tol(delta, "delta"), be.resolve_rng(rng)
    if not callable(f):
        raise TypeError(f"f must be a function of points, got {f!r} of type {type(f).__name__}")
    with be.single_blas():
        features = features if _continuous(features) else as_operator(features)
        proposals, R = _prepared(features)
        size = be.check_count("size", size)
        if size < proposals.count:
            raise ValueError(f"size must be at least {proposals.count}, the number of features, got {size}")
        places, tries = _design(proposals, size, key, method, delta)
        rows, weights = _weighted_rows(proposals, places)
        points = proposals.decode(places)
        values = _checked_values(f(be.namespace(points).asarray(points, copy=True)), size, rows)
        coefficients, s, rank = _solve(rows, weights, values)
        if not isinstance(proposals, PointProposals):
            coefficients = coefficients if R is None else _in_terms_of_features(R, coefficients)
            coefficients = _in_source_precision(coefficients, features)
    smallest = float(s[-1]) ** 2 / size if rank == proposals.count else 0.0
    coefficients = coefficients if values.ndim == 2 else coefficients[:, 0]
    info = Info(
        method=method, rng=key.record, converged=rank == proposals.count,
        details={"smallest_eigenvalue": smallest, "tries": tries, "rank": rank},
    )  # fmt: skip
    return WeightedLstsqResult(coefficients, points, weights, info)


def _continuous(features):
    return callable(features) and hasattr(features, "quantile") and not be.is_array(features)


def _prepared(features):
    if _continuous(features):
        return PointProposals(features), None
    Q, R = orthonormal_span(features, "weighted_lstsq")
    return RowProposals(Q), R


def _in_terms_of_features(R, coefficients):
    """``R⁻¹ c`` in the dtype of both, whether the library promotes by itself or not."""
    xp = be.namespace(coefficients)
    dtype = xp.result_type(R.dtype, coefficients.dtype)
    return be.solve_upper(xp.astype(R, dtype, copy=False), xp.astype(coefficients, dtype, copy=False))


def _in_source_precision(coefficients, features):
    """Half precision where the features are, as `lstsq` gives it back."""
    half = be.is_half(features.source_dtype)
    return be.namespace(coefficients).astype(coefficients, features.source_dtype) if half else coefficients


def _design(proposals, size, key, method, delta):
    """``places, tries``; draws again while "conditioned" is not met."""
    for attempt in range(_TRIES):
        places = _DESIGNS[method](proposals, size, key, [attempt])[0]
        if method != "conditioned" or smallest_eigenvalue(proposals, places) >= 1.0 - delta:
            return places, attempt + 1
    raise ValueError(
        f"method='conditioned' found no design of {size} points with a least eigenvalue of {1.0 - delta:.3g} in "
        f"{_TRIES} draws: raise size or delta"
    )


def smallest_eigenvalue(proposals, places):
    """Least eigenvalue of ``Σ (k / leverage) q qᴴ / size`` over the places of a design."""
    rows, leverages = proposals.rows(places)
    scaled = rows * np.sqrt(proposals.count / leverages / len(places))[:, None]
    return float(np.linalg.svd(scaled, compute_uv=False)[-1]) ** 2 if len(places) >= proposals.count else 0.0


def _weighted_rows(proposals, places):
    """Rows of the orthonormal basis, and their weights, in the library of the features."""
    rows, leverages = proposals.rows(places)
    weights = np.sqrt(proposals.count / leverages)
    if isinstance(proposals, PointProposals):
        return rows, weights
    dtype = proposals.V.dtype
    move = (proposals.xp, proposals.device)
    return be.from_numpy(rows, *move, dtype), be.from_numpy(weights, *move, be.real_dtype(proposals.xp, dtype))


def _checked_values(values, size, rows):
    values = values if be.is_array(values) else np.asarray(values)
    if be.kind(be.namespace(values)) == "numpy" and not isinstance(rows, np.ndarray):
        values = be.from_numpy(values, be.namespace(rows), be.device(rows))
    if values.ndim not in (1, 2) or values.shape[0] != size:
        raise ValueError(f"f must return an array of shape ({size},) or ({size}, c), got {tuple(values.shape)}")
    xp = be.namespace(values)
    be.require_untracked(values, "weighted_lstsq", "values")
    values = xp.astype(values, be.compute_dtype(xp, values.dtype, be.device(values)), copy=False)
    be.require_finite(values, "what f returned")
    return values


def _solve(rows, weights, values):
    """``x, s, rank`` with least ``‖diag(weights) (rows x - values)‖``, of least norm where that is singular."""
    xp = be.namespace(rows, values)
    B = values if values.ndim == 2 else values[:, None]
    dtype = xp.result_type(rows.dtype, values.dtype)
    U, s, Vh = be.small_svd(xp.astype(weights[:, None] * rows, dtype))
    kept = s > s.shape[0] * be.eps(dtype) * float(s[0])
    inverse = xp.where(kept, 1.0 / xp.where(kept, s, xp.ones_like(s)), xp.zeros_like(s))
    right = be.matmul(be.mH(U), xp.astype(weights[:, None] * B, dtype))
    return be.matmul(be.mH(Vh), xp.astype(inverse, dtype)[:, None] * right), s, int(xp.sum(xp.astype(kept, s.dtype)))
