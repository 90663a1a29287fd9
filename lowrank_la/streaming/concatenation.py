"""Truncated left factor of blocks side by side: M Mᴴ is U s² Uᴴ and a positive semidefinite part that was dropped."""

import math
from dataclasses import dataclass
from typing import Any

from .. import _backend as be
from ..factor.tall_qr import orthonormalize

_ROUNDING = 10.0  # times eps and the number of truncations: relative Frobenius error owed to rounding


@dataclass(frozen=True)
class Kept:
    """What is kept of the blocks so far.

    Attributes
    ----------
    U, s : arrays, shapes (m, k) and (k,)
        Orthonormal columns and the singular values that go with them.
    energy : float
        Sum of the squared Frobenius norms of the blocks.
    dropped : float
        Sum of all squares that were cut off.
    spectral : float
        Sum of the largest square of each cut.
    steps : int
        Truncations.
    """

    U: Any
    s: Any
    energy: float
    dropped: float = 0.0
    spectral: float = 0.0
    steps: int = 0

    def bounds(self, rank):
        """Lower and upper bound of the relative error of the best rank-`rank` approximation.

        The upper one also bounds the error of projecting the blocks onto the first `rank` columns of `U`. Energies are
        added up, never subtracted, so that small errors keep their digits.
        """
        if self.energy == 0.0:
            return 0.0, 0.0
        squares = be.to_numpy(self.s).astype("float64") ** 2
        lost = float(squares[rank:].sum()) + self.dropped
        hidden = min(self.dropped, rank * self.spectral)
        rounding = _ROUNDING * be.eps(self.s.dtype) * (1 + self.steps)
        low, high = math.sqrt(max(lost - hidden, 0.0) / self.energy), math.sqrt(lost / self.energy)
        return max(low - rounding, 0.0), min(high + rounding, 1.0)


def kept_of(A, cut, energy=None):
    """`Kept` of one block; `cut`, or ``cut(squares, energy)``, is how many of the singular values stay."""
    return _truncated(A, cut, Kept(None, None, be.vdot_real(A) if energy is None else energy))


def appended(kept, A, cut):
    """`Kept` with the block `A` (m, c) beside the others."""
    return joined([kept], cut, A)


def joined(parts, cut, A=None):
    """`Kept` of all parts, and of one more block, side by side."""
    xp = be.namespace(parts[0].U)
    columns = [part.U * xp.astype(part.s, part.U.dtype, copy=False)[None, :] for part in parts]
    energy = sum(part.energy for part in parts) + (0.0 if A is None else be.vdot_real(A))
    before = Kept(
        None,
        None,
        energy,
        sum(part.dropped for part in parts),
        sum(part.spectral for part in parts),
        max(part.steps for part in parts),
    )
    stacked = columns if A is None else [*columns, A]
    return _truncated(stacked[0] if len(stacked) == 1 else xp.concat(stacked, axis=1), cut, before)


def _truncated(M, cut, before):
    U, s = left_factor(M)
    squares = be.to_numpy(s).astype("float64") ** 2
    k = cut(squares, before.energy) if callable(cut) else cut
    k = min(max(k, 1), squares.shape[0])
    gone = squares[k:]
    return Kept(
        U[:, :k],
        s[:k],
        before.energy,
        before.dropped + float(gone.sum()),
        before.spectral + float(gone.max(initial=0.0)),
        before.steps + 1,
    )


def left_factor(M):
    """Left singular vectors and singular values, by a QR factorisation along the longer side."""
    m, c = M.shape
    if m > c:
        Q, R = orthonormalize(M)
        U, s, _ = be.small_svd(R)
        return be.matmul(Q, U), s
    if c > m:
        U, s, _ = be.small_svd(be.mH(orthonormalize(be.mH(M))[1]))
        return U, s
    U, s, _ = be.small_svd(M)
    return U, s
