"""Subspace iteration with a dynamic shift: the least memory of all methods.

Feng, Yu, Xie and Tang (2024) shift ``AᴴA`` by up to half of the smallest retained eigenvalue, which sharpens the
contrast at no cost; a little less is taken here.
"""

from .. import _backend as be
from .fused import ending, unsquared, verified
from .rangefinder import starting_columns
from .tall_qr import orthonormalize

_SETTLED = 4  # iterations before a warm start is believed
_LARGEST_SHIFT = 0.4  # of the smallest retained eigenvalue; at a half, null directions would not be damped at all


def subspace_svd(A, request):
    """Leading triplets of `A` to ``request.accuracy``, with one block of ``rank + oversample`` columns."""
    if A.shape[0] < A.shape[1]:
        return _tall(A.H, request, request.start).swapped()
    return _tall(A, request, request.start)


def _tall(A, request, start):
    if start is not None and start.shape[0] != A.shape[1]:
        start = A.H.matmat(start)
    width = min(A.shape[1], request.rank + request.oversample)
    Q = orthonormalize(starting_columns(A, width, _restarted(request, start)))[0]
    shift, target = 0.0, request.accuracy
    while True:
        Y = A.normal(Q)
        residuals, worst = _residuals(A, Q, Y, request.rank)
        over = request.watch.tick(residual=worst)
        close = (worst <= target and (start is None or request.watch.count >= _SETTLED)) or Q.shape[1] == A.shape[1]
        if close or over:
            found = unsquared(A, Q, request, residuals, close, ending(request, close), "subspace")
            found = verified(A, found, request, always=True)
            if found.converged or over:
                return found
            target /= 4
        Q, least = _step(Q, Y, shift)
        shift = max(shift, min((shift + least) / 2, _LARGEST_SHIFT * (shift + least)))


def _step(Q, Y, shift):
    Q, R = orthonormalize(Y - shift * Q)
    u, s, _ = be.small_svd(R)
    return be.matmul(Q, u), float(s[-1])


def _residuals(A, Q, Y, rank):
    xp = A.xp
    T = be.adjoint_matmul(Q, Y)
    w, Z = be.small_eigh((T + be.mH(T)) / 2)
    w, Z = xp.flip(w), xp.flip(Z, axis=1)
    gap = be.matmul(Y, Z) - be.matmul(Q, Z) * xp.astype(w, Z.dtype)[None, :]
    sigma = xp.sqrt(xp.where(w > 0, w, xp.zeros_like(w)))
    top = float(sigma[0])
    least = max(top * be.eps(A.dtype) ** 0.5, 1e-300)
    residuals = xp.linalg.vector_norm(gap, axis=0) / xp.where(sigma > least, sigma, xp.full_like(sigma, least))
    worst = float(xp.max(residuals[:rank])) / top if top > 0 else 0.0
    return residuals, worst


def _restarted(request, start):
    from dataclasses import replace

    return replace(request, start=start)
