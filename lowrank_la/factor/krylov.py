"""Singular triplets by randomized block Krylov iteration, to an accuracy or to a tolerance.

Musco and Musco (2015); Tropp and Webber (2023). The basis is restarted with its leading triplets when it meets its
memory budget.
"""

import math
from dataclasses import replace

from .. import _backend as be
from .errors import within
from .golub_kahan import GolubKahan
from .rangefinder import complete_columns, fresh_columns, gaussian_block, starting_columns
from .request import Triplets, smallest_rank, zero_triplets
from .schedule import Recount, Schedule
from .tall_qr import orthonormalize

_FLOOR = 50.0
_MINOR = 0.1
_CHEAP_CORE = 128
_CAUTION = 3.0
_ALIKE = 1e-3  # relative spread of values that may be copies of one
_WIDEST = 48
_TO_THE_LAST_BIT = 0.1
_ROUNDING = "what is left is rounding: tol is below what the dtype can meet"


def block_width(A, request):
    """Columns of a block: on dense data as many as keep the products at full speed, fewer on sparse data.

    The narrower the blocks, the fewer columns the basis needs in all; on an accelerator few wide products win.
    """
    rank = 32 if request.rank is None else request.rank
    if be.on_accelerator(A.xp, A.device):
        width = min(rank + request.oversample, 128)
    else:
        width = min(max(2 * (rank + request.oversample) // 3, 16), _WIDEST) if A.cost.dense else 16
    return min(min(A.shape), width)


def kept(request, width):
    """Columns that a restart keeps, beside the block that comes next."""
    return request.rank + max(request.oversample, width // 2)


def one_sided_capacity(request, width):
    """Columns of the basis of a one-sided iteration with blocks of `width` columns before it is restarted."""
    return max(5 * (request.rank + request.oversample), kept(request, width) + 4 * width)


def capacity(A, request, width):
    """Columns of either basis before it is restarted."""
    m, n = A.shape
    wanted = kept(request, width)
    columns = max(3 * wanted, wanted + 4 * width)
    if A.has("array"):
        columns = max(columns, m * n // (4 * (m + n)))
    return min(columns, min(m, n))


def first_image(A, width, request):
    """``A Ω`` for the first block ``Ω``."""
    return A.matmat(starting_columns(A, width, request)) if request.image is None else request.image


def krylov_svd(A, request):
    """Leading triplets of `A` to ``request.accuracy`` (residual ‖A v - σ u‖ relative to σ₁)."""
    image = first_image(A, block_width(A, request), request)
    if be.vdot_real(image) == 0.0:
        return zero_triplets(A, request, "krylov")
    start = orthonormalize(image)[0]
    engine = GolubKahan(A, start, capacity(A, request, start.shape[1]))
    engine.age = engine.age if request.start is None else 0
    core, done = _iterate(A, request, engine)
    return _collect(A, request, engine, core, done)


def _iterate(A, request, engine):
    """Step until the wanted triplets meet the accuracy; returns ``(core triplets, done)``."""
    schedule, wanted = Schedule(request.accuracy), request.rank
    recount = Recount(engine.width, request.accuracy)
    draw = fresh_columns(A, A.shape[1], request.key)
    watch = request.watch
    while True:
        engine.descend()
        core = _halfway(engine, request, recount)
        if core is not None:
            watch.tick(residual=_relative(core[3][:wanted], core[1]), size=engine.size)
            return core, True
        engine.ascend()
        full = engine.full
        due = full or engine.exhausted or watch.last or schedule.due(watch.count + 1, engine.size, wanted)
        if not due and not watch.tick(size=engine.size):
            continue
        core = engine.triplets()
        _, s, _, residuals = core
        worst = _relative(residuals[:wanted], s)
        over = watch.tick(residual=worst, size=engine.size) if due else True
        schedule.record(watch.count, worst)
        enough = engine.size >= wanted and worst <= request.accuracy and not engine.exhausted and not engine.young
        enough = enough or (engine.exhausted and engine.size >= wanted)
        if over or (enough and not recount.needed(be.to_numpy(s[:wanted]))):
            return core, enough
        if full or ((enough or engine.exhausted) and engine.crowded):
            keep = min(kept(request, engine.width), engine.size)
            engine.restart(*core[:3], keep)
        if (enough or engine.exhausted) and not engine.revive(draw):
            if engine.exhausted:
                return engine.triplets(), True
            engine.age = 0


def _halfway(engine, request, recount):
    """The triplets between the halves of a step when they will do and are cheap to have; else None."""
    held = engine.core.shape[0] - engine.descent.shape[0]
    if held < request.rank or engine.size > _CHEAP_CORE or engine.exhausted or engine.young:
        return None
    core = engine.halfway_triplets()
    met = _relative(core[3][: request.rank], core[1]) <= request.accuracy
    return core if met and not recount.suspects(be.to_numpy(core[1][: request.rank])) else None


def _collect(A, request, engine, core, done):
    U, s, Vh, residuals = core
    count = min(request.rank, s.shape[0])
    left, right = engine.vectors(U, Vh, count)
    s, residuals = s[:count], residuals[:count] + be.eps(A.dtype) * s[0]
    if count < request.rank:
        left, s, right, residuals = _pad(A, request, left, s, right, residuals)
    exact = engine.exhausted and done
    reason = "invariant subspace: exact" if exact else "accuracy reached" if done else request.watch.reason
    return Triplets(left, s, right, residuals, bool(done), reason, request.watch.count, "krylov")


def _pad(A, request, left, s, right, residuals):
    xp, rank = A.xp, request.rank
    zeros = xp.zeros((rank - s.shape[0],), dtype=s.dtype, device=be.device(s))
    left = complete_columns(A, left, rank, A.shape[0], request.key.child("left"))
    right = be.mH(complete_columns(A, be.mH(right), rank, A.shape[1], request.key.child("right")))
    return left, xp.concat([s, zeros]), right, xp.concat([residuals, zeros])


def krylov_to_tolerance(A, request):
    """Fewest triplets whose relative Frobenius error is within ``request.tol``.

    The basis grows until the energy outside it leaves the rank decided: the residuals of the triplets that would be
    kept bound, to first order, what they can still gain, and that has to be less than one triplet is worth. Where
    ``request.rank`` does not suffice, its triplets are taken to the accuracy instead.
    """
    width = _growing_width(A)
    most = min(A.shape) if request.rank is None else request.rank
    room = min(min(A.shape), 2 * most + 4 * width)
    image = A.matmat(starting_columns(A, width, request))
    if be.vdot_real(image) == 0.0:
        return zero_triplets(A, request, "krylov")
    engine = GolubKahan(A, orthonormalize(image)[0], room, caution=_TO_THE_LAST_BIT)
    beyond = _Beyond(A, request)
    core, rank, decided, outside = _grow(A, request, engine, beyond)
    if rank is None or rank > most:
        if request.rank is not None:
            return _rank_first(A, request, engine, core)
        rank = core[1].shape[0]
    U, s, Vh, residuals = core
    left, right = engine.vectors(U, Vh, rank)
    error = beyond.error(left, s, right, outside)
    met = within(error, request.tol, A.dtype)
    reason = "tolerance met" if met else _ROUNDING if decided or engine.exhausted else request.watch.reason
    residuals = residuals[:rank] + be.eps(A.dtype) * s[0]
    return Triplets(left, s[:rank], right, residuals, met, reason, request.watch.count, "krylov", error=error)


def _grow(A, request, engine, beyond):
    """Step until the rank is decided, or no more can be had; returns ``(core, rank or None, decided, outside)``."""
    draw = fresh_columns(A, A.shape[1], request.key)
    recount = Recount(engine.width, min(request.tol, _ALIKE))
    while True:
        engine.step()
        core = engine.triplets()
        values, gaps = (be.to_numpy(part).astype(float) for part in (core[1], core[3]))
        outside, limit = beyond.energy(engine, values)
        budget = (request.tol * beyond.norm) ** 2
        rank = smallest_rank(values, limit, budget)
        settled = not beyond.probed or outside <= _MINOR * budget
        decided = rank is not None and settled and _possible_gain(values, gaps, rank) <= 0.5 * values[rank - 1] ** 2
        over = request.watch.tick(size=engine.size, error=math.sqrt(max(outside, 0.0)) / max(beyond.norm, 1e-300))
        if not decided and engine.X.room < engine.width and engine.X.size > engine.W.size:
            engine.restart(*core[:3], core[1].shape[0])
            core, beyond.cleaned = engine.triplets(), 0
        again = decided and (engine.young or recount.needed(values[:rank]))
        if over or engine.full or (decided and not again):
            return core, rank, decided, outside
        if (engine.exhausted or (again and not engine.young)) and not engine.revive(draw):
            return core, rank, decided, outside


def _rank_first(A, request, engine, core):
    """The leading ``request.rank`` triplets to the accuracy, where `tol` would need more."""
    right = be.mH(engine.vectors(core[0], core[2], min(request.rank, core[1].shape[0]))[1])
    found = krylov_svd(A, replace(request, tol=None, start=right))
    return replace(found, converged=False, reason="rank reached before tol" if found.converged else found.reason)


def _possible_gain(values, gaps, rank):
    """Energy that the leading triplets can still gain, to first order in the squared residuals."""
    least = values[-1] ** 2
    kept = values[:rank] ** 2
    contrast = kept / (kept - least).clip(min=1e-3 * kept + 1e-300)
    return float((gaps[:rank] ** 2 * contrast).sum())


def _growing_width(A):
    return min(min(A.shape), 32 if A.cost.dense else 16)


class _Beyond:
    """Squared Frobenius norm of what lies outside the basis: by subtraction, by ten probes below its floor.

    Where ‖A‖ is unknown, ``norm`` is that of the part inside the basis, which is never larger.
    """

    def __init__(self, A, request):
        self.A, self.xp = A, A.xp
        self.known = request.norm
        self.key = request.key.child("probe")
        self.probes, self.cleaned = None, 0
        self.norm = request.norm
        self.probed = False

    def energy(self, engine, values):
        """Estimate after the basis of `engine` grew, and the limit that decisions take.

        The limit of a probed estimate is the mean of ten squared norms raised by three standard errors.
        """
        inside = float((values**2).sum())
        if self.known is not None:
            left = self.known**2 - inside
            if left > 100 * _FLOOR * be.eps(self.A.dtype) * self.known**2:
                return left, left
        else:
            self.norm = max(math.sqrt(inside), 1e-300)
        if self.probes is None:
            self._draw()
        self.probed = True
        fresh = engine.X.Q[:, self.cleaned : engine.size]
        for _ in range(2):
            self.probes = self.probes - be.matmul(fresh, be.adjoint_matmul(fresh, self.probes))
        self.cleaned = engine.size
        squares = be.to_numpy(self.xp.linalg.vector_norm(self.probes, axis=0)).astype(float) ** 2
        return squares.mean(), squares.mean() + _CAUTION * squares.std(ddof=1) / math.sqrt(squares.shape[0])

    def error(self, U, s, Vh, outside):
        """Relative error of the triplets ``U, s[:k], Vh``: what is outside, and the values left out one by one.

        Near rounding, where that sum sees no rounding of the factors, the probes are compared with them.
        """
        count = U.shape[1]
        tail = float((be.to_numpy(s[count:]).astype(float) ** 2).sum())
        error = math.sqrt(max(outside, 0.0) + tail) / self.norm
        if error > 30 * be.eps(self.A.dtype) or self.probes is None:
            return error
        gap = self.image - be.matmul(U, s[:count, None] * be.matmul(Vh, self.columns))
        return max(error, _probe_norm(gap) / self.norm)

    def _draw(self):
        self.columns = gaussian_block(self.A, self.A.shape[1], 10, self.key)
        self.probes = self.image = self.A.matmat(self.columns)


def _probe_norm(P):
    return math.sqrt(be.vdot_real(P) / P.shape[1])


def _relative(residuals, s):
    top = float(s[0]) if s.shape[0] else 0.0
    return float(be.namespace(s).max(residuals)) / top if top > 0 else 0.0
