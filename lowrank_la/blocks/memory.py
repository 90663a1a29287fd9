"""Slabs of an array in memory: views, of any library."""

import numpy as np

from .. import _backend as be
from .source import BlockSource, boundaries_of, bytes_of_row, check_dtype, plain, slab_rows


class ArraySource(BlockSource):
    """Slabs of one array that lies in memory; each is a view."""

    in_memory = True

    def __init__(self, array, *, rows=None):
        array = plain(array, "the array")
        check_slabs(array.shape, "an array")
        check_dtype(array.dtype, "the array")
        self.array = _native(array)
        per_slab = slab_rows(bytes_of_row(array.shape, array.dtype), rows)
        xp = be.namespace(array)
        super().__init__(
            array.shape, self.array.dtype, xp, be.device(array), boundaries=boundaries_of(array.shape[0], per_slab)
        )

    def _load(self, start, stop):
        return self.array[start:stop, ...]

    def take(self, rows):
        """The rows with the numbers `rows`, in that order."""
        return self.xp.take(self.array, self._index(rows, self.shape[0]), axis=0)


def _native(array):
    """`array` in the byte order of the machine."""
    if isinstance(array, np.ndarray) and not array.dtype.isnative:
        return array.astype(array.dtype.newbyteorder("="))
    return array


def check_slabs(shape, what):
    """ValueError unless there is a first axis to cut."""
    if len(shape) == 0:
        raise ValueError(f"{what} with at least one dimension was expected, got a single number")
