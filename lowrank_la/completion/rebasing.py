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
    weighted = tuple(X * root for X, root in zip((U, V), problem.penalty_roots(), strict=True))
    A, B = (be.gram(X) for X in weighted)
    R = be.cholesky_upper(A)
    if R is None or not _well_conditioned(R):
        return _least_by_parts(U, V, *weighted)
    w, W = be.small_eigh(be.matmul(be.matmul(R, B), be.mH(R)))
    xp = be.namespace(w)
    if float(xp.min(w)) <= be.eps(U.dtype) ** 0.5 * float(xp.max(w)):
        return _least_by_parts(U, V, *weighted)
    root = xp.astype(w**0.25, U.dtype)[None, :]
    return be.right_solve_upper(U, R) @ (W * root), be.matmul(V, be.mH(R)) @ (W / root)


def _least_by_parts(U, V, left, right):
    """`least_penalised` where columns are nearly dependent: from the singular values of ``left rightᴴ``.

    Columns beyond the numerical rank of that become zeros.
    """
    R, S = orthonormalize(left)[1], orthonormalize(right)[1]
    turn, s, back = be.small_svd(be.matmul(R, be.mH(S)))
    xp, k = be.namespace(s), U.shape[1]
    largest = float(xp.max(s))
    if not largest > 0.0:
        return U, V
    kept = s > 4 * k * be.eps(U.dtype) * largest
    scale = xp.where(kept, 1.0 / xp.sqrt(xp.where(kept, s, xp.ones_like(s))), xp.zeros_like(s))
    scale = xp.astype(scale[None, :], U.dtype)
    return be.matmul(U, be.matmul(be.mH(S), be.mH(back))) * scale, be.matmul(V, be.matmul(be.mH(R), turn)) * scale


def _well_conditioned(R):
    xp = be.namespace(R)
    pivots = xp.abs(xp.linalg.diagonal(R))
    return float(xp.min(pivots)) > be.eps(R.dtype) ** 0.25 * float(xp.max(pivots))
