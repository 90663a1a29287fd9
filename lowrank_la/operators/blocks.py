"""A matrix that is read in slabs of rows: files, chunked arrays, Dask."""

import math

import numpy as np

from .. import _backend as be
from ..blocks import block_source, map_reduce
from ..blocks.source import BlockSource
from .base import Cost, LinearOperator

_HOST_PANEL, _DEVICE_PANEL = 1 << 17, 1 << 22  # numbers
_SMALLEST, _LARGEST = 1e-70, 1e70  # squares that neither overflow nor vanish, of a norm of double precision numbers


class BlockOperator(LinearOperator):
    """Products with a `BlockSource` of two dimensions, one read each; `normal` takes one read too.

    Parameters
    ----------
    source : BlockSource, or anything that `block_source` takes

    Attributes
    ----------
    source : BlockSource
    reads : int
        Reads of the source so far, through this operator.

    Notes
    -----
    ``A X`` is put together in memory: m numbers a column. The first read of any kind finds the Frobenius norm as well,
    and `fro_norm` reads only where there was none. The sums of a read run in the widest dtype of the device, over a
    tree that is fixed by the numbers of the slabs, so that all executors give the same bits. The number of rows of an
    iterator is not known before its one read: ``shape[0]`` is None, and there are no products.

    Raises
    ------
    ValueError
        If the source has another number of dimensions than two.
    """

    adjoint_by_construction = True
    normal_reads = 1

    def __init__(self, source):
        source = source if isinstance(source, BlockSource) else block_source(source)
        if len(source.shape) != 2:
            shape = "×".join("?" if side is None else str(side) for side in source.shape)
            raise ValueError(f"a two-dimensional source was expected, got {len(source.shape)} dimension(s), {shape}")
        rows, columns = source.shape
        dtype = be.compute_dtype(source.xp, source.dtype, source.device)
        super().__init__((rows or 0, columns), dtype, source.xp, source.device, source_dtype=source.dtype)
        self.shape = (rows, columns)
        self.source, self.reads = source, 0
        self._square, self._rescaled = None, None

    def _matmat(self, X):
        return self._read(_image_kernel, _merge_images, X)["rows"]

    def _rmatmat(self, Y):
        return self.xp.astype(self._read(_adjoint_kernel, _merge_sums, Y)["sum"], Y.dtype, copy=False)

    def _normal(self, X):
        return self.xp.astype(self._read(_normal_kernel, _merge_sums, X)["sum"], X.dtype, copy=False)

    def _read(self, kernel, merge, *broadcast):
        state = map_reduce(self.source, kernel, merge, broadcast=broadcast)
        self.reads += 1
        if "square" in state:
            self._square = state["square"]
        return state

    def fro_norm(self):
        """Frobenius norm, a float; found by any read, and by one of its own where there was none."""
        if self._square is None:
            self._read(_square_kernel, _merge_sums)
        if _SMALLEST < self._square < _LARGEST:
            return self._square**0.5
        if self._rescaled is None:
            self._rescaled = self._rescaled_norm()
        return self._rescaled

    def _rescaled_norm(self):
        """The norm of entries whose squares are not safe, from a read of their size and one at another scale."""
        square, size = self._square, self._read(_size_kernel, _merge_sizes)["size"]
        if not math.isfinite(size) or size == 0.0:
            return size
        power = 2.0 ** max(-1000, min(1000, math.frexp(size)[1]))
        norm = power * self._read(_square_kernel, _merge_sums, 1.0 / power)["square"] ** 0.5
        self._square = square
        return norm

    def column_means(self):
        """Column means, shape (n,), from one read."""
        sums = self._read(_means_kernel, _merge_means)
        return self.xp.astype(sums["mean"], self.dtype)

    def centred_normal(self, X, mean):
        """``Bᴴ (B X)`` for ``B = A - 1 meanᵀ``."""
        state = map_reduce(self.source, _normal_kernel, _merge_sums, broadcast=(X, mean))
        self.reads += 1
        return self.xp.astype(state["sum"], X.dtype, copy=False)

    def centred_fro_norm(self, mean):
        """Frobenius norm of ``A - 1 meanᵀ``."""
        empty = self.xp.zeros((self.shape[1], 0), dtype=self.dtype, device=self.device)
        self.reads += 1
        return map_reduce(self.source, _normal_kernel, _merge_sums, broadcast=(empty, mean))["square"] ** 0.5

    def take_rows(self, indices):
        """The rows `indices`; slabs that hold none of them are not read."""
        return self._promoted(self.source.take(be.host_indices(indices, self.shape[0])))

    def take_cols(self, indices):
        """The columns `indices`, from one read."""
        cols = be.index_array(indices, self.shape[1], self.xp, self.device)
        return self._read(_columns_kernel, _merge_images, cols)["rows"]

    def todense(self):
        """The matrix as an array (m, n), from one read."""
        return self.take_cols(range(self.shape[1]))

    def _promoted(self, rows):
        return self.xp.astype(rows, self.dtype, copy=False)

    @property
    def cost(self):
        """`Cost` of one product."""
        numbers = float((self.shape[0] or 0) * self.shape[1])
        return Cost(flops=2.0 * numbers, bytes=numbers * be.itemsize(self.source_dtype), dense=True)


def working(block, scale=1.0):
    """``scale * block`` in the dtype of computation."""
    xp = be.namespace(block)
    A = be.blasable(xp.astype(block, be.compute_dtype(xp, block.dtype, be.device(block)), copy=False))
    return A if scale == 1.0 else A * scale


def adjoint(xp, panel, Y):
    """``panelᴴ Y`` for operands that BLAS takes, without a conjugated copy of the panel."""
    return xp.conj(panel.mT @ xp.conj(Y)) if be.is_complex(panel.dtype) else panel.mT @ Y


def widest(A):
    """The widest dtype of the device, real or complex as `A` is."""
    return be.widest_like(be.namespace(A), A.dtype, be.device(A))


def panels(A, shift=None):
    """Panels of rows that fit the cache, with the row `shift` taken off; at least one, which may be empty."""
    numbers = _HOST_PANEL if be.kind(be.namespace(A)) == "numpy" else _DEVICE_PANEL
    for rows in be.fixed_partition(A.shape[0], max(64, numbers // max(1, A.shape[1]))) or [slice(0, 0)]:
        yield A[rows, :] if shift is None else A[rows, :] - shift[None, :]


def added(total, part, dtype):
    """``total + part`` in `dtype`; `total` is None or an array of our own, which is overwritten."""
    if total is None:
        return be.namespace(part).astype(part, dtype)
    total += be.namespace(part).astype(part, dtype, copy=False)
    return total


def _fitting(A, X):
    """`X` in the dtype that its product with `A` has."""
    xp = be.namespace(A)
    return xp.astype(X, xp.result_type(A.dtype, X.dtype), copy=False)


@np.errstate(over="ignore", invalid="ignore")
def _image_kernel(block, _start, X):
    A = working(block)
    return {"rows": be.matmul(A, _fitting(A, X)), "square": be.vdot_real(A)}


def _columns_kernel(block, _start, cols):
    A = working(block)
    return {"rows": be.namespace(A).take(A, cols, axis=1)}


@np.errstate(over="ignore", invalid="ignore")
def _adjoint_kernel(block, start, Y):
    A = working(block)
    Y = _fitting(A, Y[start : start + A.shape[0], :])
    return {"sum": be.namespace(A).astype(be.adjoint_matmul(A, Y), widest(Y)), "square": be.vdot_real(A)}


@np.errstate(over="ignore", invalid="ignore")
def _normal_kernel(block, _start, X, mean=None):
    A = working(block)
    xp, X, total, square = be.namespace(A), be.blasable(_fitting(A, X)), None, 0.0
    shift = None if mean is None else xp.astype(mean, A.dtype, copy=False)
    mixed, wide = X.dtype != A.dtype, widest(X)
    for panel in panels(A, shift):
        square += be.vdot_real(panel)
        panel = xp.astype(panel, X.dtype) if mixed else panel
        total = added(total, adjoint(xp, panel, panel @ X), wide)
    return {"sum": total, "square": square}


@np.errstate(over="ignore", invalid="ignore")
def _square_kernel(block, _start, scale=1.0):
    return {"square": be.vdot_real(working(block, scale))}


def _size_kernel(block, _start):
    A = working(block)
    xp = be.namespace(A)
    return {"size": float(xp.max(xp.abs(A))) if 0 not in A.shape else 0.0}


@np.errstate(over="ignore", invalid="ignore")
def _means_kernel(block, _start):
    A = working(block)
    xp, wide = be.namespace(A), widest(A)
    rows = A.shape[0]
    first = A[0, :] if rows else xp.zeros((A.shape[1],), dtype=A.dtype, device=be.device(A))
    total = None
    for panel in panels(A, first):
        total = added(total, xp.sum(panel, axis=0, dtype=wide), wide)
    return {"mean": xp.astype(first, wide) + total / max(rows, 1), "count": rows}


def _merge_images(a, b):
    merged = {"rows": be.namespace(a["rows"]).concat([a["rows"], b["rows"]], axis=0)}
    if "square" in a:
        merged["square"] = a["square"] + b["square"]
    return merged


@np.errstate(over="ignore", invalid="ignore")
def _merge_sums(a, b):
    return {name: a[name] + b[name] for name in a}


def _merge_sizes(a, b):
    sizes = (a["size"], b["size"])
    return {"size": math.nan if any(map(math.isnan, sizes)) else max(sizes)}


@np.errstate(over="ignore", invalid="ignore")
def _merge_means(a, b):
    count = a["count"] + b["count"]
    return {"mean": a["mean"] + (b["mean"] - a["mean"]) * (b["count"] / max(count, 1)), "count": count}
