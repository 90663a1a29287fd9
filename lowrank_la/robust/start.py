"""A first low-rank estimate that gross entries can't pull away: singular vectors of clipped data."""

from .. import _backend as be
from ..factor.tall_qr import orthonormalize

_OVERSAMPLE = 10
_BOUND = 3.0


def clipped_svd(data, rank, bound, key):
    """Leading singular triplets ``U, s, V`` of the data with moduli above `bound` lowered to it, roughly.

    One step of subspace iteration from Gaussian columns: two reads of the data, nothing of its size is stored. Missing
    entries are made up for by their share.
    """
    (m, n), xp = data.shape, data.xp
    width = min(rank + _OVERSAMPLE, m, n)
    G = be.gaussian(key.child("start"), slice(0, n), slice(0, width), be.dtype_name(data.dtype), xp, data.device)
    V = orthonormalize(_swept(data, bound, G, normal=True))[0]
    Q, R = orthonormalize(_swept(data, bound, V, normal=False))
    P, s, Wh = be.small_svd(R)
    U = be.matmul(Q, P)
    share = data.count / (m * n)
    return U[:, :rank], s[:rank] / share, be.matmul(V, be.mH(Wh))[:, :rank]


def start(data, rank, gauge, key):
    """`clipped_svd` at three times the median modulus."""
    return clipped_svd(data, rank, _BOUND * gauge.size(), key)


def clipped(panel, bound):
    """`panel` with moduli above `bound` lowered to it."""
    xp = be.namespace(panel)
    if be.is_complex(panel.dtype):
        size = xp.abs(panel)
        return panel * xp.astype(bound / xp.where(size > bound, size, xp.full_like(size, bound)), panel.dtype)
    return xp.clip(panel, -bound, bound)


def leading(work, guess, width, steps, key):
    """Leading triplets ``U, s, V`` of `work` by subspace iteration from `guess` and Gaussian columns."""
    xp, n = be.namespace(work), work.shape[1]
    width = min(width, *work.shape)
    have = 0 if guess is None else min(guess.shape[1], width)
    V = None if guess is None else guess[:, :have]
    if have < width:
        fresh = be.gaussian(key, slice(0, n), slice(0, width - have), be.dtype_name(work.dtype), xp, be.device(work))
        V = fresh if V is None else xp.concat([V, orthonormalize(fresh)[0]], axis=1)
    for _ in range(steps):
        Q = orthonormalize(be.matmul(work, V))[0]
        V, R = orthonormalize(be.adjoint_matmul(work, Q))
    a, s, bh = be.small_svd(be.mH(R))
    return be.matmul(Q, a), s, be.matmul(V, be.mH(bh))


def _swept(data, bound, X, normal):
    """``C X``, or ``Cᴴ C X`` in one read, for the clipped data C."""

    def visit(_, panels):
        images, total = [], None
        for part in panels:
            panel = clipped(data.matrix[part, :], bound)
            image = panel @ X
            if normal:
                product = be.mH(panel) @ image
                total = product if total is None else total + product
            else:
                images.append(image)
        return total if normal else images

    found = data.swept(visit)
    if normal:
        return sum(found[1:], start=found[0])
    images = [image for part in found for image in part]
    return images[0] if len(images) == 1 else data.xp.concat(images, axis=0)
