"""Sums of rank-one tensors: the result of `cp`, its gauge, and its algebra without a dense tensor."""

import math
from dataclasses import dataclass
from functools import reduce
from typing import Any

from .. import _backend as be
from ..factor.signs import fix_vector_phases
from ..results import Info, Result


@dataclass(frozen=True, eq=False, repr=False)
class CPResult(Result):
    """``X ≈ Σ_r weights[r] · factors[0][:, r] ∘ … ∘ factors[-1][:, r]``.

    Attributes
    ----------
    weights : array, shape (R,)
        Real, descending, non-negative.
    factors : tuple of arrays, shapes (n_k, R)
        Columns of unit 2-norm. The largest entry of each column, of several within a hundredth the first, is positive
        (complex: real and positive) in all modes but the last, which takes the rest.
    info : Info
    """

    weights: Any
    factors: tuple
    info: Info

    _unpack = ("weights", "factors")

    @property
    def shape(self):
        """Shape of the tensor that the factors approximate."""
        return tuple(int(factor.shape[0]) for factor in self.factors)

    @property
    def rank(self):
        """Number of rank-one terms."""
        return int(self.weights.shape[0])

    def full(self):
        """The dense tensor, in the dtype of the factors."""
        return full(self.weights, self.factors)

    def __repr__(self):
        error = self.info.error
        known = "unknown" if error is None else f"{error:.3g} ({self.info.error_kind})"
        return f"CPResult(shape {self.shape}, rank {self.rank}, error {known}, method {self.info.method!r})"


def khatri_rao(factors):
    """Columnwise Kronecker product ``(∏ n_k, R)`` of `factors`, rows of the last one running fastest."""
    return reduce(_khatri_rao_pair, factors)


def _khatri_rao_pair(A, B):
    return be.namespace(A, B).reshape(A[:, None, :] * B[None, :, :], (A.shape[0] * B.shape[0], A.shape[1]))


def khatri_rao_pullback(part, factors, k):
    """Gradient of factor `k` from that of the Khatri-Rao product of `factors`, real."""
    if len(factors) == 1:
        return part
    xp, rank, n = be.namespace(part), part.shape[1], factors[k].shape[0]
    part = xp.reshape(part.mT, (rank, -1))
    if factors[k + 1 :]:
        after = khatri_rao(factors[k + 1 :]).mT
        part = (xp.reshape(part, (rank, -1, after.shape[1])) @ after[:, :, None])[:, :, 0]
    if factors[:k]:
        before = khatri_rao(factors[:k]).mT
        part = (before[:, None, :] @ xp.reshape(part, (rank, -1, n)))[:, 0, :]
    return part.mT


def full(weights, factors):
    """The dense tensor of a Kruskal tensor, in the dtype of its factors (half precision is multiplied in single)."""
    xp, given = be.namespace(*factors), factors[0].dtype
    weights, factors = in_compute_dtype(weights, factors)
    split = (len(factors) + 1) // 2
    left = khatri_rao(factors[:split]) * xp.astype(weights, factors[0].dtype, copy=False)[None, :]
    right = khatri_rao(factors[split:]).mT if factors[split:] else xp.ones_like(weights)[:, None]
    right = xp.astype(right, left.dtype, copy=False)
    dense = xp.reshape(be.matmul(left, right), tuple(factor.shape[0] for factor in factors))
    return xp.astype(dense, given, copy=False)


def in_compute_dtype(weights, factors):
    """`weights` real and `factors`, half precision and integers in the dtype that they are worked in."""
    xp, place = be.namespace(*factors), be.device(factors[0])
    dtype = be.compute_dtype(xp, factors[0].dtype, place)
    factors = [xp.astype(factor, dtype, copy=False) for factor in factors]
    return xp.astype(weights, be.real_dtype(xp, dtype), copy=False), factors


def real_inner(A, B):
    """Real part of Σ conj(A) B as a float."""
    xp = be.namespace(A, B)
    return float(xp.sum(xp.real(xp.conj(A) * B)) if be.is_complex(A.dtype) else xp.sum(A * B))


def model_inner(weights, factors, other_weights, other_factors):
    """Real part of ``⟨model, other⟩`` as a float, from products of factors alone."""
    xp = be.namespace(*factors)
    cross = reduce(lambda a, b: a * b, map(be.adjoint_matmul, factors, other_factors))
    weights, others = (xp.astype(part, cross.dtype, copy=False) for part in (weights, other_weights))
    return float(xp.sum(xp.real(weights[:, None] * cross * others[None, :]) if be.is_complex(cross.dtype)
                        else weights[:, None] * cross * others[None, :]))  # fmt: skip


def model_norm(weights, factors):
    """Frobenius norm of a Kruskal tensor as a float; rounding below zero counts as zero."""
    largest = float(be.namespace(weights).max(be.namespace(weights).abs(weights)))
    if largest == 0.0:
        return 0.0
    weights = weights / largest
    return largest * math.sqrt(max(0.0, model_inner(weights, factors, weights, factors)))


def model_mass(weights, factors):
    """Sum of the moduli of the numbers that the squared norm is added up from: its rounding is relative to that."""
    xp = be.namespace(*factors)
    size = xp.abs(weights)
    products = reduce(lambda a, b: a * b, (xp.abs(be.gram(factor)) for factor in factors))
    return float(xp.sum(xp.astype(products, size.dtype, copy=False) * size[None, :] * size[:, None]))


def gauge(weights, factors):
    """``(weights, factors)`` of the same tensor with unit columns, descending weights and fixed signs.

    Parameters
    ----------
    weights : array, shape (R,), or None
        Real or complex, of any sign.
    factors : sequence of arrays, shapes (n_k, R)
        In a dtype that is computed in.

    Returns
    -------
    weights : array, shape (R,)
        Real, non-negative, descending. A term without mass keeps unit columns and weight zero.
    factors : tuple of arrays
    """
    xp = be.namespace(*factors)
    real = be.real_dtype(xp, factors[0].dtype)
    place, rank = be.device(factors[0]), factors[0].shape[1]
    weights = xp.ones(rank, dtype=real, device=place) if weights is None else weights
    size = xp.abs(weights)
    rest = xp.astype(_phase(weights), factors[0].dtype, copy=False)
    unit = []
    for factor in factors:
        column, norm = normalised(factor)
        size = size * norm
        unit.append(column)
    for k, column in enumerate(unit[:-1]):
        turned = fix_vector_phases(column)
        rest = rest * _phase(
            xp.sum(xp.conj(turned) * column if be.is_complex(column.dtype) else turned * column, axis=0)
        )
        unit[k] = turned
    unit[-1] = unit[-1] * rest[None, :]
    order = be.order_of(size, descending=True)
    return xp.take(size, order, axis=0), tuple(xp.take(column, order, axis=1) for column in unit)


def normalised(factor):
    """Columns of 2-norm one and the norms; a zero column becomes the first unit vector with norm zero."""
    xp = be.namespace(factor)
    largest = xp.max(xp.abs(factor), axis=0)
    safe = xp.where(largest > 0, largest, xp.ones_like(largest))
    scaled = factor / xp.astype(safe, factor.dtype, copy=False)[None, :]
    norm = xp.linalg.vector_norm(scaled, axis=0)
    empty = norm == 0
    first = xp.arange(factor.shape[0], device=be.device(factor))[:, None] == 0
    scaled = xp.where(first & empty[None, :], xp.ones_like(scaled), scaled)
    unit = scaled / xp.astype(xp.where(empty, xp.ones_like(norm), norm), factor.dtype, copy=False)[None, :]
    return unit, norm * largest


def balanced(factors):
    """The same sum of rank-one tensors, all columns of a term with the same norm."""
    xp, parts, size = be.namespace(*factors), [], None
    for factor in factors:
        column, norm = normalised(factor)
        parts.append(column)
        norm = norm ** (1.0 / len(factors))
        size = norm if size is None else size * norm
    return [column * xp.astype(size, column.dtype)[None, :] for column in parts]


def _phase(numbers):
    """Numbers of modulus one with the signs (phases) of `numbers`, one for a zero and for complex subnormal numbers."""
    xp = be.namespace(numbers)
    one = xp.ones_like(numbers)
    if not be.is_complex(numbers.dtype):
        return xp.where(numbers < 0, -one, one)
    size = xp.abs(numbers)
    known = size >= xp.finfo(size.dtype).smallest_normal
    return xp.where(known, numbers / xp.where(known, xp.astype(size, numbers.dtype), one), one)
