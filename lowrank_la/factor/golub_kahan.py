"""Randomized block Krylov on `A` and its adjoint in turn: full accuracy, one residual for nothing.

Two orthonormal bases grow, ``X`` (m side) and ``W`` (n side), with ``Aᴴ X = W Rw``. The singular triplets of ``Rw``
then satisfy ``Aᴴ u = σ v`` to rounding, and ``‖A v - σ u‖`` is read from the block that comes next.

One block can hold no more copies of a repeated singular value than it has columns. When the spaces stop growing
(`exhausted`), `revive` goes on with fresh random columns outside them, until `A` vanishes there.
"""

from .. import _backend as be
from .basis import Basis
from .tall_qr import orthonormalize

_GROWN = 3


class GolubKahan:
    """Block Golub-Kahan bases of the operator `A`.

    Parameters
    ----------
    A : LinearOperator
    start : array (m, b)
        Orthonormal columns.
    capacity : int
        Columns that each basis may hold.
    caution : float
        Factor on the level below which a block counts as rounding; small where what is left matters to the last bit.
    """

    def __init__(self, A, start, capacity, caution=1.0):
        self.A, self.xp, self.caution = A, A.xp, caution
        self.bounded = capacity < min(A.shape)
        rows = min(capacity, A.shape[0]) + start.shape[1]
        complete = not self.bounded
        self.X = Basis(A.shape[0], min(rows, A.shape[0]), start, complete)
        self.W = Basis(A.shape[1], min(capacity + start.shape[1], A.shape[1]), start, complete)
        self.X.replace(start)
        self.core = self.xp.zeros((0, 0), dtype=start.dtype, device=be.device(start))
        self.next = start
        self.width = start.shape[1]
        self.coupling = None
        self.descent = None
        self._waiting = None
        self.norm = 0.0
        self.linked = 0
        self.exhausted = False
        self.age = _GROWN

    @property
    def size(self):
        """Columns of `X` whose image under the adjoint is known."""
        return self.core.shape[1]

    @property
    def full(self):
        """Whether the next block would not fit (a basis of the whole space never is full)."""
        waiting = 0 if self._waiting is None else self.coupling.shape[0]
        needed = max(self.width, waiting or self.next.shape[1])
        return self.bounded and min(self.X.room - waiting, self.W.room) < needed

    @property
    def crowded(self):
        """Whether a step with a block of fresh columns beside the next one would not fit."""
        self.settle()
        return self.bounded and self._spare() < self.width

    @property
    def young(self):
        """Whether a revived iteration has not yet had the steps to show what it holds."""
        return not self.exhausted and self.age < _GROWN

    def revive(self, draw):
        """Go on with ``draw(b)`` random columns outside `W`; False when `A` has nothing left there."""
        self.settle()
        n = self.A.shape[1]
        columns = min(self.width, n - self.W.size, self._spare() if self.bounded else self.X.room)
        if columns <= 0:
            return False
        fresh = draw(columns)
        for _ in range(2):
            fresh = orthonormalize(fresh - be.matmul(self.W.Q, be.adjoint_matmul(self.W.Q, fresh)))[0]
        _, S = self.X.extend(self.A.matmat(fresh), self._floor())
        if self.X.withdraw(S, self._noise()).shape[0] == 0:
            return False
        self.next, self.linked, self.exhausted, self.age = self.X.Q[:, self.size :], 0, False, 0
        return True

    def step(self):
        """Multiply the newest block by ``Aᴴ`` and its image by ``A``."""
        self.descend()
        self.ascend()
        self.settle()

    def descend(self):
        """The first half of a step: multiply the newest block by ``Aᴴ``."""
        self.settle()
        self.age += 1
        if self.exhausted:
            return
        Y = self.A.rmatmat(self.next)
        self._note_norm(Y)
        C, S = self.W.extend(Y, self._floor(), first=self.linked)
        S = self.W.withdraw(S, self._noise())
        self.linked = self.W.size - S.shape[0]
        self._grow_core(C, S)
        self.descent = S
        if S.shape[0] == 0:
            self._stop()

    def ascend(self):
        """The second half: multiply what `descend` found by ``A``. The image waits for `settle` to join `X`."""
        if self.exhausted:
            return
        Z = self.A.matmat(self.W.Q[:, self.linked :])
        _, Q, self.coupling = self.X.separate(Z, first=max(0, self.X.size - self.next.shape[1]))
        if float(self.xp.max(self.xp.abs(self.coupling))) <= self._noise():
            self._stop()
        else:
            self._waiting = (Z, Q, self.coupling)

    def settle(self):
        """Append to `X` what waits: work that is spared where the iteration ends before."""
        if self._waiting is None:
            return
        known, (Z, Q, S), self._waiting = self.X.size, self._waiting, None
        self.coupling = self.X.withdraw(self.X.admit(Z, Q, S, self._floor()), self._noise())
        self.next = self.X.Q[:, known:]
        if self.coupling.shape[0] == 0:
            self._stop()

    def halfway_triplets(self):
        """As `triplets`, between `descend` and `ascend`: those of `A` on the older columns of `W`.

        There ``A v = σ u`` to rounding, and the residuals ``‖Aᴴ u - σ v‖`` are read from what `descend` found.
        """
        S = self.descent
        V, s, Uh = be.small_svd(self.core[: self.W.size - S.shape[0], :])
        residuals = self.xp.linalg.vector_norm(S @ be.mH(Uh[:, Uh.shape[1] - S.shape[1] :]), axis=0)
        return be.mH(Uh), s, be.mH(V), residuals

    def triplets(self):
        """``(Uc, s, Vch, residuals)``: triplets of the core and their residuals ``‖A v - σ u‖``."""
        U, s, Vh = be.small_svd(be.mH(self.core))
        if self.exhausted or self.coupling is None:
            return U, s, Vh, self.xp.zeros_like(s)
        tail = Vh[:, Vh.shape[1] - self.coupling.shape[1] :]
        residuals = self.xp.linalg.vector_norm(tail @ be.mH(self.coupling), axis=1)
        return U, s, Vh, residuals

    def vectors(self, U, Vh, count):
        """Leading `count` singular vectors ``(U, Vh)`` from those of the core."""
        left = be.matmul(self.X.Q[:, : self.size], U[:, :count])
        return left, be.mH(be.matmul(self.W.Q[:, : Vh.shape[1]], be.mH(Vh[:count, :])))

    def restart(self, U, s, Vh, keep):
        """Keep the leading `keep` triplets of the core and the block that comes next."""
        self.settle()
        left, right = self.vectors(U, Vh, keep)
        upcoming = self.next
        self.X.replace(self.xp.concat([left, upcoming], axis=1))
        self.W.replace(be.mH(right))
        self.core = _diagonal(self.xp, self.xp.astype(s[:keep], upcoming.dtype))
        self.next = self.X.Q[:, keep:]
        self.linked = 0

    def _spare(self):
        """Columns that can join the next block and leave room for what the step with it appends."""
        ahead = self.next.shape[1]
        return max(0, min((self.X.room - ahead) // 2, self.W.room - ahead))

    def _grow_core(self, C, S):
        old_cols = self.core.shape[1]
        top = self.xp.concat([self.core, C], axis=1)
        zeros = self.xp.zeros((S.shape[0], old_cols), dtype=S.dtype, device=be.device(S))
        self.core = self.xp.concat([top, self.xp.concat([zeros, S], axis=1)], axis=0)

    def _stop(self):
        self.exhausted = True
        self.coupling = None
        self.next = self.X.Q[:, self.X.size :]

    def _note_norm(self, Y):
        norms = self.xp.linalg.vector_norm(Y, axis=0)
        self.norm = max(self.norm, float(self.xp.max(norms)))

    def _noise(self):
        return self.caution * noise_level(self.A.dtype, self.A.shape) * self.norm

    def _floor(self):
        return 4 * self.caution * be.eps(self.A.dtype) * self.norm


def noise_level(dtype, shape):
    """Relative size of a block that rounding alone can make."""
    return 16 * be.eps(dtype) * max(1.0, max(shape) / 1000) ** 0.5


def _diagonal(xp, d):
    return d[:, None] * xp.eye(d.shape[0], dtype=d.dtype, device=be.device(d))
