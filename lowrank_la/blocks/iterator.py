"""Slabs of rows that an iterator yields: one pass."""

import hashlib
import itertools

import numpy as np

from .. import _backend as be
from .memory import check_slabs
from .pieces import check_alike, check_together
from .source import BlockSource, bytes_of_row, check_dtype, hashable, plain, slab_rows

_END = object()


class IteratorSource(BlockSource):
    """Row blocks of an iterator, cut anew at fixed row numbers: any splitting of the rows gives the same slabs.

    Blocks are copied as they come, so an iterator may fill one buffer again and again. With `prefetch` it is advanced
    from a thread of its own.
    """

    reads_allowed = 1
    parallel_reads = False

    def __init__(self, iterator, *, rows=None):
        iterator, seen = iter(iterator), []
        while not seen or seen[-1].shape[0] == 0:
            if (block := next(iterator, _END)) is _END:
                break
            seen.append(_checked(block, len(seen)))
        if not seen:
            raise ValueError("the iterator yields no block, so the shape of a row is unknown: yield at least one")
        first = seen[0]
        check_dtype(first.dtype, "block 0 of the iterator")
        self._once = [itertools.chain(seen, iterator)]  # one list for all copies: whoever reads first takes it
        dtype = first.dtype.newbyteorder("=") if isinstance(first, np.ndarray) else first.dtype
        self.slab_rows = slab_rows(bytes_of_row(first.shape, dtype), rows)
        super().__init__((None, *first.shape[1:]), dtype, be.namespace(first), be.device(first), boundaries=None)
        self._first_row = hashlib.sha256(hashable(seen[-1][: min(1, seen[-1].shape[0]), ...])).hexdigest()

    @property
    def largest_slab(self):
        """Rows of the largest slab."""
        return self.slab_rows

    def read(self, i):
        """Not possible: an iterator can't go back."""
        raise TypeError(
            "slabs of an iterator come in order and once; ask for blocks(), or give data that can be read again"
        )

    def read_rows(self, start, stop):
        """Not possible: an iterator can't go back."""
        self.read(start)

    def take(self, rows):
        """Not possible: an iterator can't go back."""
        self.read(0)

    def blocks(self, wanted=None):
        """Yield ``(i, start, slab)`` in order; only the slabs with ``wanted(i)`` when that is given."""
        if not self._once:
            raise ValueError(
                "this iterator has been read, and it can be read once: make a new one, use a method of one pass, or "
                "give data that can be read again (files, a Dask array)"
            )
        return self._slabs(self._once.pop(), wanted)

    def _slabs(self, iterator, wanted):
        i, waiting, held, total = 0, [], 0, 0
        for k, block in enumerate(iterator):
            block = _checked(block, k)
            check_alike(block, self.shape[1:], self.dtype, f"block {k} of the iterator", "block 0")
            check_together(block, self.xp, self.device, f"block {k} of the iterator", "block 0")
            total, at = total + block.shape[0], 0
            while at < block.shape[0]:
                part = block[at : min(at + self.slab_rows - held, block.shape[0]), ...]
                waiting.append(self.xp.asarray(part, dtype=self.dtype, copy=True))
                at, held = at + part.shape[0], held + part.shape[0]
                if held == self.slab_rows:
                    if wanted is None or wanted(i):
                        yield i, i * self.slab_rows, self._joined(waiting)
                    i, waiting, held = i + 1, [], 0
        self.shape = (total, *self.shape[1:])
        self.boundaries = (*range(0, total, self.slab_rows), total) if total else (0, 0)
        if (held or total == 0) and (wanted is None or wanted(i)):
            empty = self.xp.zeros((0, *self.shape[1:]), dtype=self.dtype, device=self.device)
            yield i, i * self.slab_rows, self._joined(waiting or [empty])

    def _joined(self, parts):
        return parts[0] if len(parts) == 1 else self.xp.concat(parts, axis=0)

    def fingerprint(self):
        """Text made of the shape of a row, the dtype, the rows of a slab and the first row."""
        known = (self.shape[1:], be.dtype_name(self.dtype), self.slab_rows, self._first_row)
        return hashlib.sha256(repr(known).encode()).hexdigest()


def _checked(block, k):
    if not be.is_array(block) or be.is_sparse(block):
        raise TypeError(f"block {k} of the iterator is a {type(block).__name__}; dense arrays of rows were expected")
    block = plain(block, f"block {k} of the iterator")
    check_slabs(block.shape, f"block {k} of the iterator")
    return block
