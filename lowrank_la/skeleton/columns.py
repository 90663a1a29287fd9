"""Columns and diagonal of a positive semidefinite matrix, however it is given."""

import math

import numpy as np

from .. import _backend as be
from ..operators import as_operator
from ..operators.base import densify
from .kernel_matrix import KernelMatrix

_BLOCK = 64
_PANEL_ENTRIES = 1 << 16


class Columns:
    """The proposed columns of one round: their core ``K[i, j]`` now, panels of some of them afterwards.

    Of an array and of a kernel matrix no more than the core is read for proposals that are turned down.
    """

    def __init__(self, op, indices):
        self.op, self.host = op, np.asarray(indices)
        self.indices = be.index_array(indices, op.shape[0], op.xp, op.device)
        self._taken = None
        if isinstance(op, KernelMatrix):
            self.core = op.block(self.indices, self.indices)
        elif op.has("array"):
            self.core = self._core_of_array()
        elif op.has("take_cols"):
            self._taken = as_operator(op.take_cols(indices))
            self.core = densify(self._taken.take_rows(indices))
        else:
            self._taken = as_operator(op.matmat(unit_columns(op.shape[1], indices, op)))
            self.core = self._taken.take_rows(indices)

    def _core_of_array(self):
        xp, pieces = self.op.xp, be.fixed_partition(len(self.host), _BLOCK)
        rows = [xp.take(self.op.array, self.indices[piece], axis=0) for piece in pieces]
        return be.mH(xp.concat([xp.take(part, self.indices, axis=1) for part in rows], axis=0))

    def reader(self, places):
        """Function of a slice of rows that gives those rows of the columns at `places` among the proposed ones."""
        op, xp = self.op, self.op.xp
        chosen = be.index_array(places, self.indices.shape[0], xp, op.device)
        cols = xp.take(self.indices, chosen, axis=0)
        if isinstance(op, KernelMatrix):
            return lambda rows: op.block(rows, cols)
        if self._taken is not None:
            part = densify(self._taken.take_cols(places))
            return lambda rows: part[rows, :]
        if be.kind(xp) == "numpy":
            return lambda rows: be.mH(op.array[cols, rows])
        return lambda rows: be.mH(xp.take(op.array[:, rows], cols, axis=0))


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


def entry_eps(op):
    """Unit of roundoff of the entries: that of half precision for an array in it, though it is worked on in float32."""
    rounded = op.source_dtype if be.is_half(op.source_dtype) and not isinstance(op, KernelMatrix) else op.dtype
    return be.eps(rounded)


def unit_of(diag):
    """A power of two whose inverse square is near the largest entry of a diagonal."""
    return 2.0 ** -(math.frexp(float(diag.max()))[1] // 2)


def row_panels(n, width, xp):
    """Slices of rows of a tall array with `width` columns that fit the cache; one slice off the host."""
    if be.kind(xp) != "numpy":
        return [slice(0, n)]
    return be.fixed_partition(n, max(256, -(-_PANEL_ENTRIES // max(1, width))))


def _host_real(x):
    host = be.to_numpy(x)
    return np.array(host.real if host.dtype.kind == "c" else host, dtype=np.float64)
