"""An orthonormal basis of the range, and the coefficients on it."""

import math
import warnings
from dataclasses import dataclass, replace

from .. import _backend as be
from ..exceptions import RankWarning
from ..operators import BlockOperator, LowRank
from ..results import Info, Result
from ..sketch import sketch_class
from .basis import Basis
from .block_demand import demand_of_svd
from .block_svd import BlockOptions, block_svd
from .errors import pythagorean_error, within
from .gauge import FLOOR, Gauge
from .iteration import settle
from .lazy import as_given, in_memory
from .prologue import underway, untracked_operator, validated
from .rangefinder import gaussian_block
from .request import smallest_rank
from .scaling import restored
from .tall_qr import orthonormalize

_OVERSAMPLE = 10
_MET = "tolerance met"
_ADVICE = "loosen tol or allow a larger rank"
_RANK_REACHED = "numerical rank reached"
_NOT_FINITE = "A or its products hold NaN or infinite values"


@dataclass(frozen=True, eq=False, repr=False)
class QBResult(Result):
    """``A ≈ Q @ B`` with orthonormal columns `Q` (m, k) and ``B = Qᴴ A`` (k, n)."""

    Q: object
    B: object
    info: Info

    _unpack = ("Q", "B")

    def __lowrank_operator__(self):
        return LowRank(in_memory(self.Q), None, self.B)

    def save(self, path):
        """Write factors and `info` as `Result.save` does; a lazy `Q` is read."""
        Result.save(replace(self, Q=in_memory(self.Q)), path)


def _demand(A, rank, **given):
    """`Demand` of `qb` of data in slabs with these arguments."""
    op, request, power, _, _ = _asked(A, rank, **given)
    return demand_of_svd(op, *_as_triplets(request, power, given["check_finite"]))


@be.supports(blocks=True, demand=_demand)
def qb(
    A,
    rank=None,
    *,
    tol=None,
    power=1,
    block=None,
    sketch=None,
    rng=None,
    callback=None,
    progress=False,
    on_failure="warn",
    check_finite=True,
):
    """Randomized range approximation ``A ≈ Q B``, grown by blocks.

    Parameters
    ----------
    A : array, sparse matrix, SciPy `LinearOperator`, operator, result, or data in blocks, shape (m, n)
    rank : int, optional
        Columns of `Q`, 1…min(m, n).
    tol : float, optional
        Relative Frobenius error allowed, in (0, 1). With `rank` as well, whichever comes first.
    power : int
        Power iterations a block: 0 is cheapest, 1 is close to optimal on decaying spectra, more sharpen slow ones.
    block : int, optional
        Columns added at a time; 32 by default, or `rank` when no `tol` is given.
    sketch : class, optional
        What the random columns are drawn as: one of `lowrank_la.sketch`, such as ``lr.sketch.SRHT``; Gaussian by
        default. Not for data in blocks.
    rng, callback, progress, on_failure, check_finite
        As for `svd`.

    Returns
    -------
    QBResult
        ``info.error`` is ‖A - QB‖_F / ‖A‖_F: "exact" from ‖A‖² - ‖B‖², past the floor of that difference an
        "estimate" from ten probe columns. `Q` may have fewer than `rank` columns: the numerical rank of `A`, with a
        `RankWarning` unless `tol` was given. Of half precision data `Q` comes back in half, `B` in float32.

    Raises
    ------
    ValueError
        If neither `rank` nor `tol` is given, an argument is out of range, `A` is empty or not finite, or its products
        are not adjoint to each other.
    TypeError
        If `A` is not a matrix, or a tensor that records gradients, which this function has not, or an argument is of
        the wrong type.

    Notes
    -----
    Yu, Gu and Li (2018) [1]_, with blocks projected twice, directions that are rounding noise dropped, and the error
    followed past relative 1e-6, where the classical indicator saturates. Cost: (2 + 2 power) products a column.

    Data in blocks are read ``power + 1`` times, or with `tol` until it is met, by the iteration that `svd` describes
    for them; `Q` is lazy, as the `U` of `svd` is, and the rows of `B` are orthogonal.

    References
    ----------
    .. [1] yu_gu_li_2018
    .. [2] halko_martinsson_tropp_2011

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = np.outer(np.arange(6.0), np.arange(5.0))
    >>> Q, B = lr.qb(A, tol=1e-8, rng=0)
    >>> Q.shape, B.shape
    ((6, 1), (1, 5))
    """
    op, request, power, width, chosen = _asked(
        A, rank, tol=tol, power=power, block=block, sketch=sketch, rng=rng, callback=callback, progress=progress,
        on_failure=on_failure, check_finite=check_finite,
    )  # fmt: skip
    rank, tol = request.rank, request.tol
    if isinstance(op, BlockOperator) and chosen is None:
        return _settled(_of_blocks(op, request, power, check_finite), rank, tol, on_failure)
    limit = request.wanted(op.shape)
    with underway(op, request, check_finite) as (metered, scale, request):
        gauge = None if tol is None else Gauge(metered, request)
        Q, B, reason = _grow(metered, request, gauge, power, width, limit, chosen)
        Q, B = _trim(metered, request, gauge, Q, B) if reason == _MET else (Q, B)
        result = _assemble(metered, request, Q, B, scale, reason)
    return _settled(result, rank, tol, on_failure)


def _asked(A, rank, *, tol, power, block, sketch, check_finite, **given):
    """``(operator, Request, power, columns of a block, sketch)`` of the arguments of `qb`, checked."""
    op = untracked_operator(A, "qb")
    rank, tol = be.check_rank_or_tol(rank, tol, op.shape)
    power = be.check_count("power", power, 0)
    limit = min(op.shape) if rank is None else rank
    width = min(limit, be.check_count("block", block) if block is not None else (rank if tol is None else 32))
    request = validated("qb", op, rank, tol, maxiter=limit + 1, **given)
    chosen = sketch_class(sketch, None)
    be.check_flag("check_finite", check_finite)
    if chosen is not None and isinstance(op, BlockOperator) and not op.has("array"):
        raise ValueError("sketch is not for data in blocks, whose columns are Gaussian: leave it out")
    return op, request, power, width, chosen


def _as_triplets(request, power, check_finite):
    """What gives the basis of data in slabs: triplets in ``power + 1`` reads, or in those that the tolerance takes."""
    passes = power + 1 if request.tol is None else None
    options = BlockOptions(passes, padded=False, check_finite=check_finite)
    return replace(request, oversample=_OVERSAMPLE), "fused", options


def _settled(result, rank, tol, on_failure):
    settle(result.info, on_failure, _ADVICE)
    if tol is None and result.info.reason == _RANK_REACHED:
        warnings.warn(_fewer(result.B.shape[0], rank), RankWarning, stacklevel=3)
    return result


def _of_blocks(op, request, power, check_finite):
    """The basis of data in slabs."""
    found = block_svd(op, *_as_triplets(request, power, check_finite))
    info, count = dict(found.info), found.s.shape[0]
    if request.tol is None:
        info |= {"converged": True, "reason": "rank reached" if count == request.rank else _RANK_REACHED}
    scale = op.xp.astype(found.s, found.Vh.dtype)
    return QBResult(as_given(found.U), scale[:, None] * found.Vh, Info(**info | {"method": "qb", "residuals": None}))


def _fewer(found, rank):
    return f"Q has {found} of the {rank} columns asked for, the numerical rank of A; Q B equals A to rounding"


def _grow(A, request, gauge, power, width, limit, sketch):
    """RandQB with `width` columns at a time until the tolerance, the limit or the numerical rank is reached."""
    basis = Basis(A.shape[0], limit, gaussian_block(A, 1, 1, request.key))
    rows, key, largest = [], request.key.child("start"), 0.0
    while basis.size < limit:
        take = min(width, limit - basis.size)
        known = basis.size
        Y = _sampled(A, basis, rows, _images(A, slice(known, known + take), key, sketch), power)
        largest = max(largest, float(A.xp.max(A.xp.linalg.vector_norm(Y, axis=0))))
        basis.extend(Y, 2 * be.eps(A.dtype) * largest)
        if basis.size == known:
            return basis.Q, A.xp.concat(rows, axis=0) if rows else _empty_rows(A), _RANK_REACHED
        rows.append(be.mH(A.rmatmat(basis.Q[:, known:])))
        error = {} if gauge is None else {"error": gauge.after(basis.Q[:, known:], rows[-1])}
        over = request.watch.tick(size=basis.size, **error)
        if gauge is not None and gauge.met(request.tol):
            return basis.Q, A.xp.concat(rows, axis=0), _MET
        if over:
            return basis.Q, A.xp.concat(rows, axis=0), request.watch.reason
    return basis.Q, A.xp.concat(rows, axis=0), "rank reached"


def _trim(A, request, gauge, Q, B):
    """Rotate to the singular vectors of `B` and drop what `tol` does not need."""
    P, R = orthonormalize(be.mH(B))
    u, s, vh = be.small_svd(be.mH(R))
    values = be.to_numpy(s).astype(float)
    norm, beyond = gauge.certain_norm, gauge.certain_missed**2
    count = smallest_rank(values, max(beyond, 4 * FLOOR * be.eps(A.dtype) * norm**2), (request.tol * norm) ** 2)
    if count is None or count == len(values):
        return Q, B
    Q = be.matmul(Q, u)
    count = gauge.least(count, Q, request.tol)
    kept = A.xp.astype(s[:count], B.dtype)[:, None] * be.mH(be.matmul(P, be.mH(vh[:count, :])))
    return Q[:, :count], kept


def _images(A, columns, key, sketch):
    """``A Ω`` for Gaussian columns, or those of a sketch."""
    if sketch is None:
        return A.matmat(gaussian_block(A, A.shape[1], columns, key))
    count = columns.stop - columns.start
    A.read(count)
    return sketch(count, A.shape[1], key.child(columns.start), dtype=A.dtype).rapply(A.inner)


def _sampled(A, basis, rows, Y, power):
    """Columns whose range is that of ``(A Aᴴ)^power Y`` outside the basis.

    Each product is freed of what the basis explains already: rounding along it would grow with every power.
    """
    B = A.xp.concat(rows, axis=0) if rows and power else None
    for _ in range(power):
        Y = orthonormalize(_outside(basis, _outside(basis, Y)))[0]
        W = A.rmatmat(Y)
        if B is not None:
            W = W - be.adjoint_matmul(B, be.adjoint_matmul(basis.Q, Y))
        Y = A.matmat(orthonormalize(W)[0])
    return Y


def _outside(basis, Y):
    if basis.size == 0:
        return Y
    return Y - be.matmul(basis.Q, be.adjoint_matmul(basis.Q, Y))


def _empty_rows(A):
    return A.xp.zeros((0, A.shape[1]), dtype=A.dtype, device=A.device)


def _assemble(A, request, Q, B, scale, reason):
    error, kind = pythagorean_error(
        A, request.norm, be.vdot_real(B), lambda X: be.matmul(Q, be.matmul(B, X)), request.key
    )
    met = math.isfinite(error) and (request.tol is None or within(error, request.tol, A.dtype))
    if math.isnan(error):
        reason = _NOT_FINITE
    elif reason == _MET and not met:
        reason = "the error is above tol"
    B = restored(B, scale, "coefficients B")
    Q = A.xp.astype(Q, A.source_dtype) if be.is_half(A.source_dtype) else Q
    info = Info(
        error=error, error_kind=kind, converged=met, reason=reason, iterations=request.watch.count,
        products=A.products, passes=A.passes, method="qb", rng=request.key.record,
    )  # fmt: skip
    return QBResult(Q, B, info)
