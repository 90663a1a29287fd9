"""Singular triplets of a matrix in slabs of rows, in a counted number of reads.

Short rows take one read, by their Gram matrix. Others take one read a step: a block Lanczos iteration on ``AᴴA``, whose
basis lies on the side of the columns, and a last read that is not squared.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from .. import _backend as be
from .block_gram import gram_read
from .errors import within
from .fused import iterate, singular_residuals
from .krylov import one_sided_capacity
from .lanczos import Lanczos
from .projection import PROBES, Projection, powered, project, refined
from .rangefinder import fresh_columns, starting_columns
from .reads import Reads, digest, opened
from .request import smallest_rank
from .scaling import restored
from .signs import fix_phases
from .tall_qr import orthonormalize

METHODS = ("auto", "gram", "fused")
_SHORTEST = 2048
_FLOOR = 1e4
REPEATS = 3
GROWING = 32
_GAIN = 0.9
_CLEAR = 10.0
_SEEN = 30.0
_NOTHING = 4.0
_ROUNDING = 4.0  # units of √(m + n) eps of σ₁


@dataclass(frozen=True)
class Found:
    """What was found of a matrix in slabs: ``U`` lazy, the rest in memory, and what `Info` says of it."""

    U: Any
    s: Any
    Vh: Any
    mean: Any
    info: dict


@dataclass(frozen=True)
class BlockOptions:
    """What `svd` takes for data in slabs alone."""

    passes: int | None = None
    orthonormal: bool = False
    checkpoint: object = None
    resume: bool = False
    centre: bool = False
    padded: bool = True
    check_finite: bool = True
    chosen_key: bool = False

    @property
    def given(self):
        """Names of the arguments that were set and that only data in slabs take."""
        names = {"passes": self.passes is not None, "orthonormal_u": self.orthonormal, "resume": self.resume}
        return [name for name, is_set in (names | {"checkpoint": self.checkpoint is not None}).items() if is_set]

    def room(self, once):
        """Reads allowed besides the one for an orthonormal `U`; infinite where accuracy or tolerance decide."""
        if once:
            return 1
        return math.inf if self.passes is None else self.passes - self.orthonormal


def block_svd(op, request, method, options):
    """`Found` of the `BlockOperator` `op`."""
    method = chosen(op, method, request, options)
    known = {
        "method": method, "rank": request.rank, "tol": request.tol, "accuracy": request.accuracy,
        "oversample": request.oversample, "maxiter": request.watch.maxiter, "passes": options.passes,
        "orthonormal": options.orthonormal, "center": options.centre, "init": digest(request.start),
    }  # fmt: skip
    kept, key = opened(
        options.checkpoint, op, request.key, chosen=options.chosen_key, resume=options.resume, algorithm="svd",
        params=known,
    )  # fmt: skip
    request = replace(request, key=key)
    reads = Reads(op, centre=options.centre, check_finite=options.check_finite, checkpoint=kept)
    with be.single_blas(), request.watch:
        if method == "gram":
            found, name, tail, noise = gram_read(reads, request, options.room(reads.once), options.orthonormal)
            request.watch.tick(size=op.shape[1])
            error = _by_sums(reads, tail, noise)
        else:
            found, name = _by_steps(reads, request, options), "fused"
            error = _by_probes(reads, found)
        found = _with_zeros(reads, found)
        return _assembled(reads, request, found, name, _with_rounding(reads, found, *error))


def chosen(op, method, request, options):
    """The method that is taken; ValueError where the arguments don't go together."""
    once = op.source.reads_allowed == 1
    if once and ((options.passes or 1) > 1 or options.orthonormal):
        raise ValueError("the source can be read once: leave out passes and orthonormal_u, or store the rows first")
    if once and method == "fused" and request.tol is not None:
        raise ValueError("method='fused' reads until tol is met, and the source can be read once: take method='gram'")
    if options.passes is not None and options.passes < 1 + options.orthonormal:
        raise ValueError("orthonormal_u=True takes a read of its own: passes must be at least 2")
    if method != "auto":
        return be.check_option("method of data in blocks", method, METHODS)
    return "gram" if op.shape[1] <= _SHORTEST or (once and request.tol is not None) else "fused"


def _by_steps(reads, request, options):
    if request.tol is None:
        found = _to_rank(reads, request, options)
    elif request.rank is None:
        found = _to_tolerance(reads, request, options)
    else:
        found = _to_rank(reads, replace(request, tol=None), options)
        found = _trimmed(reads, found, request.tol)
    return refined(reads, found) if options.orthonormal else found


def _to_rank(reads, request, options):
    """Leading triplets in the reads allowed, or in as many as the accuracy takes."""
    n, width = reads.shape[1], min(request.rank + request.oversample, *(side or reads.shape[1] for side in reads.shape))
    start = orthonormalize(starting_columns(reads, width, request))[0]
    left = options.room(reads.once)
    if math.isinf(left):
        W = _searched(reads, request, start)
    else:
        W, left = _stepped(reads, start, left, min(side or n for side in reads.shape))
    previous = math.inf
    for _ in range(1 + REPEATS):
        found = project(reads, W, request)
        left -= 1
        worst = _worst(found, request)
        done = worst <= request.accuracy and not found.cut
        if done or left < 1 or not worst <= 0.5 * previous or request.watch.over:
            break
        W, previous = orthonormalize(_level(found.Z))[0], math.inf if found.cut else worst
    found = found.leading(request.rank)
    return found.padded(reads, request.rank, request.key) if options.padded else _significant(reads, found)


def _significant(reads, found):
    """`found` without the triplets that are rounding."""
    s, rounding = be.to_numpy(found.s), _ROUNDING * math.sqrt(sum(reads.shape)) * be.eps(reads.op.dtype)
    return found.leading(max(1, int((s > rounding * s[0]).sum())))


def _level(Z):
    norms = be.namespace(Z).linalg.vector_norm(Z, axis=0)
    xp = be.namespace(Z)
    return Z / xp.astype(xp.where(norms > 0, norms, xp.ones_like(norms)), Z.dtype)[None, :]


def _worst(found, request):
    """Largest residual of the triplets that are wanted, relative to σ₁."""
    top = float(found.s[0])
    count = min(request.rank, found.s.shape[0])
    return float(be.namespace(found.s).max(found.residuals[:count])) / top if top > 0 else 0.0


def _stepped(reads, start, passes, most):
    """At most `most` columns for the last of so many reads, and the reads that are left for it."""
    width = start.shape[1]
    if passes <= 1:
        return start, 1
    engine = Lanczos(reads.normal, start, min(reads.shape[1], passes * width))
    steps = 0
    while steps < passes - 1 and not engine.exhausted:
        engine.step()
        steps += 1
    return powered(engine, _wanted(engine, width, most)), passes - steps


def _wanted(engine, width, most):
    """Coefficients of the leading Ritz vectors, `most` at most; of all of them where rounding hides which lead.

    Half as many again as a block has cost little in the last read and leave a tenth of the angle.
    """
    w, Y, _ = engine.pairs()
    steep = float(w[-min(width, w.shape[0])]) <= 1e2 * be.eps(w.dtype) * float(w[-1])
    return Y[:, -most:] if steep else Y[:, -min(width + width // 2, most) :]


def _searched(reads, request, start):
    width = start.shape[1]
    engine = Lanczos(reads.normal, start, min(reads.shape[1], one_sided_capacity(request, width)))
    engine.age = engine.age if request.start is None else 0
    draw = fresh_columns(reads, reads.shape[1], request.key)
    _, Y, _ = iterate(engine, request, min(request.rank, width), singular_residuals, draw)
    return powered(engine, Y[:, -width:])


def _to_tolerance(reads, request, options):
    """The fewest triplets within the tolerance: the basis grows until its Ritz values hold the energy asked for."""
    n, most = reads.shape[1], min(reads.shape)
    start = orthonormalize(starting_columns(reads, min(GROWING, most), request))[0]
    engine, draw = Lanczos(reads.normal, start, n), fresh_columns(reads, n, request.key)
    left, previous = options.room(reads.once), math.inf
    if left == 1:
        return _trimmed(reads, project(reads, start, replace(request, rank=start.shape[1])), request.tol)
    while True:
        engine.step()
        left -= 1
        w, Y, _ = engine.pairs()
        missed = 1.0 - float(engine.xp.sum(w)) / reads.norm**2 if reads.norm else 0.0
        over = engine.size >= most or left <= 1 or request.watch.tick(size=engine.size)
        short = missed > max(request.tol**2, _FLOOR * be.eps(reads.op.dtype))
        if short and not over and (not engine.exhausted or engine.revive(draw)):
            continue
        found = project(reads, powered(engine, Y[:, -most:]), replace(request, rank=min(engine.size, most)))
        left -= 1
        found = _trimmed(reads, found, request.tol)
        error = _by_probes(reads, found)[0]
        if over or left <= 1 or within(error, request.tol, reads.op.dtype) or not error <= _GAIN * previous:
            return found
        previous = error
        if engine.exhausted and not engine.revive(draw):
            return found


def _trimmed(reads, found, tol):
    """The fewest triplets of `found` within the tolerance, or all."""
    s = be.to_numpy(found.s).astype(float)
    norm = reads.norm or 0.0
    outside = max(norm**2 - float((s**2).sum()), 0.0)
    if outside <= _FLOOR * be.eps(reads.op.dtype) * norm**2:
        outside = found.missed() ** 2
    count = smallest_rank(s, outside, (tol * norm) ** 2)
    return found if count is None else found.leading(count)


def _by_sums(reads, tail, noise):
    """``(error, kind)`` from the values left out, or from the rounding that hides them."""
    total = (reads.norm or 0.0) ** 2
    if total == 0.0:
        return 0.0, "exact"
    if tail > _CLEAR * noise:
        return (tail / total) ** 0.5, "exact" if tail > _CLEAR**3 * noise else "estimate"
    return (max(tail, noise) / total) ** 0.5, "bound"


def _with_rounding(reads, found, error, kind):
    """``(error, kind)`` no smaller than rounding of the factors makes it."""
    least = max(be.eps(reads.op.dtype), found.amplified / reads.norm if found.cut else 0.0) if reads.norm else 0.0
    if not error < _SEEN * least:
        return error, kind
    return math.hypot(error, least), "estimate" if kind == "exact" else kind


def _with_zeros(reads, found):
    """`found` with zero columns in `T` where the value is rounding, and ``A T`` would be nothing else."""
    xp, least = reads.xp, _NOTHING * be.eps(reads.op.dtype) * (reads.norm or 0.0)
    return replace(found, T=xp.where((found.s > least)[None, :], found.T, xp.zeros_like(found.T)))


def _by_probes(reads, found):
    """``(error, kind)``: by ‖A‖² - Σσ², below the floor of that difference from ten probe columns."""
    if not reads.norm:
        return 0.0, "exact"
    left = 1.0 - be.vdot_real(found.s) / reads.norm**2
    if left > _FLOOR * be.eps(reads.op.dtype) or found.missed is None:
        return math.sqrt(max(left, 0.0)), "exact"
    return found.beyond() / reads.norm, "estimate"


def _assembled(reads, request, found: Projection, name, error):
    xp, op, top = reads.xp, reads.op, float(found.s[0])
    if request.rank is not None and request.rank > min(reads.rows, op.shape[1]):
        raise ValueError(f"rank={request.rank} is more than the {min(reads.rows, op.shape[1])} that the rows allow")
    count = found.s.shape[0]
    residuals = found.residuals[:count] + be.eps(reads.dtype) * top
    accurate = top == 0.0 or float(xp.max(residuals)) <= request.accuracy * top
    met = request.tol is None or within(error[0], request.tol, op.dtype)
    T, Vh = fix_phases(found.T, be.mH(found.V))
    real = be.real_dtype(xp, op.dtype)
    s = restored(xp.astype(found.s, real), 1.0 / reads.scale, "singular values")
    Vh = xp.astype(Vh, op.source_dtype if be.is_half(op.source_dtype) else op.dtype)
    mean = None if reads.mean is None else xp.astype(reads.mean, op.dtype)
    info = {
        "error": error[0], "error_kind": error[1], "converged": bool(met and (accurate or request.tol is not None)),
        "reason": _reason(request, met, accurate, top), "iterations": max(1, request.watch.count),
        "products": reads.products, "passes": reads.passes, "method": name, "rng": request.key.record,
        "residuals": xp.astype(residuals, real) / reads.scale,
        "details": {"rounding": found.amplified / top if top > 0 else 0.0, "cut": found.cut, "probes": PROBES},
    }  # fmt: skip
    return Found(reads.image(T), s, Vh, mean, info)


def _reason(request, met, accurate, top):
    if top == 0.0:
        return "the matrix is zero"
    if request.tol is not None:
        return "tolerance met" if met else "rank reached before tol" if request.rank else "the error is above tol"
    if accurate:
        return "accuracy reached"
    return request.watch.reason if request.watch.over else "no reads left, or rounding in the way"
