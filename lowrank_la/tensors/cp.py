"""The canonical polyadic decomposition: a tensor as a sum of rank-one terms."""

from .. import _backend as be
from ..factor.iteration import Watch, settle
from .cp_run import Options, fit_observed_entries, fit_tensor
from .observed import read_observed
from .tensor import as_tensor

_METHODS = ("als", "gauss_newton", "leverage", "random")
_ADVICE = "allow a larger maxiter, a larger tol, or take another method or start"


@be.supports(operators=False)
def cp(
    X,
    rank,
    *,
    method="als",
    accelerate=True,
    tol=1e-8,
    maxiter=500,
    nonneg=False,
    mask=None,
    weights=None,
    init="auto",
    starts=1,
    rng=None,
    callback=None,
    progress=False,
    on_failure="warn",
    check_finite=True,
):
    r"""Canonical polyadic decomposition ``X ≈ Σ_r λ_r a_1r ∘ … ∘ a_Nr``.

    Parameters
    ----------
    X : array, shape (n_1, …, n_N), or scipy.sparse array in coordinates
        Two modes or more. Array of any supported library, nested lists too; of a sparse one duplicates are summed.
    rank : int
        Number R of terms, at least 1; it may exceed the lengths of the modes.
    method : {"als", "gauss_newton", "random", "leverage"}
        Alternating least squares over a dimension tree; damped Gauss-Newton steps in all factors at once, for data that
        make the former crawl and for high accuracy; least squares on uniformly sampled rows of a mixed tensor; or on
        rows drawn by the leverage scores of the Khatri-Rao product. The last two are for large dense real tensors.
    accelerate : bool
        With "als": extrapolate between sweeps once they have become slow, and start anew where the error rises.
    tol : float
        Change of the fit ``1 - error`` in a sweep or step that ends the iteration; 0 runs on to rounding or `maxiter`.
        "random" and "leverage" end at a gain of 1e-4 of the estimated fit whatever is below that.
    maxiter : int
        Sweeps or steps at most.
    nonneg : bool
        Non-negative factors, with "als".
    mask : boolean array of the shape of `X`, "finite" or "stored", optional
        True where an entry is observed; others may be NaN. "finite" takes NaN for missing, "stored" the stored entries
        of a sparse `X`, explicit zeros too, for the observed ones. The least-squares problems are those of the observed
        entries, nothing is filled in. With "als", without `nonneg`.
    weights : array of the shape of `X`, or sparse array with its places, optional
        Non-negative weights of the squared residuals. With "als", without `nonneg`; a sparse `X` needs
        ``mask="stored"``.
    init : {"auto", "svd", "random"} or (weights, factors)
        Leading singular vectors of the unfoldings, with random columns beyond their number; Gaussian numbers; or a
        start. "auto" takes singular vectors where they are cheap. With `mask` or `weights` "auto" or a start: the best
        of five after some sweeps.
    starts : int
        Runs from as many starts, all but the first one random; the one with the least error is returned.
    rng : optional
        Seed or generator.
    callback : callable, optional
        Called once a sweep with ``iteration`` and ``error``; True stops.
    progress : bool
        Show a progress bar.
    on_failure : {"warn", "raise"}
        What happens where ``info.converged`` is False.
    check_finite : bool
        Refuse NaN and infinite entries.

    Returns
    -------
    CPResult
        ``weights`` (R,) real and descending, ``factors`` N arrays (n_k, R) of unit columns, in the namespace and on
        the device of `X`; ``full()`` gives the dense tensor. ``info.error`` is ‖X - X̂‖ / ‖X‖, from the residual itself
        where the formula without it would cancel; of the observed entries with `mask`, of the weighted ones with
        `weights`. ``info.fit`` is one less that, ``info.gradient`` the norm of the gradient for evenly spread weights
        relative to ``‖X‖^(2 - 1/N)``, ``info.degenerate`` tells of terms that cancel each other (product of cosines
        below -0.85, weights above the norm of the model), ``info.errors`` the error after each sweep.
        ``info.error_kind`` is "bound" where the error of a sparse `X` of more than 2²⁶ entries is due to rounding.

    Raises
    ------
    ValueError
        If the shape, an option or `init` is out of range, or entries are not finite.
    TypeError
        If `X` is no array or records gradients, or `rank` no integer.
    ConvergenceError
        If the fit still changes after `maxiter` and ``on_failure="raise"``.

    Notes
    -----
    A sweep takes two products with `X` of R multiplications an entry each [1]_, three in two sweeps with three modes
    and no extrapolation [2]_; no unfolding is copied. Beyond `X` that takes about ``R (∏_{k≤s} n_k + ∏_{k>s} n_k)``
    numbers. Entries that are neither in C order nor, of a NumPy array given to "als" or "gauss_newton", in Fortran
    order are copied first. The normal equations are solved by Cholesky and, where singular, by the pseudo-inverse,
    which never fails. Extrapolation with restarts is that of Nesterov applied to sweeps [3]_; damped Gauss-Newton steps
    are those of [4]_ with products that never form the Jacobian. A dense matrix, also one with further modes of length
    one, is given to `svd` unless it is to be non-negative, partly observed or of more terms than rows or columns:
    `method`, `init`, `maxiter` and `callback` then do nothing. Singular vectors of data with symmetries can be a saddle
    point, which sweeps never leave: compare with ``init="random"`` or further `starts`.

    With `mask` or `weights` each row has normal equations of its own. Where three entries of ten or more are observed
    (real data, small rank), the Gram matrices of all rows are products of the array of weights with pairs of columns,
    and three more arrays of the size of `X` are held; elsewhere the observed entries are gone through one by one.

    References
    ----------
    .. [1] phan_tichavsky_cichocki_2013
    .. [2] ma_solomonik_2021
    .. [3] mitchell_ye_desterck_2020
    .. [4] tomasi_bro_2005

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> generator = np.random.default_rng(0)
    >>> factors = [generator.standard_normal((n, 2)) for n in (6, 7, 8)]
    >>> X = np.einsum("ir,jr,kr->ijk", *factors)
    >>> result = lr.cp(X, 2, rng=0)
    >>> result.info.error < 1e-6, [factor.shape for factor in result.factors]
    (True, [(6, 2), (7, 2), (8, 2)])
    """
    be.check_option("on_failure", on_failure, ("warn", "raise"))
    result, advice = decomposed(
        X, rank, method=method, accelerate=accelerate, tol=tol, maxiter=maxiter, nonneg=nonneg, mask=mask,
        weights=weights, init=init, starts=starts, rng=rng, callback=callback, progress=progress,
        check_finite=check_finite,
    )  # fmt: skip
    settle(result.info, on_failure, advice)
    return result


def decomposed(
    X, rank, *, method="als", accelerate=True, tol=1e-8, maxiter=500, nonneg=False, mask=None, weights=None,
    init="auto", starts=1, rng=None, callback=None, progress=False, check_finite=True,
):  # fmt: skip
    """`cp` for callers that judge its answer themselves: the result, and what could help where it falls short."""
    rank, starts = be.check_count("rank", rank), be.check_count("starts", starts)
    maxiter, tol = be.check_count("maxiter", maxiter), be.check_positive("tol", tol, zero=True)
    accelerate, nonneg = be.check_flag("accelerate", accelerate), be.check_flag("nonneg", nonneg)
    be.check_option("method", method, _METHODS)
    callback, progress = be.check_callback(callback), be.check_flag("progress", progress)
    partly = mask is not None or weights is not None
    if method != "als" and (nonneg or partly):
        raise ValueError(f"nonneg, mask and weights go with method='als', not with {method!r}")
    if nonneg and partly:
        raise ValueError("nonneg does not go with mask or weights: leave one of them out")
    watches = [Watch(maxiter, callback, progress, "cp") for _ in range(starts)]
    options = Options(rank, method, accelerate, tol, nonneg, init, be.resolve_rng(rng))
    with be.single_blas():
        if partly:
            observed = read_observed(X, mask, weights, check_finite=check_finite)
            result = fit_observed_entries(observed, options, watches)
        else:
            tensor = as_tensor(X, check_finite=check_finite, backwards=method in ("als", "gauss_newton"))
            result = fit_tensor(tensor, options, watches)
    return result, "the callback asked for it" if any(watch.stopped for watch in watches) else _ADVICE
