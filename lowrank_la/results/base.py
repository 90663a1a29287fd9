"""The base of all results, and their way to a file and back."""

import importlib
import json
import os
import zipfile
import zlib
from dataclasses import dataclass, fields

import numpy as np

from .files import replacing
from .host import to_host
from .info import Info, with_arrays

_FORMAT = "lowrank_la.result.1"


@dataclass(frozen=True, eq=False)
class Result:
    """Base of all results: a subclass names the fields that unpack in `_unpack`."""

    _unpack = ()
    __array_ufunc__ = None  # an array on the left leaves ``array @ result`` to the result

    def __post_init__(self):
        own = self.__dict__
        info = own.get("info")
        if info is not None:
            parts = [x for v in own.values() if v is not info for x in (v if isinstance(v, tuple) else (v,))]
            own["info"] = with_arrays(info, parts)

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

    def full(self):
        """The approximation itself, formed from the factors.

        Returns
        -------
        array, shape (m, n)
            In the namespace, dtype and device of the factors: ``result @ x`` for all columns x of the identity. Where a
            decomposition is of the centred matrix, its `mean` is added to every row.

        Raises
        ------
        TypeError
            If the result does not stand for a matrix.

        Examples
        --------
        >>> import lowrank_la as lr
        >>> lr.svd([[1.0, 2.0], [3.0, 4.0]], 2, center=True).full().round(6)
        array([[1., 2.],
               [3., 4.]])
        """
        A = self.__lowrank_operator__()
        matrix, mean = A.todense(), getattr(self, "mean", None)
        if mean is not None:
            matrix = matrix + A.xp.astype(mean, matrix.dtype)[None, :]
        floating = A.xp.isdtype(A.source_dtype, ("real floating", "complex floating"))
        return A.xp.astype(matrix, A.source_dtype, copy=False) if floating else matrix

    def __array__(self, dtype=None, copy=None):
        base, own = Result, type(self)
        formed = own.full is not base.full or own.__lowrank_operator__ is not base.__lowrank_operator__
        raise TypeError(
            f"{own.__name__} is not an array: unpack it or take its fields"
            + (", or form what it stands for by full()" if formed else "")
        )

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

    def plot(self, ax=None):
        """Draw the result by `lowrank_la.plot`: its spectrum, or the columns of its factors.

        Returns
        -------
        matplotlib.axes.Axes, or one for every factor

        Raises
        ------
        TypeError
            If the result has neither a spectrum nor factors.
        """
        plot = importlib.import_module(f"{__name__.partition('.')[0]}.plot")
        if hasattr(self, "s") or hasattr(self, "w"):
            return plot.spectrum(self, ax)
        if hasattr(self, "factors") or (hasattr(self, "U") and (hasattr(self, "Vh") or hasattr(self, "V"))):
            return plot.factors(self)
        raise TypeError(f"{type(self).__name__} has no picture: results with a spectrum or with factors have one")

    def __repr__(self):
        parts = [f"{name}: {_shapes(getattr(self, name))}" for name in self._unpack]
        error = self.info.error
        known = "unknown" if error is None else f"{error:.3g} ({self.info.error_kind})"
        return f"{type(self).__name__}({', '.join(parts)}, error {known}, method {self.info.method!r})"


def load(path):
    """Result written by `Result.save`, with NumPy arrays.

    Parameters
    ----------
    path : str or path
        File that `save` or a command wrote; nothing in it is unpickled.

    Returns
    -------
    Result
        Of the class that was saved.

    Raises
    ------
    ValueError
        If the file was not written by `Result.save`.
    TypeError
        If `path` is neither a path nor an open file.

    Examples
    --------
    >>> import lowrank_la as lr, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "factors.npz")
    >>> lr.svd([[3.0, 0.0], [0.0, 4.0]], 1).save(path)
    >>> float(lr.load(path).s[0])
    4.0
    """
    if not (isinstance(path, str | os.PathLike) or hasattr(path, "read")):
        raise TypeError(
            f"path must be the path of a file that `save` wrote, got {path!r} of type {type(path).__name__}"
        )
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
        groups["info."].setdefault("versions")
        groups["info."].setdefault("arrays", "")
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


def _without_tuples(named):
    """The entries of `named`, tuples of arrays as one entry ``name.k`` an array; and the lengths of these tuples."""
    lengths = {name: len(value) for name, value in named.items() if _is_tuple_of_arrays(value)}
    plain = {name: value for name, value in named.items() if name not in lengths}
    members = {f"{name}.{k}": member for name in lengths for k, member in enumerate(named[name])}
    return plain | members, lengths


def _is_tuple_of_arrays(x):
    return isinstance(x, tuple) and bool(x) and all(map(_is_array, x))


def _shapes(x):
    """Shapes of arrays as a representation shows them; numbers and what else an answer holds as they are."""
    if _is_tuple_of_arrays(x):
        return tuple(tuple(member.shape) for member in x)
    if getattr(x, "shape", ()):
        return tuple(x.shape)
    return f"{float(x):.6g}" if isinstance(x, float) or (_is_array(x) and "float" in str(x.dtype)) else repr(x)


def _is_array(x):
    return hasattr(x, "dtype") and hasattr(x, "shape") and not isinstance(x, np.generic)


def _plain_number(x):
    """Numbers of NumPy as JSON knows them."""
    if isinstance(x, np.generic):
        return x.item()
    raise TypeError(f"{type(x).__name__} can't be saved without pickle")
