"""Singular triplets from the fused product ``Aᴴ(A X)``: one read of `A` a step, a basis on the shorter side alone.

The product squares the spectrum, so the iteration ends with an unsquared Rayleigh-Ritz pass: ``A V = Q R`` and the
singular value decomposition of `R`.
"""

from .. import _backend as be
from .krylov import block_width
from .lanczos import Lanczos
from .rangefinder import complete_columns, starting_columns
from .request import Triplets
from .schedule import Schedule
from .tall_qr import orthonormalize

_BASIS_BUDGET = 5


def fused_svd(A, request):
    """Leading triplets of `A` to ``request.accuracy``."""
    if A.shape[0] < A.shape[1]:
        return _tall(A.H, request, wide=True).swapped()
    return _tall(A, request, wide=False)


def _tall(A, request, wide):
    width = block_width(A, request)
    if wide and request.start is not None:
        start = A.H.matmat(request.start)
        request = _with_start(request, start)
    start = orthonormalize(starting_columns(A, width, request))[0]
    limit = min(A.shape[1], _BASIS_BUDGET * (request.rank + request.oversample))
    engine = Lanczos(A.normal, start, limit)
    w, Y, done = iterate(engine, request, request.rank, _singular_residuals)
    guard = min(request.rank + request.oversample, w.shape[0])
    V = engine.vectors(A.xp.flip(Y, axis=1)[:, :guard])
    V = complete_columns(A, V, request.rank, A.shape[1], request.key.child("right"))
    residuals = A.xp.flip(_singular_residuals(w, engine.residuals(w, Y))[1])
    return unsquared(A, V, request, residuals, done, ending(request, done, engine.exhausted), "fused")


def iterate(engine, request, wanted, measure):
    """Step `engine` until the `wanted` leading pairs meet the accuracy; returns ``w, Y, done``.

    ``measure(w, residuals)`` gives the scale and the residual of each pair, in the order of `w`, leading pairs last.
    """
    schedule = Schedule(request.accuracy)
    width = engine.V.size
    while True:
        engine.step()
        step = request.watch.count + 1
        full = engine.V.full(width)
        if not (full or engine.exhausted or schedule.due(step, engine.size, wanted)):
            if not request.watch.tick(size=engine.size):
                continue
            full = True
        w, Y, residuals = engine.pairs()
        scale, residuals = measure(w, residuals)
        worst = float(engine.xp.max(residuals[-wanted:])) / scale if scale > 0 else 0.0
        schedule.record(step, worst)
        complete = engine.exhausted or engine.size >= engine.V.Q.shape[0]
        done = complete or (engine.size >= wanted and worst <= request.accuracy)
        if done or request.watch.tick(residual=worst, size=engine.size):
            return w, Y, bool(done)
        if full:
            keep = min(wanted + max(request.oversample, width // 2), engine.size)
            engine.restart(w[-keep:], Y[:, -keep:])


def _singular_residuals(w, residuals):
    xp = be.namespace(w)
    sigma = xp.sqrt(xp.where(w > 0, w, xp.zeros_like(w)))
    top = float(sigma[-1])
    least = top * be.eps(w.dtype) ** 0.5
    return top, residuals / xp.where(sigma > least, sigma, xp.full_like(sigma, max(least, 1e-300)))


def unsquared(A, V, request, residuals, done, reason, method):
    """Rayleigh-Ritz with `A` itself on the orthonormal columns `V`."""
    xp, rank = A.xp, request.rank
    Q, R = orthonormalize(A.matmat(V))
    u, s, vh = be.small_svd(R)
    U = be.matmul(Q, u[:, :rank])
    Vh = be.mH(be.matmul(V, be.mH(vh[:rank, :])))
    s = s[:rank]
    found = residuals[:rank]
    if found.shape[0] < rank:
        found = xp.concat([found, xp.zeros((rank - found.shape[0],), dtype=found.dtype, device=be.device(found))])
    return Triplets(U, s, Vh, found, bool(done), reason, request.watch.count + bool(done), method)


def ending(request, done, exhausted=False):
    """Why an iteration to an accuracy ended."""
    return "invariant subspace: exact" if exhausted else "accuracy reached" if done else request.watch.reason


def _with_start(request, start):
    from dataclasses import replace

    return replace(request, start=start)
