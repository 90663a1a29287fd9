"""Row-blocked output of a kernel, computed slab by slab when it is asked for."""

import copy
import os
from functools import partial

import numpy as np

from .. import _backend as be
from ..results import replacing
from .feed import feed
from .map_reduce import map_reduce
from .source import BlockSource


def map_rows(source, kernel, broadcast=()):
    """The rows that `kernel` makes of each slab, lazily.

    Parameters
    ----------
    source : BlockSource
    kernel : callable
        ``kernel(block, start, *broadcast) -> rows``: one row of output for each row of the slab, of any shape. Pure
        and of the module level; it has to take a slab without rows, from which the shape and dtype of a row are read.
    broadcast : tuple
        Further arguments of every kernel.

    Returns
    -------
    RowBlocks
        Lazy: each use of it reads `source` once. It is a block source itself, so that more can be computed from it.
    """
    return RowBlocks(source, kernel, tuple(broadcast))


class RowBlocks(BlockSource):
    """Rows that are made from the slabs of another source when they are asked for.

    Notes
    -----
    `slabs` gives them as a list, `gather` as one array, `to_dask` as a Dask array, and `write` puts them into ``.npy``
    files. Kernels run on the executor of the source; one slab of input a thread is alive, and what was made of others.
    """

    def __init__(self, source, kernel, broadcast=()):
        self.source, self.kernel, self.broadcast = source, kernel, broadcast
        like = source.xp.zeros((0, *source.shape[1:]), dtype=source.dtype, device=source.device)
        with be.single_blas():
            self.empty = kernel(like, 0, *broadcast)
        super().__init__(
            (source.shape[0], *self.empty.shape[1:]),
            self.empty.dtype,
            be.namespace(self.empty),
            be.device(self.empty),
            boundaries=source.boundaries,
        )
        self.executor, self.prefetch, self.travels = source.executor, source.prefetch, source.travels
        self.parallel_reads, self.reads_allowed = source.parallel_reads, source.reads_allowed

    @property
    def bytes_per_pass(self):
        """Bytes that one pass reads: those of the source."""
        return self.source.bytes_per_pass

    @property
    def largest_slab(self):
        """Rows of the largest slab."""
        return self.source.largest_slab

    def _load(self, start, stop):
        return (
            self.empty
            if start == stop
            else made(self.source.read_rows(start, stop), start, self.kernel, self.broadcast)
        )

    def blocks(self, wanted=None):
        """Yield ``(i, start, rows)`` in order, in one read of the source."""
        with feed(self.source, wanted, ahead=self.prefetch and not self.source.in_memory) as next_slab:
            while (item := next_slab()) is not None:
                i, start, block = item
                yield i, start, made(block, start, self.kernel, self.broadcast)

    def fused(self, kernel, broadcast):
        """The source below, and a kernel that makes the rows and then runs `kernel` on them."""
        below = copy.copy(self.source)
        below.executor = self.executor
        both = partial(_both, first=self.kernel, then=kernel)
        return below.fused(both, (self.broadcast, broadcast))

    def slabs(self):
        """The rows as a list of arrays, one a slab, in one read."""
        return list(map_reduce(self.source, partial(_listed, kernel=self.kernel), _chained, broadcast=self.broadcast))

    def gather(self):
        """The rows as one array, in one read."""
        return self.xp.concat(self.slabs(), axis=0)

    def write(self, folder):
        """Write the rows as ``.npy`` files, one a slab, into a new or empty folder, in one read.

        Workers write for themselves: with Dask on several machines the folder has to be shared. A file is complete or
        not there.

        Returns
        -------
        list of str
            Paths in the order of the rows, for `block_source`.

        Raises
        ------
        FileExistsError
            If the folder holds ``.npy`` files already.
        """
        folder = os.path.abspath(folder)
        os.makedirs(folder, exist_ok=True)
        if any(name.endswith(".npy") for name in os.listdir(folder)):
            raise FileExistsError(f"{folder} holds .npy files already; give a new folder")
        kernel = partial(_written, kernel=self.kernel, folder=folder)
        return list(map_reduce(self.source, kernel, _chained, broadcast=self.broadcast))

    def to_dask(self):
        """The rows as a Dask array with one chunk a slab; nothing is computed yet."""
        from .dask_executor import dask_rows

        return dask_rows(self)


def made(block, start, kernel, broadcast):
    """The rows that `kernel` makes of one slab, checked."""
    with be.single_blas():
        rows = kernel(block, start, *broadcast)
    if rows.shape[0] != block.shape[0]:
        raise ValueError(f"a kernel of rows made {rows.shape[0]} rows of {block.shape[0]}; one for each was expected")
    return rows


def _both(block, start, given, broadcast, *, first, then):
    return then(made(block, start, first, given), start, *broadcast)


def _listed(block, start, *broadcast, kernel):
    return (made(block, start, kernel, broadcast),)


def _written(block, start, *broadcast, kernel, folder):
    path = os.path.join(folder, f"rows-{start:015d}.npy")
    with replacing(path) as stream:
        np.save(stream, be.to_numpy(made(block, start, kernel, broadcast)), allow_pickle=False)
    return (path,)


def _chained(a, b):
    return a + b
