"""One door for data that is read in slabs."""

import copy
import os
from collections.abc import Mapping, Set
from pathlib import Path

import numpy as np

from .. import _backend as be
from .source import BlockSource

_EXECUTORS = ("serial", "threads", "dask")


class NotInBlocks(TypeError):
    """The data are of a kind that no source reads."""


def block_source(data, *, rows=None, executor=None, prefetch=True):
    r"""The slabs of `data` along its first axis.

    Parameters
    ----------
    data : array, list, path, dataset or iterator
        What it is decides how it is read:

        ==================================  ================================================================
        array of any library                views, nothing is copied
        `numpy.memmap` or a view of one     views of the map; the reader brings their pages in
        list of arrays                      one below the other
        ``.npy`` path, list or folder       files one below the other, those of a folder by name
        `h5py.Dataset`                      slices of whole chunks
        `zarr.Array`, ``.zarr`` path        slices of whole chunks or shards
        ``.parquet`` path, list or folder   row groups, numeric columns
        `dask.array.Array`                  rows of its chunk grid, which may be cut along every axis
        `xarray.DataArray`                  its Dask array, or slices along its first dimension
        iterator of row blocks              one pass; the blocks may have any number of rows
        `BlockSource`                       itself, with the executor given
        ==================================  ================================================================

        Any number of dimensions from one on; booleans, integers, half, single and double precision, complex.
    rows : int, optional
        Rows of a slab; a power of two that makes 8 to 16 MiB when left out, or whole chunks, row groups and rows of a
        chunk grid. Sums of floating-point numbers depend on it, and on nothing else.
    executor : {"serial", "threads", "dask"}, optional
        Who runs the kernels of a pass: this thread; the threads that BLAS was allowed; or Dask, which needs data that
        workers can open for themselves. Default: "dask" for Dask arrays, "threads" for other data on the host,
        "serial" elsewhere.
    prefetch : bool
        Let one thread read ahead of the kernels. Switch it off for an iterator that must stay on this thread, with
        ``executor="serial"``.

    Returns
    -------
    BlockSource

    Raises
    ------
    TypeError
        If `data` is none of these, or not of numbers.
    ValueError
        If pieces disagree in shape, a file is cut off, or a Dask array has unknown chunk sizes.

    Examples
    --------
    >>> import numpy as np
    >>> import lowrank_la as lr
    >>> source = lr.block_source([np.ones((300, 5)), np.zeros((200, 5))], rows=128)
    >>> source.shape, source.boundaries
    ((500, 5), (0, 128, 256, 384, 500))
    """
    if isinstance(data, BlockSource) and rows is not None:
        raise ValueError("rows was given for a block source, which has its slabs already; give rows when it is made")
    source = copy.copy(data) if isinstance(data, BlockSource) else _source(data, rows)
    source.prefetch = be.check_flag("prefetch", prefetch)
    if executor is None:
        return source
    return source.with_executor(be.check_option("executor", executor, _EXECUTORS))


def _source(data, rows):
    if isinstance(data, np.memmap) and getattr(data, "_mmap", None) is not None:
        from .memmap import MemmapSource

        return MemmapSource(data, rows=rows)
    if isinstance(data, str | os.PathLike):
        return _from_paths([Path(data)], rows)
    if isinstance(data, list | tuple):
        return _from_list(list(data), rows)
    adapter = _ADAPTERS.get(_library(data))
    if adapter is not None and (source := adapter(data, rows)) is not None:
        return source
    if be.is_array(data) and not be.is_sparse(data) and be.kind(be.namespace(data)) != "other":
        from .memory import ArraySource

        return ArraySource(data, rows=rows)
    unordered = isinstance(data, Mapping | Set | bytes)
    if hasattr(data, "__next__") or (hasattr(data, "__iter__") and not hasattr(data, "shape") and not unordered):
        from .iterator import IteratorSource

        return IteratorSource(data, rows=rows)
    raise NotInBlocks(
        f"no slabs can be cut from a {type(data).__name__}; give an array, a memory map, a list of arrays, paths of "
        ".npy or Parquet files, an HDF5 dataset, a Zarr, Dask or xarray array, or an iterator of row blocks"
    )


def _library(data):
    return type(data).__module__.partition(".")[0]


def _from_list(items, rows):
    if items and all(isinstance(item, str | os.PathLike) for item in items):
        return _from_paths([Path(item) for item in items], rows)
    from .pieces import ListSource

    return ListSource(items, rows=rows)


def _from_paths(paths, rows):
    if len(paths) == 1 and paths[0].is_dir() and paths[0].suffix.lower() != ".zarr":
        paths = _files_of(paths[0])
    endings = {path.suffix.lower() for path in paths}
    if endings == {".npy"}:
        from .npy import NpySource

        return NpySource(paths, rows=rows)
    if endings == {".parquet"}:
        from .parquet import ParquetSource

        return ParquetSource(paths, rows=rows)
    if endings == {".zarr"} and len(paths) == 1:
        from .zarr_array import open_zarr

        return open_zarr(paths[0], rows=rows)
    raise ValueError(
        f"paths ending in {', '.join(sorted(map(repr, endings)))} can't be read in blocks: give .npy or .parquet files "
        "of one kind, a .zarr array, or an open HDF5 dataset"
    )


def _files_of(folder):
    for ending in (".npy", ".parquet"):
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() == ending)
        if found:
            return found
    raise ValueError(f"folder {folder} holds no .npy and no .parquet file")


def _hdf5(data, rows):
    from .hdf5 import HDF5Source

    if not data:
        raise ValueError("the HDF5 file is closed: open it, and keep it open as long as it is read")
    if not hasattr(data, "shape"):
        raise TypeError(f"an HDF5 dataset was expected, got {type(data).__name__}: give file[name]")
    return HDF5Source(data, rows=rows)


def _zarr(data, rows):
    from .zarr_array import ZarrSource

    if not hasattr(data, "chunks"):
        raise TypeError(f"a Zarr array was expected, got {type(data).__name__}: give group[name]")
    return ZarrSource(data, rows=rows)


def _dask(data, rows):
    from .dask_array import DaskSource

    if not hasattr(data, "_meta") or not hasattr(data, "chunks"):
        raise TypeError(f"a Dask array was expected, got {type(data).__name__}: see its to_dask_array(lengths=True)")
    return DaskSource(data, rows=rows)


def _xarray(data, rows):
    from .xarray_array import from_xarray

    if not hasattr(data, "isel") or not hasattr(data, "dtype"):
        raise TypeError(f"an xarray DataArray was expected, got {type(data).__name__}: give dataset[name]")
    return from_xarray(data, rows=rows)


_ADAPTERS = {"h5py": _hdf5, "zarr": _zarr, "dask": _dask, "xarray": _xarray}
