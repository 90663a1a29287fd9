"""Slabs of a memory map, whose pages are brought in by the reader before a kernel waits for them."""

import ctypes
import functools
import mmap
import os
import sys
from typing import Any

import numpy as np

from .. import _backend as be
from .memory import check_slabs
from .source import BlockSource, boundaries_of, bytes_of_row, check_dtype, slab_rows

_PAGE = mmap.PAGESIZE
_POPULATE_READ = 22  # of Linux; the mmap module has no name for it


class MemmapSource(BlockSource):
    """Slabs of a `numpy.memmap` (or a view of one), read-only ones included.

    A slab is a view of the map: the pages are the file's own, so a pass takes no memory beyond the page cache. A map
    that copies on writing (mode "c") can't go to other processes, which would not see what was written.
    """

    parallel_reads = False

    def __init__(self, array, *, rows=None):
        check_slabs(array.shape, "a memory map")
        check_dtype(array.dtype, "the memory map")
        self.array = np.asarray(array)
        self._map = array._mmap
        self._path = None if array.filename is None else os.path.realpath(array.filename)
        self._mode = array.mode
        self.travels = self._path is not None and array.mode != "c"  # changes of a copy on write are in no file
        self._start = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY
        per_slab = slab_rows(bytes_of_row(array.shape, array.dtype), rows)
        xp = be.namespace(self.array)
        super().__init__(
            array.shape,
            self.array.dtype.newbyteorder("="),
            xp,
            be.device(self.array),
            boundaries=boundaries_of(array.shape[0], per_slab),
        )

    def _load(self, start, stop):
        block = self.array[start:stop]
        if not block.dtype.isnative:
            return block.astype(self.dtype)
        bring_in(block, self._map)
        return block

    def take(self, rows):
        """The rows with the numbers `rows`, in that order."""
        return self.array[np.asarray(be.host_indices(rows, self.shape[0]), dtype=np.int64)].astype(
            self.dtype, copy=False
        )

    def _identity(self):
        known = {"rows": self._hash_of_some_rows()}
        if self._path is not None:
            status = os.stat(self._path)
            known |= {"path": self._path, "size": status.st_size}
            if self._mode in ("r", "c"):  # a map open for writing may move the time of change when pages are flushed
                known["changed"] = status.st_mtime_ns
        return known

    def __getstate__(self):
        first = np.frombuffer(self._map, dtype=np.uint8).ctypes.data
        layout = {
            "shape": self.array.shape,
            "dtype": self.array.dtype,
            "offset": self.array.ctypes.data - first,
            "strides": self.array.strides,
        }
        return {**super().__getstate__(), "array": None, "_map": None, "_layout": layout}

    def __setstate__(self, state):
        layout = state.pop("_layout")
        super().__setstate__(state)
        whole: Any = np.memmap(str(self._path), dtype=np.uint8, mode="r", offset=self._start)
        self._map = whole._mmap
        self.array = np.ndarray(buffer=whole, **layout)


def bring_in(block, pages):
    """Bring the pages of `block`, a view of the map `pages`, into memory, with the interpreter lock released.

    Linux does that in one call for a whole slab. Elsewhere the system is told of the slab first, so that it reads in
    large pieces: twice as fast as one page after another. Then a byte of each page is read. Views without contiguous
    lines are left to the kernels.
    """
    if not block.size or _populated(block):
        return
    if block.flags.c_contiguous:
        if hasattr(mmap, "MADV_WILLNEED"):
            first = np.frombuffer(pages, dtype=np.uint8).ctypes.data
            start = (block.ctypes.data - first) // _PAGE * _PAGE
            pages.madvise(mmap.MADV_WILLNEED, start, block.ctypes.data + block.nbytes - first - start)
        block.reshape(-1).view(np.uint8)[::_PAGE].max()
    elif block.T.strides[-1] == block.itemsize:
        block.T.view(np.uint8)[..., ::_PAGE].max()


def _populated(block):
    """Whether the system has brought in all pages of `block` in one call, which Linux does from 5.14 on."""
    lines = block if block.flags.c_contiguous else block.T
    if not (sys.platform.startswith("linux") and lines.flags.c_contiguous):
        return False
    start = block.ctypes.data // _PAGE * _PAGE
    length = block.ctypes.data + block.nbytes - start
    return _libc().madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), _POPULATE_READ) == 0


@functools.cache
def _libc():
    return ctypes.CDLL(None)
