"""Small normal equations that never fail: scaled Cholesky, and the pseudo-inverse where the Gram matrix is singular."""

from functools import cache

import numpy as np

from .. import _backend as be


def solve_normal(B, gamma, *, scaled=False):
    """``A`` (n, R) with ``A gammaᵀ = B``, of least norm in the column scaling of `gamma` where that is singular.

    Parameters
    ----------
    B : array, shape (n, R)
    gamma : array, shape (R, R)
        Hermitian positive semidefinite. It is scaled to unit diagonal; pivots of its Cholesky factor below ``eps·R``
        count as none, and then eigenvalues below ``eps·R`` times the largest are cut off.
    scaled : bool
        Whether the diagonal of `gamma` is one (zero for terms without mass) already.

    Returns
    -------
    array, shape (n, R)
    """
    if isinstance(B, np.ndarray):
        return _on_host(B, gamma) if scaled else _scaled_on_host(B, gamma)
    xp = be.namespace(B)
    gamma = xp.conj(gamma) if be.is_complex(gamma.dtype) else gamma
    root = xp.sqrt(xp.real(xp.linalg.diagonal(gamma)) if be.is_complex(gamma.dtype) else xp.linalg.diagonal(gamma))
    root = xp.astype(xp.where(root > 0, root, xp.ones_like(root)), gamma.dtype)
    scaled = gamma / root[:, None] / root[None, :]
    R = be.cholesky_upper(scaled)
    if R is not None and float(xp.min(xp.abs(xp.linalg.diagonal(R)))) ** 2 > be.eps(R.dtype) * R.shape[0]:
        half = be.right_solve_upper(B / root[None, :], R)
        return be.mH(be.solve_upper(R, be.mH(half))) / root[None, :]
    return (B / root[None, :]) @ pseudo_inverse(scaled)[0] / root[None, :]


def _scaled_on_host(B, gamma):
    root = np.sqrt(gamma.diagonal().real)
    root[root == 0.0] = 1.0
    return _on_host(B / root, gamma / root / root[:, None]) / root


def _on_host(B, gamma):
    potrf, potrs, least = _lapack(gamma.dtype.char)
    gamma = gamma.conj() if gamma.dtype.kind == "c" else gamma
    triangle, failed = potrf(gamma)
    if failed == 0 and triangle.diagonal().real.min() ** 2 > least * gamma.shape[0]:
        return potrs(triangle.conj() if triangle.dtype.kind == "c" else triangle, B.T)[0].T
    return B @ pseudo_inverse(gamma)[0]


@cache
def _lapack(char):
    from scipy.linalg.lapack import get_lapack_funcs

    return *get_lapack_funcs(("potrf", "potrs"), dtype=np.dtype(char)), be.eps(np.dtype(char))


def pseudo_inverse(gamma):
    """Pseudo-inverse of a Gram matrix and its numerical rank, at least one."""
    xp = be.namespace(gamma)
    w, V = be.small_eigh(gamma)
    kept = w > be.eps(gamma.dtype) * gamma.shape[0] * xp.max(w)
    inverse = xp.where(kept, 1.0 / xp.where(kept, w, xp.ones_like(w)), xp.zeros_like(w))
    return (V * xp.astype(inverse, V.dtype)[None, :]) @ be.mH(V), max(1, int(be.to_numpy(kept).sum()))
