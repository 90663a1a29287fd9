"""What is known about an answer."""

import platform
import sys
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata


@cache
def _versions():
    """Versions of Python, of this package and of those that it always works with."""
    own = __name__.partition(".")[0]
    found = {own: sys.modules[own].__version__, "python": platform.python_version()}
    for name in ("numpy", "scipy", "numba"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def _kind_of(array_type, dtype):
    """``(library, name of the dtype)`` of arrays of real or complex floating-point numbers, None for anything else."""
    name, roots = dtype.rpartition(".")[2], (base.__module__.partition(".")[0] for base in array_type.__mro__[::-1])
    library = next(root for root in roots if root != "builtins")  # that of the first ancestor, which is the array
    return (library, name) if name.startswith(("float", "bfloat", "complex")) else None


def _counted(number, names):
    return f"{number} {names.removesuffix('es' if names == 'passes' else 's') if number == 1 else names}"


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
    versions : dict
        Of Python and the packages that the answer was computed with; None in files of earlier versions.
    arrays : str
        Library, version, dtype and device of the arrays of the answer when it was computed; empty in files of earlier
        versions.
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
    versions: dict | None = field(default_factory=lambda: dict(_versions()))
    arrays: str | None = None

    def provenance(self):
        """What the appendix of a paper needs: versions, arrays, method, seed, error and how the computation ended.

        Returns
        -------
        str
            One line each; what does not apply is left out.

        Examples
        --------
        >>> import lowrank_la as lr
        >>> print(lr.svd([[3.0, 0.0], [0.0, 4.0]], 1, rng=7).info.provenance())  # doctest: +ELLIPSIS
        software   lowrank_la ..., python ..., numpy ...
        arrays     numpy ..., float64, cpu
        method     dense
        seed       7
        error      0.6 (exact)
        ended      ...
        """
        counts = {name: getattr(self, name) for name in ("iterations", "products", "passes")}
        cost = ", ".join(_counted(value, name) for name, value in counts.items() if value is not None)
        software = ", ".join(f"{name} {version}" for name, version in (self.versions or {}).items())
        error = None if self.error is None else f"{self.error:.6g} ({self.error_kind})"
        ended = self.reason if self.converged is not False or self.reason is None else f"{self.reason} (not converged)"
        rows = {
            "software": software or None,
            "arrays": self.arrays or None,
            "method": self.method,
            "seed": self.rng,
            "error": error,
            "ended": ended,
            "cost": cost or None,
        }
        return "\n".join(f"{name:<10} {value}" for name, value in rows.items() if value is not None)

    def __getattr__(self, name):
        details = object.__getattribute__(self, "details") if not name.startswith("__") else {}
        if name in details:
            return details[name]
        raise AttributeError(f"info has no entry {name!r}")


def with_arrays(info, parts):
    """`info` of an answer that consists of `parts`, the library of its arrays written down where none was yet."""
    found = None
    for x in parts if info.arrays is None else ():
        kind = _kind_of(x.__class__, str(x.dtype)) if hasattr(x, "dtype") else None
        if kind and (found is None or found[0] == "numpy" != kind[0]):  # numbers beside the arrays are on the host
            found = (*kind, x)
    if found is None:
        return info
    library, dtype, x = found
    version = getattr(sys.modules.get(library), "__version__", "?")
    versions = info.versions if info.versions is None else {**info.versions, library: version}
    told = object.__new__(info.__class__)  # `dataclasses.replace` asks for every field again, which takes microseconds
    told.__dict__.update(info.__dict__)
    told.__dict__.update(arrays=f"{library} {version}, {dtype}, {getattr(x, 'device', 'cpu')}", versions=versions)
    return told
