"""Randomized block Krylov on a Hermitian operator, the basis on one side only.

With ``H = AᴴA`` this is the fused engine of the singular value decomposition (one read of `A` a step); with ``H``
itself it finds eigenpairs at either end of the spectrum.
"""

from .. import _backend as be
from .basis import Basis
from .golub_kahan import noise_level

_GROWN = 3


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
        self.width = b
        self.coupling = None
        self.linked = 0
        self.norm = 0.0
        self.exhausted = False
        self.barren = False
        self.age = _GROWN

    @property
    def size(self):
        """Columns whose image is known."""
        return self.core.shape[0]

    @property
    def full(self):
        """Whether the next block would not fit (a basis of the whole space never is full)."""
        return self.V.bounded and self.V.room < max(self.width, self.V.size - self.size)

    @property
    def crowded(self):
        """Whether a step with a block of fresh columns beside the next one would not fit."""
        return self.V.bounded and self._spare() < self.width

    @property
    def young(self):
        """Whether a revived iteration has not yet had the steps to show what it holds."""
        return not self.exhausted and self.age < _GROWN

    def revive(self, draw):
        """Go on with ``draw(b)`` random columns outside the basis; False when `H` has nothing left there."""
        columns = min(self.width, self._spare() if self.V.bounded else self.V.room)
        if self.barren or columns <= 0:
            return False
        self.V.extend(draw(columns), 0.0)
        self.linked, self.exhausted, self.age = 0, False, 0
        return True

    def step(self):
        """Multiply the newest block by `H` and append what is new."""
        self.age += 1
        known, size = self.size, self.V.size
        newest = self.V.Q[:, known:]
        Y = self.apply(newest)
        self.norm = max(self.norm, float(self.xp.max(self.xp.linalg.vector_norm(Y, axis=0))))
        eps = be.eps(Y.dtype)
        floor = 4 * eps * self.norm
        C, S = self.V.extend(Y, floor, first=self.linked)
        S = self.V.withdraw(S, noise_level(Y.dtype, (Y.shape[0],)) * self.norm)
        self.linked = known
        self._grow_core(C, known, size)
        self.coupling = S
        self.exhausted = S.shape[0] == 0
        self.barren = self.exhausted and float(self.xp.max(self.xp.abs(C))) <= 100 * floor

    def pairs(self, count=None):
        """``(w, Y, residuals)``: eigenpairs of the core, ascending, and residuals ``‖H v - w v‖``.

        With `count` at least so many of the largest; all of them once the basis is exhausted.
        """
        w, Y = be.top_eigh(self.core, self.size if count is None or self.exhausted else min(count, self.size))
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

    def _spare(self):
        """Columns that can join the next block and leave room for what the step with it appends."""
        return max(0, (self.V.room - (self.V.size - self.size)) // 2)

    def _grow_core(self, C, known, size):
        xp = self.xp
        corner = (C[known:size, :] + be.mH(C[known:size, :])) / 2
        top = xp.concat([self.core, C[:known, :]], axis=1)
        bottom = xp.concat([be.mH(C[:known, :]), corner], axis=1)
        self.core = xp.concat([top, bottom], axis=0)
