"""Chebyshev-Tucker approximations of values at the centres of a uniform grid, dense or as a sum of separable terms."""

import math
from dataclasses import dataclass
from typing import Any

from .. import _backend as be
from ..results import Info
from . import chebyshev
from .chebtuck_error import COLUMNS, EXACT, dense_error, error_of_terms, superposed
from .chebtuck_function import Fitted
from .given_arrays import numbers
from .modes import expand, gram
from .multilinear import cut, truncate
from .norms import safe_scale

_FIRST = 17
_PER_CELL = 4  # nodes at most for every cell: beyond that they show the spline, not the data
_CANCELLED = 1e-8  # square over that of all terms at which rounding of Gram matrices begins to count
_SHARES = (0.25, 0.05, 0.01)  # of the tolerance that truncation may take


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
    be.require_untracked(X, "ChebTuck.fit", "f")
    xp, place = be.namespace(X), be.device(X)
    if X.ndim < 1 or 0 in X.shape:
        raise ValueError(f"f must have one or more modes, none of length zero; got shape {tuple(X.shape)}")
    X = xp.astype(X, be.compute_dtype(xp, X.dtype, place), copy=False)
    if check_finite and not be.all_finite(X):
        raise ValueError("f holds NaN or infinite values; fill them in first, for example with FunctionalTucker")
    scale = _scale_of(X)
    X = X if scale == 1.0 else X / scale
    norm = be.fro_norm(X)
    first = truncate(X, _SHARES[0] * tol * norm / 2.0)
    grams = [gram(first.core, k) for k in range(X.ndim)]
    data = Separable(first.core, first.factors, tuple(grams), norm)

    def judge(core, on_grid):
        return dense_error(X, core, on_grid, norm), "exact"

    return _fitted(data, tol, degrees, judge, "grid", scale)


def fit_kruskal(weights, factors, tol, degrees, key, check_finite):
    """`Fitted` for a sum of separable terms."""
    weights, factors, power = _checked_terms(weights, factors, check_finite)
    sizes = [_column_norms(factor) for factor in factors]
    scale = weights
    for size in sizes:
        scale = scale * size
    columns = tuple(factor / _nonzero(size)[None, :] for factor, size in zip(factors, sizes, strict=True))
    norm = _norm_of_terms(scale, columns)
    spreads = tuple(be.namespace(scale).abs(scale) for _ in columns)
    data = Separable(scale, columns, spreads, norm)

    def judge(core, on_grid):
        return error_of_terms(data, core, on_grid, key)

    return _fitted(data, tol, degrees, judge, "sum of separable terms", power)


def _scale_of(x):
    """Power of two near the largest modulus where squares would leave the range, else one."""
    largest = float(be.namespace(x).max(be.namespace(x).abs(x)))
    return safe_scale(largest, x.dtype) if math.isfinite(largest) else 1.0


def _checked_terms(weights, factors, check_finite):
    factors = [numbers(factor, "factors of f") for factor in factors]
    weights = numbers(weights, "weights of f")
    shapes = [tuple(factor.shape) for factor in factors]
    if not factors or weights.ndim != 1 or any(len(s) != 2 or 0 in s or s[1] != weights.shape[0] for s in shapes):
        raise ValueError(
            f"f = (weights, factors) must have shapes (R,) and (n_k, R), got {tuple(weights.shape)} and {shapes}"
        )
    xp, place = be.namespace(weights, *factors), be.device(weights)
    dtype = be.compute_dtype(xp, xp.result_type(*(x.dtype for x in (weights, *factors))), place)
    for name, part in (("weights", weights), *(("factors", factor) for factor in factors)):
        be.require_untracked(part, "ChebTuck.fit", "f")
        if check_finite:
            be.require_finite(part, f"{name} of f")
    parts, scale = [xp.astype(part, dtype, copy=False) for part in (weights, *factors)], 1.0
    for k, part in enumerate(parts):
        own = _scale_of(part) if 0 not in part.shape else 1.0
        parts[k], scale = part if own == 1.0 else part / own, scale * own
    return parts[0], parts[1:], scale


def _fitted(data, tol, degrees, judge, what, scale):
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
    return Fitted(core if scale == 1.0 else core * scale, tuple(factors), info)


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
    return _recompressed(superposed(scale, sides), bases, tol)


def _thin_svd(A):
    """SVD of a matrix (m, R), through the triangle of a QR factorisation where R is much larger."""
    if A.shape[1] <= A.shape[0]:
        return be.small_svd(A)
    Q, R = be.householder_qr(be.mH(A))
    U, s, Vh = be.small_svd(be.mH(R))
    return U, s, be.matmul(Vh, be.mH(Q))


def _recompressed(core, bases, tol):
    small = truncate(core, tol * be.fro_norm(core))
    return small.core, [be.matmul(Q, U) for Q, U in zip(bases, small.factors, strict=True)]


def _column_norms(A):
    return be.namespace(A).linalg.vector_norm(A, axis=0)


def _nonzero(sizes):
    xp = be.namespace(sizes)
    return xp.where(sizes > 0, sizes, xp.ones_like(sizes))


def _norm_of_terms(scale, columns):
    """Frobenius norm of a sum of terms of norm `scale`: by Gram matrices, of what cancels by triangular factors."""
    square, mass = _square_of_terms(scale, columns), float(be.namespace(scale).sum(be.namespace(scale).abs(scale)))
    widths = [min(column.shape) for column in columns]
    if square > _CANCELLED * mass**2 or scale.shape[0] * math.prod(widths) > EXACT:
        return math.sqrt(max(square, 0.0))
    return be.fro_norm(superposed(scale, [be.householder_triangle(column) for column in columns]))


def _square_of_terms(scale, columns):
    """The squared norm of a sum of terms by the Gram matrices of its columns, a block of columns at a time."""
    xp, square = be.namespace(scale), 0.0
    for part in be.fixed_partition(scale.shape[0], COLUMNS):
        inner = None
        for column in columns:
            gram = be.adjoint_matmul(column[:, part], column)
            inner = gram if inner is None else inner * gram
        left = xp.conj(scale[part]) if be.is_complex(scale.dtype) else scale[part]
        block = left[:, None] * inner * scale[None, :]
        square += float(xp.sum(xp.real(block) if be.is_complex(block.dtype) else block))
    return square
