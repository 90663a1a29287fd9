"""Singular triplets from the Gram matrix of the shorter side, checked and, where it falls short, continued.

Squaring loses what lies below √eps·σ₁. The eigenvectors are therefore only a subspace: an unsquared Rayleigh-Ritz pass
with `A` gives the triplets. Their residuals are taken with the Gram matrix, or with `A` where its rounding may hide
more than was asked; an answer that falls short goes on as a Krylov iteration (``info.method``: "gram+krylov").
"""

from dataclasses import replace

from .. import _backend as be
from ..operators import as_operator
from . import single
from .fused import continued, iterate, judged, singular_residuals, unsquared, verified
from .iteration import Watch
from .krylov import krylov_to_tolerance
from .lanczos import Lanczos
from .rangefinder import fresh_columns, gaussian_block
from .request import smallest_rank
from .tall_qr import orthonormalize

_DIRECT_BELOW = 700
_SHORTEST = 256
_SURE = 1e-5
_GUARD = 2
_LEAST_TOLERANCE = 100.0
_INNER = 0.1
_INNER_LIMIT = 1000


def gram_svd(A, request):
    """Leading triplets of `A` (dense, or with a short side) to ``request.accuracy`` or ``request.tol``."""
    if request.tol is not None and request.tol < _LEAST_TOLERANCE * be.eps(A.dtype) ** 0.5:
        return krylov_to_tolerance(A, request)
    if A.shape[0] < A.shape[1]:
        return _tall(A.H, A, request, wide=True)
    return _tall(A, A, request, wide=False)


def _tall(B, A, request, wide):
    found = _from_single(B, request)
    if found is not None:
        request.watch.tick(size=B.shape[1])
        return found.swapped() if wide else found
    G = gram_matrix(B)
    tol = request.tol
    if tol is None:
        V = _leading(as_operator(G), request)
    else:
        V, request = _within_tolerance(G, request)
    unknown = A.xp.zeros((V.shape[1],), dtype=be.real_dtype(A.xp, A.dtype), device=A.device)
    found = unsquared(B, V, request, unknown, True, "accuracy reached", "gram")
    found = verified(B, replace(found, residuals=_residuals(G, found), iterations=1), request)
    met = float(A.xp.max(found.residuals)) <= request.accuracy * float(found.s[0])
    over = request.watch.tick(size=B.shape[1])
    if wide:
        found = found.swapped()
    if met or tol is not None:
        return found
    return replace(found, converged=False, reason=request.watch.reason) if over else continued(A, request, found)


def _from_single(B, request):
    """Triplets whose subspace comes from a Gram matrix in single precision; None where they fall short."""
    if not (B.has("gram") and _worth_a_try(B, request)):
        return None
    G = as_operator(B.xp.astype(B.gram(single=True), be.single_dtype(B.xp, B.dtype)))
    trial = single.Trial(Watch(_INNER_LIMIT), request.accuracy)
    V = _leading(G, request, trial)
    if trial.hopeless:
        return None
    V = orthonormalize(B.xp.astype(V, B.dtype))[0]
    found = replace(judged(B, V, request, "gram")[0], iterations=1)
    return found if found.converged else None


def _worth_a_try(B, request):
    """Whether single precision halves enough work; on short sides only where the accuracy is far above rounding."""
    n = B.shape[1]
    likely = n > _DIRECT_BELOW or (n > _SHORTEST and request.accuracy >= _SURE)
    return likely and single.admits(B, request)


def _residuals(G, found):
    """``‖Bᴴu - σv‖`` from the Gram matrix."""
    xp = be.namespace(G)
    s, V = found.s, be.mH(found.Vh)
    gap = xp.linalg.vector_norm(be.matmul(G, V) - V * xp.astype(s**2, V.dtype)[None, :], axis=0)
    least = float(s[0]) * be.eps(G.dtype) ** 0.5
    return gap / xp.where(s > least, s, xp.full_like(s, max(least, 1e-300)))


def gram_matrix(B):
    """``BᴴB`` of an operator with few columns."""
    if B.has("gram"):
        return B.gram()
    return B.normal(B.xp.eye(B.shape[1], dtype=B.dtype, device=B.device))


def _leading(G, request, trial=None):
    """Leading eigenvectors of the operator `G`; the attempt `trial` may end it early."""
    n, xp = G.shape[0], G.xp
    guarded = min(n, request.rank + _GUARD)
    if n <= _DIRECT_BELOW or guarded > n // 6:
        w, V = be.top_eigh(G.array, guarded)
        if trial is not None:
            trial.judged(1.0, w, w, request.rank)
        return xp.flip(V, axis=1)
    width = min(max(16, request.rank // 2), 32)
    start = orthonormalize(G.matmat(gaussian_block(G, n, width, request.key.child("start"))))[0]
    engine = Lanczos(G.matmat, start, n)

    def measure(w, residuals):
        top, residuals = singular_residuals(w, residuals)
        return (top, residuals) if trial is None else trial.judged(top, residuals, w, request.rank)

    accuracy = _INNER * request.accuracy if trial is None else trial.accuracy
    inner = replace(request, accuracy=accuracy, watch=Watch(_INNER_LIMIT) if trial is None else trial)
    _, Y, _ = iterate(engine, inner, request.rank, measure, fresh_columns(G, n, request.key))
    return engine.vectors(xp.flip(Y[:, -min(guarded, Y.shape[1]) :], axis=1))


def _within_tolerance(G, request):
    xp = be.namespace(G)
    w, V = be.small_eigh(G)
    host = be.to_numpy(xp.flip(w)).astype(float).clip(min=0.0)
    count = smallest_rank(host**0.5, 0.0, request.tol**2 * float(host.sum()))
    count = count if request.rank is None else min(count, request.rank)
    return xp.flip(V, axis=1)[:, :count], replace(request, rank=count)
