"""Versions of the library, of what it runs on and of the optional packages, for bug reports."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import scipy.linalg  # noqa: F401 - SciPy has a BLAS of its own

_PACKAGES = (
    *("numpy", "scipy", "array-api-compat", "numba", "threadpoolctl"),
    *("torch", "cupy", "cupy-cuda12x", "cupy-cuda13x", "dask", "scikit-learn", "matplotlib"),
    *("h5py", "zarr", "pyarrow", "pillow"),
)


def show_versions() -> None:
    """Print the versions that a bug report should hold, and the BLAS; optional packages are not imported.

    Examples
    --------
    >>> import lowrank_la as lr
    >>> lr.show_versions()  # doctest: +ELLIPSIS
    lowrank_la ...
    python ...
    """
    width = max(map(len, _PACKAGES))
    for name, value in versions().items():
        print(f"{name:<{width}}  {value}")  # noqa: T201 - printing is what the function is for


def versions() -> dict[str, str]:
    """Return versions by package name, and the BLAS in use; packages that are not installed are left out."""
    own = __name__.partition(".")[0]
    found = {own: sys.modules[own].__version__, "python": sys.version.split()[0]}
    found |= {"platform": platform.platform(), "cpus": str(os.cpu_count())}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found | {"blas": _blas()}


def _blas() -> str:
    """The BLAS libraries that are loaded, or where nobody can tell that which NumPy was built with."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        loaded = []
    else:
        loaded = [pool for pool in threadpool_info() if pool.get("user_api") == "blas"]
    if loaded:
        told = (
            f"{pool['internal_api']} {pool.get('version') or ''} ({pool.get('architecture') or '?'}, "
            f"{pool['num_threads']} {'thread' if pool['num_threads'] == 1 else 'threads'})"
            for pool in loaded
        )
        return "; ".join(sorted({" ".join(each.split()) for each in told}))
    built: Any = np.show_config(mode="dicts")
    blas = built["Build Dependencies"]["blas"]
    return f"{blas['name']} {blas['version']} (as NumPy was built)"
