"""Rows of an orthonormal basis of the column space, made panel by panel and never with a bare Gram inverse."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _backend as be
from ..factor.prologue import untracked_operator
from ..factor.scaling import safe
from ..factor.triangular import SMALL, estimated_condition
from ..operators.base import densify
from ..sketch import SparseSign

_SEED = 0x5C0BE
_SKETCHED = 8  # a matrix with so many times more rows than columns is sketched, any other is read whole
_ROWS = 4  # of the sketch, a column
_SAFE_CONDITION = 100.0
_RANK_SLACK = 4.0
_CLEAR = 1e-3  # an estimated condition has to be so far below the one that costs rank
_HOST_PANEL, _DEVICE_PANEL = 1 << 17, 1 << 22  # numbers
_BLOCKS = 32
_COLUMNS = 64


@dataclass(frozen=True)
class RowBasis:
    """``A = Q R`` with `Q` (m, rank) orthonormal, whose rows ``read(rows)`` gives for a slice."""

    shape: tuple
    rank: int
    xp: Any
    device: Any
    dtype: Any
    read: Callable
    R: Any

    def map(self, fn):
        """``fn`` of the rows of `Q`, panel by panel, put together along axis 0."""
        width = max(self.shape[1], self.rank)
        parts = _mapped(self.xp, lambda rows: fn(self.read(rows)), _panels(self.xp, self.shape[0], width))
        return parts[0] if len(parts) == 1 else self.xp.concat(parts, axis=0)

    def dense(self):
        """`Q` as an array."""
        return self.map(lambda Q: Q)

    def scores(self, T=None):
        """Squared norms of the rows of `Q`, or of ``Q T``."""
        if self.rank == 0:
            return self.xp.zeros(self.shape[0], dtype=be.real_dtype(self.xp, self.dtype), device=self.device)
        return self.map(lambda Q: row_squares(Q if T is None else be.matmul(Q, T)))


def scored_operator(A, function, check_finite):
    """``(operator, factor)`` with ``A = factor · operator``: finite, not empty, at a safe scale."""
    op = untracked_operator(A, function)
    m, n = op.shape
    if m == 0 or n == 0:
        raise ValueError(f"a matrix of shape {m}×{n} is empty and has no rows to score")
    scaled, factor, _ = safe(op, be.check_flag("check_finite", check_finite), be.Key(_SEED))
    if factor != 1.0:
        _require_columns(op, scaled)
    return scaled, factor


def _require_columns(op, scaled):
    """ValueError where a column that is not zero has vanished, or has lost digits, in the scaling."""
    least = float(op.xp.finfo(be.real_dtype(op.xp, op.dtype)).smallest_normal)
    before, after = _column_sizes(op), _column_sizes(scaled)
    lost = np.flatnonzero((before > 0) & (after < least))
    if lost.size:
        name, first = be.dtype_name(op.dtype), int(lost[0])
        raise ValueError(
            f"columns of A differ in size by more than {name} holds: column {first} has entries up to "
            f"{before[first]:.1e}, the largest are {before.max():.1e}; divide every column by its largest entry, which "
            "leaves scores and weights as they are"
        )


def _column_sizes(op):
    """Largest modulus of each column, a NumPy array; read by products where there is no array."""
    xp, n = op.xp, op.shape[1]
    if op.has("array"):
        return be.to_numpy(xp.max(xp.abs(op.array), axis=0))
    eye = xp.eye(n, dtype=op.dtype, device=op.device)
    sizes = [xp.max(xp.abs(op.matmat(eye[:, cols])), axis=0) for cols in be.fixed_partition(n, _COLUMNS)]
    return np.concatenate([be.to_numpy(part) for part in sizes])


def row_squares(M, *, wide=False):
    """Squared norm of each row, with `wide` accumulated in the widest dtype of the device."""
    xp = be.namespace(M)
    dtype = be.widest_real(xp, be.device(M)) if wide else be.real_dtype(xp, M.dtype)
    parts = (xp.real(M), xp.imag(M)) if be.is_complex(M.dtype) else (M,)
    return sum(xp.sum(xp.astype(part, dtype, copy=False) ** 2, axis=1) for part in parts)


def count(mask):
    """Number of true entries."""
    return int(be.to_numpy(mask).sum())


def where_true(mask):
    """Indices of true entries, ascending, as an index array beside the mask."""
    found = np.flatnonzero(be.to_numpy(mask))
    return be.index_array(found, mask.shape[0], be.namespace(mask), be.device(mask))


def row_basis(op):
    """`RowBasis` of a finite operator, cut at its numerical rank (that of the matrix with columns of equal size)."""
    return _tall_basis(op) if op.shape[0] >= op.shape[1] else _wide_basis(op)


def _wide_basis(op):
    """The basis of a wide matrix is small: it comes from the triangular factor of the adjoint."""
    inner = _tall_basis(op.H)
    U, s, _ = be.small_svd(be.mH(inner.R)) if inner.rank else (be.mH(inner.R), inner.R[:, 0], None)
    R = op.xp.astype(s, op.dtype)[:, None] * op.xp.eye(inner.rank, dtype=op.dtype, device=op.device)
    return RowBasis(op.shape, inner.rank, op.xp, op.device, op.dtype, lambda rows: U[rows, :], R)


def _tall_basis(op):
    """Precondition by the singular vectors of a sketch, then one Cholesky factor of a well-conditioned Gram matrix.

    A sketch that missed a direction shows in the condition of that Gram matrix; Householder reflections of all panels
    take its place.
    """
    m, n = op.shape
    read = row_reader(op)
    sketched = m >= _SKETCHED * n and m > n + 64
    Y = SparseSign(_ROWS * n, m, _SEED).apply(op) if sketched else read(slice(0, m))
    found = _completed(op, read, *preconditioner(Y, m))
    if found is None:
        stacked = _mapped(op.xp, lambda rows: be.householder_triangle(read(rows)), _panels(op.xp, m, n))
        found = _completed(op, read, *preconditioner(op.xp.concat(stacked, axis=0), m), last=True)
    P, L, R = found

    def rows_of_basis(rows):
        return be.right_solve_upper(be.matmul(read(rows), P), L)

    return RowBasis(op.shape, P.shape[1], op.xp, op.device, op.dtype, rows_of_basis, R)


def preconditioner(Y, m):
    """``P`` (n, r) and ``core`` (r, n) with ``Y P`` orthonormal and ``core P = I``, r the numerical rank of `Y`.

    Columns are brought to one scale first, which leaves the column space as it is. What counts as rank is above the
    rounding of `m` rows, which grows like a root. Of many columns the singular values are computed only where an
    estimate of the condition leaves the rank open.
    """
    xp = be.namespace(Y)
    size = _RANK_SLACK * max(m**0.5, Y.shape[1])
    R = be.householder_triangle(Y)
    largest = xp.max(xp.abs(R), axis=0)
    scale = xp.astype(xp.where(largest > 0, largest, xp.ones_like(largest)), Y.dtype)
    scaled = R / scale[None, :]
    if R.shape[0] > SMALL and estimated_condition(scaled) < _CLEAR / (be.eps(Y.dtype) * size):
        eye = xp.eye(R.shape[0], dtype=R.dtype, device=be.device(R))
        return be.right_solve_upper(eye, scaled) / scale[:, None], R
    _, s, Vh = be.small_svd(scaled)
    top = float(s[0])
    rank = count(s > top * be.eps(Y.dtype) * size) if top > 0 else 0
    s, Vh = xp.astype(s[:rank], Y.dtype), Vh[:rank, :]
    return be.mH(Vh) / s[None, :] / scale[:, None], s[:, None] * Vh * scale[None, :]


def _completed(op, read, P, core, last=False):
    """``P, L, R`` with ``(A P) L⁻¹`` orthonormal and ``A = (A P) L⁻¹ R``; None where `P` does not precondition."""
    if P.shape[1] == 0:
        return P, P[:0, :], core
    for _ in range(3):
        G = _gram(op, read, P)
        L = be.cholesky_upper(G)
        if L is None:
            break
        core = L @ core
        if _is_safe(L):
            return P, L, core
        P = be.right_solve_upper(P, L)
    if last:
        raise ValueError("the columns of A span no numerically stable space; scale its rows or drop columns")
    return None


def _is_safe(L):
    """Whether rows times ``L⁻¹`` are orthonormal to a few hundred roundings."""
    if L.shape[0] > SMALL and 2 * estimated_condition(L) <= _SAFE_CONDITION:
        return True
    s = be.small_svd(L)[1]
    return float(s[0]) <= _SAFE_CONDITION * float(s[-1])


def _gram(op, read, P):
    """``(A P)ᴴ (A P)``, blocks of panels added up in a fixed order."""
    m, n = op.shape

    def block(rows):
        total = None
        for part in _panels(op.xp, rows.stop - rows.start, n):
            Z = be.matmul(read(slice(rows.start + part.start, rows.start + part.stop)), P)
            G = be.adjoint_matmul(Z, Z)
            total = G if total is None else total + G
        return total

    parts = _mapped(op.xp, block, be.fixed_partition(m, max(1024, -(-m // _BLOCKS))))
    G = sum(parts[1:], start=parts[0])
    return (G + be.mH(G)) / 2


def row_reader(op):
    """Function from a slice to those rows as a dense array.

    What gives neither an array nor rows is read by products with the unit vectors, once.
    """
    if op.has("array"):
        return lambda rows: op.array[rows, :]
    if op.has("take_rows"):
        return lambda rows: densify(op.take_rows(range(rows.start, rows.stop)))
    A = op.matmat(op.xp.eye(op.shape[1], dtype=op.dtype, device=op.device))
    return lambda rows: A[rows, :]


def _panels(xp, m, width):
    numbers = _HOST_PANEL if be.kind(xp) == "numpy" else _DEVICE_PANEL
    return be.fixed_partition(m, max(64, numbers // max(1, width))) or [slice(0, 0)]


def _mapped(xp, fn, blocks):
    """``[fn(block) for block in blocks]``, on several threads where the arrays are NumPy's."""
    return be.map_blocks(fn, blocks) if be.kind(xp) == "numpy" else [fn(block) for block in blocks]
