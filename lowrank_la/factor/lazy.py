"""Factors whose rows are made from the data when they are wanted."""

from ..blocks.map_rows import RowBlocks


def as_given(rows):
    """The `RowBlocks` as a Dask array where its source is one, else as it is."""
    return rows.to_dask() if hasattr(rows.source, "recipes") else rows


def in_memory(U):
    """`U` as an array, read now where it is lazy."""
    if isinstance(U, RowBlocks):
        return U.gather()
    return U.compute() if hasattr(U, "compute") else U
