"""The one way in which a kernel is compiled."""

import warnings
from functools import lru_cache

import numba


def jit(function=None, *, inline=False, reorder=False, leaf=False):
    """Compile on first use, keep the machine code on disk, release the GIL.

    Floating-point arithmetic stays as written (no `fastmath`, no contraction), so that a kernel and its portable twin
    can agree to the last bit, and division by zero gives infinity as NumPy does. `reorder` lets long sums be
    reassociated and contracted, for kernels that are nothing but dot products and agree to rounding. A `leaf` counts no
    references to its arrays, which costs more than the work of a kernel that others call for every few numbers: it
    allocates nothing, and what it slices or returns is borrowed from the arrays it was given. Loops are serial:
    parallelism is the caller's, over a fixed partition. Where no folder can be written to, every process compiles for
    itself.
    """
    if function is None:
        return lambda f: jit(f, inline=inline, reorder=reorder, leaf=leaf)
    options = {"nogil": True, "error_model": "numpy", "inline": "always" if inline else "never"}
    options |= {"fastmath": {"reassoc", "contract", "nsz"}} if reorder else {}
    options |= {"_nrt": False} if leaf else {}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
    _warn_of_compilation()
    return numba.njit(**options)(function)


@lru_cache(maxsize=1)
def _warn_of_compilation():
    """Say once a process that machine code can't be kept."""
    warnings.warn(
        "compiled kernels can't be kept: neither the package nor the user's cache folder can be written to, and every "
        "process compiles them anew, which takes seconds; set NUMBA_CACHE_DIR to a folder that can",
        RuntimeWarning,
        stacklevel=4,
    )
