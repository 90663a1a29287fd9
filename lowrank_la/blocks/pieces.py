"""Slabs over pieces that lie one below the other: a list of arrays, or shards on disk."""

import bisect
import itertools

import numpy as np

from .. import _backend as be
from .memory import check_slabs
from .source import BlockSource, boundaries_of, bytes_of_row, check_dtype, plain, slab_rows


class PiecesSource(BlockSource):
    """A source whose rows come in pieces of given lengths; slabs may begin and end inside of pieces.

    A subclass implements `_part`: rows of one piece.
    """

    def __init__(self, lengths, tail, dtype, xp, device, *, rows=None, boundaries=None):
        self.starts = (0, *itertools.accumulate(lengths))
        shape = (self.starts[-1], *tail)
        if boundaries is None:
            boundaries = boundaries_of(shape[0], slab_rows(bytes_of_row(shape, dtype), rows))
        super().__init__(shape, dtype, xp, device, boundaries=boundaries)

    def _load(self, start, stop):
        parts = [self._part(piece, a, b) for piece, a, b in overlaps(self.starts, start, stop)]
        return parts[0] if len(parts) == 1 else self.xp.concat(parts, axis=0)

    def _part(self, piece, start, stop):
        raise NotImplementedError


def overlaps(starts, start, stop):
    """``(piece, first, last + 1)`` of the rows ``start…stop - 1``; at least one entry, which may be empty."""
    piece = min(max(0, bisect.bisect_right(starts, start) - 1), len(starts) - 2)
    found = []
    while piece < len(starts) - 1 and (starts[piece] < stop or not found):
        a, b = max(start, starts[piece]), min(stop, starts[piece + 1])
        if a < b or not found:
            found.append((piece, a - starts[piece], max(a, b) - starts[piece]))
        piece += 1
    return [entry for entry in found if entry[1] < entry[2]] or found[:1]


class ListSource(PiecesSource):
    """Slabs of a list of arrays of one library, one below the other."""

    in_memory = True

    def __init__(self, arrays, *, rows=None):
        if not arrays:
            raise ValueError("an empty list has no columns: give at least one array, which may have no rows")
        first = arrays[0]
        for k, array in enumerate(arrays):
            if not be.is_array(array):
                raise TypeError(f"entry {k} of the list is a {type(array).__name__}; arrays were expected")
            check_slabs(array.shape, f"entry {k} of the list")
            check_alike(array, first.shape[1:], first.dtype, f"entry {k} of the list", "entry 0")
        check_dtype(first.dtype, "the list")
        self.arrays = [plain(array, f"entry {k} of the list") for k, array in enumerate(arrays)]
        lengths, xp, device = [a.shape[0] for a in arrays], be.namespace(self.arrays[0]), be.device(first)
        for k, array in enumerate(self.arrays):
            check_together(array, xp, device, f"entry {k} of the list", "entry 0")
        dtype = first.dtype.newbyteorder("=") if isinstance(first, np.ndarray) else first.dtype
        super().__init__(lengths, first.shape[1:], dtype, xp, device, rows=rows)

    def _part(self, piece, start, stop):
        part = self.arrays[piece][start:stop, ...]
        return part.astype(self.dtype, copy=False) if isinstance(part, np.ndarray) else part


def check_alike(array, tail, dtype, what, other):
    """ValueError or TypeError unless rows of `array` can stand below rows of that shape and dtype."""
    if tuple(array.shape[1:]) != tuple(tail):
        raise ValueError(
            f"{what} has rows of shape {tuple(array.shape[1:])}, {other} of shape {tuple(tail)}; they must agree"
        )
    if be.dtype_name(array.dtype) != be.dtype_name(dtype):
        raise TypeError(
            f"{what} has dtype {be.dtype_name(array.dtype)}, {other} {be.dtype_name(dtype)}; convert them to one dtype"
        )


def check_together(array, xp, device, what, other):
    """TypeError unless `array` is of that library and lies on that device."""
    if be.kind(be.namespace(array)) != be.kind(xp) or be.device(array) != device:
        raise TypeError(
            f"{what} is of {be.kind(be.namespace(array))} on {be.device(array)}, {other} of {be.kind(xp)} on {device}; "
            "move them to one library and device"
        )
