"""Slabs of a Dask array with any grid of chunks."""

import hashlib
import math
from itertools import accumulate, pairwise, product

from .. import _backend as be
from .dask_adapter import computed, optimized
from .dask_embedding import embedded
from .dask_executor import Recipe
from .memory import check_slabs
from .pieces import overlaps
from .source import BlockSource, boundaries_of, bytes_of_row, check_dtype, hashable, joined, plain, slab_rows, uniform

_SAMPLED_ROWS = 4  # each may ask for a whole chunk


class DaskSource(BlockSource):
    """Slabs of a `dask.array.Array`: whole rows of its chunk grid, small ones joined up to 16 MiB.

    Where the grid is cut along other axes too, a slab is put together inside of the task that needs it; nothing is
    rechunked. With `rows` slabs begin anywhere, and a chunk that two of them share is kept until both are done.
    """

    travels = True
    parallel_reads = False

    def __init__(self, array, *, rows=None):
        check_slabs(array.shape, "a Dask array")
        if any(math.isnan(side) for sides in array.chunks for side in sides):
            raise ValueError(
                f"the Dask array has unknown chunk sizes (shape {array.shape}), so its rows can't be numbered: call "
                "its compute_chunk_sizes() first"
            )
        meta = array._meta
        if not be.is_array(meta) or be.is_sparse(meta) or be.kind(be.namespace(meta)) == "other":
            raise TypeError(f"chunks of the Dask array are {type(meta).__name__}; dense arrays were expected")
        check_dtype(plain(meta, "the Dask array").dtype, "the Dask array")
        if rows is None:
            boundaries = joined(array.chunks[0], bytes_of_row(array.shape, meta.dtype))
        else:
            boundaries = boundaries_of(array.shape[0], slab_rows(1, rows))
        super().__init__(array.shape, meta.dtype, be.namespace(meta), be.device(meta), boundaries=boundaries)
        self.array = array
        self.executor = "dask"
        self._recipes = None

    def _load(self, start, stop):
        return uniform(self.array[start:stop].compute(), (stop - start, *self.shape[1:]), self.dtype)

    def _identity(self):
        m = self.shape[0]
        numbers = sorted({k * (m - 1) // (_SAMPLED_ROWS - 1) for k in range(_SAMPLED_ROWS)}) if m else []
        rows = [self.array[row : row + 1] for row in numbers]
        return {"rows": [hashlib.sha256(hashable(row)).hexdigest() for row in computed(rows)]}

    def recipes(self):
        """``(array, recipes, held)``: the array with reads fused, how each slab is put together, persisted chunks."""
        if self._recipes is None:
            array, graph, held = optimized(self.array)
            pieces = [self._pieces(array.name, *ends) for ends in pairwise(self.boundaries)]
            tasks = embedded(graph, [[key for key, _, _ in slab] for slab in pieces])
            recipes = [self._recipe(i, *both) for i, both in enumerate(zip(tasks, pieces, strict=True))]
            self._recipes = (array, recipes, held)
        return self._recipes

    def _recipe(self, i, tasks, pieces):
        start, stop = self.boundaries[i : i + 2]
        return Recipe(tasks, pieces, (stop - start, *self.shape[1:]), self.dtype, start)

    def _pieces(self, name, start, stop):
        """``(key, place in the slab, rows of the chunk)`` of each chunk with rows of the slab."""
        starts = (0, *accumulate(self.array.chunks[0]))
        sides = [[slice(a, b) for a, b in _ends(chunks)] for chunks in self.array.chunks[1:]]
        found, at = [], 0
        for chunk, a, b in overlaps(starts, start, stop):
            for others in product(*(range(len(side)) for side in sides)):
                place = (slice(at, at + b - a), *(side[j] for side, j in zip(sides, others, strict=True)))
                found.append(((name, chunk, *others), place, slice(a, b)))
            at += b - a
        return found


def _ends(sizes):
    return pairwise((0, *accumulate(sizes)))
