"""Read a matrix from a file, whatever of the usual formats holds it."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib.npyio import NpzFile

from lowrank_la.exceptions import MissingReaderError, ReadError

_IMAGES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".pgm", ".ppm")


def read_matrix(path: str | Path, *, key: str | None = None) -> Any:
    r"""Read a matrix; the ending of the name tells the format.

    ========================  ==========================================================================
    ``.npy``                  NumPy array
    ``.npz``                  NumPy archive with one matrix, or a SciPy sparse matrix
    ``.mtx``, ``.mtx.gz``     Matrix Market, dense or sparse
    ``.csv``, ``.tsv``        numbers separated by commas (or semicolons) or tabs, ``#`` starts a comment;
                              a first line without a number is taken for a header
    ``.parquet``              numeric columns; an index that pandas stored is left out
    ``.h5``, ``.hdf5``        HDF5 with one matrix
    ``.zarr``                 Zarr array, or group with one matrix
    images                    grey values in [0, 1], shape (height, width); a colour image has shape
                              (height, 3 width) with red, green and blue side by side; transparency is dropped
    ========================  ==========================================================================

    Parameters
    ----------
    path : str or Path
    key : str, optional
        Name of the matrix inside an ``.npz``, HDF5 or Zarr file that holds several.

    Returns
    -------
    numpy.ndarray or scipy.sparse.csr_array, shape (m, n)
        Numbers as stored; booleans become float64. Nothing is unpickled.

    Raises
    ------
    ReadError
        If the file is missing, unreadable, of unknown format, not numeric or not a matrix.
    MissingReaderError
        If the format needs a package that isn't installed; the message names the extra to install.

    Examples
    --------
    >>> import os, tempfile
    >>> from lowrank_la.reading import read_matrix
    >>> path = os.path.join(tempfile.mkdtemp(), "table.csv")
    >>> with open(path, "w") as stream:
    ...     _ = stream.write("height,width\n1,2\n3,4\n")
    >>> read_matrix(path)
    array([[1., 2.],
           [3., 4.]])
    """
    path = Path(path)
    return _matrix(_read(path, key), path)


def read_array(path: str | Path, *, key: str | None = None) -> Any:
    """Read a matrix or tensor; formats, parameters and errors as for `read_matrix`, any number of axes from two on."""
    path = Path(path)
    array = _read(path, key)
    if array.ndim < 2:
        raise ReadError(f"{path}: holds an array of shape {array.shape}, two axes at least were expected")
    return array


def _read(path: Path, key: str | None) -> Any:
    reader = _reader(path)
    if not path.exists():
        raise ReadError(f"{path}: no such file")
    if path.is_dir() and reader is not _read_zarr:
        raise ReadError(f"{path}: is a folder, not a file")
    if key is not None and reader not in _WITH_KEYS:
        raise ReadError(f"{path}: key={key!r} was given, but only .npz, HDF5 and Zarr files hold named matrices")
    try:
        matrix = reader(path, key) if reader in _WITH_KEYS else reader(path)
    except ReadError:
        raise
    except Exception as error:  # each reader has exceptions of its own for a damaged file
        raise ReadError(f"{path}: can't be read: {_one_line(error)}") from error
    return _checked(matrix, path)


def _reader(path: Path) -> Callable[..., Any]:
    name = path.name.lower()
    for ending, reader in _READERS.items():
        if name.endswith(ending):
            return reader
    raise ReadError(f"{path}: unknown format; give a name that ends in one of {' '.join(_READERS)}")


def _checked(matrix: Any, path: Path) -> Any:
    if matrix.dtype.kind not in "buifc":
        raise ReadError(f"{path}: holds {matrix.dtype} data, numbers were expected")
    return matrix.astype(np.float64) if matrix.dtype.kind == "b" else matrix


def _matrix(matrix: Any, path: Path) -> Any:
    if matrix.ndim != 2:
        raise ReadError(f"{path}: holds an array of shape {matrix.shape}, a matrix with two axes was expected")
    return matrix


def _one_line(error: BaseException) -> str:
    return " ".join(f"{error}".split()) or type(error).__name__


def _package(name: str, extra: str, path: Path) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise MissingReaderError(
            f'{path}: needs the package {package}, which is not installed: pip install "lowrank_la[{extra}]"'
        ) from error


def _choose(names: list[str], key: str | None, path: Path) -> str:
    """Name of the matrix to read among the `names` of those that the file holds."""
    listed = ", ".join(sorted(names)[:10]) or "none"
    if key is not None and key not in names:
        raise ReadError(f"{path}: holds no matrix {key!r}; it holds {listed}")
    if key is None and len(names) != 1:
        raise ReadError(f"{path}: holds {len(names)} matrices, one was expected; name one of them by its key: {listed}")
    return key if key is not None else names[0]


def _load(stream: IO[bytes], path: Path, kind: type) -> Any:
    try:
        loaded = np.load(stream, allow_pickle=False)
    except ValueError as error:
        raise ReadError(f"{path}: is damaged, or holds Python objects, which are never unpickled") from error
    if not isinstance(loaded, kind):
        raise ReadError(f"{path}: the content does not match the ending of the name")
    return loaded


def _read_npy(path: Path) -> Any:
    with path.open("rb") as stream:
        return _load(stream, path, np.ndarray)


def _read_npz(path: Path, key: str | None) -> Any:
    with path.open("rb") as stream:
        archive = _load(stream, path, NpzFile)
        if {"format", "shape", "data"} <= set(archive.files):
            from scipy import sparse

            return sparse.csr_array(sparse.load_npz(path))
        names = archive.files
        if key is None and len(names) > 1:
            names = [name for name in names if archive[name].ndim == 2]
        return archive[_choose(names, key, path)]


def _read_mtx(path: Path) -> Any:
    from scipy import io, sparse

    matrix = io.mmread(path, spmatrix=False)
    return sparse.csr_array(matrix) if sparse.issparse(matrix) else matrix


def _read_csv(path: Path) -> Any:
    first = _first_line(path)
    delimiter = ";" if ";" in first and "," not in first else ","
    return _read_text(path, first, delimiter)


def _read_tsv(path: Path) -> Any:
    return _read_text(path, _first_line(path), "\t")


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8-sig") as stream:
        lines = (line.partition("#")[0].strip() for line in stream)
        first = next((line for line in lines if line), None)
    if first is None:
        raise ReadError(f"{path}: holds no numbers")
    return first


def _read_text(path: Path, first: str, delimiter: str) -> Any:
    with path.open(encoding="utf-8-sig") as stream:
        if not any(_is_number(entry) for entry in first.split(delimiter)):
            for line in stream:
                if line.partition("#")[0].strip():
                    break
        try:
            with warnings.catch_warnings(action="ignore"):
                matrix = np.loadtxt(stream, delimiter=delimiter, quotechar='"', ndmin=2)
        except ValueError as error:
            raise ReadError(f"{path}: {_one_line(error).partition('; use')[0]}") from error
    if matrix.size == 0:
        raise ReadError(f"{path}: holds no numbers")
    return matrix


def _is_number(text: str) -> bool:
    try:
        float(text.strip().strip('"'))
    except ValueError:
        return False
    return True


def _read_parquet(path: Path) -> Any:
    table = _package("pyarrow.parquet", "io", path).read_table(path)
    names = [name for name in table.column_names if not name.startswith("__index_level_")]
    if not names:
        raise ReadError(f"{path}: has no columns")
    columns = [table.column(name).to_numpy() for name in names]
    for name, column in zip(names, columns, strict=True):
        if column.dtype.kind not in "buif":
            raise ReadError(
                f"{path}: column {name!r} holds {table.schema.field(name).type} data, numbers were expected"
            )
    return np.column_stack(columns)


def _read_hdf5(path: Path, key: str | None) -> Any:
    h5py = _package("h5py", "io", path)
    with h5py.File(path, "r") as archive:
        found = {}

        def note(name, node):
            if isinstance(node, h5py.Dataset) and (node.ndim == 2 or name == key):
                found[name] = node

        archive.visititems(note)
        return found[_choose(list(found), key, path)][()]


def _read_zarr(path: Path, key: str | None) -> Any:
    zarr = _package("zarr", "io", path)
    node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        return np.asarray(node[...])
    found = {
        name: member
        for name, member in node.members(max_depth=None)
        if isinstance(member, zarr.Array) and (member.ndim == 2 or name == key)
    }
    return np.asarray(found[_choose(list(found), key, path)][...])


def _read_image(path: Path) -> Any:
    pillow = _package("PIL.Image", "io", path)
    with pillow.open(path) as image:
        if image.mode in ("1", "L", "LA"):
            return np.asarray(image.convert("L")) / 255.0
        if image.mode.startswith("I"):
            return np.asarray(image) / 65535.0
        if image.mode == "F":
            return np.asarray(image)
        colours = np.asarray(image.convert("RGB")) / 255.0
    return np.concatenate([colours[:, :, channel] for channel in range(3)], axis=1)


_READERS: dict[str, Callable[..., Any]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".mtx": _read_mtx,
    ".mtx.gz": _read_mtx,
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".parquet": _read_parquet,
    ".h5": _read_hdf5,
    ".hdf5": _read_hdf5,
    ".zarr": _read_zarr,
    **dict.fromkeys(_IMAGES, _read_image),
}
_WITH_KEYS = (_read_npz, _read_hdf5, _read_zarr)
