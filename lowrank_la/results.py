"""Results: frozen, unpacking like tuples, carrying their error, savable without pickle."""

import errno
import importlib
import io
import json
import os
import secrets
import stat
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

_FORMAT = "lowrank_la.result.1"
_WRITE_BITS = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_NO_NEW_FILE = (errno.EACCES, errno.EPERM, errno.EROFS)


@dataclass(frozen=True, eq=False)
class Info:
    """What is known about an answer; entries that don't apply are None.

    Attributes
    ----------
    error : float
        Relative Frobenius error ‖A - Â‖_F / ‖A‖_F of the returned factors, unless the function says otherwise.
    error_kind : str
        "exact" (to rounding), "bound" (a theorem holds) or "estimate" (see the function for its failure model).
    converged : bool
        Whether what was asked for (`accuracy`, `tol`) was reached.
    reason : str
        Why the iteration stopped.
    iterations, products, passes : int
        Iterations; products of `A` or its adjoint with single vectors; reads of `A`.
    method : str
        The method that ran, also when ``method="auto"`` chose it.
    rng : int
        The 128-bit key that reproduces the draw; None when a torch or CuPy generator drew.
    residuals : array
        One residual a returned triplet or pair.
    backward_error : float
    details : dict
        Further figures of one method, also readable as attributes.
    """

    error: float | None = None
    error_kind: str | None = None
    converged: bool | None = None
    reason: str | None = None
    iterations: int | None = None
    products: int | None = None
    passes: int | None = None
    method: str | None = None
    rng: int | None = None
    residuals: object = None
    backward_error: float | None = None
    details: dict = field(default_factory=dict)

    def __getattr__(self, name):
        details = object.__getattribute__(self, "details") if not name.startswith("__") else {}
        if name in details:
            return details[name]
        raise AttributeError(f"info has no entry {name!r}")


@dataclass(frozen=True, eq=False)
class Result:
    """Base of all results: a subclass names the fields that unpack in `_unpack`."""

    _unpack = ()
    __array_ufunc__ = None  # an array on the left leaves ``array @ result`` to the result

    def __iter__(self):
        return (getattr(self, name) for name in self._unpack)

    def __len__(self):
        return len(self._unpack)

    def __getitem__(self, index):
        return tuple(self)[index]

    def __matmul__(self, x):
        return self.__lowrank_operator__() @ x

    def __rmatmul__(self, x):
        return x @ self.__lowrank_operator__()

    @property
    def shape(self):
        """Shape of the matrix that the factors approximate."""
        return self.__lowrank_operator__().shape

    def __lowrank_operator__(self):
        raise TypeError(f"{type(self).__name__} does not stand for a matrix")

    def save(self, path):
        """Write factors and `info` to an ``.npz`` file (no pickle).

        Arrays come back from `load` as NumPy arrays, whatever namespace they had. The file is complete or not there: a
        write that fails leaves what was at `path` before. Only a writable file in a folder that takes no new one is
        written in place. Pipes and devices, such as ``/dev/stdout``, are written to directly; a hard link elsewhere
        keeps the old content.

        Raises
        ------
        OSError
            If `path` can't be written; `PermissionError` for a read-only file.
        """
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "info"}
        info = {f.name: getattr(self.info, f.name) for f in fields(Info) if f.name != "details"}
        own, lengths = _without_tuples(own)
        groups = {"": own, "info.": info, "details.": self.info.details}
        arrays = {prefix + k: to_host(v) for prefix, group in groups.items() for k, v in group.items() if _is_array(v)}
        if any(array.dtype.hasobject for array in arrays.values()):
            raise TypeError("arrays of objects can't be saved without pickle")
        plain = {prefix: {k: v for k, v in group.items() if not _is_array(v)} for prefix, group in groups.items()}
        kind = f"{type(self).__module__}:{type(self).__qualname__}"
        told = {"format": _FORMAT, "result": kind, "plain": plain} | ({"tuples": lengths} if lengths else {})
        header = json.dumps(told, default=_plain_number)
        with replacing(path) as stream:
            np.savez(stream, __header__=np.array(header), **arrays)

    def __repr__(self):
        parts = [f"{name}: {_shapes(getattr(self, name))}" for name in self._unpack]
        error = self.info.error
        known = "unknown" if error is None else f"{error:.3g} ({self.info.error_kind})"
        return f"{type(self).__name__}({', '.join(parts)}, error {known}, method {self.info.method!r})"


@contextmanager
def replacing(path):
    """Stream to a new file beside `path`, which takes its place once everything is written and on the disk.

    Links are followed, and permissions kept. What is no regular file, such as a pipe, is written to directly; so is a
    writable file in a folder that takes no new one. Errors of the system name `path`.
    """
    path = os.fspath(path)
    try:
        with _Onward(io.FileIO(path, "wb")) if _is_special(path) else _beside(path) as stream:
            yield stream
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), path) from error


def is_writable(path):
    """Whether `path` is a file that may be written, or a new name in a folder that takes one."""
    if not os.path.exists(path):
        return os.access(os.path.dirname(os.path.realpath(path)), os.W_OK)
    read_only = stat.S_ISREG(os.stat(path).st_mode) and not os.stat(path).st_mode & _WRITE_BITS
    return os.access(path, os.W_OK) and not read_only


def _is_special(path):
    """Whether `path` is there and no regular file; a pipe has no path that could be resolved."""
    return not path or (os.path.exists(path) and not os.path.isfile(path))


class _Onward(io.BufferedWriter):
    """A stream that claims no position: that of a device such as ``/dev/null`` does not move with what is written."""

    def seekable(self):
        return False

    def tell(self):
        raise io.UnsupportedOperation("tell")

    def seek(self, *_):
        raise io.UnsupportedOperation("seek")


@contextmanager
def _beside(path):
    target = Path(os.path.realpath(path))
    if target.exists() and not is_writable(target):
        raise PermissionError(errno.EACCES, "", path)
    beside = target.with_name(f".lowrank_la-{secrets.token_hex(8)}")
    try:
        stream = open(beside, "xb")  # noqa: SIM115
    except OSError as error:
        if error.errno not in _NO_NEW_FILE or not target.exists():
            raise
        with open(target, "wb") as stream:
            yield stream
        return
    try:
        with stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            beside.chmod(stat.S_IMODE(target.stat().st_mode))
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)


def load(path):
    """Result written by `Result.save`, with NumPy arrays.

    Raises
    ------
    ValueError
        If the file was not written by `Result.save`.

    Examples
    --------
    >>> import lowrank_la as lr, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "factors.npz")
    >>> lr.svd([[3.0, 0.0], [0.0, 4.0]], 1).save(path)
    >>> float(lr.load(path).s[0])
    4.0
    """
    arrays, header = _read(path)
    cls = _result_class(path, header)
    try:
        groups = header["plain"]
        for name, value in arrays.items():
            prefix = next((prefix for prefix in ("info.", "details.") if name.startswith(prefix)), "")
            groups[prefix][name.removeprefix(prefix)] = value
        own = groups[""]
        for name, length in header.get("tuples", {}).items():
            own[name] = tuple(own.pop(f"{name}.{k}") for k in range(length))
        return cls(**own, info=Info(**groups["info."], details=groups["details."]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} does not hold the parts of a {cls.__name__}: {error}") from None


def _read(path):
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        if "__header__" not in arrays:
            raise ValueError("it has no header of this library")
        return arrays, json.loads(str(arrays.pop("__header__")))
    except FileNotFoundError:
        raise
    except (KeyError, TypeError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a result that lowrank_la saved, or not all of it: {error}") from None


def _result_class(path, header):
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        found = header.get("format") if isinstance(header, dict) else header
        raise ValueError(f"{path} holds format {found!r}; {_FORMAT!r} was expected")
    module, _, name = str(header.get("result")).partition(":")
    parts = module.split(".")
    if parts[0] == __name__.split(".")[0] and not any(part.startswith("_") for part in parts):
        cls = _attribute(module, name)
        if isinstance(cls, type) and issubclass(cls, Result):
            return cls
    raise ValueError(f"{path} holds a {header.get('result')!r}, which is not a result of this version of lowrank_la")


def _attribute(module, name):
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None


def to_host(x):
    """NumPy array of an array of any library, by the methods it offers for that."""
    if isinstance(x, np.ndarray):
        return x
    for method in ("detach", "resolve_conj", "cpu", "get"):
        x = getattr(x, method)() if hasattr(x, method) else x
    if hasattr(x, "to_device") and hasattr(x, "__array_namespace__"):
        x = x.to_device(x.__array_namespace__().__array_namespace_info__().default_device())
    if str(getattr(x, "dtype", "")).endswith("bfloat16"):
        x = x.float()
    return np.asarray(x)


def _without_tuples(named):
    """The entries of `named`, tuples of arrays as one entry ``name.k`` an array; and the lengths of these tuples."""
    lengths = {name: len(value) for name, value in named.items() if _is_tuple_of_arrays(value)}
    plain = {name: value for name, value in named.items() if name not in lengths}
    members = {f"{name}.{k}": member for name in lengths for k, member in enumerate(named[name])}
    return plain | members, lengths


def _is_tuple_of_arrays(x):
    return isinstance(x, tuple) and bool(x) and all(map(_is_array, x))


def _shapes(x):
    return tuple(tuple(member.shape) for member in x) if _is_tuple_of_arrays(x) else tuple(x.shape)


def _is_array(x):
    return hasattr(x, "dtype") and hasattr(x, "shape") and not isinstance(x, np.generic)


def _plain_number(x):
    """Numbers of NumPy as JSON knows them."""
    if isinstance(x, np.generic):
        return x.item()
    raise TypeError(f"{type(x).__name__} can't be saved without pickle")
