"""A matrix from some of its rows and columns, with a bound on its largest error."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _backend as be
from ..operators import LowRank, as_operator
from ..results import Info, Result

_WEDIN = (1.0 + math.sqrt(5.0)) / 2.0


@dataclass(frozen=True, eq=False, repr=False)
class AnchorResult(Result):
    """``A ≈ U @ Vᴴ``, an operator itself (``result @ x``)."""

    U: Any
    V: Any
    info: Info

    _unpack = ("U", "V")

    @property
    def __references__(self):
        return ("shah_song_xu_yang_2020", "wedin_1973")

    def __lowrank_operator__(self):
        return LowRank(self.U, None, be.mH(self.V))


@be.supports(sparse=False, operators=False)
def anchor_estimate(rows, cols, cross, *, rank=None, noise=None, magnitude=None, check_finite=True):
    """A low-rank matrix from rows and columns of it, noisy ones too.

    Parameters
    ----------
    rows : array, shape (p, n)
        The rows I of the matrix A, as observed.
    cols : array, shape (m, q)
        The columns J of A, as observed.
    cross : array, shape (p, q)
        Where they meet, ``A[I][:, J]``, as observed.
    rank : int, optional
        Singular values of `cross` that are inverted, 1…min(p, q). None takes those above what `noise` can make, and
        without it those before their largest gap.
    noise : float, optional
        ε ≥ 0, the largest error of an observed entry.
    magnitude : float, optional
        max|A| > 0, or a number that is no smaller.
    check_finite : bool
        Refuse NaN and infinite values.

    Returns
    -------
    AnchorResult
        ``U`` (m, k) and ``V`` (n, k) with ``A ≈ U Vᴴ = cols pinv_k(cross) rows``, in the namespace, dtype and device of
        the data. ``info.error`` is a "bound" on the largest modulus of an entry of ``A - U Vᴴ``, in the units of `A`,
        where `rank`, `noise` and `magnitude` are given and the condition of Notes holds, None otherwise: no cross tells
        whether `A` has directions that it does not see. ``info.condition`` is x = √(p q) / σ_k(cross),
        ``info.singular_values`` those of `cross`.

    Raises
    ------
    ValueError
        If shapes don't fit, values are not finite, `cross` is zero, an argument is out of range or `magnitude` is
        smaller than the data by more than `noise`.
    TypeError
        If the data are no dense arrays.

    Notes
    -----
    The estimate of [1]_. The bound holds for every A of rank k and every error of modulus at most ε, on the condition
    that η = ε √(p q) < σ_k(cross): then ``A[I][:, J]`` has rank k as well, its smallest singular value is at least
    σ_k - η, and the pseudo-inverses differ by at most (1 + √5)/2 (σ_{k+1} + η) / (σ_k (σ_k - η)) [2]_. It is the
    triangle inequality from there, with the norms of the observed rows and columns where they are smaller than those
    that `magnitude` allows. It is pessimistic, by a factor of a hundred and more on random matrices. If A has another
    rank than the `rank` given, the bound says nothing. In half precision it includes the rounding of U and V.

    Cost (m + n) k max(p, q) operations.

    References
    ----------
    .. [1] shah_song_xu_yang_2020
    .. [2] wedin_1973

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = np.outer(np.arange(1.0, 7.0), np.ones(5)) + np.outer(np.ones(6), np.arange(5.0))
    >>> I, J = [0, 5], [0, 4]
    >>> U, V = lr.anchor_estimate(A[I], A[:, J], A[np.ix_(I, J)])
    >>> bool(abs(U @ V.T - A).max() < 1e-13)
    True
    """
    check_finite = be.check_flag("check_finite", check_finite)
    R, C, W, source = _read(rows, cols, cross, check_finite)
    noise = None if noise is None else be.check_positive("noise", noise, zero=True)
    magnitude = None if magnitude is None else be.check_positive("magnitude", magnitude)
    rank = None if rank is None else be.check_rank(rank, W.shape, "cross")
    if magnitude is not None:
        _require_magnitude(magnitude, noise, rows=R, cols=C, cross=W)
    with be.single_blas():
        scale = _power_of_two(max(be.fro_norm(x) for x in (R, C, W)))
        R, C, W = (x * (1.0 / scale) for x in (R, C, W))
        U, V, k, s, error = _estimated(R, C, W, rank, noise, magnitude, scale)
        V = V * scale
        if be.is_half(source):
            exact, xp = (U, V), be.namespace(U)
            U, V = (xp.astype(x, source) for x in exact)
            error = None if error is None else error + _cast_error(*exact, U, V) / scale
    certified = error is not None and math.isfinite(error)
    info = Info(
        error=error * scale if certified else None,
        error_kind="bound" if certified else None,
        converged=rank is None or k == rank,
        reason="computed" if rank is None or k == rank else f"cross has numerical rank {k}",
        method="anchors",
        details={
            "rank": k,
            "condition": math.sqrt(W.shape[0] * W.shape[1]) / (float(s[k - 1]) * scale),
            "singular_values": s * scale,
        },
    )
    return AnchorResult(U, V, info)


def _estimated(R, C, W, rank, noise, magnitude, scale):
    """``U, V, rank used, singular values of W, bound or None`` of data that were divided by `scale`."""
    a, s, bh = be.small_svd(W)
    host = np.asarray(be.to_numpy(s), np.float64)
    if host[0] == 0.0:
        raise ValueError("cross is zero: its rows and columns say nothing of the others; choose other anchors")
    scaled_noise = None if noise is None else noise / scale
    k = _chosen(host, W, scaled_noise) if rank is None else rank
    k = min(k, int((host > 4 * max(W.shape) * be.eps(W.dtype) * host[0]).sum()))
    U = be.matmul(C, be.mH(bh[:k, :]) / be.namespace(W).astype(s[:k], W.dtype)[None, :])
    Vh = be.matmul(be.mH(a[:, :k]), R)
    error = None
    if rank == k and noise is not None and magnitude is not None:
        error = _bound(R, C, U, Vh, host, k, scaled_noise, magnitude / scale, W.shape)
    return U, be.mH(Vh), k, s, error


def _read(rows, cols, cross, check_finite):
    parts, source = [], None
    for name, given in (("rows", rows), ("cols", cols), ("cross", cross)):
        op = as_operator(given)
        if not op.has("array"):
            raise TypeError(f"{name} must be a dense array, got {type(given).__name__}")
        be.require_untracked(op.array, "anchor_estimate", name)
        if check_finite:
            be.require_finite(op.array, name)
        parts.append(op.array)
        source = op.source_dtype
    R, C, W = parts
    if min(*R.shape, *C.shape) == 0 or tuple(W.shape) != (R.shape[0], C.shape[1]):
        raise ValueError(
            f"rows (p, n), cols (m, q) and cross (p, q) must fit, got shapes {tuple(R.shape)}, {tuple(C.shape)} and "
            f"{tuple(W.shape)}"
        )
    xp = be.namespace(R, C, W)
    dtype = xp.result_type(R.dtype, C.dtype, W.dtype)
    return *(xp.astype(x, dtype, copy=False) for x in parts), source


def _require_magnitude(magnitude, noise, **parts):
    """ValueError where an entry is larger than `magnitude` and `noise` allow."""
    for name, X in parts.items():
        largest = float(be.namespace(X).max(be.namespace(X).abs(X)))
        if largest > (magnitude + (noise or 0.0)) * (1.0 + 64.0 * be.eps(X.dtype)):
            raise ValueError(
                f"magnitude must be at least max|A|: got {magnitude} with noise {noise or 0.0}, but {name} has an "
                f"entry of modulus {largest}; give a larger magnitude"
            )


def _cast_error(U, V, cast_U, cast_V):
    """Bound on the entries of ``U Vᴴ - cast_U cast_Vᴴ``."""
    xp = be.namespace(U)
    cast_U, cast_V = (xp.astype(x, U.dtype) for x in (cast_U, cast_V))
    return _longest(U - cast_U, 1) * _longest(V, 1) + _longest(cast_U, 1) * _longest(V - cast_V, 1)


def _power_of_two(size):
    """A power of two near `size`, 1 where squares of the data are safe."""
    if size == 0.0 or not math.isfinite(size) or 1e-8 < size < 1e8:
        return 1.0
    return 2.0 ** max(-1000, min(1000, math.frexp(size)[1]))


def _chosen(s, W, noise):
    """The rank of `cross`: singular values above what noise can make, or before the largest gap."""
    if noise:
        return max(1, int((s > noise * (math.sqrt(W.shape[0]) + math.sqrt(W.shape[1]))).sum()))
    floor = 4 * max(W.shape) * be.eps(W.dtype) * s[0]
    ratios = np.maximum(s[:-1], floor) / np.maximum(s[1:], floor)
    return int(ratios.argmax()) + 1 if ratios.size and ratios.max() > 10.0 else int((s > floor).sum())


def _bound(R, C, U, Vh, s, k, noise, magnitude, shape):
    """Bound on the largest error of an entry, None where the condition fails."""
    p, q = shape
    eta, least = noise * math.sqrt(p * q), float(s[k - 1])
    rounding = 64.0 * be.eps(R.dtype)
    if not eta < least:
        return None
    beyond = float(s[k]) if s.shape[0] > k else 0.0
    inverse = _WEDIN * (beyond + eta) / (least * (least - eta))
    col, row = _longest(C, 1), _longest(R, 0)
    true_col = min(magnitude * math.sqrt(q), col + noise * math.sqrt(q))
    true_row = min(magnitude * math.sqrt(p), row + noise * math.sqrt(p))
    # cols G rows - C W⁺ R, the difference taken from the columns to the rows or the other way round.
    image = _longest(Vh, 0) / least
    first = noise * math.sqrt(q) * image + true_col * inverse * row + true_col / (least - eta) * noise * math.sqrt(p)
    second = noise * math.sqrt(p) * _longest(U, 1) + col * inverse * true_row
    second += true_row / (least - eta) * noise * math.sqrt(q)
    return min(first, second) + rounding * col * row / least


def _longest(X, axis):
    """Largest norm of a row (axis 1) or of a column (axis 0)."""
    xp = be.namespace(X)
    return float(xp.max(xp.linalg.vector_norm(X, axis=axis)))
