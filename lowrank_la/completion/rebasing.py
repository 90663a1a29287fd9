"""Other factors with the same product."""

from .. import _backend as be
from ..factor.tall_qr import orthonormalize


def orthonormal_first(B, X):
    """Orthonormal `B`, and `X` with the same product."""
    R = be.cholesky_upper(be.gram(B))
    if R is None or not _well_conditioned(R):
        Q, R = orthonormalize(B)
    else:
        Q = be.right_solve_upper(B, R)
    return Q, be.matmul(X, be.mH(R))


def least_penalised(problem, U, V):
    """Of all factors with the same product those with the least penalty; as they are where there is no least one.

    The penalties are ``tr(Tᴴ A T) + tr(T⁻¹ B T⁻ᴴ)`` for ``U T, V T⁻ᴴ``, least where T Tᴴ is the geometric mean of the
    inverse of A and of B.
    """
    A, B = (be.gram(X * root) for X, root in zip((U, V), problem.penalty_roots(), strict=True))
    R = be.cholesky_upper(A)
    if R is None or not _well_conditioned(R):
        return U, V
    w, W = be.small_eigh(be.matmul(be.matmul(R, B), be.mH(R)))
    xp = be.namespace(w)
    if float(xp.min(w)) <= be.eps(U.dtype) * float(xp.max(w)):
        return U, V
    root = xp.astype(w**0.25, U.dtype)[None, :]
    return be.right_solve_upper(U, R) @ (W * root), be.matmul(V, be.mH(R)) @ (W / root)


def _well_conditioned(R):
    xp = be.namespace(R)
    pivots = xp.abs(xp.linalg.diagonal(R))
    return float(xp.min(pivots)) > be.eps(R.dtype) ** 0.25 * float(xp.max(pivots))
