"""Three bounds of the error that a rank-r approximation of blocks side by side makes.

All are lower bounds of the energy L of the r leading singular values of ``M = [A_1 … A_K]``; what they miss of ‖M‖²
bounds the squared error from above. An estimator is extended block by block, by pure functions: `first`, `extended`
and `bounds`.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import _backend as be
from ..factor.tall_qr import orthonormalize
from .concatenation import Kept, appended, kept_of, left_factor
from .safe_rows import row_squares

_EXTRA = 5  # least number of singular values kept beyond the rank
_SIGNIFICANT = 1e3  # times eps: singular values of a residual below this share of the block are rounding
_DIFFERENCE = 20.0  # times eps and the number of terms: error of an energy that is found by subtraction


@dataclass(frozen=True)
class Weyl:
    """Singular values of the single blocks: σ_i(M) ≥ σ_i(A_j), and M holds all of a few blocks with r columns in sum.

    The energy of one block that is wider than r is no bound, only its r leading singular values are.
    """

    rank: int
    eps: float
    squares: tuple  # of each block, largest first
    columns: tuple

    @classmethod
    def first(cls, A, rank):
        """The estimator of one block."""
        return cls(rank, be.eps(A.dtype), (_squares(A),), (A.shape[1],))

    def extended(self, A):
        """The estimator with one more block."""
        return replace(self, squares=(*self.squares, _squares(A)), columns=(*self.columns, A.shape[1]))

    def bounds(self):
        """Lower and upper bound of the relative error; the lower one by subadditivity of the leading energies."""
        energies = [float(squares.sum()) for squares in self.squares]
        total = sum(energies)
        if total == 0.0:
            return 0.0, 0.0
        room, outside = self.rank, 0.0
        for j in sorted(range(len(energies)), key=lambda j: -energies[j]):
            fits = self.columns[j] <= room
            room -= self.columns[j] if fits else 0
            outside += 0.0 if fits else energies[j]
        leading = [np.pad(squares[: self.rank], (0, max(0, self.rank - squares.size))) for squares in self.squares]
        slack = _DIFFERENCE * self.eps * (self.rank + len(energies))
        by_values = max(1.0 - float(np.max(leading, axis=0).sum()) / total, 0.0) + slack
        low = 1.0 - float(np.sum(leading)) / total - slack
        return math.sqrt(max(low, 0.0)), min(1.0, math.sqrt(min(outside / total, by_values)))


@dataclass(frozen=True)
class Residual:
    """What each block adds to the span of those before: the energies along r of these directions sum up to at most L.

    Only their sum is a bound: in ``[[1, 5], [0, 1]]``, taken column by column, the second value is 1 and σ_2 is 0.19.
    The published form counts a direction with the block that brought it alone (`squares`); the directions are
    orthonormal, so that all blocks may count (`energies`), which is sharper and costs nothing.
    """

    rank: int
    Q: Any
    squares: np.ndarray
    energies: np.ndarray
    single: float  # leading energies of the single blocks, added up
    energy: float
    blocks: int

    @classmethod
    def first(cls, A, rank):
        """The estimator of one block."""
        U, s = left_factor(A)
        squares, count = be.to_numpy(s).astype("float64") ** 2, _significant(s, A)
        single, energy = float(squares[:rank].sum()), float(squares.sum())
        return cls(rank, U[:, :count], squares[:count], squares[:count], single, energy, 1)

    def extended(self, A):
        """The estimator with one more block."""
        Q, xp = self.Q, be.namespace(self.Q)
        along = be.adjoint_matmul(Q, A)
        rest = A - be.matmul(Q, along)
        rest = rest - be.matmul(Q, be.adjoint_matmul(Q, rest))
        U, s = left_factor(rest)
        fresh = U[:, : min(_significant(s, A), Q.shape[0] - Q.shape[1])]
        added = be.to_numpy(s).astype("float64")[: fresh.shape[1]] ** 2
        if fresh.shape[1]:
            fresh = fresh - be.matmul(Q, be.adjoint_matmul(Q, fresh))
            Q = xp.concat([Q, orthonormalize(fresh)[0]], axis=1)
        own = _squares(A)
        return Residual(
            self.rank,
            Q,
            np.concatenate([self.squares, added]),
            np.concatenate([self.energies + row_squares(along), added]),
            self.single + float(own[: self.rank].sum()),
            self.energy + float(own.sum()),
            self.blocks + 1,
        )

    def bounds(self):
        """Lower and upper bound of the relative error."""
        if self.energy == 0.0:
            return 0.0, 0.0
        slack = _DIFFERENCE * be.eps(self.Q.dtype) * (self.rank + self.blocks)
        high = 1.0 - float(np.sort(self.energies)[::-1][: self.rank].sum()) / self.energy + slack
        low = 1.0 - self.single / self.energy - slack
        return math.sqrt(max(low, 0.0)), math.sqrt(min(max(high, 0.0), 1.0))


@dataclass(frozen=True)
class Incremental:
    """A truncated decomposition of the blocks so far; what it dropped bounds the error from both sides."""

    rank: int
    kept: Kept
    extra: int

    @classmethod
    def first(cls, A, rank, extra=None):
        """The estimator of one block; `extra` values beyond the rank are kept, as many again by default."""
        extra = max(_EXTRA, rank) if extra is None else extra
        return cls(rank, kept_of(A, rank + extra), extra)

    def extended(self, A):
        """The estimator with one more block."""
        return replace(self, kept=appended(self.kept, A, self.rank + self.extra))

    def bounds(self):
        """Lower and upper bound of the relative error."""
        return self.kept.bounds(self.rank)


ESTIMATORS = {"incremental": Incremental, "residual": Residual, "weyl": Weyl}


def _squares(A):
    """Squared singular values, in double precision on the host."""
    return be.to_numpy(left_factor(A)[1]).astype("float64") ** 2


def _significant(s, A):
    """How many singular values of a residual of `A` are more than rounding."""
    return int((be.to_numpy(s) > _SIGNIFICANT * be.eps(s.dtype) * be.fro_norm(A)).sum())
