"""Scaled gradient descent on the factors, outliers put aside by a share of the entries."""

from .. import _backend as be
from .doubts import concluded
from .ending import Ending
from .factors import product_svd
from .gauge import Gauge
from .pace import Falling
from .panels import kept
from .start import start

_STEP = 0.5


def scaled_gd(data, rank, settings, watch):
    """Steps of one half along the gradient of ``‖L + S - M‖²`` times the inverse Gram matrix of the other factor."""
    gauge, xp = Gauge(data, settings.key), data.xp
    U, s, V = start(data, rank, gauge, settings.key)
    root = xp.astype(xp.sqrt(s), U.dtype)[None, :]
    left, right, ending, size = U * root, V * root, Ending(data, settings.tol, gauge), be.fro_norm(s)
    ones = xp.ones(rank, dtype=s.dtype, device=data.device)
    falling = Falling(gauge, data, settings, float(s[0]))
    while True:
        limit = falling.next(left, ones, right)
        found = kept(data, left, ones, right, limit)
        over = watch.tick(residual=found.norm / data.norm)
        if ending.after(found.norm, limit, size, watch if over else None):
            break
        step = _STEP * min(data.shape[0] * data.shape[1] / max(found.count, 1), 2.0)
        left, right = (
            left + step * _preconditioned(found.right, right),
            right + step * _preconditioned(found.left, left),
        )
    U, s, V = product_svd(left, right)
    return concluded(data, (U, s, V), limit, found, ending, gauge.spread(U, s, V), settings)


def _preconditioned(gradient, other):
    """``gradient (otherᴴ other)⁻¹``, directions that are rounding left out."""
    w, Q = be.small_eigh(be.gram(other))
    xp = be.namespace(w)
    large = w > 4.0 * w.shape[0] * be.eps(w.dtype) * xp.max(w)
    inverse = xp.where(large, 1.0 / xp.where(large, w, xp.ones_like(w)), xp.zeros_like(w))
    return be.matmul(be.matmul(gradient, Q) * xp.astype(inverse, Q.dtype)[None, :], be.mH(Q))
