"""How much of a matrix a basis of its range misses, while the basis grows."""

import math

from .. import _backend as be
from .rangefinder import gaussian_block

FLOOR = 1e4
_PROBES = 10
_CAUTION = 3.0


class Gauge:
    """Error of a growing basis: by subtraction, below its floor and for an unknown norm by ten probes kept outside it.

    Where the norm is unknown, a tolerance has to be met by the probes, and with what they say is missed raised by three
    standard errors against the norm of the coefficients, which is never above that of `A`.
    """

    def __init__(self, A, request):
        self.A = A
        self.images = A.matmat(gaussian_block(A, A.shape[1], _PROBES, request.key.child("error")))
        self.probes = self.images
        self.known = request.norm is not None
        self.norm = request.norm if self.known else self._probed()
        self.energy = 0.0

    def after(self, Q, B):
        """Relative error once the columns `Q` with coefficients `B` were added."""
        self.energy += be.vdot_real(B)
        if self.norm == 0.0:
            return 0.0
        for _ in range(2):
            self.probes = self.probes - be.matmul(Q, be.adjoint_matmul(Q, self.probes))
        left = self._left
        return (self._probed() if left is None else left) / self.norm

    def met(self, tol):
        """Whether the basis meets `tol`, up to the chance of the probes."""
        probed = self.known or self._probed() <= tol * self.norm
        return probed and self.certain_missed <= tol * self.certain_norm

    def least(self, count, Q, tol):
        """Leading columns of the basis `Q`, `count` or more, with which the probes meet `tol` where they decide."""
        if self.known:
            return count
        dropped = (abs(be.to_numpy(be.adjoint_matmul(Q, self.images)).astype(complex)) ** 2).sum(axis=1) / _PROBES
        left = self._probed() ** 2 + float(dropped[count:].sum())
        while count < len(dropped) and left > (tol * self.norm) ** 2:
            left -= float(dropped[count])
            count += 1
        return count

    @property
    def certain_norm(self):
        """‖A‖_F, or what is known to be in it."""
        return self.norm if self.known else math.sqrt(self.energy)

    @property
    def certain_missed(self):
        """What the basis misses: by subtraction, by probes, or, where the norm is unknown, as much as they allow."""
        if self._left is not None:
            return self._left
        if self.known:
            return self._probed()
        squares = (abs(be.to_numpy(self.probes).astype(complex)) ** 2).sum(axis=0)
        return math.sqrt(squares.mean() + _CAUTION * squares.std(ddof=1) / math.sqrt(_PROBES))

    @property
    def _left(self):
        """‖A - QB‖_F by subtraction, None where rounding drowns it."""
        left = self.norm**2 - self.energy if self.known else 0.0
        return math.sqrt(left) if left > FLOOR * be.eps(self.A.dtype) * self.norm**2 else None

    def _probed(self):
        return math.sqrt(be.vdot_real(self.probes) / _PROBES)
