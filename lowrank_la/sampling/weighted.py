"""Leverage scores of rows under changing weights."""

from .. import _backend as be
from ..factor.tall_qr import orthonormalize
from .basis import row_squares, where_true

_SAFE_CONDITION = 1e3
_TINY = 1e3  # smallest numbers whose squares are still trusted


class WeightedRows:
    """The rows of an orthonormal basis that are not zero, and their scores under weights.

    Attributes
    ----------
    unit : array, shape (count, rank)
        Those rows, divided by `size`.
    size : array, shape (count,)
        Largest modulus of each, down to a power of two.
    alive : array or None
        Their indices; None where no row is zero.
    R : array, shape (rank, rank)
        Triangular factor of the rows as they were last scaled, up to a factor.
    """

    def __init__(self, basis):
        self.xp, self.device, self.rank = basis.xp, basis.device, basis.rank
        self.real = be.real_dtype(basis.xp, basis.dtype)
        U = basis.dense()
        size = basis.xp.max(basis.xp.abs(U), axis=1) if basis.rank else basis.xp.zeros(U.shape[0], dtype=self.real)
        self.alive = None
        if not bool(basis.xp.all(size > 0)):
            self.alive = where_true(size > 0)
            U, size = basis.xp.take(U, self.alive, axis=0), basis.xp.take(size, self.alive)
        self.size = 2.0 ** basis.xp.floor(basis.xp.log2(size))
        self.unit, self.count = U / basis.xp.astype(self.size, U.dtype)[:, None], U.shape[0]
        self.R = basis.xp.eye(basis.rank, dtype=basis.dtype, device=basis.device)

    def log_scores(self, log_scale):
        """Logarithms of the leverage scores of the rows times ``exp(log_scale)``."""
        xp = self.xp
        log_sizes = log_scale + xp.log(self.size)
        log_sizes = log_sizes - xp.max(log_sizes)
        scaled = xp.astype(xp.exp(log_sizes), self.unit.dtype)[:, None] * self.unit
        Z, G = be.solve_and_gram(scaled, self.R)
        L = be.cholesky_upper(G)
        if L is None or not _well_conditioned(L):
            self.R = orthonormalize(scaled)[1]
            return self._row_by_row(log_sizes)
        self.R = L @ self.R
        tau = row_squares(be.solve_in_place(Z, L))
        least = _TINY * float(xp.finfo(self.real).smallest_normal) / be.eps(self.real)
        return xp.log(tau) if float(xp.min(tau)) > least else self._row_by_row(log_sizes)

    def _row_by_row(self, log_sizes):
        """Scores that neither underflow nor inherit the error of larger rows: every row is solved at its own scale."""
        return self.xp.log(row_squares(be.right_solve_upper(self.unit, self.R))) + 2 * log_sizes


def scatter(values, alive, m):
    """`values` at the places `alive` of a vector of length `m`, zero elsewhere; None stands for all places."""
    return values if alive is None else be.segment_sum(values, alive, m)


def _well_conditioned(L):
    s = be.small_svd(L)[1]
    return float(s[0]) <= _SAFE_CONDITION * float(s[-1])
