"""Slabs of Parquet files: their row groups."""

import os
import threading

import array_api_compat.numpy as xp_numpy
import numpy as np

from .pieces import PiecesSource
from .source import check_dtype, joined


class ParquetSource(PiecesSource):
    """Slabs of the numeric columns of Parquet files, one below the other.

    Columns of fixed-size lists (embeddings) count as that many columns; an index that pandas stored is left out. Slabs
    are row groups, small ones joined up to 16 MiB; with `rows` they begin anywhere, and a row group that several slabs
    share is decoded for each of them unless they follow each other.
    """

    travels = True

    def __init__(self, paths, *, rows=None):
        import pyarrow.parquet as pq

        self.paths = [os.path.abspath(path) for path in paths]
        columns, groups = [], []
        for f, path in enumerate(self.paths):
            with pq.ParquetFile(path) as file:
                columns.append(_columns(file.schema_arrow, path))
                groups += [((f, g), file.metadata.row_group(g).num_rows) for g in range(file.num_row_groups)]
            if columns[f] != columns[0]:
                raise ValueError(f"{path} has other columns than {self.paths[0]}; they must agree in name and type")
        self.columns, width, dtype = columns[0]
        self.groups: list = [group for group, _ in groups] or [(0, None)]
        lengths = [length for _, length in groups] or [0]
        boundaries = None if rows is not None else joined(lengths, width * dtype.itemsize)
        super().__init__(lengths, (width,), dtype, xp_numpy, "cpu", rows=rows, boundaries=boundaries)
        self._kept, self._lock = (None, None), threading.Lock()

    def _part(self, piece, start, stop):
        return self._group(piece)[start:stop]

    def _group(self, piece):
        with self._lock:
            if self._kept[0] == piece:
                return self._kept[1]
        decoded = self._decoded(*self.groups[piece])
        cut = self.starts[piece] not in self.boundaries or self.starts[piece + 1] not in self.boundaries
        if cut:
            with self._lock:
                self._kept = (piece, decoded)
        return decoded

    def _decoded(self, f, group):
        import pyarrow.parquet as pq

        if group is None:
            return np.empty((0, self.shape[1]), dtype=self.dtype)
        with pq.ParquetFile(self.paths[f]) as file:
            table = file.read_row_group(group, columns=[name for name, _ in self.columns], use_threads=False)
        out, at = np.empty((table.num_rows, self.shape[1]), dtype=self.dtype), 0
        for name, kind in self.columns:
            values = _values(table.column(name), f"column {name!r} of {self.paths[f]}")
            width = _width(kind)
            out[:, at : at + width] = values.reshape(-1, width)
            at += width
        return out

    def _identity(self):
        status = [os.stat(path) for path in self.paths]
        return {"files": [[p, s.st_size, s.st_mtime_ns] for p, s in zip(self.paths, status, strict=True)]}

    def __getstate__(self):
        return {**super().__getstate__(), "_kept": (None, None), "_lock": None}

    def __setstate__(self, state):
        super().__setstate__(state)
        self._lock = threading.Lock()


def _columns(schema, path):
    """``(name, type)`` of the numeric columns, their number with lists counted out, and their common dtype."""
    fields = [field for field in schema if not field.name.startswith("__index_level_")]
    if not fields:
        raise ValueError(f"{path} has no columns")
    dtypes = []
    for field in fields:
        try:
            dtypes.append(
                check_dtype(np.dtype(_number(field.type).to_pandas_dtype()), f"column {field.name!r} of {path}")
            )
        except (NotImplementedError, TypeError):
            raise TypeError(
                f"column {field.name!r} of {path} holds {field.type} data; numbers or fixed-size lists of them were "
                "expected: leave it out"
            ) from None
    columns = [(field.name, str(field.type)) for field in fields]
    return columns, sum(_width(kind) for _, kind in columns), np.result_type(*dtypes)


def _number(kind):
    """The type of the numbers of a column; that of the entries for lists of a fixed size."""
    return kind.value_type if str(kind).startswith("fixed_size_list") else kind


def _width(kind):
    """Columns that a column of this type (its text) makes."""
    return int(kind.rpartition("[")[2].rstrip("]")) if kind.startswith("fixed_size_list") else 1


def _values(column, what):
    parts = []
    for chunk in column.chunks:
        if chunk.null_count:
            raise ValueError(f"{what} has {chunk.null_count} missing entries in one row group: fill them first")
        flat = chunk.flatten() if str(chunk.type).startswith("fixed_size_list") else chunk
        if flat.null_count:
            raise ValueError(f"{what} has missing entries inside of its lists: fill them first")
        parts.append(flat.to_numpy(zero_copy_only=False))
    return np.concatenate(parts) if parts else np.empty(0)
