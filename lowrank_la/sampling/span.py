"""An orthonormal basis of the columns that a sampler was given."""

import math

from .. import _backend as be
from ..factor.tall_qr import orthonormalize
from ..operators import as_operator
from ..operators.base import densify

_PROBES = 4
_PROBE_KEY = be.Key(0x5EA)
_DEPARTURE = 10.0  # units of k·eps of ‖VᴴV - I‖_F up to which a basis counts as orthonormal
_DEFICIENT = 8.0  # units of d·eps of the smallest singular value over the largest, columns of unit size
_LARGEST_POWER = 1000


def dense_columns(A, name):
    """`A` as a dense array: sparse matrices and operators of few columns are multiplied with the identity."""
    op = as_operator(A)
    be.require_untracked(op.array if op.has("array") else A, name)
    if op.has("array"):
        return op.array
    return densify(op.matmat(op.xp.eye(op.shape[1], dtype=op.dtype, device=op.device)))


def orthonormal_span(A, name):
    """``Q, R`` with ``Q R = A`` (n, d) and orthonormal `Q`; `R` is None where `A` is orthonormal already.

    Raises
    ------
    ValueError
        If `A` is wide, empty, not finite, or its columns are numerically dependent; `name` says whose argument it is.
    """
    A = dense_columns(A, name)
    xp, (n, d) = be.namespace(A), A.shape
    if n < d or d == 0:
        way_out = "; pass the adjoint, whose columns span the rows" if d > n > 0 else ""
        raise ValueError(f"{name} needs at least one column and no fewer rows than columns, got shape {n}×{d}{way_out}")
    sizes = column_sizes(A)
    if not all(map(math.isfinite, sizes)):
        raise ValueError(f"{name} got NaN or infinite values; clean them first")
    if min(sizes) == 0.0:
        raise ValueError(f"{name} got a column of zeros (number {sizes.index(0.0)}): drop it")
    if max(sizes) <= 2.0 and departure(A) <= _DEPARTURE * d * be.eps(A.dtype):
        return A, None
    exponents = [max(-_LARGEST_POWER, min(_LARGEST_POWER, math.frexp(size)[1])) for size in sizes]
    real = be.real_dtype(xp, A.dtype)
    down, up = (xp.asarray([2.0 ** (sign * e) for e in exponents], dtype=real, device=be.device(A)) for sign in (-1, 1))
    Q, R = orthonormalize(A * down[None, :])
    _require_full_rank(R, name)
    return Q, R * up[None, :]


def column_sizes(A):
    """Largest modulus of each column, as floats; NaN where an entry is."""
    xp = be.namespace(A)
    parts = be.map_row_panels(lambda panel: xp.max(xp.abs(panel), axis=0), A)
    return [float(size) for size in be.to_numpy(xp.max(xp.stack(parts), axis=0))]


def departure(V):
    """Estimate of ``‖VᴴV - I‖_F`` from four random columns, O(nk)."""
    xp, k = be.namespace(V), V.shape[1]
    g = be.gaussian(_PROBE_KEY, slice(0, k), slice(0, _PROBES), V.dtype, xp, be.device(V))
    return be.fro_norm(be.adjoint_matmul(V, be.matmul(V, g)) - g) / _PROBES**0.5


def _require_full_rank(R, name):
    d = R.shape[1]
    s = [float(value) for value in be.to_numpy(be.small_svd(R)[1])]
    rank = sum(value > _DEFICIENT * d * be.eps(R.dtype) * s[0] for value in s)
    if rank < d:
        raise ValueError(
            f"{name} got linearly dependent columns: numerical rank {rank} of {d}; drop columns, or pass an "
            "orthonormal basis of their span such as svd(A, rank).U"
        )
