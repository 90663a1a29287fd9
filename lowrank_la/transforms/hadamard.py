"""Hadamard matrices."""

import numpy as np

from .. import _backend as be
from .constructions import core_matrix
from .orders import require_order


def hadamard(n, *, xp=None, dtype=None):
    """Matrix with entries ±1 and ``H Hᵀ = n I`` that `fwht` multiplies with.

    Parameters
    ----------
    n : int
        1, 2, or a multiple of 4 with a known matrix: every order up to 256 is known, and these times powers of two.
    xp : array namespace, optional
        NumPy by default.
    dtype : dtype of `xp`, optional
        One that holds -1: signed integers, 64-bit ones by default, or floating or complex numbers.

    Returns
    -------
    array, shape (n, n)
        For powers of two the Sylvester matrix in natural order, entry ``(-1)^⟨i, j⟩``; else ``H_K ⊗ H_{2**m}`` with the
        smallest K that a construction of Paley, Williamson, Turyn and Goethals and Seidel, or a product of these, has.

    Raises
    ------
    ValueError
        If no Hadamard matrix of order `n` is known here; the message names the nearest orders.
    TypeError
        If `dtype` does not hold -1, or `xp` is no array namespace.

    References
    ----------
    .. [1] paley_1933
    .. [2] williamson_1944
    .. [3] goethals_seidel_1967
    .. [4] best_dokovic_kharaghani_ramp_2013

    Examples
    --------
    >>> import lowrank_la as lr
    >>> lr.hadamard(4)
    array([[ 1,  1,  1,  1],
           [ 1, -1,  1, -1],
           [ 1,  1, -1, -1],
           [ 1, -1, -1,  1]])
    """
    n = be.check_count("n", n)
    xp, dtype = _checked(xp, dtype)
    core, stages = require_order("n", n)
    matrix = core_matrix(core)
    for _ in range(stages):
        matrix = np.kron(matrix, np.asarray([[1, 1], [1, -1]], np.int8))
    return be.from_numpy(np.array(matrix, np.int8), xp, None, dtype)


def _checked(xp, dtype):
    """The namespace, and a dtype of it that holds -1."""
    xp = be.named_namespace(None) if xp is None else xp
    if not (hasattr(xp, "asarray") and hasattr(xp, "int64")):
        raise TypeError(f"xp must be an array namespace, such as the module numpy, got {xp!r}")
    try:
        name = "int64" if dtype is None else be.dtype_name(np.dtype(dtype) if isinstance(dtype, str | type) else dtype)
    except TypeError:
        name = ""
    if not name.startswith(("int", "float", "bfloat", "complex")) or not hasattr(xp, name):
        raise TypeError(f"dtype must be one of xp that holds -1 (signed integers, floats, complex), got {dtype!r}")
    return xp, getattr(xp, name)
