"""An orthonormal basis that grows by blocks, safe against directions that are rounding noise."""

from .. import _backend as be
from .tall_qr import orthonormalize

_FIRST = 128  # columns that memory is taken for at first
_UPRIGHT = 0.01  # leaning, times rounding, that one more projection leaves behind
_ROUNDS = 6
_RANK = 1e3  # times eps: what is smaller in a projected orthonormal block is rounding


class Basis:
    """Orthonormal columns ``Q`` (n, size) with room for `capacity`.

    `extend` appends what a block adds to the span. Directions below `floor` (absolute) are dropped; directions that
    suffered cancellation are projected and orthonormalised again after they were normalised, without which they would
    lean on the span they were just separated from. What does not fit into a `complete` basis, one with room for all
    that can be met, is rounding, and cut off.
    """

    def __init__(self, rows, capacity, like, complete=False):
        xp = be.namespace(like)
        self.xp, self.complete = xp, complete
        self.capacity = capacity
        self.columns = xp.zeros((rows, min(capacity, _FIRST)), dtype=like.dtype, device=be.device(like))
        self.size = 0

    @property
    def Q(self):
        """The columns so far."""
        return self.columns[:, : self.size]

    @property
    def room(self):
        """Columns that can still be appended."""
        return self.capacity - self.size

    @property
    def bounded(self):
        """Whether the space has more dimensions than the basis may hold."""
        return self.capacity < self.columns.shape[0]

    def extend(self, Y, floor, first=0):
        """Append the directions that the block `Y` adds; return ``C, S`` with ``Y = Q_old C + Q_new S``.

        `first` is where the part of the basis starts that `Y` is known to lean on; the rest is only cleaned of
        rounding. `S` has as many rows as columns were appended, possibly none.
        """
        C, Q, S = self.separate(Y, first)
        return C, self.admit(Y, Q, S, floor)

    def separate(self, Y, first=0):
        """``C, Q, S`` with ``Y = Q_old C + Q S``; where `Y` suffered cancellation, `Q` still leans on ``Q_old``."""
        C, rest = self._project(Y, first)
        return C, *orthonormalize(rest)

    def admit(self, Y, Q, S, floor):
        """Append the columns `Q` that `separate` found in `Y`, cleaned; return the `S` of those that were."""
        if self._cancelled(Y, S, floor):
            Q, S = self._keep_significant(Q, S, floor)
            Q, S = self._upright(Q, S, floor)
        return self._append(Q, S)

    def _upright(self, Q, S, floor):
        """`Q` freed of what leans on the basis; a column that was rounding would draw the ones after it along."""
        for _ in range(_ROUNDS):
            if self.size == 0 or Q.shape[1] == 0:
                break
            C = be.adjoint_matmul(self.Q, Q)
            Q, R = orthonormalize(Q - be.matmul(self.Q, C))
            if float(self.xp.max(self.xp.abs(C))) <= _UPRIGHT:
                return Q, R @ S
            Q, R = self._keep_significant(Q, R, _RANK * be.eps(Q.dtype))
            Q, S = self._keep_significant(Q, R @ S, floor)
        return Q, S

    def withdraw(self, S, noise):
        """Take back the columns just appended with coefficients `S` when all of those are at most `noise`."""
        if S.shape[0] and float(self.xp.max(self.xp.abs(S))) <= noise:
            self.size -= S.shape[0]
            return S[:0, :]
        return S

    def replace(self, Q):
        """Start again from the orthonormal columns `Q`."""
        self.size = 0
        self._append(Q, Q)

    def _project(self, Y, first):
        if self.size == 0:
            return self.xp.zeros((0, Y.shape[1]), dtype=Y.dtype, device=be.device(Y)), Y
        recent = self.columns[:, first : self.size]
        near = be.adjoint_matmul(recent, Y)
        Y = Y - be.matmul(recent, near)
        C = be.adjoint_matmul(self.Q, Y)
        Y = Y - be.matmul(self.Q, C)
        C[first:, :] = C[first:, :] + near
        return C, Y

    def _cancelled(self, Y, S, floor):
        xp = self.xp
        pivots = xp.abs(xp.linalg.diagonal(S))
        if S.shape[0] < Y.shape[1]:
            return True
        if self.size == 0:
            return bool(xp.any(pivots < 10 * floor))
        return bool(xp.any(pivots < 0.05 * xp.linalg.vector_norm(Y, axis=0)))

    def _keep_significant(self, Q, S, floor):
        u, s, vh = be.small_svd(S)
        count = int((be.to_numpy(s) > floor).sum())
        s = self.xp.astype(s[:count], S.dtype)
        return be.matmul(Q, u[:, :count]), s[:, None] * vh[:count, :]

    def _append(self, Q, S):
        if Q.shape[1] > self.room and self.bounded and not self.complete:
            raise RuntimeError(f"a block of {Q.shape[1]} columns does not fit a basis with room for {self.room}")
        added = min(Q.shape[1], self.room)
        self._reserve(self.size + added)
        self.columns[:, self.size : self.size + added] = Q[:, :added]
        self.size += added
        return S[:added, :]

    def _reserve(self, columns):
        """Memory for so many columns, at least doubled when it has to grow."""
        rows, held = self.columns.shape
        if columns > held:
            more = min(self.capacity, max(columns, 2 * held)) - held
            empty = self.xp.zeros((rows, more), dtype=self.columns.dtype, device=be.device(self.columns))
            self.columns = self.xp.concat([self.columns, empty], axis=1)
