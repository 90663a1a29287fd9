"""What every block source offers: slabs along the first axis at row boundaries that never depend on who reads."""

import copy
import hashlib
import importlib
import json
from itertools import pairwise

import numpy as np

from .. import _backend as be

SLAB_BYTES = 1 << 24
_MOST_ALIGNED = 8 * SLAB_BYTES
_SAMPLED_ROWS = 16
_REAL = ("float16", "bfloat16", "float32", "float64")
_INTEGERS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_DTYPES = frozenset((*_INTEGERS, *_REAL, "complex64", "complex128"))


class BlockSource:
    """An array of any number of dimensions that is read in slabs of consecutive rows.

    Attributes
    ----------
    shape : tuple of int
        Shape of the whole; ``shape[0]`` is None while an iterator has not told how many rows it has.
    dtype, xp, device
        Stored dtype, namespace and device of the slabs.
    boundaries : tuple of int or None
        Row starts and, last, the number of rows: slab `i` holds rows ``boundaries[i]…boundaries[i + 1] - 1``. They
        follow from the shape, the dtype and `rows` (for chunked formats also from the chunks), never from the number of
        workers. None while an iterator has not told.
    reads_allowed : int or None
        1 for data that can be read once; None for any number of passes.
    executor : str
        "serial", "threads" or "dask": how `map_reduce` runs over this source.
    prefetch : bool
        Whether one reader thread stays ahead of the kernels.

    Notes
    -----
    A subclass implements `_load`, and `_identity` where more than a few rows tells its data apart. Slabs may be views
    of the caller's data: nobody writes to them.
    """

    reads_allowed = None
    in_memory = False
    parallel_reads = True
    travels = False

    def __init__(self, shape, dtype, xp, device, *, boundaries):
        self.shape = tuple(shape)
        self.dtype = dtype
        self.xp = xp
        self.device = device
        self.boundaries = boundaries
        self.executor = "threads" if be.kind(xp) == "numpy" else "serial"
        self.prefetch = True

    @property
    def ndim(self):
        """Number of dimensions."""
        return len(self.shape)

    @property
    def row_bytes(self):
        """Bytes of one row of the stored dtype."""
        return bytes_of_row(self.shape, self.dtype)

    @property
    def bytes_per_pass(self):
        """Bytes that one pass reads; None while the number of rows is unknown."""
        return None if self.shape[0] is None else self.shape[0] * self.row_bytes

    @property
    def largest_slab(self):
        """Rows of the largest slab."""
        return max(b - a for a, b in pairwise(self.boundaries))

    def __len__(self):
        if self.boundaries is None:
            raise TypeError("the number of slabs of an iterator is known after its pass")
        return len(self.boundaries) - 1

    def __bool__(self):
        return True

    def with_executor(self, executor):
        """The same source under another executor; this one keeps its own."""
        if executor == "dask" and not self.travels:
            raise ValueError(
                f"Dask workers can't open a {type(self).__name__} for themselves: give files (.npy, Parquet, HDF5, "
                'Zarr, a memory map of a file, not one that copies on writing) or a Dask array, or choose "threads"'
            )
        other = copy.copy(self)
        other.executor = executor
        return other

    def read(self, i):
        """Slab `i`, an array of `xp`; it may be a view and must not be written to."""
        i = be.check_count("i", i, 0, len(self) - 1)
        return self._load(self.boundaries[i], self.boundaries[i + 1])

    def read_rows(self, start, stop):
        """Rows ``start…stop - 1``, whichever slabs they lie in."""
        m = self.shape[0]
        start = be.check_count("start", start, 0, m)
        return self._load(start, be.check_count("stop", stop, start, m))

    def take(self, rows):
        """The rows with the numbers `rows`, in that order; each slab that holds some of them is read once."""
        rows = np.asarray(be.host_indices(rows, self.shape[0]), dtype=np.int64)
        order = np.argsort(rows, kind="stable")
        ends = np.searchsorted(rows[order], self.boundaries)
        parts = [self._load(0, 0)]
        for i in np.flatnonzero(np.diff(ends)).tolist():
            mine = rows[order[ends[i] : ends[i + 1]]] - self.boundaries[i]
            block = self.read(i)
            parts.append(self.xp.take(block, self._index(mine, block.shape[0]), axis=0))
        back = self._index(np.argsort(order, kind="stable"), len(rows))
        return self.xp.take(self.xp.concat(parts, axis=0), back, axis=0)

    def _index(self, rows, size):
        return be.index_array(rows, size, self.xp, self.device)

    def blocks(self, wanted=None):
        """Yield ``(i, start, slab)`` in order; only the slabs with ``wanted(i)`` when that is given."""
        for i in range(len(self)):
            if wanted is None or wanted(i):
                yield i, self.boundaries[i], self.read(i)

    def fused(self, kernel, broadcast):
        """``(source, kernel, broadcast)`` that a pass runs: rows that are made on the way are made in the kernel."""
        return self, kernel, broadcast

    def fingerprint(self):
        """Short text that tells these data, cut like this, from others: the same in another process.

        It is made of the shape, the dtype, the boundaries and what the source knows of its origin (size and time of
        change of files, 16 rows elsewhere, 4 of a Dask array), so that a change of other rows of an array in memory is
        not seen.
        """
        shape = [*self.shape]
        known = {
            "kind": type(self).__name__,
            "shape": shape,
            "dtype": be.dtype_name(self.dtype),
            "boundaries": hashlib.sha256(repr(self.boundaries).encode()).hexdigest(),
            **self._identity(),
        }
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()

    def __copy__(self):
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def __getstate__(self):
        return {**self.__dict__, "xp": self.xp.__name__}

    def __setstate__(self, state):
        self.__dict__.update(state, xp=importlib.import_module(state["xp"]))

    def _identity(self):
        return {"rows": self._hash_of_some_rows()}

    def _hash_of_some_rows(self):
        m = self.shape[0]
        digest = hashlib.sha256()
        for row in sorted({k * (m - 1) // (_SAMPLED_ROWS - 1) for k in range(_SAMPLED_ROWS)}) if m else ():
            digest.update(hashable(self._load(row, row + 1)))
        return digest.hexdigest()

    def _load(self, start, stop):
        raise NotImplementedError

    def __repr__(self):
        rows = "?" if self.shape[0] is None else self.shape[0]
        shape = "×".join(str(side) for side in (rows, *self.shape[1:]))
        return f"{type(self).__name__}({shape}, {be.dtype_name(self.dtype)}, executor {self.executor!r})"


def hashable(block):
    """The bytes of a small array of any library."""
    if be.dtype_name(block.dtype) == "bfloat16":
        block = be.namespace(block).astype(block, be.namespace(block).float32)
    return np.ascontiguousarray(be.to_numpy(block)).tobytes()


def bytes_of_row(shape, dtype):
    """Bytes of one row of an array."""
    sides = 1
    for side in shape[1:]:
        sides *= side
    return sides * be.itemsize(dtype)


def slab_rows(row_bytes, rows=None, align=1):
    """Rows of a slab: `rows` when given, else a power of two that makes 8 to 16 MiB, or a multiple of `align`.

    `align` is the number of rows that a chunked file stores together; slabs become whole chunks unless one is larger
    than 128 MiB.
    """
    if rows is not None:
        return be.check_count("rows", rows)
    found = 1 << max(0, (SLAB_BYTES // max(1, row_bytes)).bit_length() - 1)
    if align <= found:
        return found // align * align
    return align if align * row_bytes <= _MOST_ALIGNED else found


def decoded_bytes(boundaries, together, row_bytes):
    """Bytes that a pass decodes of a file that stores `together` rows in a chunk: slabs may share chunks."""
    m = boundaries[-1]
    rows = (min(m, -(-b // together) * together) - a // together * together for a, b in pairwise(boundaries))
    return sum(rows) * row_bytes


def boundaries_of(m, rows):
    """Boundaries of slabs of `rows` rows; data without rows are one empty slab."""
    return (*range(0, m, rows), m) if m else (0, 0)


def joined(lengths, row_bytes):
    """Boundaries at pieces, neighbours joined as long as they make no more than 16 MiB together."""
    boundaries, end = [0], 0
    for length in lengths:
        if end > boundaries[-1] and (end + length - boundaries[-1]) * row_bytes > SLAB_BYTES:
            boundaries.append(end)
        end += length
    return (*boundaries, end) if end > boundaries[-1] or len(boundaries) == 1 else tuple(boundaries)


def check_dtype(dtype, what):
    """TypeError unless `dtype` is boolean, integer, floating or complex."""
    name = be.dtype_name(dtype)
    if name not in _DTYPES:
        raise TypeError(
            f"{what} holds {name} data; booleans, integers, float16 to float64, bfloat16, complex64 and complex128 can "
            "be read in blocks: convert it first"
        )
    return dtype


def plain(array, what):
    """The array without what a subclass adds; TypeError for one that hides entries or records gradients."""
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{what} is a masked array, which can't be read in blocks; fill the missing entries first")
    if be.is_tracked(array):
        raise TypeError(f"{what} records gradients, which don't go through data in blocks; pass its detach()")
    return np.asarray(array) if isinstance(array, np.ndarray) else array


def uniform(block, shape, dtype):
    """`block` in row-major order; ValueError when its shape or dtype is not what a Dask array says.

    The order of a chunk in memory changes when it travels, and products round by it: in one order all workers agree.
    """
    if tuple(block.shape) != tuple(shape) or be.dtype_name(block.dtype) != be.dtype_name(dtype):
        raise ValueError(
            f"a chunk has shape {tuple(block.shape)} and dtype {be.dtype_name(block.dtype)}, the Dask array says "
            f"{tuple(shape)} and {be.dtype_name(dtype)}: give map_blocks and its kin the right meta, dtype and chunks"
        )
    block = plain(block, "a chunk of the Dask array")
    return np.ascontiguousarray(block) if isinstance(block, np.ndarray) else block
