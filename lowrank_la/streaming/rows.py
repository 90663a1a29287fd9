"""Batches of rows: what is accepted, and how dense and sparse ones are cut, joined and multiplied alike."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _backend as be

_LARGEST_WEIGHT = {"float32": 2.0**60, "float64": 2.0**500}
_NEXT_TO_ROWS = {"float32": 2.0**100, "float64": 2.0**500}  # rows of that dtype times its root have room


@dataclass(frozen=True)
class Layout:
    """What all batches of one stream have in common.

    Attributes
    ----------
    columns : int
    dtype : dtype
        In which rows are worked (half precision in float32, integers in the widest real dtype).
    source : str
        Name of that dtype, or of the half precision that rows come in.
    xp, device
        Namespace and device of the rows.
    """

    columns: int
    dtype: Any
    source: str
    xp: Any
    device: Any

    def zeros(self, *shape, dtype=None):
        """Array of zeros of this namespace, device and dtype."""
        return self.xp.zeros(shape, dtype=self.dtype if dtype is None else dtype, device=self.device)

    @property
    def real(self):
        """The real dtype of the precision of the rows."""
        return be.real_dtype(self.xp, self.dtype)

    @property
    def wide(self):
        """The widest dtype of the device that is real or complex as the rows are."""
        return be.widest_like(self.xp, self.dtype, self.device)


def read_rows(rows, layout, name, *, sparse=True):
    """``(rows, layout)``: an array or a `be.CSR` in the dtype that the stream works in.

    Parameters
    ----------
    rows : array or sparse matrix, shape (b, d)
    layout : Layout or None
        That of the batches so far; TypeError or ValueError where the batch differs from it.
    name : str
        The estimator, for messages.
    sparse : bool
        Whether sparse batches are taken.
    """
    be.require_untracked(rows, name)
    if be.is_sparse(rows):
        if not sparse:
            raise TypeError(f"{name} takes dense rows, got a sparse {type(rows).__name__}; pass rows.toarray()")
        return _read_sparse(rows, layout, name)
    if isinstance(rows, np.ma.MaskedArray):
        raise TypeError(f"{name} takes no masked rows; fill the missing entries first")
    rows = np.asarray(rows) if isinstance(rows, np.ndarray | list | tuple) else rows
    if not be.is_array(rows) or be.kind(be.namespace(rows)) == "other":
        raise TypeError(f"rows must be an array or a sparse matrix of shape (b, d), got {type(rows).__name__}")
    _require_two_dimensional(rows)
    xp, device = be.namespace(rows), be.device(rows)
    layout = _agreed(layout, rows.shape[1], rows.dtype, xp, device, name)
    return xp.astype(rows, layout.dtype, copy=False), layout


def _read_sparse(rows, layout, name):
    _require_two_dimensional(rows)
    csr = be.to_csr(rows if be.sparse_kind(rows) == "torch" else rows.tocsr())[0]
    return csr, _agreed(layout, rows.shape[1], rows.dtype, csr.xp, csr.device, name)


def _require_two_dimensional(rows):
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise ValueError(
            f"a batch has shape (rows, columns) with at least one column, got {tuple(rows.shape)}; "
            "give one row as x[None, :]"
        )


def _agreed(layout, columns, dtype, xp, device, name):
    worked = be.compute_dtype(xp, dtype, device)
    source = be.dtype_name(dtype if be.is_half(dtype) else worked)
    if layout is None:
        return Layout(int(columns), worked, source, xp, device)
    if columns != layout.columns:
        raise ValueError(f"{name} has seen rows of {layout.columns} columns, this batch has {columns}")
    if be.kind(xp) != be.kind(layout.xp) or device != layout.device:
        raise TypeError(
            f"{name} holds arrays of {be.kind(layout.xp)} on {layout.device}, this batch is of {be.kind(xp)} on "
            f"{device}; move the batch, or the state by from_state_dict(state, like=batch)"
        )
    if source != layout.source:
        raise TypeError(
            f"{name} has seen rows of dtype {layout.source}, this batch has {be.dtype_name(dtype)}; "
            f"convert the batch to {layout.source}"
        )
    return layout


def is_csr(rows):
    """Whether the rows are sparse."""
    return isinstance(rows, be.CSR)


def cut(rows, start, stop):
    """Rows ``start…stop-1``: a view of dense rows."""
    if start == 0 and stop == rows.shape[0]:
        return rows
    if not is_csr(rows):
        return rows[start:stop, :]
    first, last = int(rows.indptr[start]), int(rows.indptr[stop])
    pointers = rows.indptr[start : stop + 1] - rows.indptr[start]
    return be.csr_of(rows.values[first:last], rows.indices[first:last], pointers, (stop - start, rows.shape[1]))


def kept(rows):
    """A copy that nobody else writes to."""
    if not is_csr(rows):
        xp = be.namespace(rows)
        return xp.asarray(rows, copy=True)
    values, indices, pointers = (rows.xp.asarray(part, copy=True) for part in (rows.values, rows.indices, rows.indptr))
    return be.csr_of(values, indices, pointers, rows.shape)


def joined(pieces):
    """Pieces one below the other: sparse when all are, else dense."""
    if len(pieces) == 1:
        return pieces[0]
    if not all(map(is_csr, pieces)):
        dense = [densified(piece) for piece in pieces]
        return be.namespace(dense[0]).concat(dense, axis=0)
    xp, starts, total = pieces[0].xp, [], 0
    for piece in pieces:
        starts.append(piece.indptr[:-1] + total)
        total += piece.nnz
    last = xp.asarray([total], dtype=pieces[0].indptr.dtype, device=pieces[0].device)
    values, indices = (xp.concat([getattr(piece, name) for piece in pieces]) for name in ("values", "indices"))
    height = sum(piece.shape[0] for piece in pieces)
    return be.csr_of(values, indices, xp.concat([*starts, last]), (height, pieces[0].shape[1]))


def densified(rows):
    """The rows as an array (not a copy when they are one)."""
    if not is_csr(rows):
        return rows
    return rows.native.to_dense() if be.kind(rows.xp) == "torch" else rows.native.toarray()


def scaled_rows(rows, scale):
    """The rows divided by `scale` (a power of two), themselves where that is 1 or None."""
    if scale is None or scale == 1.0:
        return rows
    with np.errstate(over="ignore"):  # the caller looks at the size of what comes of it
        if is_csr(rows):
            return be.csr_of(rows.values * (1.0 / scale), rows.indices, rows.indptr, rows.shape)
        return rows * (1.0 / scale)


def values_of(rows):
    """The array that holds all entries which may differ from zero."""
    return rows.values[:, None] if is_csr(rows) else rows


def require_finite_rows(rows):
    """ValueError unless all entries are finite: one sum, and a closer look only where that is not finite."""
    values = values_of(rows)
    xp = be.namespace(values)
    if 0 in values.shape:
        return

    @np.errstate(over="ignore", invalid="ignore")  # numbers that are finite may have a sum that is not
    def summed(panel):
        return complex(xp.sum(panel))

    total = sum(be.map_row_panels(summed, values))
    if total - total != 0 and not be.all_finite(values):
        raise ValueError(
            "the batch holds NaN or infinite values and was refused; the state is as it was before. "
            "Drop or repair such rows"
        )


def read_weights(weights, count, layout):
    """The weights of `count` rows in the widest real dtype of their device; a refusal names what is wrong."""
    weights = np.asarray(weights) if isinstance(weights, list | tuple) else weights
    if not be.is_array(weights) or tuple(weights.shape) != (count,):
        found = tuple(weights.shape) if be.is_array(weights) else type(weights).__name__
        raise ValueError(f"weights must be an array with one entry a row, shape ({count},), got {found}")
    if be.is_complex(weights.dtype) or be.dtype_name(weights.dtype).startswith("bool"):
        raise TypeError(f"weights must be real numbers, got {be.dtype_name(weights.dtype)}")
    xp = layout.xp
    if be.kind(be.namespace(weights)) != be.kind(xp) or be.device(weights) != layout.device:
        raise TypeError("weights must be in the namespace and on the device of the rows")
    weights = xp.astype(weights, be.widest_real(xp, layout.device), copy=False)
    if count and not (be.all_finite(weights) and bool(xp.all(weights >= 0))):
        raise ValueError("weights must be finite and not negative; the batch was refused")
    most = min(_LARGEST_WEIGHT[be.dtype_name(weights.dtype)], _NEXT_TO_ROWS[be.dtype_name(layout.real)])
    if count and float(xp.max(weights)) > most:
        raise ValueError(
            f"weights must be at most {most:.0e} for {layout.source} rows, got {float(xp.max(weights)):.1e}: weighted "
            "rows or their sums would overflow; divide all weights by a power of two. The batch was refused"
        )
    return weights


def by_rows(block):
    """`block` in memory by rows: the bits of a product may depend on the order of its operands in memory."""
    if isinstance(block, np.ndarray):
        return np.ascontiguousarray(block)
    return block


def dense_block(block):
    """The block as an array."""
    return by_rows(densified(block))
