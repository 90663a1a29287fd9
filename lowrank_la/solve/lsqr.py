"""LSQR: least squares from products alone, several right-hand sides side by side."""

import numpy as np

from .. import _backend as be
from .columns import column_norms, times_columns


def lsqr(A, B, goal, norm, watch):
    """Solutions of least norm of ``min ‖A x - b‖`` from a start at zero, one for each column of `B`.

    Ends when ``‖Aᴴr‖ ≤ goal ‖A‖ ‖r‖`` or ``‖r‖ ≤ goal (‖A‖ ‖x‖ + ‖b‖)`` for every column by the recurrences, `norm`
    standing for ‖A‖, or when `watch` says so.

    Notes
    -----
    Paige and Saunders (1982); the columns share the products with `A`, not the recurrences.
    """
    first = column_norms(B)
    u = _scaled(B, first)
    v = A.rmatmat(u)
    alpha = column_norms(v)
    v = _scaled(v, alpha)
    w, X = v, v * 0
    phi_bar, rho_bar = first, alpha
    while True:
        u = A.matmat(v) - times_columns(u, alpha)
        beta = column_norms(u)
        u = _scaled(u, beta)
        v = A.rmatmat(u) - times_columns(v, beta)
        alpha = column_norms(v)
        v = _scaled(v, alpha)
        rho = np.hypot(rho_bar, beta)
        rho = np.where(rho > 0, rho, 1.0)
        c, s = rho_bar / rho, beta / rho
        X = X + times_columns(w, c * phi_bar / rho)
        w = v - times_columns(w, s * alpha / rho)
        rho_bar, phi_bar = -c * alpha, s * phi_bar
        gradient = phi_bar * alpha * np.abs(c)
        met = (gradient <= goal * norm * phi_bar) | (phi_bar <= goal * (norm * column_norms(X) + first))
        if watch.tick() or np.all(met):
            return X


def by_lsqr(problem, goal, norm, watch):
    """Correction by LSQR on what is left of the right-hand sides."""
    A, xp = problem.stacked(), problem.xp

    def correct(_gradient, X):
        R = problem.B - problem.A.matmat(X)
        if problem.ridge:
            R = xp.concat([R, X * -(problem.ridge**0.5)], axis=0)
        return lsqr(A, R, goal, norm, watch)

    return correct


def bounds(problem, norm):
    """Judge of backward errors without singular values: upper bounds of the Karlson-Waldén estimate."""

    def judge(gradient, residuals, X):
        size = np.hypot(problem.norms / norm, column_norms(X))
        consistent = residuals / np.where(size > 0, size, 1.0) / norm
        least = column_norms(gradient) / np.where(residuals > 0, residuals, 1.0) / norm
        found = np.minimum(consistent, least)
        return found, found

    return judge


def norm_of(A, key):
    """Frobenius norm of `A`, estimated from ten Gaussian columns where it is not known."""
    if A.has("fro_norm"):
        return A.fro_norm()
    columns = be.gaussian(key, slice(0, A.shape[1]), slice(0, 10), be.dtype_name(A.dtype), A.xp, A.device)
    return be.fro_norm(A.matmat(columns)) / 10**0.5


def _scaled(X, sizes):
    return times_columns(X, 1.0 / np.where(sizes > 0, sizes, 1.0))
