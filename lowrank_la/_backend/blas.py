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


def solve_rows_in_place(M, R):
    """Overwrite the C-contiguous rows `M` (m, n) with ``M R⁻¹``, `R` upper triangular."""
    m, n = M.shape
    R = np.ascontiguousarray(R, dtype=M.dtype)
    alpha = np.ones(1, dtype=M.dtype)
    ints = np.array([n, m, n, n], dtype=np.intc)
    # Seen in column-major order M is Mᵀ and R is Rᵀ (lower), so the solve is Mᵀ ← (Rᵀ)⁻¹ Mᵀ.
    side_lower_plain_nonunit = ctypes.create_string_buffer(b"LLNN")
    flag, at = ctypes.addressof(side_lower_plain_nonunit), ints.ctypes.data
    _trsm(M.dtype.name)(
        flag, flag + 1, flag + 2, flag + 3, at, at + 4,
        alpha.ctypes.data, R.ctypes.data, at + 8, M.ctypes.data, at + 12,
    )  # fmt: skip
    return M
