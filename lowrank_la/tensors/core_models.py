"""How the functions of the modes are joined: a full random core, or a fixed superdiagonal of ones.

Both offer the sums over data that a mode, the core and the noise are updated from. `moments` is a list with one pair a
mode, the mean (N, R_k) and the second moment (N, R_k, R_k) of its functions at the data.
"""

import math
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from .. import _backend as be
from .modes import three_way
from .multilinear import at_points

_AT_ONCE = 1 << 21  # numbers held at a time


def rowwise_kron(A, B):
    """Kronecker products of the rows: (p, a·b) of vectors (p, a), (p, b), or (p, ab, ab) of matrices."""
    xp, p = be.namespace(A, B), A.shape[0]
    if A.ndim == 2:
        return xp.reshape(A[:, :, None] * B[:, None, :], (p, -1))
    n = A.shape[1] * B.shape[1]
    return xp.reshape(A[:, :, None, :, None] * B[:, None, :, None, :], (p, n, n))


def _summed(parts, y, index, nodes, join, width):
    """Sums by node of y·(joined means) and of joined second moments, some data at a time."""
    xp = be.namespace(y)
    first = second = None
    for rows in be.fixed_partition(y.shape[0], max(1, _AT_ONCE // (width * width))):
        mean, square = None, None
        for m, s in parts:
            mean = m[rows, :] if mean is None else join(mean, m[rows, :])
            square = s[rows, ...] if square is None else join(square, s[rows, ...])
        if mean is None:  # a single mode
            mean = xp.ones((y[rows].shape[0], 1), dtype=y.dtype, device=be.device(y))
            square = mean[:, :, None]
        mean = be.segment_sum(y[rows][:, None] * mean, index[rows], nodes, xp)
        square = be.segment_sum(xp.reshape(square, (square.shape[0], -1)), index[rows], nodes, xp)
        first = mean if first is None else first + mean
        second = square if second is None else second + square
    return first, xp.reshape(second, (nodes, first.shape[1], first.shape[1]))


@dataclass(frozen=True)
class FullCore:
    """A core with the posterior N(mean, covariance) of its entries, and the prior N(0, prior_variance)."""

    ranks: tuple
    mean: Any
    covariance: Any
    prior_variance: float
    divergence: float = 0.0

    def sums(self, moments, k, y, index, nodes):
        """``Σ y z`` (D, Q) and ``Σ E[zzᵀ]`` (D, Q, Q) by node of mode k, z the product of the other functions."""
        others = [pair for j, pair in enumerate(moments) if j != k]
        return _summed(others, y, index, nodes, rowwise_kron, math.prod(self.ranks) // self.ranks[k])

    def factors(self, k, first, second):
        """Precision (D, R, R) and shift (D, R) of mode k at unit noise, from its sums."""
        xp, R = be.namespace(first), self.ranks[k]
        D, Q = first.shape
        expected = self._second_moment(k)
        precision = be.matmul(xp.reshape(second, (D, Q * Q)), xp.reshape(expected, (R * R, Q * Q)).mT)
        precision = xp.reshape(precision, (D, R, R))
        return 0.5 * (precision + precision.mT), be.matmul(first, self._unfolded(k).mT)

    def _unfolded(self, k):
        xp = be.namespace(self.mean)
        core = xp.reshape(self.mean, self.ranks)
        return xp.reshape(xp.moveaxis(core, k, 0), (self.ranks[k], -1))

    def _second_moment(self, k):
        """``E[W_(k) ⊗ W_(k)]`` as (R, R, Q, Q)."""
        xp = be.namespace(self.mean)
        square = self.covariance + self.mean[:, None] * self.mean[None, :]
        left, n, right = three_way(xp.reshape(self.mean, self.ranks), k).shape
        square = xp.reshape(square, (left, n, right, left, n, right))
        return xp.reshape(xp.permute_dims(square, (1, 4, 0, 2, 3, 5)), (n, n, left * right, left * right))

    def updated(self, k, moment, first, second, noise_precision):
        """The core, given the sums of mode k and ``moment`` of that mode at its nodes; then the two sums over data."""
        xp, R = be.namespace(first), self.ranks[k]
        D, Q = first.shape
        mean, square = moment
        shift = self._folded(be.matmul(mean.mT, first), k)
        precision = be.matmul(xp.reshape(square, (D, R * R)).mT, xp.reshape(second, (D, Q * Q)))
        precision = self._folded_pairs(precision, k)
        P = math.prod(self.ranks)
        eye = xp.eye(P, dtype=first.dtype, device=be.device(first))
        w, V = be.small_eigh(noise_precision * 0.5 * (precision + precision.mT) + eye / self.prior_variance)
        w = xp.clip(w, be.eps(first.dtype) / self.prior_variance, None)
        covariance = be.matmul(V / w[None, :], V.mT)
        found = noise_precision * be.matmul(covariance, shift[:, None])[:, 0]
        size = float(xp.sum(found * found) + xp.sum(1.0 / w))
        variance = size / P
        divergence = 0.5 * (P * math.log(variance) + float(xp.sum(xp.log(w))) + size / variance - P)
        core = replace(self, mean=found, covariance=covariance, prior_variance=variance, divergence=divergence)
        linear = float(xp.sum(found * shift))
        quadratic = float(xp.sum((covariance + found[:, None] * found[None, :]) * precision))
        return core, linear, quadratic

    def _folded(self, matrix, k):
        """Entries of the core whose mode-k unfolding is `matrix`."""
        xp = be.namespace(matrix)
        others = [r for j, r in enumerate(self.ranks) if j != k]
        return xp.reshape(xp.moveaxis(xp.reshape(matrix, (self.ranks[k], *others)), 0, k), (-1,))

    def _folded_pairs(self, matrix, k):
        """Matrix (P, P) from one (R², Q²) of pairs of indices of mode k by pairs of the others."""
        xp, n = be.namespace(matrix), self.ranks[k]
        left, right = math.prod(self.ranks[:k]), math.prod(self.ranks[k + 1 :])
        P = left * n * right
        cube = xp.reshape(matrix, (n, n, left, right, left, right))
        return xp.reshape(xp.permute_dims(cube, (2, 0, 3, 4, 1, 5)), (P, P))

    def expected(self, means):
        """Mean (p,) of the function, from means (p, R_k) of its modes."""
        return at_points(be.namespace(self.mean).reshape(self.mean, self.ranks), means)

    def predicted(self, moments):
        """Mean and variance (p,) of the function, from means (p, R_k) and covariances (p, R_k, R_k) of its modes.

        The variance is a sum of terms of one sign, so nothing cancels: that of the core, and for each mode its own with
        the modes before it at their means.
        """
        xp = be.namespace(self.mean)

        def flat(squares):
            return [xp.reshape(square, (square.shape[0], square.shape[1] ** 2)) for square in squares]

        means = [m for m, _ in moments]
        fixed = flat([m[:, :, None] * m[:, None, :] for m in means])
        free = flat([C for _, C in moments])
        second = [a + b for a, b in zip(fixed, free, strict=True)]
        variance = at_points(self._pairs(self.covariance), second)
        outer = self._pairs(self.mean[:, None] * self.mean[None, :])
        for k, own in enumerate(free):
            variance = variance + at_points(outer, [*fixed[:k], own, *second[k + 1 :]])
        return self.expected(means), variance

    def _pairs(self, matrix):
        """A matrix (P, P) as a tensor (R_1², …, R_K²), the two indices of each mode together."""
        xp, K = be.namespace(matrix), len(self.ranks)
        order = [axis for k in range(K) for axis in (k, K + k)]
        apart = xp.permute_dims(xp.reshape(matrix, (*self.ranks, *self.ranks)), tuple(order))
        return xp.reshape(apart, tuple(R * R for R in self.ranks))


@dataclass(frozen=True)
class Superdiagonal:
    """A core of ones on its superdiagonal: the function is a sum of products, and the scale lies in the modes."""

    ranks: tuple
    divergence: float = 0.0

    def sums(self, moments, k, y, index, nodes):
        """``Σ y a`` (D, R) and ``Σ E[aaᵀ]`` (D, R, R) by node of mode k, a the elementwise product of the others."""
        others = [pair for j, pair in enumerate(moments) if j != k]
        if not others:
            xp, p, R = be.namespace(y), y.shape[0], self.ranks[0]
            ones = xp.ones((p, R), dtype=y.dtype, device=be.device(y))
            others = [(ones, ones[:, :, None] * ones[:, None, :])]
        return _summed(others, y, index, nodes, lambda a, b: a * b, self.ranks[k])

    def factors(self, k, first, second):
        """Precision and shift of mode k at unit noise."""
        return second, first

    def updated(self, k, moment, first, second, noise_precision):
        """The core itself, and the two sums over data."""
        xp = be.namespace(first)
        return self, float(xp.sum(moment[0] * first)), float(xp.sum(moment[1] * second))

    def expected(self, means):
        """Mean (p,) of the function, from means (p, R) of its modes."""
        return be.namespace(means[0]).sum(reduce(lambda a, b: a * b, means), axis=1)

    def predicted(self, moments):
        """Mean and variance (p,) of the function."""
        xp = be.namespace(moments[0][0])
        z = outer = extra = None
        for m, C in moments:
            own = m[:, :, None] * m[:, None, :]
            if z is None:
                z, outer, extra = m, own, C
            else:
                z, extra, outer = z * m, extra * (C + own) + outer * C, outer * own
        return xp.sum(z, axis=1), xp.sum(xp.sum(extra, axis=2), axis=1)
