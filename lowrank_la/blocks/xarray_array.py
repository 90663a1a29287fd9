"""Slabs of an xarray `DataArray` along its first dimension."""

import array_api_compat.numpy as xp_numpy

from .memory import check_slabs
from .source import BlockSource, boundaries_of, bytes_of_row, check_dtype, slab_rows


class XarraySource(BlockSource):
    """Slabs of a `DataArray` without Dask: each is read from its file, or memory, when it is asked for."""

    parallel_reads = False

    def __init__(self, array, *, rows=None):
        check_slabs(array.shape, "a DataArray")
        dtype = check_dtype(array.dtype, "the DataArray").newbyteorder("=")
        self.array = array
        per_slab = slab_rows(bytes_of_row(array.shape, dtype), rows)
        super().__init__(array.shape, dtype, xp_numpy, "cpu", boundaries=boundaries_of(array.shape[0], per_slab))

    def _load(self, start, stop):
        rows = self.array.isel({self.array.dims[0]: slice(start, stop)})
        return rows.to_numpy().astype(self.dtype, copy=False)


def from_xarray(array, *, rows=None):
    """The source of a `DataArray`: that of its Dask array where it has one."""
    if array.chunks is not None:
        from .dask_array import DaskSource

        return DaskSource(array.data, rows=rows)
    return XarraySource(array, rows=rows)
