"""The last read: ``A W`` and ``Aᴴ(A W)`` give the singular triplets of ``Qᴴ A``, Q an orthonormal basis of ``A W``.

With ``A W = Q R`` and ``Z = Aᴴ A W`` the projected matrix is ``Qᴴ A = R⁻ᴴ Zᴴ``; Q is never formed. Rounding of `Z` is
amplified to ``e = eps σ₁ ‖D R⁻¹‖``, D the norms of the columns of `R`. That is harmless where the columns of `W` are
graded as singular vectors are, and not where a random `W` meets a steep spectrum; then the small singular values of
`R` are cut, at the cost of an absolute error up to ``√eps σ₁``.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from .. import _backend as be
from .rangefinder import complete_columns, gaussian_block
from .tall_qr import orthonormalize

PROBES = 10
_HARMLESS = 1e3  # units of eps σ₁


@dataclass(frozen=True)
class Projection:
    """Singular triplets of ``Qᴴ A``, descending: ``U = A T``, `s` and `V`.

    Attributes
    ----------
    T, V : array, shape (n, k)
    s : array, shape (k,)
    residuals : array
        ``‖Aᴴu - σ v‖`` of the Ritz triplets of `W`, one half step before these.
    amplified : float
        The rounding error `e`; where directions were cut off, ``eps σ₁² / t`` for the least `t` that was kept.
    cut : bool
        Whether small singular values of `R` were left out.
    Z : array
        ``Aᴴ A W``, columns to go on with.
    missed : callable
        ``missed()``: estimate of ‖A - Â‖_F for all triplets that were found, from ten Gaussian columns.
    tail : float
        Energy of the triplets that were left out since.
    """

    T: Any
    s: Any
    V: Any
    residuals: Any
    amplified: float
    cut: bool
    Z: Any = None
    missed: Any = None
    tail: float = 0.0

    def leading(self, count):
        """The first `count` triplets."""
        T, V, s, residuals = self.T[:, :count], self.V[:, :count], self.s[:count], self.residuals[:count]
        return replace(self, T=T, V=V, s=s, residuals=residuals, tail=self.tail + be.vdot_real(self.s[count:]))

    def beyond(self):
        """Estimate of ‖A - Â‖_F: the triplets left out one by one, what lies outside all of them by probes."""
        return math.hypot(self.missed(), math.sqrt(self.tail))

    def padded(self, reads, count, key):
        """`count` triplets, those that are missing with zero values and zero columns in `T`."""
        missing = count - self.s.shape[0]
        if missing <= 0:
            return self
        xp = reads.xp
        V = complete_columns(reads, self.V, count, reads.shape[1], key.child("right"))
        T = xp.concat([self.T, xp.zeros_like(V[:, :missing])], axis=1)
        zeros = xp.zeros((missing,), dtype=self.s.dtype, device=be.device(self.s))
        s, residuals = xp.concat([self.s, zeros]), xp.concat([self.residuals[: self.s.shape[0]], zeros])
        return replace(self, T=T, V=V, s=s, residuals=residuals)


def project(reads, W, request):
    """`Projection` of one read of `reads` on the orthonormal columns `W`."""
    xp, width = reads.xp, W.shape[1]
    W = xp.astype(xp.astype(W, reads.op.dtype), reads.dtype)
    probes = gaussian_block(reads, W.shape[0], PROBES, request.key.child("error"))
    state = reads.fused(xp.concat([W, probes], axis=1), probes=PROBES, triangle=True)
    Z, R = state["Z"], state["R"][:width, :width]
    inside, outside = state["R"][:width, width:], state["R"][width:, width:]
    P, t, Gh = be.small_svd(R)
    norms = xp.linalg.vector_norm(R, axis=0)
    amplified = _amplified(reads, R, norms, t)
    least = float(t[min(request.rank, t.shape[0]) - 1])
    top = float(t[0])
    harmless = max(request.accuracy * least, _HARMLESS * be.eps(reads.op.dtype) * top)
    cut = not amplified <= harmless
    T, s, V, M = _cut(reads, W, Z, P, t, Gh) if cut else _solved(W, Z, R, norms)
    if not cut:
        moved = strayed(reads, T, s)
        amplified, cut = max(amplified, moved), not moved <= harmless
        T, s, V, M = _cut(reads, W, Z, P, t, Gh) if cut else (T, s, V, M)
    if cut:
        amplified = be.eps(reads.op.dtype) * top * top / float(t[_lasting(reads, t) - 1]) if top > 0 else 0.0

    def missed():
        left = inside - be.matmul(M, be.adjoint_matmul(M, inside))
        return math.sqrt((be.vdot_real(left) + (be.vdot_real(outside) if outside.shape[0] else 0.0)) / PROBES)

    residuals = _residuals(W, Z, t, Gh)[: s.shape[0]]
    return Projection(T, s, V, residuals, amplified, cut, Z, missed)


def refined(reads, found):
    """`found` with ``U = A T`` orthonormal to rounding: one read takes the triangular factor of ``A V``."""
    xp, k = reads.xp, found.V.shape[1]
    V = xp.astype(xp.astype(found.V, reads.op.dtype), reads.dtype)
    R = reads.fused(V, probes=k, triangle=True)["R"]
    _, s, vh = be.small_svd(R)
    V = be.matmul(V, be.mH(vh))
    return replace(found, T=V * reciprocal(s, V.dtype)[None, :], s=s, V=V)


def reciprocal(s, dtype, largest=None):
    """``1 / s`` in `dtype`, zero where `s` is rounding of the largest."""
    xp = be.namespace(s)
    floor = be.eps(dtype) * (float(s[0]) if largest is None else largest)
    known = s > floor
    return xp.astype(xp.where(known, 1 / xp.where(known, s, xp.ones_like(s)), xp.zeros_like(s)), dtype)


def _amplified(reads, R, norms, t):
    """``eps σ₁ ‖D R⁻¹‖``; infinite where `R` is singular."""
    if float(reads.xp.min(norms)) == 0.0 or not math.isfinite(float(t[0])):
        return math.inf
    scaled = be.small_svd(R / reads.xp.astype(norms, R.dtype)[None, :])[1]
    least = float(scaled[-1])
    return be.eps(reads.op.dtype) * float(t[0]) / least if least > be.eps(R.dtype) * float(scaled[0]) else math.inf


def strayed(reads, T, s):
    """How far rounding of ``A T`` moves ``U diag(s)``: far, where columns of ``A W`` are rounding themselves."""
    xp = reads.xp
    sizes = s * xp.linalg.vector_norm(T, axis=0)
    return be.eps(reads.op.dtype) * (reads.norm or 0.0) * float(xp.max(sizes))


def _solved(W, Z, R, norms):
    """``T, s, V, M`` from ``Bᴴ = Z R⁻¹``, with ``U = Q M``; columns of one size are solved with."""
    norms = be.namespace(R).astype(norms, R.dtype)
    scaled = R / norms[None, :]
    Bh = be.right_solve_upper(Z / norms[None, :], scaled)
    V, s, M = _triplets(Bh)
    return be.matmul(W, be.solve_upper(scaled, M) / norms[:, None]), s, V, M


def _cut(reads, W, Z, P, t, Gh):
    """``T, s, V, M`` without the singular values of `R` below ``√eps`` of the largest."""
    xp = reads.xp
    count = _lasting(reads, t)
    G = be.mH(Gh[:count, :]) * reciprocal(t[:count], W.dtype)[None, :]
    V, s, M = _triplets(be.matmul(Z, G))
    return be.matmul(W, be.matmul(G, M)), s, V, be.matmul(xp.astype(P[:, :count], W.dtype), M)


def _lasting(reads, t):
    """How many of the singular values `t` of `R` are not cut."""
    host = be.to_numpy(t)
    return max(1, int((host > be.eps(reads.op.dtype) ** 0.5 * host[0]).sum()))


def _triplets(Bh):
    """``V, s, M`` with ``Bh = V diag(s) Mᴴ``."""
    Q, R = be.householder_qr(Bh)
    u, s, mh = be.small_svd(R)
    return be.matmul(Q, u), s, be.mH(mh)


def _residuals(W, Z, t, Gh):
    """``‖Aᴴu - σ v‖`` of the Ritz triplets of `W`."""
    xp = be.namespace(W)
    G = be.mH(Gh)
    gap = be.matmul(Z, G) - be.matmul(W, G) * xp.astype(t * t, W.dtype)[None, :]
    least = float(t[0]) * be.eps(W.dtype) ** 0.5
    floor = max(least, float(xp.finfo(t.dtype).smallest_normal))
    return xp.linalg.vector_norm(gap, axis=0) / xp.where(t > floor, t, xp.full_like(t, floor))


def powered(engine, Y):
    """Orthonormal columns of the images ``H v`` of the Ritz vectors `Y`, largest first: known without a read."""
    xp = engine.xp
    order = xp.flip(Y, axis=1)
    if engine.exhausted:
        return engine.vectors(order)
    known, tail = engine.size, order[order.shape[0] - engine.coupling.shape[1] :, :]
    newest = engine.V.Q[:, known : known + engine.coupling.shape[0]]
    image = be.matmul(engine.V.Q[:, :known], be.matmul(engine.core, order))
    image = image + be.matmul(newest, be.matmul(engine.coupling, tail))
    norms = xp.linalg.vector_norm(image, axis=0)  # columns of one size keep what is graded in them
    return orthonormalize(image / xp.astype(xp.where(norms > 0, norms, xp.ones_like(norms)), image.dtype)[None, :])[0]
