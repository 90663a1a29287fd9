"""Columns and diagonal of a positive semidefinite matrix, however it is given."""

import numpy as np

from .. import _backend as be
from ..operators.base import densify
from .kernel_matrix import KernelMatrix

_BLOCK = 64
_PANEL_ENTRIES = 1 << 16


class Columns:
    """The proposed columns of one round: their core ``K[i, j]`` now, panels of some of them afterwards."""

    def __init__(self, op, indices):
        self.op = op
        self.indices = be.index_array(indices, op.shape[0], op.xp, op.device)
        if isinstance(op, KernelMatrix):
            self._whole, self.core = None, op.block(self.indices, self.indices)
        else:
            self._whole = dense_columns(op, indices)
            self.core = op.xp.take(self._whole, self.indices, axis=0)

    def reader(self, places):
        """Function of a slice of rows that gives those rows of the columns at `places` among the proposed ones."""
        xp = self.op.xp
        chosen = be.index_array(places, self.indices.shape[0], xp, self.op.device)
        if self._whole is None:
            cols = xp.take(self.indices, chosen, axis=0)
            return lambda rows: self.op.block(rows, cols)
        part = xp.take(self._whole, chosen, axis=1)
        return lambda rows: part[rows, :]


def dense_columns(op, indices):
    """The columns `indices` as a dense array: by rows of a Hermitian array, else as the operator gives them."""
    xp = op.xp
    if op.has("array"):
        rows = be.index_array(indices, op.shape[0], xp, op.device)
        return be.mH(xp.take(op.array, rows, axis=0))
    if op.has("take_cols"):
        return densify(op.take_cols(indices))
    return op.matmat(unit_columns(op.shape[1], indices, op))


def submatrix(op, rows, cols):
    """Entries of the rows and columns numbered, as a dense array."""
    rows, cols = (be.index_array(part, op.shape[0], op.xp, op.device) for part in (rows, cols))
    if isinstance(op, KernelMatrix):
        return op.block(rows, cols)
    return op.xp.take(dense_columns(op, be.to_numpy(cols)), rows, axis=0)


def unit_columns(size, indices, op):
    """Columns of the identity of so many rows, in the namespace, dtype and device of `op`."""
    host = np.zeros((size, len(indices)), dtype=be.dtype_name(op.dtype))
    host[np.asarray(indices), np.arange(len(indices))] = 1.0
    return be.from_numpy(host, op.xp, op.device)


def diagonal(op):
    """The diagonal on the host in double precision, and how many products it took."""
    if op.has("diag"):
        return _host_real(op.diag()), 0
    n = op.shape[0]
    parts = []
    for block in be.fixed_partition(n, _BLOCK):
        indices = list(range(block.start, block.stop))
        columns = op.matmat(unit_columns(op.shape[1], indices, op))
        parts.append(_host_real(op.xp.linalg.diagonal(columns[block, :])))
    return np.concatenate(parts), n


def row_panels(n, width, xp):
    """Slices of rows of a tall array with `width` columns that fit the cache; one slice off the host."""
    if be.kind(xp) != "numpy":
        return [slice(0, n)]
    return be.fixed_partition(n, max(256, -(-_PANEL_ENTRIES // max(1, width))))


def _host_real(x):
    host = be.to_numpy(x)
    return np.array(host.real if host.dtype.kind == "c" else host, dtype=np.float64)
