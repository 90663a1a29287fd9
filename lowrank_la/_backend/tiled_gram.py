"""Gram matrices of panels on one thread: by BLAS, or by a kernel where BLAS leaves half of the processor unused."""

from functools import cache

import numpy as np

from .. import _kernels
from .dtypes import is_complex
from .namespace import namespace
from .sparse import writable_view
from .threads import _blas_libraries

_NARROW = frozenset({"Haswell", "Zen"})  # kernels of OpenBLAS for registers of 256 bits
_LEAST_WORK = 2e7  # products, from which the kernel is asked for at all
_LEAST_ROWS = 128
_LEAST_COLUMNS = {4: 64, 8: 32}  # by the bytes of a number: fewer leave most of a strip empty


def panel_gram(panel):
    """``Mᴴ M``, on this thread; real NumPy matrices that BLAS takes as they are come out exactly symmetric."""
    if not isinstance(panel, np.ndarray):
        return (namespace(panel).conj(panel.mT) if is_complex(panel.dtype) else panel.mT) @ panel
    m, n = panel.shape
    if panel.flags.c_contiguous and compiled_gram_pays(panel.dtype, m, n):
        strips, out = _kernels.lookup("gram_workspace", "numpy")(n, panel.dtype)
        _kernels.lookup("panel_gram", "numpy")(writable_view(panel), strips, out)
        return out if out.shape[0] == n else out[:n, :n].copy()
    return panel.conj().T @ panel if panel.dtype.kind == "c" else panel.T @ panel


def long_gram(upper, lower, dtype, start, stop):
    """``M Mᵀ`` in `dtype` for columns of the rows of two matrices one below the other, both real and by rows."""
    height = upper.shape[0] + lower.shape[0]
    strips, out = _kernels.lookup("gram_workspace", "numpy")(height, dtype)
    _kernels.lookup("long_gram", "numpy")(writable_view(upper), writable_view(lower), strips, out, start, stop)
    return out[:height, :height]


def compiled_gram_pays(dtype, m, n):
    """Whether the kernel beats BLAS on a matrix (m, n) of `dtype`."""
    dtype = np.dtype(dtype)
    if dtype.kind != "f" or not dtype.isnative or n < _LEAST_COLUMNS.get(dtype.itemsize, n + 1):
        return False
    return m >= _LEAST_ROWS and float(m) * n * n >= _LEAST_WORK and _half_unused()


@cache
def _half_unused():
    """Whether the processor has registers of 512 bits that OpenBLAS leaves alone."""
    found = {library.architecture for library in _blas_libraries() if library.internal_api == "openblas"}
    return bool(found) and found <= _NARROW and _kernels.lookup("has_wide_registers", "numpy")()
