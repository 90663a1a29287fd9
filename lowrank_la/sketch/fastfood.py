"""Fastfood: products with a Gaussian-like matrix in the time of a transform."""

import numpy as np
from scipy.special import gammaincinv

from .. import _backend as be
from .base import Sketch

_ENTRIES = 1 << 19  # of the columns of S worked on together


class Fastfood(Sketch):
    """Stacked blocks ``L H G P H B``, whose rows have the lengths of Gaussian rows: a Gaussian matrix in n log n.

    B are random signs, H an unscaled Walsh-Hadamard matrix of order N (the next power of two ≥ n), P a permutation,
    G a Gaussian diagonal and L the lengths: chi-distributed with N degrees of freedom over ``√N ‖G‖_F``. Applying it to
    an n×p matrix takes 2 N log₂ N additions a column and block of N rows. The entries are real for every dtype.

    Rows of one block are as long as those of a Gaussian matrix and uncorrelated, not independent. With
    ``x = lr.sketch.Fastfood(D, n, rng).apply(X.T) * D**0.5 / sigma`` the random features ``√(2/D) cos(x + u)`` stand
    for the Gaussian kernel of width sigma [1]_.

    Parameters
    ----------
    d, n : int
    rng : optional
    dtype : optional
        Accepted for symmetry with the other sketches.

    References
    ----------
    .. [1] le_sarlos_smola_2013

    Examples
    --------
    >>> import lowrank_la as lr
    >>> lr.sketch.Fastfood(6, 4, rng=0).todense().shape
    (6, 4)
    """

    def __init__(self, d, n, rng=None, *, dtype=None):
        super().__init__(d, n, rng, dtype=dtype)
        self.is_complex = False
        self.order = 1 << (self.shape[1] - 1).bit_length()

    def _draws(self, block):
        """Signs, permutation, diagonal and lengths of a block of rows, on the host."""
        key, N = self.key.child(block), self.order
        signs, order, diagonal, lengths = (
            np.asarray(be.to_numpy(draw(key.child(name), slice(0, 1), slice(0, N))))[0]
            for name, draw in (
                ("signs", be.rademacher),
                ("permutation", be.uniform),
                ("diagonal", be.gaussian),
                ("lengths", be.uniform),
            )
        )
        chi = np.sqrt(2.0 * gammaincinv(N / 2, lengths))
        scale = chi / (np.linalg.norm(diagonal) * (N * self.shape[0]) ** 0.5)
        return signs, np.argsort(order, kind="stable"), diagonal, scale

    def _entries(self, rows, cols, dtype, xp, device):
        block = np.empty((rows.stop - rows.start, cols.stop - cols.start), dtype)
        for part in be.fixed_partition(block.shape[1], max(1, _ENTRIES // max(self.order, self.shape[0]))):
            unit = np.zeros((self.shape[1], part.stop - part.start))
            unit[np.arange(cols.start + part.start, cols.start + part.stop), np.arange(unit.shape[1])] = 1.0
            block[:, part] = self._transformed(unit)[rows]
        return block if xp is None else be.from_numpy(block, xp, device)

    def _apply_array(self, A):
        return self._transformed(A)

    def _rapply(self, A):
        return self._transformed(A.array.mT).mT if A.has("array") else super()._rapply(A)

    def _transformed(self, A):
        xp, (d, n), N = be.namespace(A), self.shape, self.order
        if n < N:
            filler = xp.zeros((N - n, A.shape[1]), dtype=A.dtype, device=be.device(A))
            A = xp.concat([A, filler], axis=0)
        blocks = [self._one_block(A, i, min(N, d - i * N)) for i in range(-(-d // N))]
        return blocks[0] if len(blocks) == 1 else xp.concat(blocks, axis=0)

    def _one_block(self, A, block, count):
        xp, device = be.namespace(A), be.device(A)
        signs, order, diagonal, lengths = self._draws(block)
        real = be.dtype_name(be.real_dtype(xp, A.dtype))

        def column(values):
            return be.from_numpy(values.astype(real), xp, device)[:, None]

        x = _transform(A * column(signs))
        x = xp.take(x, be.index_array(order, self.order, xp, device), axis=0) * column(diagonal)
        return _transform(x)[:count, :] * column(lengths[:count])


def _transform(x):
    xp = be.namespace(x)
    return xp.reshape(be.walsh(xp.reshape(x, (1, *x.shape)), overwrite=True), x.shape)
