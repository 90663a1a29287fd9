"""Chebyshev-Tucker approximations of values at the centres of a uniform grid, dense or as a sum of separable terms."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _backend as be
from ..results import Info
from . import chebyshev
from .chebtuck_function import Fitted
from .modes import expand, expand_all, gram
from .multilinear import at_points, cut, truncate

_FIRST = 17
_PER_CELL = 4  # nodes at most for every cell: beyond that they show the spline, not the data
_SHARES = (0.25, 0.05, 0.01)  # of the tolerance that truncation may take
_EXACT = 1 << 29  # multiplications up to which the error of a sum of terms is computed without sampling
_SAMPLED = 4000
_COLUMNS = 1024
_SLAB = 1 << 22


@dataclass(frozen=True)
class Separable:
    """``Σ core ×_k columns[k]`` on a grid; `core` is a dense tensor, or a vector of weights of a sum of R terms.

    `spreads` holds for each mode how the columns weigh in the norm: a matrix W with ``‖M X‖² = trace(M W Mᴴ)`` for any
    matrix M that takes the place of ``columns[k]``, or, for many terms, a vector of bounds ``‖M X‖ ≤ Σ |M_r| W_r``.
    """

    core: Any
    columns: tuple
    spreads: tuple
    norm: float

    @property
    def is_sum(self):
        """Whether the core is a vector of weights."""
        return self.core.ndim == 1 and len(self.columns) != 1


def fit_grid(X, tol, degrees, check_finite):
    """`Fitted` for a dense tensor of values."""
    be.require_untracked(X, "ChebTuck.fit")
    xp, place = be.namespace(X), be.device(X)
    if X.ndim < 1 or 0 in X.shape:
        raise ValueError(f"f must have one or more modes, none of length zero; got shape {tuple(X.shape)}")
    X = xp.astype(X, be.compute_dtype(xp, X.dtype, place), copy=False)
    norm = be.fro_norm(X)
    if check_finite and not math.isfinite(norm):
        raise ValueError("f holds NaN or infinite values; fill them in first, for example with FunctionalTucker")
    first = truncate(X, _SHARES[0] * tol * norm / 2.0)
    grams = [gram(first.core, k) for k in range(X.ndim)]
    data = Separable(first.core, first.factors, tuple(grams), norm)

    def judge(core, on_grid):
        return _dense_error(X, core, on_grid, norm), "exact"

    return _fitted(data, tol, degrees, judge, "grid")


def fit_kruskal(weights, factors, tol, degrees, key, check_finite):
    """`Fitted` for a sum of separable terms."""
    weights, factors = _checked_terms(weights, factors, check_finite)
    sizes = [_column_norms(factor) for factor in factors]
    scale = weights
    for size in sizes:
        scale = scale * size
    columns = tuple(factor / _nonzero(size)[None, :] for factor, size in zip(factors, sizes, strict=True))
    norm = _norm_of_terms(scale, columns)
    spreads = tuple(be.namespace(scale).abs(scale) for _ in columns)
    data = Separable(scale, columns, spreads, norm)

    def judge(core, on_grid):
        return _error_of_terms(data, core, on_grid, key)

    return _fitted(data, tol, degrees, judge, "sum of separable terms")


def _checked_terms(weights, factors, check_finite):
    factors = [be.dense_array(factor, "factors") for factor in factors]
    weights = be.dense_array(weights, "weights")
    shapes = [tuple(factor.shape) for factor in factors]
    if not factors or weights.ndim != 1 or any(len(s) != 2 or 0 in s or s[1] != weights.shape[0] for s in shapes):
        raise ValueError(
            f"f = (weights, factors) must have shapes (R,) and (n_k, R), got {tuple(weights.shape)} and {shapes}"
        )
    xp, place = be.namespace(weights, *factors), be.device(weights)
    dtype = be.compute_dtype(xp, xp.result_type(*(x.dtype for x in (weights, *factors))), place)
    for name, part in (("weights", weights), *(("factors", factor) for factor in factors)):
        be.require_untracked(part, "ChebTuck.fit")
        if check_finite:
            be.require_finite(part, f"{name} of f")
    return xp.astype(weights, dtype, copy=False), [xp.astype(factor, dtype, copy=False) for factor in factors]


def _fitted(data, tol, degrees, judge, what):
    """Choose degrees, turn columns into coefficients, compress, and measure the error on the grid."""
    automatic = degrees is None
    sizes = [_size(data, k, tol) for k in range(len(data.columns))] if automatic else [one + 1 for one in degrees]
    while True:
        coefficients = [_coefficients(column, m) for column, m in zip(data.columns, sizes, strict=True)]
        tails = [_tail(data, k, part) for k, part in enumerate(coefficients)]
        core, factors, error, kind = _truncated(data, coefficients, tol, judge)
        grown = _grown(data, sizes, tails) if automatic else sizes
        if error <= tol or grown == sizes:
            break
        sizes = grown
    met, degrees = error <= tol, [m - 1 for m in sizes]
    info = Info(
        error=error, error_kind=kind, converged=met, method=f"{what}, automatic degree" if automatic else what,
        reason="tolerance met" if met else f"error {error:.1e} and tail {max(tails):.1e} at degrees {degrees}",
        details={"degrees": degrees, "tail": max(tails)},
    )  # fmt: skip
    return Fitted(core, tuple(factors), info)


def _truncated(data, coefficients, tol, judge):
    """``core, factors, error, kind``; truncation takes less where its first share of the tolerance was too much."""
    best = None
    for share in _SHARES:
        core, factors = (_compressed_sum if data.is_sum else _compressed_core)(data, coefficients, share * tol)
        on_grid = [
            chebyshev.clenshaw(factor, chebyshev.like(chebyshev.cell_centres(column.shape[0]), factor))
            for factor, column in zip(factors, data.columns, strict=True)
        ]
        error, kind = judge(core, on_grid)
        worth = best is None or error < best[2] / 2.0
        best = (core, factors, error, kind) if worth else best
        if best[2] <= tol or not worth:
            break
    return best


def _grown(data, sizes, tails):
    """Twice the degree where the tail is among the largest: coefficients of splines fall by powers alone."""
    grown = []
    for column, m, one in zip(data.columns, sizes, tails, strict=True):
        most = _most(column)
        grown.append(min(2 * m - 1, most) if m < most and one >= max(tails) / 10.0 else m)
    return grown


def _most(column):
    n = column.shape[0]
    return (
        n if n < 4 else min(_PER_CELL * n, chebyshev.LARGEST_DEGREE) + 1
    )  # the splines through three values are polynomials


def _size(data, k, tol):
    """Nodes that mode k needs: doubled until the last tenth of the coefficients is below `tol`."""
    most = _most(data.columns[k])
    m = min(_FIRST, most)
    while m < most and _tail(data, k, _coefficients(data.columns[k], m)) > tol / 2.0:
        m = min(2 * m - 1, most)
    return m


def _coefficients(column, m):
    """Chebyshev coefficients (m, R) of the splines through the columns (n, R)."""
    values = chebyshev.spline_values(column, m)
    return be.matmul(chebyshev.like(chebyshev.coefficient_matrix(m), values), values)


def _tail(data, k, coefficients):
    """Norm of the last tenth of the mode-k coefficients relative to the data, a bound where there are many terms."""
    m = coefficients.shape[0]
    if m <= 3 or data.norm == 0.0:
        return 0.0
    last, spread = coefficients[m - max(2, m // 10) :, :], data.spreads[k]
    xp = be.namespace(last)
    if spread.ndim == 1:
        part = float(xp.sum(_column_norms(last) * xp.astype(spread, be.real_dtype(xp, last.dtype), copy=False)))
        whole = float(
            xp.sum(_column_norms(coefficients) * xp.astype(spread, be.real_dtype(xp, last.dtype), copy=False))
        )
    else:
        part, whole = (float(xp.sum(xp.real(be.matmul(c, spread) * xp.conj(c)) if be.is_complex(c.dtype)
                                    else be.matmul(c, spread) * c)) for c in (last, coefficients))  # fmt: skip
        part, whole = math.sqrt(max(part, 0.0)), math.sqrt(max(whole, 0.0))
    return part / whole if whole > 0.0 else 0.0


def _compressed_core(data, coefficients, tol):
    """Core and orthonormal factors within `tol` of a dense core between the columns of coefficients."""
    bases, core = [], data.core
    for k, part in enumerate(coefficients):
        Q, R = be.householder_qr(part)
        bases.append(Q)
        core = expand(core, k, R)
    return _recompressed(core, bases, tol)


def _compressed_sum(data, coefficients, tol):
    """The same for a sum of terms, without its coefficient tensor: the columns are truncated first."""
    xp, order = be.namespace(data.core), len(coefficients)
    sizes = [_column_norms(part) for part in coefficients]
    scale = data.core
    for size in sizes:
        scale = scale * size
    units = [part / _nonzero(size)[None, :] for part, size in zip(coefficients, sizes, strict=True)]
    most = tol * _norm_of_terms(scale, units) / (order * be.fro_norm(scale)) if be.fro_norm(scale) > 0 else 0.0
    bases, sides = [], []
    for unit in units:
        V, s, Wh = _thin_svd(unit)
        rank = cut(be.to_numpy(s), most)[0]
        bases.append(V[:, :rank])
        sides.append(xp.astype(s[:rank], Wh.dtype)[:, None] * Wh[:rank, :])
    return _recompressed(_superposed(scale, sides), bases, tol)


def _thin_svd(A):
    """SVD of a matrix (m, R), through the triangle of a QR factorisation where R is much larger."""
    if A.shape[1] <= A.shape[0]:
        return be.small_svd(A)
    Q, R = be.householder_qr(be.mH(A))
    U, s, Vh = be.small_svd(be.mH(R))
    return U, s, be.matmul(Vh, be.mH(Q))


def _superposed(scale, sides):
    """``Σ_r scale[r] · sides[0][:, r] ∘ sides[1][:, r] ∘ …``, columns a block at a time."""
    xp = be.namespace(scale)
    shape = tuple(side.shape[0] for side in sides)
    total = None
    for columns in be.fixed_partition(scale.shape[0], _COLUMNS):
        right = xp.ones((1, columns.stop - columns.start), dtype=scale.dtype, device=be.device(scale))
        for side in sides[1:]:
            right = xp.reshape(right[:, None, :] * side[:, columns][None, :, :], (-1, right.shape[1]))
        part = be.matmul(sides[0][:, columns] * scale[columns][None, :], right.mT)
        total = part if total is None else total + part
    return xp.reshape(total, shape)


def _recompressed(core, bases, tol):
    small = truncate(core, tol * be.fro_norm(core))
    return small.core, [be.matmul(Q, U) for Q, U in zip(bases, small.factors, strict=True)]


def _column_norms(A):
    return be.namespace(A).linalg.vector_norm(A, axis=0)


def _nonzero(sizes):
    xp = be.namespace(sizes)
    return xp.where(sizes > 0, sizes, xp.ones_like(sizes))


def _norm_of_terms(scale, columns):
    """Frobenius norm of a sum of terms by the Gram matrices of its columns, a block of columns at a time."""
    xp, square = be.namespace(scale), 0.0
    for part in be.fixed_partition(scale.shape[0], _COLUMNS):
        inner = None
        for column in columns:
            gram = be.adjoint_matmul(column[:, part], column)
            inner = gram if inner is None else inner * gram
        left = xp.conj(scale[part]) if be.is_complex(scale.dtype) else scale[part]
        block = left[:, None] * inner * scale[None, :]
        square += float(xp.sum(xp.real(block) if be.is_complex(block.dtype) else block))
    return math.sqrt(max(square, 0.0))


def _dense_error(X, core, on_grid, norm):
    """``‖X - X̂‖ / ‖X‖`` with slabs of the approximation."""
    if norm == 0.0:
        return 0.0
    rest = expand_all(core, [None, *on_grid[1:]])
    rows = be.fixed_partition(X.shape[0], max(1, _SLAB // max(1, math.prod(X.shape[1:]))))
    parts = [be.fro_norm(X[part, ...] - expand(rest, 0, on_grid[0][part, :])) for part in rows]
    return math.hypot(*parts) / norm


def _error_of_terms(data, core, on_grid, key):
    """Error on the grid: in bases that hold both sides, or from sampled entries where that is too much work."""
    widths = [min(c.shape[0], c.shape[1] + g.shape[1]) for c, g in zip(data.columns, on_grid, strict=True)]
    if data.norm == 0.0:
        return 0.0, "exact"
    if data.core.shape[0] * math.prod(widths) > _EXACT:
        return _sampled_error(data, core, on_grid, key), "estimate"
    xp, sides, others = be.namespace(core), [], []
    for column, grid in zip(data.columns, on_grid, strict=True):
        R = be.householder_triangle(xp.concat([column, grid], axis=1))
        sides.append(R[:, : column.shape[1]])
        others.append(R[:, column.shape[1] :])
    if not data.is_sum:
        return be.fro_norm(expand_all(data.core, sides) - expand_all(core, others)) / data.norm, "exact"
    return be.fro_norm(_superposed(data.core, sides) - expand_all(core, others)) / data.norm, "exact"


def _sampled_error(data, core, on_grid, key):
    chosen = []
    xp, place = be.namespace(core), be.device(core)
    for k, grid in enumerate(on_grid):
        u = be.uniform(key.child(f"entries {k}"), slice(0, _SAMPLED), slice(0, 1), "float64")[:, 0]
        chosen.append(
            be.index_array(
                np.minimum((u * grid.shape[0]).astype(np.int64), grid.shape[0] - 1), grid.shape[0], xp, place
            )
        )
    values = at_points(core, [xp.take(grid, i, axis=0) for grid, i in zip(on_grid, chosen, strict=True)])
    parts = []
    for rows in be.fixed_partition(_SAMPLED, max(1, _SLAB // data.core.shape[0])):
        product = data.core[None, :]
        for column, i in zip(data.columns, chosen, strict=True):
            product = product * xp.take(column, i[rows], axis=0)
        parts.append(xp.sum(product, axis=1))
    truth = xp.concat(parts)
    size = be.fro_norm(truth)
    return be.fro_norm(truth - values) / size if size > 0 else 0.0
