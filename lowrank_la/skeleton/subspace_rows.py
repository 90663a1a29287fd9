"""Rows of an orthonormal basis that represent the others: by elimination, pivoted QR, maximal volume, or a draw."""

from .. import _backend as be
from .pivoted_qr import pivots
from .places import largest_place

_DOMINANT = 1.05
_REFRESH = 16


def deim(V):
    """Pivots of Gaussian elimination with partial pivoting on the columns of `V` (n, k), one a column."""
    xp = be.namespace(V)
    rest = xp.asarray(V, copy=True)
    chosen = []
    for t in range(V.shape[1]):
        column = rest[:, t]
        i = largest_place(xp.abs(column))
        if float(xp.abs(column[i])) == 0.0:
            break
        chosen.append(i)
        rest = rest - (column / column[i])[:, None] * rest[i, :][None, :]
    return chosen


def qdeim(V):
    """Pivots of column-pivoted QR on ``Vᴴ``."""
    return pivots(be.mH(V), V.shape[1])


def maxvol(V, most=None):
    """Rows whose submatrix no single exchange makes larger in volume by more than a twentieth.

    Starts from `qdeim`; `most` exchanges at most, 4 k + 100 by default.
    """
    xp, k = be.namespace(V), V.shape[1]
    chosen = qdeim(V)
    for step in range(4 * k + 100 if most is None else most):
        if step % _REFRESH == 0:
            C = _representation(V, chosen)
        size = xp.abs(C)
        i, j = largest_place(size)
        if float(size[i, j]) <= _DOMINANT:
            break
        row = xp.asarray(C[i, :], copy=True)
        row[j] = row[j] - 1.0
        C = C - (C[:, j] / C[i, j])[:, None] * row[None, :]
        chosen[j] = i
    return chosen


def _representation(V, chosen):
    """``V V[chosen]⁻¹`` by elimination, without the inverse."""
    xp = be.namespace(V)
    square = xp.take(V, be.index_array(chosen, V.shape[0], xp, be.device(V)), axis=0)
    return xp.linalg.solve(square.mT, V.mT).mT


def volume_draw(V, key):
    """Rows drawn with probability ``|det V[rows]|²``."""
    from ..sampling.projection_dpp import ProjectionDPP

    return [int(i) for i in be.to_numpy(ProjectionDPP(V).sample(rng=key))]
