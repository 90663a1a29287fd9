"""Oja's method at several rates at once, each row a step: compiled on the host, in products of blocks elsewhere."""

import numpy as np

from .. import _backend as be
from .. import _kernels
from .._backend.sparse import writable_view

_PIECE = 32  # rows after which lengths are taken off: each can double them, and their squares have to stay in range


def oja_ladder(rows, vectors, rates, growth):
    """Take rows into vectors: ``v ← v + η x xᴴ v`` for each row xᴴ in turn.

    Parameters
    ----------
    rows : array, shape (b, d)
    vectors : array, shape (m, d)
        A unit vector a rate.
    rates : list of float, length m
        A rate times the squared length of a row is below one.
    growth : array, shape (m,)
        In the widest real dtype of the device.

    Returns
    -------
    vectors, growth : arrays, shapes (m, d) and (m,)
        The vectors at length one again, and the growth with the logarithms of the lengths that they had grown to.
    """
    if be.kind(be.namespace(rows)) != "numpy" or rows.dtype.kind != "f":
        return oja_ladder_twin(rows, vectors, rates, growth)
    count, d = vectors.shape
    padded = np.zeros((-(-count // 4) * 4, d), vectors.dtype)
    padded[:count] = vectors
    steps, grown = np.zeros(padded.shape[0], rows.dtype), np.zeros(padded.shape[0])
    steps[:count], grown[:count] = rates, growth
    _kernels.lookup("oja_ladder", "numpy")(writable_view(rows), padded, steps, grown, _PIECE)
    return padded[:count], grown[:count]


def oja_ladder_twin(rows, vectors, rates, growth):
    """`oja_ladder` from products of blocks.

    With G the strictly lower triangle of X Xᴴ, the products a_t = x_tᴴ v of a row with the vector before it solve
    ``(I - η G) a = X v``, and all rows together add ``η Xᴴ a``.
    """
    xp, device = be.namespace(rows, vectors), be.device(rows)
    real = be.real_dtype(xp, rows.dtype)
    rates = xp.asarray(rates, dtype=real, device=device)[:, None]
    steps = xp.astype(rates, rows.dtype, copy=False)
    for piece in be.fixed_partition(rows.shape[0], _PIECE):
        X = rows[piece, :]
        lower = xp.tril(X @ be.mH(X), k=-1)
        identity = xp.eye(X.shape[0], dtype=X.dtype, device=device)
        seen = xp.linalg.solve(
            identity[None, :, :] - steps[:, :, None] * lower[None, :, :], (vectors @ X.mT)[:, :, None]
        )
        vectors = vectors + (steps * seen[:, :, 0]) @ be.mH(X).mT
        length = xp.linalg.vector_norm(vectors, axis=1, keepdims=True)
        alive = length > 0
        length = xp.where(alive, length, xp.ones_like(length))
        vectors = vectors / xp.astype(length, vectors.dtype, copy=False)
        growth = growth + xp.log(xp.astype(length[:, 0], growth.dtype))
    return vectors, growth
