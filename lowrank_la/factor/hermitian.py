"""Eigenpairs at an end of the spectrum of a Hermitian operator, by block Lanczos."""

import numpy as np

from .. import _backend as be
from .fused import ending, iterate
from .krylov import block_width, one_sided_capacity
from .lanczos import Lanczos
from .rangefinder import complete_columns, fresh_columns, gaussian_block, starting_columns
from .request import Triplets
from .tall_qr import orthonormalize


def asymmetry(A, key):
    """Relative size of ``A x - Aᴴ x`` on two Gaussian columns."""
    x = gaussian_block(A, A.shape[1], 2, key.child("hermitian"))
    forward, backward = A.matmat(x), A.rmatmat(x)
    gap, size = (float(A.xp.linalg.matrix_norm(part)) for part in (forward - backward, forward))
    return gap / size if size > 0 else 0.0


def require_hermitian(A, key, most=1.0, instead="svd"):
    """ValueError unless `A` equals its adjoint to rounding (or `most`), as far as two random columns can tell."""
    gap = asymmetry(A, key)
    if gap > max(10 * be.eps(A.dtype), min(most, 100 * be.eps(A.dtype) ** 0.75)):
        raise ValueError(f"A is not Hermitian: A x and Aᴴ x differ by {gap:.1e} of their size; use {instead}")


def hermitian_svd(A, request):
    """Singular triplets of a Hermitian `A` from its eigenpairs of largest modulus: one product a column."""
    w, V, residuals, done = hermitian_pairs(A, request, "LM")
    xp = A.xp
    s = xp.abs(w)
    order = _sorted(-s)
    s, w, V, residuals = xp.take(s, order), xp.take(w, order), xp.take(V, order, axis=1), xp.take(residuals, order)
    sign = xp.astype(xp.where(w < 0, -xp.ones_like(w), xp.ones_like(w)), V.dtype)
    steps = request.watch.count
    return Triplets(V * sign[None, :], s, be.mH(V), residuals, done, ending(request, done), steps, "hermitian")


def wanted_order(xp, w, which):
    """Indices of ascending `w` in the order that was asked for."""
    return _sorted(w if which == "SA" else -w if which == "LA" else -xp.abs(w))


def _sorted(keys):
    """Indices that sort `keys`, found on the host: there are few, and not every device can sort."""
    order = np.argsort(be.to_numpy(keys), kind="stable")
    return be.index_array(order, keys.shape[0], be.namespace(keys), be.device(keys))


def hermitian_pairs(A, request, which):
    """Block Lanczos; the wanted end of the spectrum is brought to the end of the ascending core."""
    xp, n = A.xp, A.shape[0]
    width = block_width(A, request)
    sign = -1.0 if which == "SA" else 1.0
    start = orthonormalize(starting_columns(A, width, request))[0]
    limit = min(n, one_sided_capacity(request, start.shape[1]))
    engine = _Ordered(lambda X: sign * A.matmat(X), start, limit, by_modulus=which == "LM")
    engine.age = engine.age if request.start is None else 0
    draw = fresh_columns(A, n, request.key)
    w, Y, done = iterate(engine, request, request.rank, _scaled_residuals, draw)
    zeros = _zeros_outside(engine, request.rank)
    count = engine.size if zeros else request.rank
    residuals = xp.flip(engine.residuals(w, Y))[:count]
    V = engine.vectors(xp.flip(Y, axis=1)[:, :count])
    w = sign * xp.flip(w)[:count]
    if zeros:
        V = complete_columns(A, V, count + zeros, n, request.key.child("vectors"))
        missing = xp.zeros((zeros,), dtype=w.dtype, device=be.device(w))
        w, residuals = xp.concat([w, missing]), xp.concat([residuals, missing])
        order = wanted_order(xp, w, which)[: request.rank]
        w, V, residuals = xp.take(w, order), xp.take(V, order, axis=1), xp.take(residuals, order)
    return w, V, residuals, done


def _zeros_outside(engine, rank):
    """How many eigenvalues 0 of the complement of an exhausted basis compete for a place among `rank`."""
    if engine.size < rank or engine.barren:
        return min(rank, engine.V.columns.shape[0] - engine.size)
    return 0


class _Ordered(Lanczos):
    """Lanczos whose pairs are sorted so that the wanted ones come last."""

    def __init__(self, apply, start, capacity, by_modulus):
        super().__init__(apply, start, capacity)
        self.by_modulus = by_modulus

    def pairs(self, count=None):
        w, Y, residuals = super().pairs(count)
        if not self.by_modulus or self._outweighs_the_rest(w):
            return w, Y, residuals
        if w.shape[0] < self.size:
            w, Y, residuals = super().pairs()
        order = _sorted(self.xp.abs(w))
        return tuple(self.xp.take(part, order, axis=-1) for part in (w, Y, residuals))

    def _outweighs_the_rest(self, w):
        """Whether the ascending `w`, the largest eigenvalues of the core, are those of largest modulus as well."""
        if w.shape[0] == self.size or float(w[0]) <= 0.0:
            return False
        eye = self.xp.eye(self.size, dtype=self.core.dtype, device=be.device(self.core))
        return be.cholesky_upper(self.core + float(w[0]) * eye) is not None


def _scaled_residuals(w, residuals):
    xp = be.namespace(w)
    return float(xp.max(xp.abs(w))), residuals
