"""The matrix and the mask that `robust_pca` is given, at a scale whose squares are numbers."""

import math
from dataclasses import replace

from .. import _backend as be
from ..operators import as_operator
from .gauge import Gauge
from .panels import Data

_SAFE = {"float32": 1e6, "float64": 1e60}


def read_matrix(M, mask):
    """``(matrix in its working precision, known or None, dtype as given)``."""
    if be.is_sparse(M):
        raise TypeError("robust_pca needs a dense matrix: the zeros of a sparse one would be data; pass M.toarray()")
    op = as_operator(M)
    if not op.has("array"):
        raise TypeError(f"robust_pca needs the entries of a dense array, got {type(M).__name__}")
    be.require_untracked(op.array, "robust_pca", "M")
    matrix, source = op.array, op.source_dtype
    if mask is None:
        return matrix, None, source
    xp = be.namespace(matrix)
    known = mask if be.is_array(mask) else xp.asarray(mask)
    if be.namespace(known) is not xp:
        raise TypeError(
            f"mask must be an array of the library of M, {type(matrix).__name__}, got {type(mask).__name__}: convert it"
        )
    if be.dtype_name(known.dtype) != "bool":
        raise TypeError(f"mask must be boolean, True where an entry is known, got {be.dtype_name(known.dtype)} values")
    if tuple(known.shape) != tuple(matrix.shape):
        raise ValueError(f"mask must have the shape {tuple(matrix.shape)} of M, got {tuple(known.shape)}")
    if not bool(xp.any(known)):
        raise ValueError("mask is False everywhere: no entry is known, and there is nothing to decompose")
    return xp.where(known, matrix, xp.zeros_like(matrix)), known, source


def at_safe_scale(matrix, known, check_finite, sampled, key):
    """`Data` the squares of whose clean entries are numbers, and the power of two by which it was divided."""
    data = Data(matrix, known, 1.0)
    norm = be.fro_norm(data.sampled(key.child("scale"))[2] if sampled else matrix)
    if (sampled and check_finite) or not math.isfinite(norm):
        finite = be.all_finite(matrix)
        if check_finite and not finite:
            raise ValueError("M holds NaN or infinite values; pass mask=, True where an entry is known, or clean them")
        if not finite:
            return replace(data, norm=math.nan), 1.0
    size = Gauge(data, key).size() or norm
    reach = _SAFE[be.dtype_name(be.real_dtype(data.xp, data.dtype))]
    if norm == 0.0 or (1.0 / reach < size < reach and math.isfinite(norm)):
        return replace(data, norm=norm), 1.0
    limit = 1000 if be.is_double(data.dtype) else 120
    largest = math.frexp(norm)[1] if math.isfinite(norm) else limit + 24
    exponent = max(-limit, min(limit, max(math.frexp(size)[1], largest - limit)))
    factor = math.ldexp(1.0, exponent)
    matrix = matrix * (1.0 / factor)
    return Data(matrix, known, be.fro_norm(matrix)), factor
