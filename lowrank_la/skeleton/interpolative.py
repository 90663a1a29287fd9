"""Interpolative decomposition: a matrix from a few of its own columns or rows."""

import math
import warnings
from dataclasses import dataclass, replace

from .. import _backend as be
from ..exceptions import RankWarning
from ..factor.errors import within
from ..factor.iteration import settle
from ..factor.prologue import underway, untracked_operator, validated
from ..factor.tall_qr import orthonormalize
from ..operators import LowRank, as_operator
from ..operators.base import densify
from ..results import Info, Result
from .selection import METHODS, TO_A_TOLERANCE, select
from .spanned import exact_columns, exact_rows

_ADVICE = "loosen tol or allow a larger rank"


@dataclass(frozen=True, eq=False, repr=False)
class InterpolativeResult(Result):
    """``A ≈ A[:, indices] @ coefficients`` for ``axis=1``, ``coefficients @ A[indices, :]`` for ``axis=0``.

    ``skeleton`` holds those columns or rows, sparse where `A` is; an operator itself (``result @ x``).
    """

    indices: object
    coefficients: object
    info: Info
    skeleton: object = None
    axis: int = 1

    _unpack = ("indices", "coefficients")

    def __lowrank_operator__(self):
        skeleton = self.skeleton
        if be.is_sparse(skeleton):
            pair = as_operator(skeleton), as_operator(self.coefficients)
            return pair[0] @ pair[1] if self.axis == 1 else pair[1] @ pair[0]
        pair = (skeleton, self.coefficients) if self.axis == 1 else (self.coefficients, skeleton)
        return LowRank(pair[0], None, pair[1])

    def save(self, path):
        """Write the result to an ``.npz`` file (no pickle); a sparse skeleton comes back dense."""
        dense = replace(self, skeleton=densify(self.skeleton))
        super(InterpolativeResult, dense).save(path)


@be.supports(blocks=True)
def interpolative(
    A,
    rank=None,
    *,
    tol=None,
    axis=1,
    method="auto",
    oversample=0,
    rng=None,
    callback=None,
    progress=False,
    on_failure="warn",
    check_finite=True,
):
    """Approximate a matrix by a few of its own columns (or rows) and coefficients.

    Parameters
    ----------
    A : array, sparse matrix, SciPy `LinearOperator`, operator or result, shape (m, n)
    rank : int, optional
        Number of columns, 1…min(m, n).
    tol : float, optional
        Relative Frobenius error allowed, in (0, 1). With `rank` as well, whichever comes first.
    axis : {1, 0}
        1 chooses columns, ``A ≈ A[:, indices] @ coefficients``; 0 rows, ``A ≈ coefficients @ A[indices, :]``.
    method : {"auto", "sketched_qr", "refined", "rrqr", "arp", "deim", "qdeim", "maxvol"}
        How the columns are chosen; see Notes. All but "auto", "sketched_qr" and "rrqr" work to a rank.
    oversample : int
        Columns chosen beyond `rank`; the coefficients then are the best of rank `rank` on all of them.
    rng, callback, progress, on_failure, check_finite
        As for `svd`.

    Returns
    -------
    InterpolativeResult
        ``indices`` (k,) in the order of choice and ``coefficients`` (k, n) or (m, k) in the namespace, dtype and device
        of `A`, the identity on the chosen columns unless `oversample` is given. ``skeleton`` holds the columns, exact
        and sparse if `A` is. ``info.error`` is ‖A - A[:, indices] C‖_F / ‖A‖_F, "exact" by ‖A‖² - ‖QᴴA‖², past the
        floor of that difference an "estimate" from ten probe columns. `k` may be below `rank`: the numerical rank of
        `A`, with a `RankWarning` unless `tol` was given.

    Raises
    ------
    ValueError
        If neither `rank` nor `tol` is given, an argument is out of range, `tol` comes with a method or an `oversample`
        that works to a rank, `A` is empty or not finite, or its products are not adjoint to each other.
    TypeError
        If `A` is not a matrix, or a tensor that records gradients, which this function has not, or an argument is of
        the wrong type.

    Notes
    -----
    The coefficients are always those of the orthogonal projection on the chosen columns, by a triangular solve with
    their QR factor; no submatrix is inverted. The methods choose by

    - "sketched_qr": column pivots of a sketch after one power iteration [1]_, what "auto" takes with `tol`;
    - "refined": the same, then exchanges of two columns while one saves 0.3 % of the squared error of the sketch and
      1e10 operations last, what "auto" takes with `rank`;
    - "rrqr": the same, then exchanges until none more than doubles the volume of the chosen columns [2]_;
    - "arp": rows of the leading right singular vectors drawn with the squared volume that they span [3]_: the expected
      squared error is at most (r + 1) times the best, and no method has a smaller factor;
    - "deim", "qdeim", "maxvol": elimination [4]_, pivoted QR [5]_ and maximal volume [6]_ on those vectors.

    Across backends one seed gives the same columns unless two are as good as each other up to rounding: ties, as
    between points of a grid or duplicate columns, are then decided by it. The errors agree either way.

    Cost: products with 3 (2 rank + 8) columns for the sketch and with `rank` columns for the coefficients.

    References
    ----------
    .. [1] duersch_gu_2017
    .. [2] gu_eisenstat_1996
    .. [3] cortinovis_kressner_2024
    .. [4] sorensen_embree_2016
    .. [5] drmac_gugercin_2016
    .. [6] goreinov_oseledets_savostyanov_tyrtyshnikov_zamarashkin_2010

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = np.outer(np.arange(1.0, 7.0), [1.0, 2.0, 4.0])
    >>> indices, coefficients = lr.interpolative(A, tol=1e-8, rng=0)
    >>> indices, coefficients
    (array([2]), array([[0.25, 0.5 , 1.  ]]))
    """
    source = untracked_operator(A, "interpolative")
    if be.check_count("axis", axis, 0, 1) == 0:
        op = source.H
    else:
        op = source
    rank, tol = be.check_rank_or_tol(rank, tol, op.shape)
    oversample = checked_oversample(oversample, rank, tol, op.shape)
    check_method(method, tol)
    request = validated(
        "interpolative", op, rank, tol, oversample=oversample, maxiter=min(op.shape) + 1,
        rng=rng, callback=callback, progress=progress, on_failure=on_failure,
    )  # fmt: skip
    with underway(op, request, check_finite) as (metered, _, request):
        spanned, reason, name = select(metered, request, method)
        result = _assemble(source, spanned, request, reason, name, axis)
    settle(result.info, on_failure, _ADVICE)
    warn_of_rank(spanned.size, request, "columns" if axis == 1 else "rows")
    return result


def checked_oversample(oversample, rank, tol, shape):
    """Columns to choose beyond `rank`, as many as there are; ValueError where a tolerance decides."""
    count = be.check_count("oversample", oversample, 0)
    if count and (rank is None or tol is not None):
        raise ValueError("oversample adds columns to a given rank; with tol the number of columns follows the error")
    return count if rank is None else min(count, min(shape) - rank)


def check_method(method, tol):
    """ValueError unless `method` is one that can do what is asked."""
    be.check_option("method", method, METHODS)
    if tol is not None and method not in TO_A_TOLERANCE:
        allowed = ", ".join(map(repr, TO_A_TOLERANCE))
        raise ValueError(f"method={method!r} works to a rank; with tol take one of {allowed}")


def _assemble(source, spanned, request, reason, name, axis):
    xp = source.xp
    squares, kind = spanned.missed()
    coefficients, error = _coefficients(spanned, squares, request)
    coefficients = coefficients if axis == 1 else be.mH(coefficients)
    taken = spanned.indices
    skeleton = exact_columns(source, taken) if axis == 1 else exact_rows(source, taken)
    if be.is_half(source.source_dtype):
        coefficients = xp.astype(coefficients, source.source_dtype)
        skeleton = xp.astype(skeleton, source.source_dtype)
    met = request.tol is None or within(error, request.tol, source.dtype)
    A = spanned.A
    info = Info(
        error=error, error_kind=kind, converged=met, reason=reason if met else f"{reason} before tol",
        iterations=request.watch.count, products=A.products, passes=A.passes, method=name, rng=request.key.record,
    )  # fmt: skip
    indices = be.index_array(taken, source.shape[axis], xp, source.device)
    return InterpolativeResult(indices, coefficients, info, skeleton, axis)


def _coefficients(spanned, squares, request):
    """Coefficients of the rank asked for, and their relative error."""
    norm = spanned.norm
    if request.oversample == 0 or spanned.size <= request.rank:
        return spanned.coefficients(), math.sqrt(squares[-1]) / norm if norm > 0.0 else 0.0
    P, R = orthonormalize(be.mH(spanned.B))
    u, s, vh = be.small_svd(be.mH(R))
    kept = slice(0, request.rank)
    core = be.matmul(u[:, kept] * be.namespace(s).astype(s[kept], u.dtype)[None, :], vh[kept, :])
    dropped = be.vdot_real(s[request.rank :])
    return spanned.coefficients(be.matmul(core, be.mH(P))), math.sqrt(squares[-1] + dropped) / norm


def warn_of_rank(found, request, what):
    """RankWarning where a matrix of lower numerical rank gave fewer columns than were asked for."""
    if request.tol is None and found < request.rank:
        text = f"{found} of {request.rank} {what} asked for, the numerical rank of A: they give A to rounding"
        warnings.warn(text, RankWarning, stacklevel=3)
