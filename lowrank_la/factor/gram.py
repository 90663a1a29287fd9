"""Singular triplets from the Gram matrix of the shorter side, checked and, where it falls short, continued.

Squaring loses what lies below √eps·σ₁. The eigenvectors are therefore only a subspace: an unsquared Rayleigh-Ritz pass
with `A` gives the triplets, their residuals are measured, and an answer short of the accuracy goes on as a Krylov
iteration from there (``info.method`` then says "gram+krylov").
"""

from dataclasses import replace

from .. import _backend as be
from .fused import iterate, unsquared
from .krylov import krylov_svd
from .lanczos import Lanczos
from .rangefinder import gaussian_block
from .request import smallest_rank
from .tall_qr import orthonormalize

_DIRECT_BELOW = 700
_EIGEN_ACCURACY = 1e-9


def gram_svd(A, request):
    """Leading triplets of `A` (dense, or with a short side) to ``request.accuracy`` or ``request.tol``."""
    if A.shape[0] < A.shape[1]:
        return _tall(A.H, A, request, wide=True)
    return _tall(A, A, request, wide=False)


def _tall(B, A, request, wide):
    G = gram_matrix(B)
    if request.tol is None:
        V = _leading(B, G, request)
    else:
        V, request = _within_tolerance(G, request)
    unknown = A.xp.zeros((V.shape[1],), dtype=be.real_dtype(A.xp, A.dtype), device=A.device)
    found = unsquared(B, V, request, unknown, True, "accuracy reached", "gram")
    residuals = A.xp.linalg.vector_norm(B.rmatmat(found.U) - be.mH(found.Vh) * found.s[None, :], axis=0)
    worst, top = float(A.xp.max(residuals)), float(found.s[0])
    found = replace(found, residuals=residuals, iterations=1)
    if wide:
        found = found.swapped()
    if request.tol is None and worst > request.accuracy * top:
        return _continued(A, request, found)
    return found


def gram_matrix(B):
    """``BᴴB`` of an operator with few columns."""
    if B.has("array"):
        return be.gram(B.array)
    return B.normal(B.xp.eye(B.shape[1], dtype=B.dtype, device=B.device))


def _leading(B, G, request):
    n = G.shape[0]
    guarded = min(n, request.rank + request.oversample)
    if n <= _DIRECT_BELOW or guarded > n // 6:
        return B.xp.flip(be.top_eigh(G, guarded)[1], axis=1)
    width = min(max(8, request.rank // 2), 64)
    start = orthonormalize(be.matmul(G, gaussian_block(B, n, width, request.key.child("start"))))[0]
    engine = Lanczos(lambda X: be.matmul(G, X), start, n)
    inner = replace(request, accuracy=_EIGEN_ACCURACY, watch=_Silent())
    _, Y, _ = iterate(engine, inner, request.rank, _relative_to_largest)
    return engine.vectors(B.xp.flip(Y[:, -min(guarded, Y.shape[1]) :], axis=1))


def _relative_to_largest(w, residuals):
    return float(w[-1]), residuals


def _within_tolerance(G, request):
    xp = be.namespace(G)
    w, V = be.small_eigh(G)
    host = be.to_numpy(xp.flip(w)).astype(float).clip(min=0.0)
    count = smallest_rank(host**0.5, 0.0, request.tol**2 * float(host.sum()))
    count = count if request.rank is None else min(count, request.rank)
    return xp.flip(V, axis=1)[:, :count], replace(request, rank=count)


def _continued(A, request, found):
    going_on = krylov_svd(A, replace(request, start=be.mH(found.Vh)))
    return replace(going_on, method="gram+krylov", iterations=going_on.iterations + 1)


class _Silent:
    """The inner eigenvalue iteration: no callback, no bar, a generous limit."""

    count = 0
    reason = "inner iteration limit"

    def tick(self, **state):
        self.count += 1
        return self.count > 1000
