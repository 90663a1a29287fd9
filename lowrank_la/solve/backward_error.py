"""How far a solution is from solving a problem nearby."""

import numpy as np

from .. import _backend as be
from ..factor.triangular import SMALL
from .columns import column_norms, on_host


class Spectrum:
    """Singular values of a triangular `R` with ``Rᴴ R ≈ Aᴴ A``, to the extent that they are needed.

    Up to 512 columns they are computed; beyond that the questions asked are answered with factorisations of `R`.
    """

    def __init__(self, R):
        self.R, self.norm = R, be.fro_norm(R)
        self._floor = 1e-3 * be.eps(R.dtype)
        self._small = R.shape[0] <= SMALL
        if self._small:
            _, s, self._Vh = be.small_svd(R)
            self._squares = (on_host(s) / self.norm) ** 2 if self.norm else on_host(s)

    def backward_errors(self, gradient, residuals, X, norms):
        """Karlson-Waldén estimates relative to ‖A‖_F, one a column.

        Parameters
        ----------
        gradient : array, shape (n, k)
            ``Aᴴ(b - A x)``.
        residuals, norms : NumPy arrays, shape (k,)
            Norms of ``b - A x`` and of `b`.
        X : array, shape (n, k)

        Returns
        -------
        NumPy array, shape (k,)

        Notes
        -----
        Karlson and Waldén (1997): the smallest change of `A` and, with the weight ‖A‖_F/‖b‖, of `b` that makes `x` a
        solution, within a small factor.
        """
        if self.norm == 0.0:
            return np.zeros(len(norms))
        size = np.hypot(norms / self.norm, column_norms(X))
        weight = 1.0 / np.where(size > 0, size, 1.0)
        return weight / self.norm * self._damped_norms(gradient, weight * residuals / self.norm)

    def _damped_norms(self, G, shifts):
        """``‖(RᴴR + μ²‖R‖²)^{-1/2} g‖`` for each column g and each μ."""
        shifts = np.maximum(shifts, self._floor)
        if self._small:
            parts = on_host(be.namespace(G).abs(be.matmul(self._Vh, G))) / self.norm
            return np.sqrt(np.sum(parts**2 / (self._squares[:, None] + shifts[None, :] ** 2), axis=0))
        return np.asarray([self._damped_norm(G[:, j : j + 1], float(shifts[j])) for j in range(G.shape[1])])

    def _damped_norm(self, g, shift):
        xp, n = be.namespace(g), g.shape[0]
        below = shift * self.norm * xp.eye(n, dtype=self.R.dtype, device=be.device(self.R))
        factor = be.householder_triangle(xp.concat([self.R, below], axis=0))
        return float(column_norms(be.right_solve_upper(be.mH(g), factor).mT)[0])
