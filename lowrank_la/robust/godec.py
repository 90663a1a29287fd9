"""Alternation of a rank and a number of outliers."""

from .. import _backend as be
from ..factor.tall_qr import orthonormalize
from .doubts import concluded
from .ending import Ending
from .gauge import Gauge
from .pace import Falling
from .panels import kept
from .start import start


def godec(data, rank, settings, watch):
    """L is the projection of ``M - S`` by one step of subspace iteration, S the largest entries of ``M - L``.

    Their share of the known entries is that of `settings`, or told from the misfits; the threshold that makes it is
    read from some thousand places. Two reads of the data an iteration.
    """
    gauge = Gauge(data, settings.key)
    U, s, V = start(data, rank, gauge, settings.key)
    ending = Ending(data, settings.tol, gauge)
    falling = Falling(gauge, data, settings, float(s[0]))
    while True:
        limit = falling.next(U, s, V)
        found = kept(data, U, s, V, limit)
        over = watch.tick(residual=found.norm / data.norm)
        if ending.after(found.norm, limit, be.fro_norm(s), watch if over else None):
            break
        weights = data.xp.astype(s, V.dtype)[None, :]
        Q = orthonormalize(U * weights + found.right)[0]
        beside = kept(data, U, s, V, limit, basis=Q).left
        P, R = orthonormalize(be.matmul(V * weights, be.adjoint_matmul(U, Q)) + beside)
        a, s, bh = be.small_svd(be.mH(R))
        U, V = be.matmul(Q, a), be.matmul(P, be.mH(bh))
    return concluded(data, (U, s, V), limit, found, ending, gauge.spread(U, s, V), settings)
