"""One block of rows into an orthonormal basis: the steps of Oja's method and its relatives.

`rows` is (b, d) and `Q` is (d, k) with orthonormal columns; every step returns a new `Q`.
"""

from .. import _backend as be
from ..factor.tall_qr import orthonormalize

_INNER = 3  # power steps of history PCA a block


def gradient(rows, Q):
    """``Xᴴ X Q / b`` and the mean squared coefficient of a row along each column."""
    xp = be.namespace(rows)
    images = rows @ Q
    power = xp.sum(xp.real(xp.conj(images) * images), axis=0) if be.is_complex(Q.dtype) else xp.sum(images**2, axis=0)
    return be.adjoint_matmul(rows, images) / rows.shape[0], power / rows.shape[0]


def oja_step(G, Q, rate):
    """``orth(Q + rate G)`` for the gradient `G`."""
    return orthonormalize(Q + rate * G)[0]


def adaptive_step(G, Q, sizes):
    """A step of each column at the inverse root of its squared gradients so far.

    Returns the basis and `sizes`, the roots with those of this gradient.
    """
    xp = be.namespace(Q)
    sizes = xp.hypot(sizes, xp.linalg.vector_norm(G, axis=0))
    alive = sizes > 0
    inverse = xp.where(alive, 1.0 / xp.where(alive, sizes, xp.ones_like(sizes)), xp.zeros_like(sizes))
    return orthonormalize(Q + G * xp.astype(inverse, Q.dtype, copy=False)[None, :])[0], sizes


def history_step(rows, Q, values, share):
    """Power steps with what is remembered, ``Q diag(values) Qᴴ``, and the rows, whose part of the mean is `share`.

    Returns the basis and the new values.
    """
    xp = be.namespace(rows)
    past = Q * xp.astype(values, Q.dtype, copy=False)[None, :]
    found = Q
    for _ in range(_INNER):
        image = past @ (be.mH(Q) @ found)
        image = (1.0 - share) * image + share * gradient(rows, found)[0]
        found, R = orthonormalize(image)
    return found, xp.abs(xp.linalg.diagonal(R))
