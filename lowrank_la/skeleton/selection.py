"""Which columns: the sketch that shows them, and the method that chooses."""

import numpy as np

from .. import _backend as be
from ..factor.rangefinder import gaussian_block
from ..factor.svd import svd
from ..factor.tall_qr import orthonormalize
from .pivoted_qr import pivots
from .refinement import refine, work_of_exchange
from .spanned import Spanned
from .strong_rrqr import strengthen
from .subspace_rows import deim, maxvol, qdeim, volume_draw

TO_A_TOLERANCE = ("auto", "sketched_qr")
_BLOCK = 32
_EXTRA = 8  # rows of the sketch beyond the columns that it has to tell apart
_NOISE = 32.0
_SUBSPACE = 1e-2  # residual of the singular vectors that columns are chosen from
_LEAST_GAIN = 3e-3  # part of the squared error that an exchange has to save
_EXCHANGE_WORK = 1e10  # operations that exchanges may take in all
_RANK_REACHED, _EXHAUSTED, MET = "rank reached", "numerical rank reached", "tolerance met"


def select(A, request, method):
    """Chosen columns of `A` as `Spanned`, why the choice ended, and the method that made it."""
    spanned = Spanned(A, request.norm, request.key)
    if request.norm == 0.0:
        spanned.stand_for_zero()
        return spanned, _EXHAUSTED if request.tol is None else MET, "sketched_qr"
    if request.tol is not None:
        return spanned, _to_tolerance(spanned, request), "sketched_qr"
    name = "refined" if method == "auto" else method
    chosen = _CHOICES[name](spanned, request, request.rank + request.oversample)
    if chosen:
        spanned.extend(chosen)
    else:  # of an operator whose norm is not known beforehand: all of its products are zero
        spanned.stand_for_zero()
    request.watch.tick(size=spanned.size)
    return spanned, _RANK_REACHED if spanned.size >= request.rank else _EXHAUSTED, name


def sketched(spanned, key, rows):
    """``Qᴴ E`` with so many rows, `E` what the span leaves of the matrix and `Q` an orthonormal basis of ``E Eᴴ G``.

    One power iteration: columns chosen from ``Gᴴ E`` alone, Gaussian `G`, are up to a tenth worse.
    """
    A = spanned.A
    rows = min(rows, *A.shape)
    G = gaussian_block(A, A.shape[0], rows, key)
    Q = orthonormalize(spanned.rest_matmat(orthonormalize(spanned.rest_rmatmat(G))[0]))[0]
    return be.mH(spanned.rest_rmatmat(Q))


def noise_floor(Y):
    """Length below which what is left of a column of the sketch is rounding."""
    xp = be.namespace(Y)
    return _NOISE * be.eps(Y.dtype) * float(xp.max(xp.linalg.vector_norm(Y, axis=0)))


def _to_tolerance(spanned, request):
    """Blocks of pivots of sketches of what is left, until the error meets the tolerance."""
    A, floor = spanned.A, None
    limit, known = request.wanted(A.shape), set()
    while spanned.size < limit:
        width = min(_BLOCK, limit - spanned.size)
        Y = sketched(spanned, request.key.child("sketch").child(spanned.size), width + _EXTRA)
        floor = noise_floor(Y) if floor is None else floor
        fresh = [j for j in pivots(Y, width, floor) if j not in known]
        if not fresh and spanned.size == 0:
            spanned.stand_for_zero()
            return MET
        if not fresh:
            return _EXHAUSTED
        spanned.extend(fresh)
        known.update(fresh)
        squares = spanned.missed()[0]
        over = request.watch.tick(size=spanned.size, error=float(squares[-1] ** 0.5 / spanned.norm))
        enough = np.flatnonzero(squares[1:] <= (request.tol * spanned.norm) ** 2)
        if enough.size:
            spanned.cut(int(enough[0]) + 1)
            return MET
        if over:
            return request.watch.reason
    return _RANK_REACHED


def _pivots_of_sketch(spanned, request, rows, count):
    Y = sketched(spanned, request.key.child("sketch"), rows)
    return Y, pivots(Y, count, noise_floor(Y))


def _sketched_qr(spanned, request, count):
    """Pivots of a sketch."""
    return _pivots_of_sketch(spanned, request, count + _EXTRA, count)[1]


def _refined(spanned, request, count):
    """Pivots of a sketch, exchanged while that lowers its error."""
    Y, chosen = _pivots_of_sketch(spanned, request, 2 * count + _EXTRA, count)
    most = min(len(chosen), int(_EXCHANGE_WORK / work_of_exchange(Y.shape, count)))
    return refine(Y, chosen, most, _LEAST_GAIN)


def _strong_rrqr(spanned, request, count):
    """Pivots of a sketch, exchanged until no exchange doubles the volume."""
    Y, chosen = _pivots_of_sketch(spanned, request, 2 * count + _EXTRA, count)
    return strengthen(Y, chosen, 4 * count + 100) if chosen else chosen


def _by_basis(choose):
    """Method that chooses among the rows of the leading right singular vectors, as many as the numerical rank."""

    def choice(spanned, request, count):
        A, key = spanned.A, request.key.child("subspace")
        _, s, Vh = svd(A, count, accuracy=_SUBSPACE, rng=key, check_finite=False)
        size = int((be.to_numpy(s) > _NOISE * be.eps(A.dtype) * float(s[0])).sum())
        return choose(be.mH(Vh[:size, :]), key) if size else []

    return choice


_CHOICES = {
    "sketched_qr": _sketched_qr,
    "refined": _refined,
    "rrqr": _strong_rrqr,
    "arp": _by_basis(volume_draw),
    "deim": _by_basis(lambda V, _: deim(V)),
    "qdeim": _by_basis(lambda V, _: qdeim(V)),
    "maxvol": _by_basis(lambda V, _: maxvol(V)),
}
METHODS = ("auto", *_CHOICES)
