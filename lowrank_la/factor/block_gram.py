"""Singular triplets of a matrix in slabs with short rows: one read for the Gram matrix, or for the triangular factor.

The Gram matrix is added up in the widest dtype. Its rounding is known: from probes where the panels were multiplied in
a narrower dtype, else from eps. Rounding `E` leaves residuals of ``‖E‖ / σ_k``; where that is more than was asked, the
triangular factor of the whole matrix takes its place, in the widest dtype.
"""

from dataclasses import replace

import numpy as np

from .. import _backend as be
from .projection import Projection, reciprocal, refined
from .rangefinder import gaussian_block
from .request import smallest_rank

_PROBES = 4
_CAUTION = 4.0
_ALL_BELOW = 512
_HIDDEN = 100.0  # times the rounding of squares: smaller ones say nothing


def gram_read(reads, request, room, orthonormal):
    """``(Projection, method, tail, noise)`` from one read or two, as far as there is `room` for them.

    `tail` is the energy outside the triplets and `noise` the rounding in it. With `orthonormal` another read follows.
    """
    n = reads.shape[1]
    if reads.once and not _easily_met(request, reads):
        return _finished(reads, request, _from_triangle(reads), "qr", orthonormal)
    narrow = be.itemsize(reads.op.dtype) < be.itemsize(reads.dtype)
    probes = gaussian_block(reads, n, _PROBES if narrow else 0, request.key.child("rounding"))
    state = reads.rounded_gram(reads.xp.astype(probes, reads.op.dtype))
    spectrum = _from_gram(reads, request, state)
    if may_read_again(room) and not _resolved(spectrum, request):
        return _finished(reads, request, _from_triangle(reads), "gram+qr", orthonormal)
    return _finished(reads, request, spectrum, "gram", orthonormal)


def may_read_again(room):
    """Whether a second read may take the triangular factor."""
    return room >= 2


def _easily_met(request, reads):
    return request.tol is None and request.accuracy > 1e3 * be.eps(reads.op.dtype) ** 0.5


class _Spectrum:
    """Leading values and vectors, energy of the whole, and the absolute rounding of their squares."""

    def __init__(self, s, V, total, rounding):
        self.s, self.V, self.total, self.rounding = s, V, total, rounding

    def residuals(self):
        """Residuals that rounding leaves, one a triplet."""
        host = be.to_numpy(self.s).astype(float)
        floor = self.rounding**0.5
        return self.rounding / np.maximum(host, floor if floor > 0 else 1.0)

    @property
    def noise(self):
        """Rounding of the energy of the values left out."""
        return self.V.shape[0] ** 0.5 * self.rounding


def _from_gram(reads, request, state):
    xp, n = reads.xp, reads.shape[1]
    G = (state["G"] + be.mH(state["G"])) / 2
    if request.tol is not None or n <= _ALL_BELOW:
        w, V = be.small_eigh(G)
    else:
        w, V = be.top_eigh(G, min(n, request.rank + request.oversample))
    w, V = xp.flip(w), xp.flip(V, axis=1)
    s = xp.sqrt(xp.where(w > 0, w, xp.zeros_like(w)))
    total = float(xp.sum(xp.real(xp.linalg.diagonal(G))))
    gap = state["gap"]
    rounding = _CAUTION * be.eps(G.dtype) * max(float(w[0]), 0.0)
    if gap.shape[1]:
        rounding += _CAUTION * be.fro_norm(gap) / (_PROBES * n) ** 0.5
    return _Spectrum(s, V, max(total, 0.0), rounding)


def _from_triangle(reads):
    R = reads.triangle()["R"]
    _, s, Vh = be.small_svd(R)
    eps = be.eps(R.dtype)
    total = be.vdot_real(s)
    return _Spectrum(s, be.mH(Vh), total, (_CAUTION * eps * float(s[0])) ** 2)


def _resolved(spectrum, request):
    """Whether rounding of the Gram matrix leaves what was asked for."""
    s = spectrum.s
    if float(s[0]) == 0.0:
        return True
    if request.tol is not None and request.tol**2 * spectrum.total < spectrum.noise:
        return False
    count = s.shape[0] if request.rank is None else min(request.rank, s.shape[0])
    if request.tol is not None:
        count = min(count, _needed(spectrum, request) or count)
    least, top = float(s[count - 1]), float(s[0])
    hidden = least**2 < _HIDDEN * spectrum.rounding
    return not hidden and float(spectrum.residuals()[count - 1]) <= (request.accuracy - 2 * be.eps(s.dtype)) * top


def _needed(spectrum, request):
    host = be.to_numpy(spectrum.s).astype(float)
    return smallest_rank(host, max(spectrum.total - float((host**2).sum()), 0.0), request.tol**2 * spectrum.total)


def _finished(reads, request, spectrum, method, orthonormal):
    count = spectrum.s.shape[0]
    if request.tol is not None:
        count = _needed(spectrum, request) or count
    count = count if request.rank is None else min(count, request.rank)
    xp, s, V = reads.xp, spectrum.s[:count], spectrum.V[:, :count]
    if method == "gram" and spectrum.rounding > 0:
        shown = xp.where(s > spectrum.rounding**0.5, s, xp.zeros_like(s))
        T = V * reciprocal(shown, V.dtype)[None, :]
    else:
        T = V * reciprocal(s, V.dtype)[None, :]
    residuals = spectrum.residuals()[:count].astype(be.dtype_name(s.dtype))
    residuals = be.from_numpy(residuals, xp, reads.device)
    found = Projection(T, s, V, residuals, 0.0, False)
    found = refined(reads, found) if orthonormal else found
    energy = be.vdot_real(found.s)
    noise = spectrum.noise if method == "gram" else be.eps(s.dtype) ** 2 * spectrum.total
    tail = max(spectrum.total - energy, 0.0) if orthonormal else _beyond(spectrum, count)
    return replace(found, Z=None), method, tail, noise


def _beyond(spectrum, count):
    """Energy of the values left out: their own sum where all are known, which no cancellation spoils."""
    s = be.to_numpy(spectrum.s).astype(float)
    left = float((s[count:] ** 2).sum())
    if len(s) == spectrum.V.shape[0]:
        return left
    return max(left, spectrum.total - float((s[:count] ** 2).sum()))
