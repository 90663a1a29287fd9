"""QR of a tall matrix: fast, orthonormal to rounding at any condition."""

from dataclasses import dataclass

from .. import _backend as be
from ..operators import as_operator
from ..results import Info, Result

_SEED = 0x7A11
_MIN_ASPECT = 4


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
        Refuse NaN and infinite entries.

    Returns
    -------
    TallQRResult
        ``Q`` (m, n) and ``R`` (n, n), the diagonal of `R` real and not negative; ``info.method`` is "cholesky_qr2",
        "sketched" or "householder", ``info.details["orthogonality"]`` is ‖QᴴQ - I‖_F.

    Raises
    ------
    ValueError
        If `A` is wide, empty or not finite.

    Notes
    -----
    Well conditioned input takes CholeskyQR2 (4mn² operations). Otherwise a sparse-sign sketch of 2n rows gives a
    triangular preconditioner, after which one Cholesky factorisation suffices (Melnichenko et al., 2023); a second
    one is done when the measured orthogonality asks for it. Numerically rank-deficient input takes Householder
    reflections. Half precision is factored in float32 and returned in half. The sketch is drawn from a fixed key,
    so the factors are a function of `A`.

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
    op = as_operator(be.detached(A))
    if not op.has("array"):
        raise TypeError(f"tall_qr needs a dense array, got {type(A).__name__}")
    m, n = op.shape
    if m < n or n == 0:
        raise ValueError(f"tall_qr needs m ≥ n ≥ 1, got shape {m}×{n}; factor the adjoint of a wide matrix")
    M = op.array
    if check_finite:
        be.require_finite(M, "A")
    scale = _power_of_two(be.namespace(M), M)
    with be.single_blas():
        Q, R, method, orthogonality = _factor(M * (1 / scale) if scale != 1 else M)
        Q, R = _positive_diagonal(Q, R * scale if scale != 1 else R)
    Q, R = (op.xp.astype(part, op.source_dtype) if be.is_half(op.source_dtype) else part for part in (Q, R))
    info = Info(method=method, converged=True, details={"orthogonality": orthogonality})
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
    m, n = M.shape
    if m >= _MIN_ASPECT * n:
        for method, attempt in (("sketched", _sketched), ("cholesky_qr2", be.cholesky_qr2)):
            pair = attempt(M)
            if pair is not None:
                orthogonality = _departure(pair[0])
                if orthogonality <= 8 * n**0.5 * be.eps(M.dtype):
                    return *pair, method, orthogonality
    Q, R = be.householder_qr(M)
    return Q, R, "householder", _departure(Q)


def _sketched(M):
    from ..sketch import SparseSign

    xp = be.namespace(M)
    n = M.shape[1]
    sketch = SparseSign(2 * n, M.shape[0], _SEED, dtype=M.dtype).apply(M)
    _, first = be.householder_qr(sketch)
    pivots = xp.abs(xp.linalg.diagonal(first))
    if not float(xp.min(pivots)) > 4 * n * be.eps(M.dtype) * float(xp.max(pivots)):
        return None
    Q, G = be.solve_and_gram(M, first)
    R = be.cholesky_upper(G)
    return None if R is None else (be.right_solve_upper(Q, R), R @ first)


def _departure(Q):
    xp = be.namespace(Q)
    n = Q.shape[1]
    gap = be.gram(Q) - xp.eye(n, dtype=Q.dtype, device=be.device(Q))
    return float(xp.linalg.matrix_norm(gap))


def _positive_diagonal(Q, R):
    xp = be.namespace(R)
    diagonal = xp.linalg.diagonal(R)
    size = xp.abs(diagonal)
    one = xp.ones_like(diagonal)
    phase = xp.where(size > 0, diagonal / xp.where(size > 0, xp.astype(size, R.dtype), one), one)
    if be.is_complex(R.dtype):
        return Q * phase[None, :], xp.conj(phase)[:, None] * R
    if bool(xp.all(phase > 0)):
        return Q, R
    return Q * phase[None, :], phase[:, None] * R


def _power_of_two(xp, M):
    import math

    largest = float(xp.max(xp.abs(M)))
    if largest == 0.0 or 1e-12 < largest < 1e12:
        return 1.0
    return 2.0 ** math.frexp(largest)[1]
