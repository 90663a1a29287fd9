"""A step along the tangent space of the matrices of one rank, and back to that rank."""

from .. import _backend as be
from ..factor.tall_qr import orthonormalize


def retracted(U, s, V, right, left):
    """Leading singular triplets of the projection of ``U diag(s) Vᴴ + W`` on the tangent space at the factors.

    Parameters
    ----------
    U, s, V : arrays, shapes (m, k), (k,) and (n, k)
        Orthonormal factors.
    right, left : arrays, shapes (m, k) and (n, k)
        ``W V`` and ``Wᴴ U``.

    Returns
    -------
    U, s, V : arrays
        Of rank k.
    beyond : float
        The next singular value of the projection.
    """
    xp, k = be.namespace(U), U.shape[1]
    core = be.adjoint_matmul(U, right)
    Q, R = orthonormalize(right - be.matmul(U, core))
    P, T = orthonormalize(left - be.matmul(V, be.mH(core)))
    size = R.shape[0], T.shape[0]
    corner = xp.zeros(size, dtype=U.dtype, device=be.device(U))
    diagonal = xp.astype(s, U.dtype)[:, None] * xp.eye(k, dtype=U.dtype, device=be.device(U))
    M = xp.concat([xp.concat([diagonal + core, be.mH(T)], axis=1), xp.concat([R, corner], axis=1)], axis=0)
    a, sigma, bh = be.small_svd(M)
    beyond = float(sigma[k]) if sigma.shape[0] > k else 0.0
    U = be.matmul(xp.concat([U, Q], axis=1), a[:, :k])
    V = be.matmul(xp.concat([V, P], axis=1), be.mH(bh[:k, :]))
    return U, sigma[:k], V, beyond
