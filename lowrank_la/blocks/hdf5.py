"""Slabs of an HDF5 dataset."""

import os

import array_api_compat.numpy as xp_numpy

from .memory import check_slabs
from .source import BlockSource, boundaries_of, bytes_of_row, check_dtype, decoded_bytes, slab_rows


class HDF5Source(BlockSource):
    """Slabs of an `h5py.Dataset`; whole chunks where they are not larger than 128 MiB.

    The HDF5 library serves one caller at a time, so one thread reads ahead of the kernels. Where the source travels to
    another process the file is opened there, for reading.
    """

    parallel_reads = False
    travels = True

    def __init__(self, dataset, *, rows=None):
        check_slabs(dataset.shape or (), "an HDF5 dataset")
        check_dtype(dataset.dtype, f"HDF5 dataset {dataset.name!r}")
        self._dataset = dataset
        self._place = (os.path.abspath(dataset.file.filename), dataset.name)
        self._together = dataset.chunks[0] if dataset.chunks else 1
        per_slab = slab_rows(bytes_of_row(dataset.shape, dataset.dtype), rows, self._together)
        super().__init__(
            dataset.shape,
            dataset.dtype.newbyteorder("="),
            xp_numpy,
            "cpu",
            boundaries=boundaries_of(dataset.shape[0], per_slab),
        )

    @property
    def dataset(self):
        """The dataset, opened again after a journey."""
        if self._dataset is None:
            import h5py

            path, name = self._place
            self._dataset = h5py.File(path, "r")[name]
        return self._dataset

    @property
    def bytes_per_pass(self):
        """Bytes of the numbers that one pass decodes, more than once where slabs share chunks."""
        return decoded_bytes(self.boundaries, self._together, self.row_bytes)

    def _load(self, start, stop):
        if not self.dataset:
            path, name = self._place
            raise ValueError(f"the HDF5 file of dataset {name!r} was closed: keep {path} open as long as it is read")
        return self.dataset[start:stop].astype(self.dtype, copy=False)

    def _identity(self):
        path, name = self._place
        known = {"path": path, "name": name}
        if os.path.exists(path) and self.dataset.file.mode == "r":
            status = os.stat(path)
            return known | {"size": status.st_size, "changed": status.st_mtime_ns}
        return known | {"rows": self._hash_of_some_rows()}

    def __getstate__(self):
        return {**super().__getstate__(), "_dataset": None}
