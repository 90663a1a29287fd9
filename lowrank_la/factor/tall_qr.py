"""QR of a tall matrix: fast, orthonormal to rounding at any condition."""

from dataclasses import dataclass

from .. import _backend as be
from ..operators import MeteredOperator, as_operator
from ..results import Info, Result
from ..sketch import SparseSign
from .scaling import restored, safe

_SEED = 0x7A11
_MIN_ASPECT = 4
_NONZEROS = 4
_SAFE_CONDITION = 100.0


@dataclass(frozen=True, eq=False, repr=False)
class TallQRResult(Result):
    """``A = Q @ R`` with orthonormal columns `Q` (m, n) and upper triangular `R` (n, n)."""

    Q: object
    R: object
    info: Info

    _unpack = ("Q", "R")


@be.supports(sparse=False, operators=False)
def tall_qr(A, *, check_finite=True):
    """Thin QR factorisation of a tall matrix.

    Parameters
    ----------
    A : array, shape (m, n) with m ≥ n
    check_finite : bool
        Refuse NaN and infinite entries; otherwise ``info.converged`` tells whether the factors are finite.

    Returns
    -------
    TallQRResult
        ``Q`` (m, n) and ``R`` (n, n), the diagonal of `R` real and not negative; ``info.method`` is "sketched" or
        "householder", ``info.condition`` the condition of the preconditioned matrix (None for "householder").

    Raises
    ------
    ValueError
        If `A` is wide, empty or not finite, or an entry of `R` exceeds the largest number of its dtype.

    Notes
    -----
    A sparse-sign sketch of 2n rows gives a triangular preconditioner, after which one Cholesky factorisation suffices
    [1]_: its factor has a condition of about 6, and orthogonality is lost by the square of that. Where it exceeds 100
    another one follows. Solve and Gram matrix are one sweep over row panels: about 3mn² operations in all. Numerically
    rank-deficient and nearly square input takes Householder reflections. Half precision is factored in float32; `Q`
    comes back in half, `R` in float32. The sketch is drawn from a fixed key, so the factors are a function of `A`.
    Blocks of an iteration take CholeskyQR2, shifted when ill conditioned [2]_. Tensors that record gradients are
    refused.

    References
    ----------
    .. [1] melnichenko_et_al_2023
    .. [2] fukaya_et_al_2020

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = np.vander(np.linspace(0.0, 1.0, 1000), 5)
    >>> Q, R = lr.tall_qr(A)
    >>> bool(np.linalg.norm(Q @ R - A) < 1e-14 * np.linalg.norm(A))
    True
    """
    op = as_operator(A)
    be.require_untracked(op.array if op.has("array") else A, "tall_qr")
    if not op.has("array"):
        raise TypeError(f"tall_qr needs a dense array, got {type(A).__name__}")
    m, n = op.shape
    if m < n or n == 0:
        raise ValueError(f"tall_qr needs m ≥ n ≥ 1, got shape {m}×{n}; factor the adjoint of a wide matrix")
    check_finite = be.check_flag("check_finite", check_finite)
    with be.single_blas():
        scaled, scale, _ = safe(MeteredOperator(op), check_finite)
        Q, R, method, condition = _factor(scaled.array)
        R = restored(R, scale, "entries of the factor R")
    Q = op.xp.astype(Q, op.source_dtype) if be.is_half(op.source_dtype) else Q
    finite = be.all_finite(R)
    reason = "factored" if finite else "A holds NaN or infinite values, and so do the factors"
    info = Info(method=method, converged=finite, reason=reason, details={"condition": condition})
    return TallQRResult(Q, R, info)


def orthonormalize(M):
    """``Q, R`` with ``Q R = M`` and orthonormal `Q`, for the blocks of an iteration (any condition, M finite)."""
    if M.shape[0] < M.shape[1]:
        return be.householder_qr(M)
    pair = be.cholesky_qr2(M) if M.shape[0] >= _MIN_ASPECT * M.shape[1] else None
    if pair is None and M.shape[0] * M.shape[1] > 1 << 18:
        pair = be.shifted_cholesky_qr3(M)
    return be.householder_qr(M) if pair is None else pair


def _factor(M):
    """``Q, R, method, condition`` by the cheapest form that comes out orthonormal."""
    m, n = M.shape
    if m >= _MIN_ASPECT * n:
        pair = _sketched(M)
        if pair is not None:
            return pair
    Q, R = be.householder_qr(M)
    phase = _phases(R)
    return Q * phase[None, :], _turned(R, phase), "householder", None


def _sketched(M):
    """Precondition with the triangular factor of a sketch, then Cholesky until orthonormal (twice at most)."""
    n = M.shape[1]
    sketch = SparseSign(2 * n, M.shape[0], _SEED, nnz=min(_NONZEROS, 2 * n), dtype=M.dtype).apply(M)
    R = be.householder_qr(sketch)[1]
    if not _full_rank(R):
        return None
    R = _turned(R, _phases(R))
    Q, G = be.solve_and_gram(M, R)
    for _ in range(3):
        factor = be.cholesky_upper(G)
        if factor is None:
            return None
        R = factor @ R
        condition = _condition(factor)
        if condition <= _SAFE_CONDITION:
            return be.solve_in_place(Q, factor), R, "sketched", condition
        Q, G = be.solve_and_gram(Q, factor, overwrite=True)
    return None


def _condition(R):
    s = be.small_svd(R)[1]
    return float(s[0]) / float(s[-1]) if float(s[-1]) > 0 else float("inf")


def _full_rank(R):
    xp = be.namespace(R)
    pivots = xp.abs(xp.linalg.diagonal(R))
    return float(xp.min(pivots)) > 4 * be.eps(R.dtype) * float(xp.max(pivots))


def _phases(R):
    """Phase of each diagonal entry, 1 where it vanishes."""
    xp = be.namespace(R)
    diagonal = xp.linalg.diagonal(R)
    size = xp.astype(xp.abs(diagonal), R.dtype)
    one = xp.ones_like(diagonal)
    return xp.where(size != 0, diagonal / xp.where(size != 0, size, one), one)


def _turned(R, phase):
    """`R` with its rows turned so that the diagonal is real and not negative."""
    back = be.namespace(R).conj(phase) if be.is_complex(R.dtype) else phase
    return back[:, None] * R
