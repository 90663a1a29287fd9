"""Randomized block Krylov on a Hermitian operator, the basis on one side only.

With ``H = AᴴA`` this is the fused engine of the singular value decomposition (one read of `A` a step); with ``H``
itself it finds eigenpairs at either end of the spectrum.
"""

from .. import _backend as be
from .basis import Basis


class Lanczos:
    """Block Lanczos basis ``V`` of the Hermitian map `apply`, with ``VᴴHV`` kept as `core`.

    Parameters
    ----------
    apply : callable
        ``apply(X) = H X`` for `X` of shape (n, b).
    start : array (n, b)
        Orthonormal columns.
    capacity : int
        Columns that the basis may hold.
    """

    def __init__(self, apply, start, capacity):
        self.apply, self.xp = apply, be.namespace(start)
        n, b = start.shape
        self.V = Basis(n, min(capacity + b, n), start)
        self.V.replace(start)
        self.core = self.xp.zeros((0, 0), dtype=start.dtype, device=be.device(start))
        self.coupling = None
        self.linked = 0
        self.norm = 0.0
        self.exhausted = False

    @property
    def size(self):
        """Columns whose image is known."""
        return self.core.shape[0]

    def step(self):
        """Multiply the newest block by `H` and append what is new."""
        known, size = self.size, self.V.size
        newest = self.V.Q[:, known:]
        Y = self.apply(newest)
        self.norm = max(self.norm, float(self.xp.max(self.xp.linalg.vector_norm(Y, axis=0))))
        n, eps = Y.shape[0], be.eps(Y.dtype)
        C, S = self.V.extend(Y, 4 * eps * n**0.5 * self.norm, first=self.linked)
        self.linked = known
        self._grow_core(C, known, size)
        self.coupling = S
        self.exhausted = S.shape[0] == 0

    def pairs(self):
        """``(w, Y, residuals)``: eigenpairs of the core, ascending, and residuals ``‖H v - w v‖``."""
        w, Y = be.small_eigh(self.core)
        return w, Y, self.residuals(w, Y)

    def residuals(self, w, Y):
        """Residuals ``‖H v - w v‖`` of the pairs ``w, Y`` of the core."""
        if self.exhausted:
            return self.xp.zeros_like(w)
        tail = Y[Y.shape[0] - self.coupling.shape[1] :, :]
        return self.xp.linalg.vector_norm(self.coupling @ tail, axis=0)

    def vectors(self, Y):
        """Ritz vectors with coefficients `Y`."""
        return be.matmul(self.V.Q[:, : self.size], Y)

    def restart(self, w, Y):
        """Keep the Ritz pairs ``w, Y`` and the block that comes next."""
        kept, upcoming = self.vectors(Y), self.V.Q[:, self.size :]
        self.V.replace(self.xp.concat([kept, upcoming], axis=1))
        self.core = self.xp.astype(w, kept.dtype)[:, None] * self.xp.eye(
            w.shape[0], dtype=kept.dtype, device=be.device(kept)
        )
        self.linked = 0

    def _grow_core(self, C, known, size):
        xp = self.xp
        corner = (C[known:size, :] + be.mH(C[known:size, :])) / 2
        top = xp.concat([self.core, C[:known, :]], axis=1)
        bottom = xp.concat([be.mH(C[:known, :]), corner], axis=1)
        self.core = xp.concat([top, bottom], axis=0)
