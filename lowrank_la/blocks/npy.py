"""Slabs of `.npy` files, one below the other."""

import os
from dataclasses import dataclass

import array_api_compat.numpy as xp_numpy
import numpy as np

from .pieces import PiecesSource, check_alike
from .source import check_dtype


@dataclass(frozen=True)
class Shard:
    """What the header of one file says."""

    path: str
    shape: tuple
    dtype: np.dtype
    fortran: bool
    offset: int
    changed: int

    def rows(self, start, stop):
        """Rows ``start…stop - 1``, read into fresh memory."""
        tail = self.shape[1:]
        if self.fortran:
            whole = np.memmap(self.path, self.dtype, "r", self.offset, self.shape, "F")
            return np.array(whole[start:stop], order="C")
        width = int(np.prod(tail, dtype=np.int64))
        offset = self.offset + start * width * self.dtype.itemsize
        found = np.fromfile(self.path, self.dtype, (stop - start) * width, offset=offset)
        if found.size != (stop - start) * width:
            raise ValueError(f"{self.path} is shorter than its header says: it was cut off or is being written")
        return found.reshape(stop - start, *tail)


class NpySource(PiecesSource):
    """Slabs of `.npy` files whose rows follow each other in the order of the list; no file stays open."""

    travels = True

    def __init__(self, paths, *, rows=None):
        self.shards = [read_header(path) for path in paths]
        first = self.shards[0]
        for shard in self.shards:
            check_alike(shard, first.shape[1:], first.dtype, shard.path, first.path)
        dtype = check_dtype(first.dtype, first.path).newbyteorder("=")
        lengths = [shard.shape[0] for shard in self.shards]
        super().__init__(lengths, first.shape[1:], dtype, xp_numpy, "cpu", rows=rows)

    def _part(self, piece, start, stop):
        return self.shards[piece].rows(start, stop).astype(self.dtype, copy=False)

    def _identity(self):
        return {"files": [[shard.path, list(shard.shape), shard.changed] for shard in self.shards]}


def read_header(path):
    """`Shard` of one file; ValueError when it is no array in the `.npy` format, or shorter than it says."""
    path = os.path.abspath(path)
    status = os.stat(path)
    with open(path, "rb") as stream:
        try:
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(stream)
        except ValueError as error:
            raise ValueError(f"{path} is no .npy file: {error}") from None
        offset = stream.tell()
    if len(shape) == 0 or dtype.hasobject:
        raise ValueError(f"{path} holds a single number or Python objects; an array of numbers was expected")
    needed = offset + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if status.st_size < needed:
        raise ValueError(f"{path} has {status.st_size} bytes, its header asks for {needed}: it was cut off")
    return Shard(path, shape, dtype, bool(fortran) and len(shape) > 1, offset, status.st_mtime_ns)
