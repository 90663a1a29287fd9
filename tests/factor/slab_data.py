"""Data in slabs for tests, read through a source that counts."""

import numpy as np

import lowrank_la as lr
from lowrank_la.blocks import BlockSource


class Counting(BlockSource):
    """Slabs of a NumPy array, with the rows handed out counted."""

    parallel_reads = True

    def __init__(self, array, rows=97, *, once=False):
        like = lr.block_source(array, rows=rows)
        super().__init__(array.shape, like.dtype, like.xp, like.device, boundaries=like.boundaries)
        self.array, self._counted = array, [0]  # one list for all copies
        self.reads_allowed = 1 if once else None

    @property
    def rows_read(self):
        """Rows handed out so far."""
        return self._counted[0]

    @property
    def passes(self):
        """Reads of the whole so far."""
        return self.rows_read / self.shape[0]

    def _load(self, start, stop):
        self._counted[0] += stop - start
        return self.array[start:stop]


def errors(A, result):
    """Relative reconstruction error, largest residual ‖A v - σ u‖ over σ₁, deviation of `U` from orthonormal."""
    U, s, Vh = (np.asarray(part) for part in (result.U.gather(), result.s, result.Vh))
    image = A @ Vh.conj().T
    top = np.linalg.norm(A, 2)
    return (
        np.linalg.norm(A - (U * s) @ Vh) / np.linalg.norm(A),
        np.linalg.norm(image - U * s, axis=0).max() / top,
        np.abs(U.conj().T @ U - np.eye(len(s))).max(),
    )
