"""Columns of a matrix, an orthonormal basis of them, and what of the matrix that basis explains."""

import math

import numpy as np

from .. import _backend as be
from ..factor.rangefinder import gaussian_block
from ..factor.tall_qr import orthonormalize
from ..operators.base import densify
from .columns import unit_columns

_PROBES = 10
_FLOOR = 1e4  # units of roundoff below which ‖A‖² - ‖B‖² is rounding


class Spanned:
    """Chosen columns ``A[:, indices] = Q R`` and ``B = Qᴴ A``, grown block by block.

    The first j columns of `Q`, rows of `B` and entries of `indices` belong to the first j choices.

    Parameters
    ----------
    A : MeteredOperator
    norm : float or None
        ‖A‖_F where it is known.
    key : Key
        For the probe columns that measure the error where subtraction can't.
    """

    def __init__(self, A, norm, key):
        self.A, self.key = A, key
        self._norm = norm
        self.of_zero = False
        self.indices = []
        self.Q = self.R = self.B = self._drawn = None

    @property
    def size(self):
        """Number of columns."""
        return len(self.indices)

    def extend(self, indices):
        """Append the columns `indices`, independent of those before; return the new part of `Q` and of `B`."""
        xp = self.A.xp
        Q, upper, corner = self._separated(densify(exact_columns(self.A, indices)))
        B = be.mH(self.A.rmatmat(Q))
        if self.Q is None:
            self.Q, self.R, self.B = Q, corner, B
        else:
            below = xp.zeros((Q.shape[1], self.size), dtype=self.A.dtype, device=self.A.device)
            top = xp.concat([self.R, upper], axis=1)
            self.R = xp.concat([top, xp.concat([below, corner], axis=1)], axis=0)
            self.Q, self.B = xp.concat([self.Q, Q], axis=1), xp.concat([self.B, B], axis=0)
        self.indices = [*self.indices, *indices]
        return Q, B

    def stand_for_zero(self):
        """Take the first column of a matrix that is zero, so that there is one."""
        self.of_zero = True
        self.extend([0])

    def _separated(self, W):
        """``Q, H, S`` with ``W = Q_old H + Q S``; projected once more after it was normalised."""
        if self.Q is None:
            Q, S = orthonormalize(W)
            return Q, None, S
        H = be.adjoint_matmul(self.Q, W)
        Q, S = orthonormalize(W - be.matmul(self.Q, H))
        again = be.adjoint_matmul(self.Q, Q)
        Q, T = orthonormalize(Q - be.matmul(self.Q, again))
        return Q, H + be.matmul(again, S), be.matmul(T, S)

    def rest_matmat(self, X):
        """What the span leaves of ``A X``."""
        Y = self.A.matmat(X)
        return Y if self.Q is None else Y - be.matmul(self.Q, be.matmul(self.B, X))

    def rest_rmatmat(self, Y):
        """``Aᴴ Y`` less what the span explains of it."""
        if self.Q is None:
            return self.A.rmatmat(Y)
        return self.A.rmatmat(Y - be.matmul(self.Q, be.adjoint_matmul(self.Q, Y)))

    def cut(self, count):
        """Keep the first `count` choices."""
        self.indices = self.indices[:count]
        self.Q, self.R, self.B = self.Q[:, :count], self.R[:count, :count], self.B[:count, :]

    @property
    def norm(self):
        """‖A‖_F, known or estimated by ten probe columns."""
        return math.sqrt(be.vdot_real(self._probes[1]) / _PROBES) if self._norm is None else self._norm

    @property
    def _probes(self):
        if self._drawn is None:
            X = gaussian_block(self.A, self.A.shape[1], _PROBES, self.key.child("error"))
            self._drawn = X, self.A.matmat(X)
        return self._drawn

    def missed(self):
        """``(squares, kind)``: squared error of the span of the first 0…size choices on the host, and how it is known.

        "exact" by ‖A‖² - ‖B‖² until that difference is rounding, then an "estimate" from ten probe columns.
        """
        energies = be.to_numpy(self.A.xp.sum(self.A.xp.abs(self.B) ** 2, axis=1)).astype(np.float64)
        later = np.append(energies[::-1].cumsum()[::-1], 0.0)
        if self._norm is not None:
            left = self._norm**2 - later[0]
            if left > _FLOOR * be.eps(self.A.dtype) * self._norm**2 or self._norm == 0.0:
                return left + later, "exact"
        rest = self._probes[1]
        for _ in range(2):
            rest = rest - be.matmul(self.Q, be.adjoint_matmul(self.Q, rest))
        return be.vdot_real(rest) / _PROBES + later, "estimate"

    def coefficients(self, core=None):
        """``R⁻¹ B``, with the identity on the chosen columns; or ``R⁻¹`` times `core` of the shape of `B`."""
        if core is not None:
            return be.solve_upper(self.R, core)
        solved = self.B if self.of_zero else be.solve_upper(self.R, self.B)
        C = self.A.xp.asarray(solved, copy=True)
        identity = self.A.xp.eye(self.size, dtype=C.dtype, device=be.device(C))
        for place, index in enumerate(self.indices):
            C[:, index] = identity[:, place]
        return C


def exact_columns(A, indices):
    """The columns `indices`, sparse if `A` is; by products with unit vectors where there is no other way."""
    return A.take_cols(indices) if A.has("take_cols") else A.matmat(unit_columns(A.shape[1], indices, A))


def exact_rows(A, indices):
    """The rows `indices`, as `exact_columns` gives columns."""
    if A.has("take_rows"):
        return A.take_rows(indices)
    return be.mH(A.rmatmat(unit_columns(A.shape[0], indices, A)))
