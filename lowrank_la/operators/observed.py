"""Observed entries of a matrix: kept once by rows, with the permutation that lists them by columns."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from .. import _backend as be
from .sparse import SparseOperator

_ARRAYS = ("values", "row_pointers", "columns", "column_pointers", "rows", "order")


class Side(NamedTuple):
    """The entries as one side of the matrix sees them.

    Attributes
    ----------
    pointers, indices : integer arrays, shapes (size + 1,) and (N,)
        Line i holds the entries ``pointers[i]`` to ``pointers[i + 1]``; `indices` are their places in the line.
    order : integer array, shape (N,), or None
        Where each entry stands by rows; None for the rows themselves.
    lines : integer array (N,) or None
        The line of each entry, where a portable form needs it.
    size, others : int
        Number of lines, and how long they are.
    parts : list of slice
        Ranges of lines with about the same number of entries: a function of the structure alone.
    """

    pointers: Any
    indices: Any
    order: Any
    lines: Any
    size: int
    others: int
    parts: list


@dataclass(frozen=True, eq=False)
class Observed:
    """Entries of an m×n matrix at N places, no place twice.

    Attributes
    ----------
    values : array, shape (N,)
        By rows, columns ascending within a row. Every vector of N numbers below comes in this order.
    row_pointers, columns : integer arrays, shapes (m + 1,) and (N,)
    column_pointers, rows, order : integer arrays, shapes (n + 1,), (N,) and (N,)
        The same places by columns, rows ascending within a column, and where each of them stands by rows.
    shape : tuple of int
    xp, device
        Namespace and device of all arrays.

    Notes
    -----
    Indices take four bytes on the host where that is enough: 20 bytes an entry in double precision.
    """

    values: Any
    row_pointers: Any
    columns: Any
    column_pointers: Any
    rows: Any
    order: Any
    shape: tuple[int, int]
    xp: Any
    device: Any

    @classmethod
    def from_entries(cls, rows, columns, values, shape, duplicates="raise", weights=None):
        """From places in any order.

        Parameters
        ----------
        rows, columns : integer arrays, shape (N,), inside `shape`
        values : array, shape (N,), of a floating dtype
        shape : tuple of int
        duplicates : {"raise", "average"}
            Places that come twice or more get the mean of their values, weighted where there are weights.
        weights : array, shape (N,), optional

        Returns
        -------
        Observed
            With `weights` a pair: the entries, and their weights in the same order.

        Raises
        ------
        ValueError
            If a place comes twice and is not to be averaged.
        """
        xp = be.namespace(values)
        structure, taken = be.entry_structure(rows, columns, shape, xp)
        made = cls(be.taken_from(values, taken, xp), *structure, shape=shape, xp=xp, device=be.device(values))
        weights = None if weights is None else be.taken_from(weights, taken, xp)
        repeated = be.repeated_places(made.row_pointers, made.columns, xp)
        if made.count > 1 and bool(xp.any(repeated)):
            made, weights = made._merged(repeated, duplicates, weights)
        return made if weights is None else (made, weights)

    @classmethod
    def from_rows(cls, row_pointers, columns, values, shape):
        """From a matrix by rows whose columns ascend within each row; arrays of the right dtype are not copied."""
        row_pointers, columns = be.with_small_indices(row_pointers, columns, shape, be.namespace(values))
        by_columns = be.transposed_structure(row_pointers, columns, shape, be.namespace(values))
        return cls(
            values, row_pointers, columns, *by_columns, shape=shape, xp=be.namespace(values), device=be.device(values)
        )  # fmt: skip

    def _merged(self, repeated, duplicates, weights):
        """The entries with those at one place averaged, and their weights added up."""
        xp, lines = self.xp, be.line_numbers(self.row_pointers, self.xp)
        if duplicates != "average":
            host = be.to_numpy(repeated)
            first = int(host.argmax())
            raise ValueError(
                f"{int(host.sum())} of the {self.count} observed entries repeat a place, the first of them row "
                f"{int(lines[first + 1])}, column {int(self.columns[first])}; pass duplicates='average', or keep one "
                "of each"
            )
        fresh = xp.concat([xp.ones(1, dtype=xp.bool, device=self.device), ~repeated])
        groups = xp.cumulative_sum(xp.astype(fresh, self.columns.dtype), dtype=self.columns.dtype) - 1
        size = int(groups[-1]) + 1
        each = xp.ones_like(self.values) if weights is None else xp.astype(weights, self.dtype)
        total = be.segment_sum(each, groups, size, xp)
        means = be.segment_sum(self.values * each, groups, size, xp) / total
        kept = be.true_places(fresh[None, :], xp)[1]
        merged = Observed.from_entries(xp.take(lines, kept), xp.take(self.columns, kept), means, self.shape)
        return merged, None if weights is None else be.segment_sum(weights, groups, size, xp)

    @property
    def count(self):
        """N, the number of entries."""
        return int(self.values.shape[0])

    @property
    def dtype(self):
        """Dtype of the values."""
        return self.values.dtype

    @cached_property
    def row_counts(self):
        """Entries in each row, shape (m,)."""
        return self.row_pointers[1:] - self.row_pointers[:-1]

    @cached_property
    def column_counts(self):
        """Entries in each column, shape (n,)."""
        return self.column_pointers[1:] - self.column_pointers[:-1]

    @cached_property
    def row_side(self):
        """The entries by rows."""
        return self._side(self.row_pointers, self.columns, None, *self.shape)

    @cached_property
    def column_side(self):
        """The entries by columns."""
        return self._side(self.column_pointers, self.rows, self.order, *self.shape[::-1])

    def _side(self, pointers, indices, order, size, others):
        host = be.kind(self.xp) == "numpy"
        lines = None if host else be.line_numbers(pointers, self.xp)
        return Side(pointers, indices, order, lines, size, others, be.balanced_parts(pointers))

    def dots(self, A, B):
        """The entries of ``A Bᴴ``, shape (N,), for `A` (m, k) and `B` (n, k)."""
        return be.entry_dots(self.row_side, A, B, self.xp)

    def residual(self, A, B):
        """``values - dots(A, B)``."""
        return self.values - self.dots(A, B)

    def times(self, z, B):
        """``Z B``, shape (m, k), where the matrix `Z` holds the numbers `z` at the places and zeros elsewhere."""
        return be.entry_times(self.row_side, z, B, self.xp)

    def adjoint_times(self, z, A):
        """``Zᴴ A``, shape (n, k)."""
        conjugate = self.xp.conj(z) if be.is_complex(z.dtype) else z
        return be.entry_times(self.column_side, conjugate, A, self.xp)

    def with_values(self, values):
        """Other numbers at the same places."""
        return replace(self, values=values)

    def to_operator(self, values=None):
        """The sparse matrix of the entries as an operator."""
        values = self.values if values is None else values
        csr = be.csr_of(values, self.columns, self.row_pointers, self.shape)
        return SparseOperator.of_csr(csr)

    def subset(self, places):
        """The entries at `places`, ascending integers of the namespace, in the same order."""
        lines, xp = be.line_numbers(self.row_pointers, self.xp), self.xp
        parts = (xp.take(x, places) for x in (lines, self.columns, self.values))
        return Observed.from_entries(*parts, shape=self.shape)

    def without(self, places, reuse=()):
        """The entries less those at `places`, ascending NumPy integers of which no two are in one row or one column.

        On the host the arrays named in `reuse` are used up, so that memory is not taken twice.
        """
        if be.kind(self.xp) != "numpy":
            return self.subset(be.places_without(places, self.count, self.xp, self.device))
        arrays = (self.values, self.row_pointers, self.columns, self.column_pointers, self.rows, self.order)
        return replace(self, **dict(zip(_ARRAYS, be.dropped_entries(*arrays, places, reuse), strict=True)))
