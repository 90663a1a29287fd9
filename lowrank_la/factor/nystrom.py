"""Nystrom approximation of a positive semidefinite matrix."""

import math
from dataclasses import dataclass

from .. import _backend as be
from ..operators import LowRank, MeteredOperator, as_operator
from ..results import Info, Result
from . import scaling
from .errors import probed_error
from .fused import iterate
from .iteration import Watch, settle
from .krylov import block_width
from .lanczos import Lanczos
from .rangefinder import fresh_columns, gaussian_block, starting_columns
from .request import Request, attainable
from .signs import fix_vector_phases
from .tall_qr import orthonormalize

_METHODS = ("auto", "sketch", "krylov")
_FLOOR = 1e8
_ADVICE = "allow a larger rank, loosen tol, or take method='krylov'"


@dataclass(frozen=True, eq=False, repr=False)
class NystromResult(Result):
    """``A ≈ V @ diag(w) @ Vᴴ`` with `w` ≥ 0 descending; an operator itself (``result @ x``)."""

    w: object
    V: object
    info: Info

    _unpack = ("w", "V")

    def __lowrank_operator__(self):
        return LowRank(self.V, self.w, be.mH(self.V))


@be.supports()
def nystrom(
    A,
    rank,
    *,
    tol=None,
    method="auto",
    oversample=10,
    accuracy=1e-6,
    maxiter=None,
    rng=None,
    callback=None,
    progress=False,
    on_failure="warn",
    check_finite=True,
):
    """Randomized Nystrom approximation of a positive semidefinite matrix.

    Parameters
    ----------
    A : array, sparse matrix, SciPy `LinearOperator`, operator or result, shape (n, n)
        Hermitian positive semidefinite.
    rank : int
        Largest number of eigenpairs, 1…n.
    tol : float, optional
        Relative Frobenius error allowed, in (0, 1): the sketch doubles until its error estimate meets it or `rank` is
        reached, and no more pairs are returned than needed.
    method : {"auto", "sketch", "krylov"}
        One product with a random block ("sketch", what "auto" takes), or with the leading vectors of a block Krylov
        iteration run to `accuracy`, which costs more products and is near-optimal on slowly decaying spectra.
    oversample : int
        Columns of the sketch beyond `rank`.
    accuracy, maxiter, rng, callback, progress, on_failure, check_finite
        As for `eigh`.

    Returns
    -------
    NystromResult
        ``w`` (k,) and ``V`` (n, k) orthonormal. ``info.error`` bounds in expectation, up to sampling, the relative
        Frobenius error: a leave-one-out "estimate" of the sketch, to which the discarded eigenvalues are added;
        with "krylov" ten probe columns.

    Raises
    ------
    ValueError
        If `A` is not square, not positive semidefinite, empty or not finite, or an argument is out of range.
    TypeError
        If `A` is not a matrix, or a tensor that records gradients, which this function has not.

    Notes
    -----
    The shift that makes the Cholesky factor exist is tied to the rounding of the product and removed again [1]_; the
    error estimate leaves one column of the sketch out at a time and needs no product [2]_. The estimate is of the
    error with one column fewer, hence a little high; on steep spectra it scatters by up to a factor of two.

    References
    ----------
    .. [1] tropp_yurtsever_udell_cevher_2017
    .. [2] epperly_tropp_2024

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> x = np.linspace(0.0, 1.0, 200)
    >>> K = np.exp(-((x[:, None] - x[None, :]) ** 2))
    >>> w, V = lr.nystrom(K, 8, rng=0)
    >>> bool(np.linalg.norm(K - (V * w) @ V.T) < 1e-6 * np.linalg.norm(K))
    True
    """
    op = as_operator(A)
    be.require_untracked(op.array if op.has("array") else A, "nystrom")
    if op.shape[0] != op.shape[1]:
        raise ValueError(
            f"nystrom needs a square positive semidefinite matrix, got shape {op.shape[0]}×{op.shape[1]}; use svd"
        )
    rank, tol = be.check_rank(rank, op.shape), None if tol is None else be.check_tol(tol)
    be.check_option("method", method, _METHODS)
    be.check_option("on_failure", on_failure, ("warn", "raise"))
    watch = Watch(be.check_count("maxiter", 500 if maxiter is None else maxiter), callback, progress, "nystrom")
    key = be.resolve_rng(rng)
    with be.single_blas():
        metered, scale, norm = scaling.safe(MeteredOperator(op), check_finite, key)
        request = Request(
            rank, tol, attainable(accuracy, op), be.check_count("oversample", oversample, 0),
            key, watch, norm,
        )  # fmt: skip
        w, V, error, method = (_by_krylov if method == "krylov" else _by_sketch)(metered, request)
        result = _assemble(metered, request, w, V, error, method, scale)
    watch.close()
    settle(result.info, on_failure, _ADVICE)
    return result


def _by_sketch(A, request):
    """Double the width of the sketch until the estimate meets `tol`; a sketch that stands is kept and widened."""
    n = A.shape[0]
    final = min(n, request.rank + request.oversample)
    width = final if request.tol is None else min(final, max(16, request.oversample + 8))
    omega = gaussian_block(A, n, width, request.key.child("start"))
    Y = A.matmat(omega)
    while True:
        w, V, missed = factor_sketch(omega, Y)
        norm = request.norm if request.norm is not None else math.sqrt(be.vdot_real(Y) / width)
        if norm and (width == n or missed < _FLOOR * be.eps(A.dtype) * norm):
            missed = max(missed if width < n else 0.0, norm * _probe(A, request, w, V))
        count, error = _cut(be.to_numpy(w).astype(float), missed, norm, request)
        met = request.tol is None or error <= request.tol
        if met or width == final or request.watch.tick(size=width, error=error):
            return w[:count], V[:, :count], error, "sketch"
        wider = min(2 * width, final)
        fresh = gaussian_block(A, n, slice(width, wider), request.key.child("start"))
        omega, Y = A.xp.concat([omega, fresh], axis=1), A.xp.concat([Y, A.matmat(fresh)], axis=1)
        width = wider


def factor_sketch(omega, Y):
    """Eigenpairs ``w, V`` of the Nystrom approximation from ``Y = A Ω``, and its leave-one-out Frobenius error."""
    xp = be.namespace(Y)
    size = float(xp.linalg.matrix_norm(Y))
    real = be.real_dtype(xp, Y.dtype)
    if size == 0.0:
        Q = be.householder_qr(omega)[0]
        return xp.zeros((Y.shape[1],), dtype=real, device=be.device(Y)), Q, 0.0
    C, shifted, shift = _shifted_cholesky(omega, Y, be.eps(Y.dtype) * size)
    F = be.right_solve_upper(shifted, C)
    Q, R = orthonormalize(F)
    u, s, _ = be.small_svd(R)
    inverse = be.solve_upper(C, xp.eye(C.shape[0], dtype=C.dtype, device=be.device(C)))
    weights = xp.sum(xp.abs(inverse) ** 2, axis=1)
    G = be.matmul(F, be.mH(inverse)) / xp.astype(weights, F.dtype)[None, :]
    missed = math.sqrt(be.vdot_real(G) / Y.shape[1])
    w = s**2 - shift
    return xp.where(w > 0, w, xp.zeros_like(w)), be.matmul(Q, u), missed


def _shifted_cholesky(omega, Y, shift):
    """Upper `C` with ``CᴴC = Ωᴴ(Y + νΩ)``; the shift ν grows until the factor exists."""
    xp = be.namespace(Y)
    H = be.adjoint_matmul(omega, Y)
    if float(xp.linalg.matrix_norm(H - be.mH(H))) > 100 * be.eps(Y.dtype) ** 0.75 * float(xp.linalg.matrix_norm(H)):
        raise ValueError("A is not Hermitian: xᴴ(A y) and (A x)ᴴ y differ; use svd")
    H = (H + be.mH(H)) / 2
    least = float(be.small_eigh(H)[0][0])
    top = float(xp.max(xp.abs(xp.linalg.diagonal(H))))
    if least < -(be.eps(Y.dtype) ** 0.5) * top:
        raise ValueError(
            f"A is not positive semidefinite: xᴴAx = {least:.2e} was found where the largest is {top:.2e}; use eigh"
        )
    for _ in range(8):
        shifted = Y + shift * omega
        H = be.adjoint_matmul(omega, shifted)
        C = be.cholesky_upper((H + be.mH(H)) / 2)
        if C is not None:
            return C, shifted, shift
        shift *= 10.0
    raise ValueError("the Nystrom core has no Cholesky factor at any shift: A is not positive semidefinite; use eigh")


def _cut(w, missed, norm, request):
    """``(count, error)``: pairs to return, and the estimate once the rest is discarded."""
    if norm == 0.0:
        return min(request.rank, len(w)), 0.0
    discarded = [math.sqrt(float((w[count:] ** 2).sum())) for count in range(len(w) + 1)]
    most = min(request.rank, len(w))
    if request.tol is not None:
        for count in range(1, most + 1):
            if missed + discarded[count] <= request.tol * norm:
                return count, (missed + discarded[count]) / norm
    return most, (missed + discarded[most]) / norm


def _by_krylov(A, request):
    """Nystrom on the leading vectors of a block Krylov iteration, eigenvalue errors below those of Rayleigh-Ritz."""
    n = A.shape[0]
    start = orthonormalize(starting_columns(A, block_width(A, request), request))[0]
    engine = Lanczos(A.matmat, start, min(n, 5 * (request.rank + request.oversample)))
    draw = fresh_columns(A, n, request.key)
    _, Y, done = iterate(engine, request, request.rank, lambda w, residuals: (float(abs(w[-1])), residuals), draw)
    X = engine.vectors(A.xp.flip(Y, axis=1)[:, : request.rank + request.oversample])
    w, V, _ = factor_sketch(X, A.matmat(X))
    columns = gaussian_block(A, n, 10, request.key.child("error"))
    image = A.matmat(columns)
    norm = request.norm if request.norm is not None else math.sqrt(be.vdot_real(image) / 10)

    def missed(w, V):
        gap = image - be.matmul(V, w[:, None] * be.adjoint_matmul(V, columns))
        return math.sqrt(be.vdot_real(gap) / 10)

    count, _ = _cut(be.to_numpy(w).astype(float), missed(w, V), norm, request)
    w, V = w[:count], V[:, :count]
    return w, V, missed(w, V) / norm if norm else 0.0, "krylov" if done else "krylov (short of accuracy)"


def _probe(A, request, w, V):
    return probed_error(A, request.norm, lambda X: be.matmul(V, w[:, None] * be.adjoint_matmul(V, X)), request.key)


def _assemble(A, request, w, V, error, method, scale):
    short = method.endswith("accuracy)")
    met = not short and (request.tol is None or error <= request.tol)
    V = fix_vector_phases(V)
    if be.is_half(A.source_dtype):
        V = A.xp.astype(V, A.source_dtype)
    short = short or (request.watch.stopped and not met)
    reason = request.watch.reason if short else "tolerance met" if request.tol and met else "rank reached"
    info = Info(
        error=error, error_kind="estimate", converged=met, reason=reason, iterations=max(1, request.watch.count),
        products=A.products, passes=A.passes, method=method.split()[0], rng=request.key.record,
    )  # fmt: skip
    return NystromResult(w * scale, V, info)
