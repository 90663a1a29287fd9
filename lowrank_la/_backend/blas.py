"""Triangular solves that release the interpreter lock, on the BLAS that SciPy carries."""

import ctypes
from functools import lru_cache

import numpy as np

_PREFIX = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}


@lru_cache(maxsize=8)
def _trsm(dtype_name):
    from scipy.linalg import cython_blas

    capsule = cython_blas.__pyx_capi__[_PREFIX[dtype_name] + "trsm"]
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype, api.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    address = api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule))
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 11)(address)


@lru_cache(maxsize=8)
def _constants(dtype_name):
    """Addresses of the flags "side left, lower, plain, non-unit" and of the number one, and what keeps them alive."""
    flags, one = ctypes.create_string_buffer(b"LLNN"), np.ones(1, dtype=dtype_name)
    return ctypes.addressof(flags), one.ctypes.data, (flags, one)


def solve_rows_in_place(M, R):
    """Overwrite the rows `M` (m, n) with ``M R⁻¹``, `R` upper triangular; both C-contiguous and of one dtype."""
    m, n = M.shape
    if m == 0 or n == 0:
        return M
    # Seen in column-major order M is Mᵀ and R is Rᵀ (lower), so the solve is Mᵀ ← (Rᵀ)⁻¹ Mᵀ.
    sizes = (ctypes.c_int * 2)(n, m)
    size = ctypes.addressof(sizes)
    flag, one, _ = _constants(M.dtype.name)
    _trsm(M.dtype.name)(
        flag, flag + 1, flag + 2, flag + 3, size, size + 4, one, R.ctypes.data, size, M.ctypes.data, size,
    )  # fmt: skip
    return M
