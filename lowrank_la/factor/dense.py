"""All singular values by LAPACK (or the device's own library)."""

from .. import _backend as be
from .request import Triplets, smallest_rank


def dense_svd(A, request):
    """Full thin SVD, cut to the request."""
    A.read(0)
    U, s, Vh = be.small_svd(A.array)
    xp = A.xp
    count = request.wanted(A.shape)
    if request.tol is not None:
        host = be.to_numpy(s)
        budget = request.tol**2 * float((host.astype(float) ** 2).sum())
        count = min(count, smallest_rank(host, 0.0, budget))
    request.watch.tick(size=s.shape[0])
    found = Triplets(U, s, Vh, xp.zeros_like(s), True, "decomposed in full", 1, "dense", tail=0.0)
    return found if count == s.shape[0] else found.leading(count)
