"""Slabs of a Zarr array."""

import array_api_compat.numpy as xp_numpy
import numpy as np

from .memory import check_slabs
from .source import BlockSource, boundaries_of, bytes_of_row, check_dtype, decoded_bytes, slab_rows


class ZarrSource(BlockSource):
    """Slabs of a `zarr.Array`; whole chunks (or shards) where they are not larger than 128 MiB.

    Chunks are decoded by the threads that run the kernels.
    """

    travels = True

    def __init__(self, array, *, rows=None):
        check_slabs(array.shape, "a Zarr array")
        dtype = check_dtype(np.dtype(array.dtype), "the Zarr array").newbyteorder("=")
        self.array = array
        self._together = (getattr(array, "shards", None) or array.chunks)[0]
        per_slab = slab_rows(bytes_of_row(array.shape, dtype), rows, self._together)
        super().__init__(array.shape, dtype, xp_numpy, "cpu", boundaries=boundaries_of(array.shape[0], per_slab))

    @property
    def bytes_per_pass(self):
        """Bytes of the numbers that one pass decodes, more than once where slabs share chunks."""
        return decoded_bytes(self.boundaries, self._together, self.row_bytes)

    def _load(self, start, stop):
        return np.asarray(self.array[start:stop]).astype(self.dtype, copy=False)


def open_zarr(path, *, rows=None):
    """The source of the array at `path`, opened for reading."""
    import zarr

    node = zarr.open(path, mode="r")
    if not isinstance(node, zarr.Array):
        raise ValueError(f"{path} is a Zarr group; give one of its arrays, group[name]")
    return ZarrSource(node, rows=rows)
