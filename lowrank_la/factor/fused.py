"""Singular triplets from the fused product ``Aᴴ(A X)``: one read of `A` a step, a basis on the shorter side alone.

The product squares the spectrum, so the iteration ends with an unsquared Rayleigh-Ritz pass: ``A V = Q R`` and the
singular value decomposition of `R`.
"""

from dataclasses import replace

from .. import _backend as be
from . import single
from .krylov import block_width, kept, krylov_svd, one_sided_capacity
from .lanczos import Lanczos
from .rangefinder import complete_columns, fresh_columns, leading_start, starting_columns
from .request import Triplets
from .schedule import Recount, Schedule
from .tall_qr import orthonormalize

_NEAR = 30.0  # times the accuracy: within the reach of one more product


def fused_svd(A, request):
    """Leading triplets of `A` to ``request.accuracy``; what squaring can't resolve goes on on both sides."""
    wide = A.shape[0] < A.shape[1]
    B, tall = A, request
    if wide:
        B = A.H
        tall = request if request.start is None else replace(request, start=A.matmat(leading_start(request)))
    found = _from_single(B, tall) if single.admits(B, request) else None
    found = _tall(B, tall) if found is None else found
    found = found.swapped() if wide else found
    return found if found.converged or request.watch.over else continued(A, request, found)


def _tall(A, request):
    engine, w, Y, done = _search(A, A, request, singular_residuals)
    V = _leading(engine, w, Y, request)
    V = complete_columns(A, V, request.rank, A.shape[1], request.key.child("right"))
    residuals = A.xp.flip(singular_residuals(w, engine.residuals(w, Y))[1])
    found = unsquared(A, V, request, residuals, done, ending(request, done, engine.exhausted), "fused")
    return verified(A, found, request, always=engine.exhausted)


def _from_single(A, request):
    """Triplets whose subspace was found in single precision, judged in double; None when they fall short."""
    H = A.narrowed()
    if H is None:
        return None
    trial = single.Trial(request.watch, request.accuracy)

    def measure(w, residuals):
        top, residuals = singular_residuals(w, residuals)
        return trial.judged(top, residuals, w, request.rank)

    engine, w, Y, done = _search(H, A, replace(request, watch=trial), measure)
    over = request.watch.over
    if (trial.hopeless or engine.exhausted) and not over:
        return None
    V = orthonormalize(A.xp.astype(_leading(engine, w, Y, request), A.dtype))[0]
    del engine, w, Y  # the basis is the largest thing held
    V = complete_columns(A, V, request.rank, A.shape[1], request.key.child("right"))
    found, V = judged(A, V, request, "fused")
    if over and not (done and found.converged):
        return replace(found, converged=False, reason=request.watch.reason)
    return found if found.converged else _tall(A, replace(request, start=V))


def _search(H, A, request, measure):
    """Block Lanczos on ``HᴴH`` with the limits of `A`; returns ``engine, w, Y, done``."""
    start = orthonormalize(starting_columns(H, block_width(A, request), request))[0]
    engine = Lanczos(H.normal, start, min(A.shape[1], one_sided_capacity(request, start.shape[1])))
    engine.age = engine.age if request.start is None else 0
    draw = fresh_columns(H, A.shape[1], request.key)
    return engine, *iterate(engine, request, request.rank, measure, draw)


def _leading(engine, w, Y, request):
    """Ritz vectors, largest values first, a few more than are wanted."""
    guard = min(request.rank + request.oversample, w.shape[0])
    return engine.vectors(be.namespace(Y).flip(Y, axis=1)[:, :guard])


def continued(A, request, found):
    """The block Krylov iteration from the right vectors `found`."""
    going_on = krylov_svd(A, replace(request, start=be.mH(found.Vh)))
    return replace(going_on, method=f"{found.method}+krylov")


def iterate(engine, request, wanted, measure, draw):
    """Step `engine` until the `wanted` leading pairs meet the accuracy; returns ``w, Y, done``.

    ``measure(w, residuals)`` gives the scale and the residual of each pair, in the order of `w`, leading pairs last;
    ``draw(b)`` gives random columns to go on with when the basis stops growing.
    """
    schedule = Schedule(request.accuracy)
    recount = Recount(engine.width, request.accuracy)
    useful = max(kept(request, engine.width), wanted + request.oversample)
    while True:
        engine.step()
        full, watch = engine.full, request.watch
        due = full or engine.exhausted or watch.last or schedule.due(watch.count + 1, engine.size, wanted)
        if not due and not watch.tick(size=engine.size):
            continue
        w, Y, residuals = engine.pairs(useful)
        scale, residuals = measure(w, residuals)
        worst = float(engine.xp.max(residuals[-wanted:])) / scale if scale > 0 else 0.0
        over = watch.tick(residual=worst, size=engine.size) if due else True
        schedule.record(watch.count, worst)
        enough = engine.size >= wanted and worst <= request.accuracy and not engine.exhausted and not engine.young
        enough = enough or (engine.exhausted and engine.size >= wanted)
        if over or (enough and not recount.needed(be.to_numpy(w[-wanted:]))):
            return w, Y, bool(enough)
        if full or ((enough or engine.exhausted) and engine.crowded):
            keep = min(useful, engine.size)
            engine.restart(w[-keep:], Y[:, -keep:])
        if (enough or engine.exhausted) and not engine.revive(draw):
            if engine.exhausted:
                return *engine.pairs()[:2], True
            engine.age = 0


def singular_residuals(w, residuals):
    """σ₁ and ``‖Aᴴu - σv‖`` of the pairs of ``AᴴA``."""
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
    return Triplets(U, s, Vh, found, bool(done), reason, request.watch.count, method)


def verified(A, found, request, *, always=False):
    """`found` with its residuals ``‖Aᴴu - σv‖`` measured, where rounding of the square may hide much."""
    xp, top = A.xp, float(found.s[0])
    hidden = 4 * be.eps(A.dtype) * top**2 / max(float(found.s[-1]), 1e-300)
    if top == 0.0 or (hidden <= 0.1 * request.accuracy * top and not always):
        return found
    residuals = xp.linalg.vector_norm(A.rmatmat(found.U) - be.mH(found.Vh) * found.s[None, :], axis=0)
    met = found.converged and float(xp.max(residuals)) <= request.accuracy * top
    reason = found.reason if met == found.converged else "rounding of the square hid what was missing"
    return replace(found, residuals=residuals, converged=met, reason=reason)


def judged(A, V, request, method):
    """``found, V``: triplets from the orthonormal columns `V` that single precision found, residuals measured.

    Where they just fall short, `V` is multiplied by ``AᴴA`` in double precision once: what rounding left in it lies in
    all directions, and most of them are damped.
    """
    found = _measured(A, V, request, method)
    worst = float(A.xp.max(found.residuals))
    if found.converged or request.watch.over or not worst <= _NEAR * request.accuracy * float(found.s[0]):
        return found, V
    del found  # as large as what comes next
    V = orthonormalize(A.normal(V))[0]
    return _measured(A, V, request, method), V


def _measured(A, V, request, method):
    unknown = A.xp.zeros((V.shape[1],), dtype=be.real_dtype(A.xp, A.dtype), device=A.device)
    found = replace(unsquared(A, V, request, unknown, True, "accuracy reached", method), search="single")
    return verified(A, found, request, always=True)


def ending(request, done, exhausted=False):
    """Why an iteration to an accuracy ended."""
    return "invariant subspace: exact" if exhausted else "accuracy reached" if done else request.watch.reason
