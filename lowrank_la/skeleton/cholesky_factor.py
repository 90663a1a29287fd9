"""A partial Cholesky factor that grows by blocks of accepted pivots, in one buffer."""

import numpy as np

from .. import _backend as be
from .columns import Columns, diagonal, entry_eps, row_panels, unit_of
from .kernel_matrix import mapped

_NOISE = 8.0  # pivots up to so many units of roundoff of the largest diagonal entry are rounding


class CholeskyFactor:
    """``F[:, :size]``, and on the host the diagonal ``left`` of what it leaves of the matrix.

    All on the host is in units of ``unit⁻²``, a power of two near the largest diagonal entry, so that sums of squares
    neither overflow nor underflow at any scale that the dtype holds.
    """

    def __init__(self, op, rank, check_finite):
        self.op, self.rank, self.check_finite = op, rank, check_finite
        self.left, self.products = diagonal(op)
        self._require_sound_diagonal()
        self.unit = unit_of(self.left)
        self.left *= self.unit
        self.left *= self.unit
        self.diagonal = self.left.copy()
        top, self.trace = float(self.left.max()), float(self.left.sum())
        self.floor, self.slack = _NOISE * entry_eps(op) * top, entry_eps(op) ** 0.5 * top
        self.F = op.xp.empty((op.shape[0], rank), dtype=op.dtype, device=op.device)
        self.indices, self.size, self.remaining = [], 0, self.trace
        self.entries, self.proposals = op.shape[0], 0

    def _require_sound_diagonal(self):
        if not np.isfinite(self.left).all():
            raise ValueError("K holds NaN or infinite values on its diagonal; clean the data first")
        at = int(self.left.argmin())
        if self.left[at] < 0.0:
            raise ValueError(f"K is not positive semidefinite: K[{at}, {at}] = {self.left[at]:.3g}; use eigh")

    @property
    def error(self):
        """Relative trace error."""
        return self.remaining / self.trace if self.trace > 0.0 else 0.0

    def weights(self):
        """What pivots are drawn in proportion to: the diagonal left, without what is as small as rounding."""
        return np.where(self.left > self.floor, self.left, 0.0)

    def _sum_left(self):
        return float(np.maximum(self.left, 0.0).sum())

    def extend(self, proposed, uniform, goal):
        """Append the columns that pass among the `proposed`; True when the trace left is at most `goal`.

        Columns past the one that reached the goal are dropped again.
        """
        xp = self.op.xp
        columns = Columns(self.op, proposed)
        known = xp.take(self.F, columns.indices, axis=0)[:, : self.size]
        core = self._core(columns.core, known, proposed)
        places, L = accept(core, self.left[proposed], uniform, self.floor, self.rank - self.size)
        self._count(len(proposed), len(places))
        spent = ~(core.diagonal().real > self.floor)
        self.left[proposed[spent]] = np.fmax(core.diagonal().real[spent], 0.0)
        if not places:
            return False
        before = self._sum_left()
        picked = be.index_array(places, len(proposed), xp, self.op.device)
        taken = self._append(columns.reader(picked), xp.take(known, picked, axis=0), L)
        after = np.maximum(before - np.cumsum(taken), 0.0)
        enough = np.flatnonzero(after <= goal)
        kept = int(enough[0]) + 1 if enough.size else len(places)
        self.indices += proposed[places[:kept]].tolist()
        self.left[self.indices] = 0.0
        self.size += kept
        self.remaining = float(after[kept - 1]) if enough.size else self._sum_left()
        return bool(enough.size)

    def _core(self, core, known, proposed):
        """What is left of the matrix on the proposed columns, on the host in double precision."""
        rest = core - be.matmul(known, be.mH(known)) if self.size else core
        host, rest = self._host(core), self._host(rest)
        gap = np.abs(host - host.conj().T).max()
        astray = np.abs(host.diagonal() - self.diagonal[proposed]).max()
        if self.check_finite and not np.isfinite(host).all():
            raise ValueError("K holds NaN or infinite values; clean the data first")
        if gap > self.slack:
            raise ValueError(
                f"K is not Hermitian: K[i, j] and K[j, i] differ by {self._plain(gap):.2e}; use cur or svd"
            )
        if astray > self.slack:
            astray = self._plain(astray)
            raise ValueError(f"diag of K is not the diagonal that its entries give: they differ by {astray:.2e}")
        return rest

    def _host(self, core):
        """`core` on the host in double precision, in the units of the diagonal."""
        host = be.to_numpy(core)
        return host.astype(np.complex128 if host.dtype.kind == "c" else np.float64) * self.unit * self.unit

    def _plain(self, value):
        """A number of the host in the units of the matrix."""
        return value / self.unit / self.unit

    def _count(self, proposals, accepted):
        self.proposals += proposals
        self.entries += proposals**2 + accepted * self.op.shape[0]

    def _append(self, read, known, L):
        """Write the new columns panel by panel and lower the diagonal; returns their squared lengths."""
        op, first, last = self.op, self.size, self.size + L.shape[0]
        R = be.from_numpy(np.ascontiguousarray(L.conj().T / self.unit), op.xp, op.device, op.dtype)
        explained = -be.mH(known)

        def panel(rows):
            if first:
                fresh = self.F[rows, :first] @ explained
                fresh += read(rows)
                fresh = be.solve_in_place(fresh, R)
            else:
                fresh = be.right_solve_upper(read(rows), R)
            self.F[rows, first:last] = fresh
            squares = squared(fresh if self.unit == 1.0 else fresh * self.unit)
            return [be.to_numpy(op.xp.sum(squares, axis=axis)).astype(np.float64) for axis in (1, 0)]

        found = mapped(panel, row_panels(op.shape[0], last - first, op.xp), op.xp)
        self._lower(np.concatenate([by_row for by_row, _ in found]))
        return np.sum([by_column for _, by_column in found], axis=0)

    def _lower(self, explained):
        """Take what new columns explain off the diagonal; ValueError where that is more than there was."""
        if self.check_finite and not np.isfinite(explained).all():
            raise ValueError("K holds NaN or infinite values; clean the data first")
        self.left -= explained
        if self.left.min() < -self.slack:
            raise ValueError(
                f"K is not positive semidefinite: with the columns chosen so far K[i, i] for i = {self.left.argmin()} "
                f"leaves {self._plain(self.left.min()):.2e}; use eigh, or cur for a matrix that is not"
            )

    def trimmed(self):
        """The columns found; a copy when the buffer is more than twice as wide."""
        F = self.F[:, : self.size]
        return self.op.xp.asarray(F, copy=True) if 2 * self.size < self.rank else F


def accept(core, weights, uniform, floor, most):
    """Rejection of proposals one after the other, after which their law is that of drawing one at a time.

    Parameters
    ----------
    core : NumPy array, shape (b, b)
        What is left of the matrix on the proposed columns.
    weights, uniform : NumPy arrays, shape (b,)
        What the proposals were drawn in proportion to, and a uniform number in (0, 1] for each.
    floor : float
        Pivots up to this are rounding.
    most : int
        Columns wanted at most.

    Returns
    -------
    places : list of int
        Proposals accepted, in order.
    L : NumPy array, shape (len(places), len(places))
        Cholesky factor of the core on them.
    """
    left, places = core.diagonal().real.copy(), []
    rows = np.zeros((len(left), min(len(left), most)), core.dtype)
    for j, bar in enumerate(uniform * weights):
        t = len(places)
        if t == most:
            break
        if not left[j] > max(bar, floor):
            continue
        column = core[j, j:].conj() - rows[j:, :t] @ rows[j, :t].conj()
        rows[j:, t] = column / left[j] ** 0.5
        left[j:] -= squared(rows[j:, t])
        places.append(j)
    return places, np.tril(rows[places, : len(places)])


def squared(x):
    """``|x|²`` entry by entry."""
    if not be.is_complex(x.dtype):
        return x * x
    xp = be.namespace(x)
    return xp.real(x) ** 2 + xp.imag(x) ** 2
