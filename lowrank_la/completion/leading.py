"""Leading singular triplets of a matrix that changes little from one call to the next."""

from .. import _backend as be
from ..factor.tall_qr import orthonormalize

_DEPTH = 3
_RESTARTS = 60


def leading_triplets(A, start, count, goal):
    """Singular triplets of the operator `A` by block Krylov spaces from the `start` columns on, restarted.

    Parameters
    ----------
    A : LinearOperator
    start : array (n, b)
        At least `count` columns, of any length; those found by the last call make a good start.
    count : int
    goal : callable
        ``goal(s)`` is the largest residual ``‖A v - σ u‖`` allowed, given the values (NumPy, descending).

    Returns
    -------
    U, s, V : arrays (m, count), (count,), (n, count)
    block : array (n, b)
        Where the next call may start.

    Notes
    -----
    ``Aᴴ u = σ v`` holds to rounding. From a good start one round of seven products suffices, where the solver behind
    `svd`, which trusts no start, takes several times as many.
    """
    xp, width = A.xp, start.shape[1]
    rounds = _RESTARTS
    while True:
        left = orthonormalize(A.matmat(orthonormalize(start)[0]))[0]
        images = [A.rmatmat(left)]
        for _ in range(_DEPTH):
            if left.shape[1] + width > min(A.shape):
                break
            fresh = A.matmat(orthonormalize(images[-1])[0])
            for _ in range(2):
                fresh = orthonormalize(fresh - be.matmul(left, be.adjoint_matmul(left, fresh)))[0]
            left = xp.concat([left, fresh], axis=1)
            images.append(A.rmatmat(fresh))
        right, s, turn = _thin_svd(xp.concat(images, axis=1))
        U, V = be.matmul(left, be.mH(turn)[:, :count]), right[:, :count]
        missed = A.matmat(V) - U * xp.astype(s[None, :count], U.dtype)
        start, rounds = right[:, :width], rounds - 1
        worst = float(xp.max(xp.linalg.vector_norm(missed, axis=0)))
        if worst <= goal(be.to_numpy(s[:count])) or rounds == 0:
            return U, s[:count], V, start


def _thin_svd(M):
    """SVD of a tall matrix through its triangle."""
    if M.shape[0] < M.shape[1]:
        return be.small_svd(M)
    Q, R = orthonormalize(M)
    U, s, Vh = be.small_svd(R)
    return be.matmul(Q, U), s, Vh
