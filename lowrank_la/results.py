"""Results: frozen, unpacking like tuples, carrying their error, savable without pickle."""

import importlib
import json
from dataclasses import asdict, dataclass, field, fields

import numpy as np

_FORMAT = "lowrank_la.result.1"


@dataclass(frozen=True)
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
        The 128-bit key that reproduces the draw.
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

    def __iter__(self):
        return (getattr(self, name) for name in self._unpack)

    def __len__(self):
        return len(self._unpack)

    def __getitem__(self, index):
        return tuple(self)[index]

    def __matmul__(self, x):
        return self.__lowrank_operator__() @ x

    @property
    def shape(self):
        """Shape of the matrix that the factors approximate."""
        return self.__lowrank_operator__().shape

    def __lowrank_operator__(self):
        raise TypeError(f"{type(self).__name__} does not stand for a matrix")

    def save(self, path):
        """Write factors and `info` to an ``.npz`` file (no pickle).

        Arrays come back from `load` as NumPy arrays, whatever namespace they had.
        """
        arrays = {f.name: to_host(getattr(self, f.name)) for f in fields(self) if _is_array(getattr(self, f.name))}
        plain = {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if f.name not in arrays and f.name != "info" and getattr(self, f.name) is not None
        }
        info = asdict(self.info)
        if _is_array(info["residuals"]):
            arrays["info.residuals"] = to_host(info["residuals"])
        info["residuals"] = None
        kind = f"{type(self).__module__}:{type(self).__qualname__}"
        header = {"format": _FORMAT, "result": kind, "plain": plain, "info": info}
        with open(path, "wb") as stream:
            np.savez(stream, __header__=np.array(json.dumps(header)), **arrays)

    def __repr__(self):
        parts = [f"{name}: {tuple(getattr(self, name).shape)}" for name in self._unpack]
        error = self.info.error
        known = "unknown" if error is None else f"{error:.3g} ({self.info.error_kind})"
        return f"{type(self).__name__}({', '.join(parts)}, error {known}, method {self.info.method!r})"


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
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(str(arrays.pop("__header__")))
    except (KeyError, ValueError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path} is not a result that lowrank_la saved: {error}") from None
    module, _, name = str(header.get("result", "")).partition(":")
    if header.get("format") != _FORMAT or module.split(".")[0] != __name__.split(".")[0]:
        raise ValueError(f"{path} holds format {header.get('format')!r}; {_FORMAT!r} was expected")
    cls = getattr(importlib.import_module(module), name)
    info = Info(**{**header["info"], "residuals": arrays.pop("info.residuals", None)})
    return cls(**arrays, **header["plain"], info=info)


def to_host(x):
    """NumPy array of an array of any library, by the methods it offers for that."""
    if isinstance(x, np.ndarray):
        return x
    for method in ("detach", "resolve_conj", "cpu", "get"):
        x = getattr(x, method)() if hasattr(x, method) else x
    if str(getattr(x, "dtype", "")).endswith("bfloat16"):
        x = x.float()
    return np.asarray(x)


def _is_array(x):
    return hasattr(x, "dtype") and hasattr(x, "shape")
