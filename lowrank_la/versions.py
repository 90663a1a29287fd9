"""Versions of the library, of what it runs on and of the optional packages, for bug reports."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = (
    *("numpy", "scipy", "array-api-compat", "numba", "threadpoolctl"),
    *("torch", "cupy", "cupy-cuda12x", "cupy-cuda13x", "dask", "scikit-learn", "matplotlib"),
    *("h5py", "zarr", "pyarrow", "pillow"),
)


def show_versions() -> None:
    """Print the versions that a bug report should hold; installed packages are looked up, not imported.

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
    """Return versions by package name; packages that are not installed are left out."""
    own = __name__.partition(".")[0]
    found = {own: sys.modules[own].__version__, "python": sys.version.split()[0]}
    found |= {"platform": platform.platform(), "cpus": str(os.cpu_count())}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
