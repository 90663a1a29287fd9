"""CUR decomposition: a matrix from a few of its own columns and rows."""

import math
from dataclasses import dataclass, replace

from .. import _backend as be
from ..factor.errors import pythagorean_error, within
from ..factor.iteration import settle
from ..factor.prologue import underway, untracked_operator, validated
from ..operators import LowRank
from ..operators.base import densify
from ..results import Info, Result
from .interpolative import check_method, checked_oversample, warn_of_rank
from .selection import MET, select
from .spanned import exact_columns, exact_rows

_MARGIN = 0.7  # for an estimate of the squared error by ten probe columns, which may be too small
_ADVICE = "loosen tol or allow a larger rank"


@dataclass(frozen=True, eq=False, repr=False)
class CURResult(Result):
    """``A ≈ C @ U @ R`` from the columns `cols` and the rows `rows` of `A`; an operator itself (``result @ x``).

    ``C`` (m, k) and ``R`` (l, n) are exact and sparse if `A` is; ``U`` (k, l) comes from triangular solves when it is
    asked for. The operator works with orthonormal factors and the ``core`` between them, ``left @ core @ right``, which
    an ill-conditioned `C` or `R` does not spoil; ``left_triangle`` and ``right_triangle`` lead from one to the other.
    """

    rows: object
    cols: object
    info: Info
    C: object = None
    R: object = None
    left: object = None
    core: object = None
    right: object = None
    left_triangle: object = None
    right_triangle: object = None

    _unpack = ("rows", "cols")

    @property
    def U(self):
        """Core between `C` and `R`: with ``C = left T`` and ``Rᴴ = rightᴴ S`` it is ``T⁻¹ core S⁻ᴴ``; zero for zero."""
        if not bool(be.namespace(self.core).any(self.core != 0)):
            return be.namespace(self.core).zeros_like(self.core)
        half = be.solve_upper(self.left_triangle, self.core)
        return be.mH(be.solve_upper(self.right_triangle, be.mH(half)))

    def __lowrank_operator__(self):
        return LowRank(be.matmul(self.left, self.core), None, self.right)

    def save(self, path):
        """Write the result to an ``.npz`` file (no pickle); sparse rows and columns come back dense."""
        dense = replace(self, C=densify(self.C), R=densify(self.R))
        super(CURResult, dense).save(path)


@be.supports(blocks=True)
def cur(
    A,
    rank=None,
    *,
    tol=None,
    method="auto",
    oversample=0,
    rng=None,
    callback=None,
    progress=False,
    on_failure="warn",
    check_finite=True,
):
    """Approximate a matrix by some of its own columns and rows, with the best core between them.

    Parameters
    ----------
    A : array, sparse matrix, SciPy `LinearOperator`, operator or result, shape (m, n)
    rank : int, optional
        Number of columns and of rows, 1…min(m, n).
    tol : float, optional
        Relative Frobenius error allowed, in (0, 1); there may then be fewer rows than columns or the other way round.
        With `rank` as well, whichever comes first.
    method : str
        How columns and rows are chosen, as for `interpolative`.
    oversample : int
        Columns and rows chosen beyond `rank`; the core then is the best of rank `rank` between them.
    rng, callback, progress, on_failure, check_finite
        As for `svd`.

    Returns
    -------
    CURResult
        ``rows`` and ``cols``; ``C``, ``U`` and ``R`` on demand, in the namespace, dtype and device of `A`, `C` and `R`
        sparse if `A` is. ``info.error`` is ‖A - C U R‖_F / ‖A‖_F, "exact" by ‖A‖² - ‖core‖², past the floor of that
        difference an "estimate": what the columns leave from ten probe columns, the rest exactly.

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
    Columns and rows are chosen independently of each other, each as `interpolative` chooses them. The core is the best
    one in the Frobenius norm, ``C⁺ A R⁺`` [1]_, kept between the orthonormal factors of `C` and `R`: no submatrix is
    inverted. The squared error is at most the sum of those of the two projections. To a tolerance the columns are
    given half of its square and the rows what the columns leave. Across backends one seed gives the same choice unless
    columns tie, as for `interpolative`.

    References
    ----------
    .. [1] stewart_1999
    .. [2] sorensen_embree_2016

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = np.outer(np.arange(1.0, 7.0), [1.0, 2.0, 4.0])
    >>> result = lr.cur(A, tol=1e-8, rng=0)
    >>> rows, cols = result
    >>> rows, cols, bool(np.allclose(result.C @ result.U @ result.R, A))
    (array([5]), array([2]), True)
    """
    op = untracked_operator(A, "cur")
    rank, tol = be.check_rank_or_tol(rank, tol, op.shape)
    oversample = checked_oversample(oversample, rank, tol, op.shape)
    check_method(method, tol)
    request = validated(
        "cur", op, rank, tol, oversample=oversample, maxiter=2 * min(op.shape) + 2, rng=rng, callback=callback,
        progress=progress, on_failure=on_failure,
    )  # fmt: skip
    with underway(op, request, check_finite) as (metered, scale, request):
        columns, column_reason, name = select(metered, _part(request, "columns", 0.5), method)
        share = 0.5 if tol is None else _share_of_rows(columns, tol)
        rows, row_reason, _ = select(metered.H, _part(request, "rows", share), method)
        reason = column_reason if column_reason == row_reason else f"{column_reason}; rows: {row_reason}"
        result = _assemble(op, metered, columns, rows, request, scale, name, reason)
    settle(result.info, on_failure, _ADVICE)
    warn_of_rank(min(columns.size, rows.size), request, "columns and rows")
    return result


def _share_of_rows(columns, tol):
    """Part of the squared error allowed that the columns leave for the rows; less of it where it is an estimate."""
    squares, kind = columns.missed()
    left = squares[-1] / columns.norm**2 if columns.norm > 0.0 else 0.0
    return max(0.5, 1.0 - left / tol**2) * (1.0 if kind == "exact" else _MARGIN)


def _part(request, label, share):
    """The request for one side, allowed so much of the squared error."""
    tol = None if request.tol is None else request.tol * share**0.5
    return replace(request, tol=tol, key=request.key.child(label))


def _assemble(op, A, columns, rows, request, scale, name, reason):
    xp = op.xp
    core = _truncated(be.matmul(columns.B, rows.Q), request)
    left, right = columns.Q, be.mH(rows.Q)
    estimate = _error_by_parts(columns, core, right)
    error, kind = pythagorean_error(A, request.norm, be.vdot_real(core), None, request.key, estimate)
    met = request.tol is None or within(error, request.tol, A.dtype)
    info = Info(
        error=error, error_kind=kind, converged=met, reason=reason if met else _shortfall(reason),
        iterations=request.watch.count, products=A.products, passes=A.passes, method=name, rng=request.key.record,
    )  # fmt: skip
    C, R = exact_columns(op, columns.indices), exact_rows(op, rows.indices)
    if be.is_half(op.source_dtype):
        C, R = xp.astype(C, op.source_dtype), xp.astype(R, op.source_dtype)
    chosen_rows = be.index_array(rows.indices, op.shape[0], xp, op.device)
    chosen_cols = be.index_array(columns.indices, op.shape[1], xp, op.device)
    factors = {"left": left, "core": core * scale, "right": right}
    triangles = {"left_triangle": columns.R * scale, "right_triangle": rows.R * scale}
    return CURResult(chosen_rows, chosen_cols, info, C, R, **factors, **triangles)


def _error_by_parts(columns, core, right):
    """Relative error from what the columns leave and what core and rows leave of the rest, orthogonal to each other."""
    if columns.norm == 0.0:
        return 0.0
    rest = columns.B - be.matmul(core, right)
    return math.sqrt(columns.missed()[0][-1] + be.vdot_real(rest)) / columns.norm


def _shortfall(reason):
    """Why the choice ended where the final error is above tol all the same."""
    return "the error is above tol, though its estimates were not" if reason == MET else f"{reason} before tol"


def _truncated(core, request):
    """The best approximation of the rank asked for, where more columns and rows than that were chosen."""
    if request.oversample == 0 or min(core.shape) <= request.rank:
        return core
    u, s, vh = be.small_svd(core)
    kept = slice(0, request.rank)
    return be.matmul(u[:, kept] * be.namespace(s).astype(s[kept], u.dtype)[None, :], vh[kept, :])
