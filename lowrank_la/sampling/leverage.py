"""Leverage scores: how much each row weighs in the column space of a matrix."""

import math
import warnings
from dataclasses import dataclass

from .. import _backend as be
from ..exceptions import ConvergenceWarning, RankWarning
from ..factor.svd import svd
from ..operators import BlockOperator, as_operator
from ..results import Info, Result
from ..sketch import Gaussian, SparseSign, sketch_class
from .basis import preconditioner, row_basis, row_squares, scored_operator
from .block_leverage import demand_of_leading, demand_of_scores, exact_scores, leading_columns, scores_of_rows
from .sketch_size import degrees_of_freedom, is_like_gaussian, rows_for_any_data

_METHODS = ("auto", "qr", "svd", "sketched")
_FAILURE = 0.001  # asked of the Gaussian law, so that the somewhat longer tails of sparse signs stay within 0.01
_ROUNDING = 4.0  # units of √(m + n) eps of σ₁ that no singular vector is known better than
_ACCURACY = {"svd": 1e-6, "sketched": 0.5}


@dataclass(frozen=True, eq=False, repr=False)
class LeverageResult(Result):
    """Leverage scores of the rows, in [0, 1]."""

    scores: object
    info: Info

    _unpack = ("scores",)

    @property
    def __references__(self):
        return ("drineas_et_al_2012",) if self.info.method == "sketched" else ()


def _demand(A, *, rank, ridge, method, accuracy, sketch, rng, check_finite):
    """`Demand` of `leverage_scores` of data in slabs with these arguments."""
    op = _checked_blocks(as_operator(A), method)
    method, accuracy, _ = _asked(rank, ridge, method, accuracy, sketch)
    be.check_flag("check_finite", check_finite)
    if method == "svd":
        call = _leading(op, be.check_rank(rank, op.shape), accuracy, be.resolve_rng(rng))
        return demand_of_leading(op, be.demand_of(svd, op, **call))
    _root(ridge, 1.0)
    return demand_of_scores(op)


@be.supports(blocks=True, demand=_demand)
def leverage_scores(
    A, *, rank=None, ridge=None, method="auto", accuracy=None, sketch=None, rng=None, check_finite=True
):
    r"""Leverage scores of the rows of `A`: squared norms of the rows of an orthonormal basis of its column space.

    Parameters
    ----------
    A : array, sparse matrix, operator, result, or data in blocks, shape (m, n)
    rank : int, optional
        Take the space of the `rank` leading left singular vectors in place of the whole column space.
    ridge : float, optional
        Positive λ: the scores are ``aᵢ (AᴴA + λI)⁻¹ aᵢᴴ``, which add up to the effective dimension.
    method : {"auto", "qr", "svd", "sketched"}
        "qr" is exact and what "auto" takes, "svd" goes with `rank`. "sketched" approximates at less cost where `A` is
        sparse or has many hundred columns.
    accuracy : float, optional
        Of "sketched" the relative error asked of every score, 0.5 by default; of `rank` the residual of the singular
        vectors, 1e-6 by default.
    sketch : class, optional
        Which sketch of the rows "sketched" takes: one of `lowrank_la.sketch`, sparse signs by default.
    rng : int, numpy Generator, SeedSequence, torch or CuPy generator, optional
        Where "sketched" and `rank` draw; "qr" draws from a fixed key and is a function of `A`.
    check_finite : bool
        Refuse NaN and infinite entries.

    Returns
    -------
    LeverageResult
        ``scores`` (m,), real, in the precision of the computation (half precision is scored in float32). ``info.rank``
        is the numerical rank of `A` with its columns brought to one scale, or `rank`; ``info.total`` the sum of the
        scores. ``info.error`` of "sketched" is the relative error of every score, of `rank` the absolute one: an
        estimate from the residuals, not less than rounding, and the gap ``info.gap`` = (σ_k - σ_{k+1}) / σ₁. It is
        infinite, and ``info.converged`` False, where the gap is rounding and so there is no single space of that rank;
        a `RankWarning` says so where σ_k itself is rounding.

    Raises
    ------
    ValueError
        If `A` is empty or not finite, `rank`, `ridge` and `method` do not go together, or an argument is out of range.
    TypeError
        If `A` is not a matrix or records gradients, or an argument is of the wrong type.

    Notes
    -----
    Data in blocks are read twice by "qr", once for a triangular factor in the widest dtype and once for the scores; a
    condition above 1e4 of the columns at one scale takes a third read.

    "qr" preconditions with the singular vectors of a sketch and orthonormalises by a Cholesky factor of the
    well-conditioned product, so that no Gram matrix of `A` is inverted; `A` is read three times by panels of rows and
    nothing of its size is stored. Cost about 6mn² operations. Operators that can't give rows are read by n products.

    "sketched" takes ``R`` from a sparse-sign sketch of d rows and the norms of ``A R⁻¹ G`` with c Gaussian columns
    [1]_ (without G where n is smaller), two products with `A`. For a Gaussian sketch a score over the exact one has
    the law of (k - 1) / χ² with k = d - n + 1 degrees of freedom, and with G that of (k - 1) / k times an F variable
    with c and k. k, and c = k, are the least for which the tails of that law beyond `accuracy`, summed over the rows,
    are 0.001. Sparse signs have somewhat longer tails: all scores hold together with probability 0.99, as measured, on
    data whose rows are not few and heavy. `SRHT` takes of the order n log n rows, by a Chernoff bound for data of that
    kind, at most the next power of two to m, with which the scores are exact; `CountSketch` of the order n². Whatever
    the sketch, a sum of the scores off the rank, or a score above one, by more than `accuracy` tells that it lost
    directions: then ``info.error`` is infinite, ``info.converged`` False, and a `ConvergenceWarning` says so.

    References
    ----------
    .. [1] drineas_et_al_2012

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = np.vander(np.linspace(0.0, 1.0, 100), 4)
    >>> tau = lr.leverage_scores(A).scores
    >>> round(float(tau.sum()), 12)
    4.0
    """
    A = as_operator(A)
    in_blocks = isinstance(A, BlockOperator) and not (A.has("array") and method == "sketched")
    op, scale = (_checked_blocks(A, method), 1.0) if in_blocks else scored_operator(A, "leverage_scores", check_finite)
    method, accuracy, chosen = _asked(rank, ridge, method, accuracy, sketch)
    with be.single_blas():
        if method == "svd":
            return _of_leading(op, be.check_rank(rank, op.shape), accuracy, be.resolve_rng(rng))
        if method == "sketched":
            return _sketched(op, accuracy, be.resolve_rng(rng), chosen)
        root = _root(ridge, scale)
        if in_blocks:
            scores, found, passes = exact_scores(op, root, be.check_flag("check_finite", check_finite))
            return _result(op, scores, method="qr", error_kind="exact", rank=found, passes=passes)
        return _exact(op, root)


def _asked(rank, ridge, method, accuracy, sketch):
    """``(method, accuracy, class of the sketch)`` of the arguments of `leverage_scores`, checked."""
    method = _chosen(be.check_option("method", method, _METHODS), rank, ridge)
    if sketch is not None and method != "sketched":
        raise ValueError(f"sketch goes with method='sketched', got {method!r}: leave it out")
    chosen = sketch_class(sketch, SparseSign)
    return method, _ACCURACY.get(method) if accuracy is None else be.check_tol(accuracy, "accuracy"), chosen


def _root(ridge, scale):
    return None if ridge is None else math.sqrt(be.check_positive("ridge", ridge)) / scale


def _checked_blocks(op, method):
    """`op`, data in slabs that can be scored."""
    if op.source.reads_allowed == 1:
        raise ValueError("leverage scores take two reads, and the source can be read once: store the rows first")
    if method == "sketched":
        raise ValueError("method='sketched' is not for data in blocks: 'qr' reads them twice, once for the scores")
    if 0 in op.shape:
        raise ValueError(f"a matrix of shape {op.shape[0]}×{op.shape[1]} is empty and has no rows to score")
    return op


def _chosen(method, rank, ridge):
    if rank is not None and ridge is not None:
        raise ValueError(f"give rank or ridge, not both; got rank={rank!r} and ridge={ridge!r}")
    if (rank is not None) != (method == "svd") and method != "auto":
        raise ValueError(f"rank goes with method='svd' or 'auto', and only with them; got rank={rank!r}, {method!r}")
    if ridge is not None and method == "sketched":
        raise ValueError("ridge goes with method='qr'; the sketched scores have none")
    return ("qr" if rank is None else "svd") if method == "auto" else method


def _exact(op, root):
    """Scores by an orthonormal basis; `root` is the square root of the ridge, or None."""
    basis = row_basis(op)
    if root is None or basis.rank == 0:
        scores = basis.scores()
    else:
        U, s, _ = be.small_svd(basis.R)
        shrink = s / op.xp.hypot(s, op.xp.full_like(s, root))
        scores = basis.scores(U * op.xp.astype(shrink, op.dtype)[None, :])
    return _result(op, scores, method="qr", error_kind="exact", rank=basis.rank)


def _leading(op, rank, accuracy, key):
    """Arguments of `svd` for scores of that rank: one triplet more tells the gap."""
    return {"rank": min(rank + 1, *op.shape), "accuracy": accuracy, "rng": key, "check_finite": False}


def _of_leading(op, rank, accuracy, key):
    """Scores of the leading singular vectors, with their error from residuals and gap."""
    call = _leading(op, rank, accuracy, key)
    count, found = call["rank"], svd(op, **call)
    s = be.to_numpy(found.s).tolist()
    rounding = _ROUNDING * math.sqrt(sum(op.shape)) * be.eps(op.dtype)
    relative = [value / s[0] if s[0] > 0 else 0.0 for value in s]
    gap = relative[rank - 1] - (relative[rank] if count > rank else 0.0)
    if relative[rank - 1] <= rounding:
        _warn_of_rank(sum(value > rounding for value in relative), rank)
    residuals = [max(float(x) / (s[0] or 1.0), rounding) for x in be.to_numpy(found.info.residuals[:rank])]
    angle = math.hypot(*residuals) / gap if gap > rounding else math.inf
    if isinstance(op, BlockOperator):
        scores = scores_of_rows(leading_columns(found.U, rank))
        products = {"products": found.info.products, "passes": found.info.passes + 1}
    else:
        scores = row_squares(op.xp.astype(found.U[:, :rank], op.dtype))
        products = {"products": found.info.products}
    converged = found.info.converged and math.isfinite(angle)
    known = {"error": 2 * angle + angle**2, "error_kind": "estimate", "converged": converged}
    return _result(op, scores, method="svd", rank=rank, rng=key.record, gap=gap, **products, **known)


def _warn_of_rank(found, rank):
    advice = f"pass rank={found} at most" if found else "a zero matrix has no leading space"
    text = f"A has numerical rank {found}, less than rank={rank}: directions of rounding decide the scores; {advice}"
    warnings.warn(text, RankWarning, stacklevel=4)


def _sketched(op, accuracy, key, sketch):
    """Scores from a sketch of the rows and, where it saves columns, one of the columns."""
    m, n = op.shape
    if m < n:
        raise ValueError(f"method='sketched' needs at least as many rows as columns, got shape {m}×{n}; take 'qr'")
    like_gaussian = is_like_gaussian(sketch)
    share = accuracy if like_gaussian else math.sqrt(1 + accuracy) - 1  # of the rows, and of the columns
    columns = degrees_of_freedom(share, _FAILURE / m, both=True)
    narrow = columns < n
    if like_gaussian:
        d = n - 1 + (columns if narrow else degrees_of_freedom(accuracy, _FAILURE / m))
    else:
        d = rows_for_any_data(sketch, m, n, share if narrow else accuracy)
    P, _ = preconditioner(sketch(d, m, key.child("rows")).apply(op), m)
    rank = P.shape[1]
    if narrow and rank:
        P = Gaussian(columns, rank, key.child("columns")).rapply(P)
    scores = row_squares(op.matmat(P)) * ((d - rank) / d if like_gaussian else 1.0)
    held = _holds(scores, rank, accuracy)
    details = {"rank": rank, "sketch_rows": d, "sketch_columns": columns if narrow else None}
    products = n + P.shape[1]
    known = {"error": accuracy if held else math.inf, "error_kind": "estimate", "converged": held}
    return _result(op, scores, method="sketched", products=products, passes=2, rng=key.record, **known, **details)


def _holds(scores, rank, accuracy):
    """Whether no score is above one, and their sum is the rank, to `accuracy`: a lost direction shows in both."""
    xp = be.namespace(scores)
    total, largest = float(xp.sum(scores)), float(xp.max(scores))
    if largest <= 1 + accuracy and abs(total - rank) <= accuracy * rank:
        return True
    warnings.warn(
        f"the sketch lost directions of A: scores go up to {largest:.3g} and add up to {total:.3g}, of {rank}; take "
        "method='qr', or another sketch or rng",
        ConvergenceWarning,
        stacklevel=4,
    )
    return False


def _result(op, scores, **known):
    fields = {name: known.pop(name) for name in tuple(known) if name in Info.__dataclass_fields__}
    total = float(op.xp.sum(scores, dtype=be.widest_real(op.xp, op.device)))
    scores = op.xp.where(scores < 1, scores, op.xp.ones_like(scores))
    return LeverageResult(scores, Info(**{"converged": True, **fields}, details={**known, "total": total}))
