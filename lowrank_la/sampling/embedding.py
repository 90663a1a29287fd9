"""How much a row sample distorts l_p norms, looked for in the directions that are worst."""

from dataclasses import dataclass

import numpy as np

from .. import _backend as be
from ..factor.iteration import Watch
from ..results import Info, Result
from .basis import row_basis, scored_operator, where_true
from .lewis import lewis_point
from .lp_norms import power, squares
from .weighted import WeightedRows

_RANDOM, _HEAVIEST, _STEPS = 16, 8, 60
_TRIAL_STEPS, _LEADERS = 6, 8  # starts that lead after so many steps go on
_LONGER, _SHORTER, _SHORTEST = 2.0, 0.25, 1e-6
_PANEL = 1 << 20


@dataclass(frozen=True, eq=False, repr=False)
class EmbeddingResult(Result):
    """Least and largest ``‖S A x‖_p / ‖A x‖_p`` found, and the directions `x` (n, 2) that attain them."""

    low: float
    high: float
    directions: object
    info: Info

    _unpack = ("low", "high", "directions")

    def __repr__(self):
        return f"EmbeddingResult(ratios from {self.low:.4g} to {self.high:.4g}, method {self.info.method!r})"


@be.supports(blocks=True)
def embedding_distortion(A, indices, weights, *, p=2, starts=_RANDOM, maxiter=_STEPS, rng=None, check_finite=True):
    r"""Distortion of l_p norms by sampled rows, in directions optimised to be the worst.

    Parameters
    ----------
    A : array, sparse matrix, operator or result, shape (m, n)
    indices : array of int, shape (k,)
        Sampled rows, repetitions allowed.
    weights : array, shape (k,)
        What multiplies them, as `sample_rows` returns it.
    p : float
        Positive.
    starts : int
        Random directions to start from, besides those of heavy rows, sampled and not, and of the l_2 extremes.
    maxiter : int
        Steps of the ascent.
    rng : int, numpy Generator, SeedSequence, torch or CuPy generator, optional
        Where random directions are drawn; ``info.rng`` repeats the draw.
    check_finite : bool
        Refuse NaN and infinite entries.

    Returns
    -------
    EmbeddingResult
        ``low`` and ``high``, the extreme ratios ``‖diag(weights) A[indices] x‖_p / ‖A x‖_p`` found, and the two x. At
        p = 2 they are exact, the singular values of the sample in an orthonormal basis. Else they are attained, so
        the distortion is at least that; the search is local, from many starts, and no proof that it is no worse.
        ``info.error`` is the larger of 1 - low and high - 1. Both ratios are zero where no row was sampled.

    Raises
    ------
    ValueError
        If the sample and `A` don't fit, `A` is zero, empty or not finite, `weights` are not finite, or an argument is
        out of range.
    IndexError
        If `indices` are not rows of `A`.
    TypeError
        If `A` is not a matrix or records gradients, `weights` are not a real vector beside `A`, or an argument is of
        the wrong type.

    Notes
    -----
    Random directions hide failures: a row with a large sensitivity shows only in the few directions in which it is
    large. The ratio is pushed up and down by gradient steps in the metric of Lewis weights, with a step length of its
    own for every start; after six steps the eight starts that lead go on.

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = np.vander(np.linspace(0.0, 1.0, 1000), 4)
    >>> sample = lr.sample_rows(A, 300, p=1, rng=0)
    >>> lr.embedding_distortion(A, sample.indices, sample.weights, p=1, rng=0).info.error < 0.5
    True
    """
    p, key = be.check_positive("p", p), be.resolve_rng(rng)
    starts, maxiter = be.check_count("starts", starts), be.check_count("maxiter", maxiter, 0)
    op, _ = scored_operator(A, "embedding_distortion", check_finite)
    weights = _checked_sample(op, indices, weights)
    with be.single_blas():
        basis = row_basis(op)
        if basis.rank == 0:
            raise ValueError("A is zero and has no directions to distort")
        U = basis.dense()
        chosen = be.index_array(indices, op.shape[0], op.xp, op.device)
        SU = op.xp.take(U, chosen, axis=0) * op.xp.astype(weights, U.dtype)[:, None]
        if SU.shape[0] == 0:
            low, high, Z = _of_nothing(SU)
        else:
            low, high, Z = _of_l2(SU) if p == 2 else _search(basis, U, SU, chosen, p, starts, maxiter, key)
        directions = _preimages(basis.R, Z)
    kind = "exact" if p == 2 else "estimate"
    info = Info(
        error=max(1.0 - low, high - 1.0), error_kind=kind, converged=True, rng=key.record,
        method="svd" if p == 2 else "ascent", details={"rank": basis.rank},
    )  # fmt: skip
    return EmbeddingResult(low, high, directions, info)


def _checked_sample(op, indices, weights):
    count = len(be.host_indices(indices, op.shape[0]))
    if not be.is_array(weights) or be.namespace(weights) is not op.xp or weights.ndim != 1:
        raise TypeError(f"weights must be a vector of {be.kind(op.xp)}, as A is, got {type(weights).__name__}")
    if weights.shape[0] != count:
        raise ValueError(f"indices and weights must have one length, got {count} and {weights.shape[0]}")
    if be.is_complex(weights.dtype):
        raise TypeError(f"weights must be real, got {be.dtype_name(weights.dtype)}")
    if not bool(op.xp.all(op.xp.isfinite(weights))):
        raise ValueError("weights hold NaN or infinite values; pass those of sample_rows, or a finite number a row")
    return weights


def _of_nothing(SU):
    """Ratios and directions of an empty sample."""
    identity = be.namespace(SU).eye(SU.shape[1], dtype=SU.dtype, device=be.device(SU))
    return 0.0, 0.0, be.namespace(SU).stack([identity[:, -1], identity[:, 0]], axis=1)


def _of_l2(SU):
    _, s, Vh = be.small_svd(SU)
    V = be.mH(Vh)
    low = float(s[-1]) if SU.shape[0] >= SU.shape[1] else 0.0
    return low, float(s[0]), be.namespace(SU).stack([V[:, -1], V[:, 0]], axis=1)


def _search(basis, U, SU, chosen, p, starts, maxiter, key):
    """Extreme ratios by ascent and descent from many starts, in the metric of Lewis weights."""
    xp = basis.xp
    rows = WeightedRows(basis)
    lewis_point(rows, p, 1e-2, Watch(100))
    half = be.right_solve_upper(xp.eye(basis.rank, dtype=U.dtype, device=basis.device), rows.R)
    W, SW = be.matmul(U, half), be.matmul(SU, half)
    X = _starts(W, SW, chosen, starts, key)
    (low, x), (high, y) = (_ascend(W, SW, X, p, maxiter, sign) for sign in (-1.0, 1.0))
    return low, high, be.matmul(half, xp.stack([x, y], axis=1))


def _starts(W, SW, chosen, count, key):
    """Random directions, l_2 extremes, and the directions in which rows are heaviest: of all and of the sample."""
    xp, d = be.namespace(W), W.shape[1]
    parts = [be.gaussian(key.child("starts"), slice(0, d), slice(0, count), W.dtype, xp, be.device(W))]
    parts.append(be.mH(be.small_svd(SW)[2]))
    outside = xp.where(be.segment_sum(xp.ones_like(SW[:, 0]), chosen, W.shape[0]) == 0, 1.0, 0.0)
    sizes = power(xp.sum(squares(W), axis=1), 0.5)
    for M, size in ((W, sizes), (W, sizes * xp.astype(outside, sizes.dtype)), (SW, xp.sum(squares(SW), axis=1))):
        heaviest = _largest(size, _HEAVIEST)
        parts.append(be.mH(xp.take(M, heaviest, axis=0)))
    X = xp.concat(parts, axis=1)
    size = xp.max(xp.abs(X), axis=0)
    X = xp.take(X, where_true(size > 0), axis=1)
    return X / xp.astype(power(xp.sum(squares(X), axis=0), 0.5), X.dtype)[None, :]


def _ascend(W, SW, X, p, maxiter, sign):
    """Largest (sign +1) or least (-1) ratio of p-norms found from the columns of `X`, and its direction."""
    xp = be.namespace(W)
    value, gradient = _log_ratio(W, SW, X, p)
    length = xp.ones_like(value)
    for step in range(maxiter):
        trial = X + sign * xp.astype(length, X.dtype)[None, :] * gradient
        trial = trial / xp.astype(power(xp.sum(squares(trial), axis=0), 0.5), X.dtype)[None, :]
        found, slope = _log_ratio(W, SW, trial, p)
        better = sign * found > sign * value
        X, gradient = xp.where(better, trial, X), xp.where(better, slope, gradient)
        value = xp.where(better, found, value)
        length = xp.where(better, _LONGER * length, _SHORTER * length)
        if bool(xp.all(length < _SHORTEST)):
            break
        if step == _TRIAL_STEPS:
            leaders = _largest(sign * value, _LEADERS)
            X, gradient = xp.take(X, leaders, axis=1), xp.take(gradient, leaders, axis=1)
            value, length = xp.take(value, leaders), xp.take(length, leaders)
    best = int(np.argmax(sign * be.to_numpy(value)))
    top, bottom = (float(_norm_and_gradient(M, X[:, best : best + 1], p)[0][0]) for M in (SW, W))
    return (top / bottom) ** (1 / p), X[:, best]


def _largest(values, count):
    """Indices of the `count` largest values, or of all."""
    order = np.argsort(-be.to_numpy(values), kind="stable")[:count]
    return be.index_array(order, values.shape[0], be.namespace(values), be.device(values))


def _log_ratio(W, SW, X, p):
    """``log(‖S W x‖_p^p / ‖W x‖_p^p)`` of each column, with its gradient over p."""
    top, up = _norm_and_gradient(SW, X, p)
    bottom, down = _norm_and_gradient(W, X, p)
    xp = be.namespace(W)
    floor = float(xp.finfo(bottom.dtype).smallest_normal)
    top = xp.where(top > floor, top, xp.full_like(top, floor))
    return xp.log(top) - xp.log(bottom), up / xp.astype(top, X.dtype) - down / xp.astype(bottom, X.dtype)


def _norm_and_gradient(W, X, p):
    xp = be.namespace(W)
    value, gradient = 0.0, 0.0
    for rows in be.fixed_partition(W.shape[0], max(256, _PANEL // X.shape[1])):
        r = be.matmul(W[rows, :], X)
        a = squares(r)
        size = power(a, p / 2)
        value = value + xp.sum(size, axis=0)
        slope = xp.where(a > 0, size / xp.where(a > 0, a, xp.ones_like(a)), xp.zeros_like(a))
        gradient = gradient + be.adjoint_matmul(W[rows, :], xp.astype(slope, r.dtype) * r)
    return value, gradient


def _preimages(R, Z):
    """Least-norm x with ``R x = Z``."""
    U, s, Vh = be.small_svd(R)
    xp = be.namespace(R)
    return be.matmul(be.mH(Vh), be.matmul(be.mH(U), Z) / xp.astype(s, Z.dtype)[:, None])
