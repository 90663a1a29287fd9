"""Sparse signs: stacked CountSketches."""

import numpy as np

from .. import _backend as be
from .base import Sketch


class SparseSign(Sketch):
    """`nnz` stacked CountSketches: every column has one entry ±1/√nnz in each of `nnz` bands of rows.

    Applying it costs nnz·n·p additions on an n×p matrix, which is read once. With `nnz` from 4 to 8 and d a few times k
    it embeds a subspace of dimension k about as well as Gaussian. The entries are real for every dtype.

    Parameters
    ----------
    d, n : int
        Rows of the sketch, and length of the vectors that it takes.
    rng : optional
        Seed, generator or `Key`.
    nnz : int, optional
        Entries a column, at most d; min(8, d) by default.
    dtype : optional
        Accepted for symmetry with the other sketches.

    References
    ----------
    .. [1] nelson_nguyen_2013

    Examples
    --------
    >>> import lowrank_la as lr
    >>> S = lr.sketch.SparseSign(32, 1000, rng=0, nnz=4).todense()
    >>> [int(x) for x in (S != 0).sum(axis=0)[:3]]
    [4, 4, 4]
    """

    def __init__(self, d, n, rng=None, *, nnz=None, dtype=None):
        super().__init__(d, n, rng, dtype=dtype)
        self.is_complex = False
        self.nnz = min(8, self.shape[0]) if nnz is None else be.check_count("nnz", nnz, 1, self.shape[0])
        self._sizes = np.asarray([(self.shape[0] + s) // self.nnz for s in reversed(range(self.nnz))], np.int64)
        self._firsts = np.cumsum(self._sizes) - self._sizes

    def _draws(self, cols):
        return np.asarray(be.to_numpy(be.integers(self.key, cols, slice(0, self.nnz), 1 << 32)))

    def _places(self, cols):
        return be.split_draws(self._draws(cols), self._sizes, self._firsts)

    def _entries(self, rows, cols, dtype, xp, device):
        places, signs = self._places(cols)
        block = np.zeros((self.shape[0], cols.stop - cols.start), dtype)
        block[places, np.arange(block.shape[1])[:, None]] = signs * self.nnz**-0.5
        block = np.ascontiguousarray(block[rows])
        return block if xp is None else be.from_numpy(block, xp, device)

    def _apply_array(self, A):
        return be.hash_rows(A, self._draws, self._sizes, self._firsts, self.shape[0]) * self.nnz**-0.5

    def _apply(self, A):
        if hasattr(A, "combine_rows"):
            return A.combine_rows(*self._places(slice(0, self.shape[1])), self.shape[0]) * self.nnz**-0.5
        return super()._apply(A)

    def _rapply(self, A):
        if A.has("array"):
            return self._apply_array(A.array.mT).mT
        if hasattr(A, "combine_rows"):
            return be.mH(self._apply(A.H))
        return super()._rapply(A)

    def __repr__(self):
        d, n = self.shape
        return f"{type(self).__name__}({d}, {n}, rng={self.key!r}, nnz={self.nnz})"
