"""Observed entries among zeros in a dense array: sums over them are products of whole arrays.

The Gram matrices of all rows of a factor are one product of the weights with the pairs of the columns of the other
factors, which modes share as they share products of a tensor.
"""

import math

import numpy as np

from .. import _backend as be
from .dimension_tree import DimensionTree, balanced_split
from .kruskal import khatri_rao, khatri_rao_pullback
from .row_solves import damped_step, residual_gram
from .tensor import DenseTensor

_SHARE = 0.3  # of the entries that are observed, from which on this form pays
_PAIRS = 4  # entries of the tensor for each number of the products of pairs at least, over it
_FAR = 0.25  # power of the machine epsilon down to which errors are far from rounding
_SLAB = 1 << 22  # entries of the residuals that are formed at a time by array operations


def filled_entries(observed, rank):
    """`FilledEntries` where so many entries are observed and the rank is so small that they pay, else None."""
    tensor = observed.tensor
    size, split = math.prod(tensor.shape), balanced_split(tensor.shape)
    sides = math.prod(tensor.shape[:split]) + math.prod(tensor.shape[split:])
    pays = is_mostly_observed(tensor) and sides * rank * (rank + 1) <= 2 * _PAIRS * size
    return FilledEntries(observed, rank) if pays and not be.is_complex(tensor.dtype) else None


def is_mostly_observed(tensor):
    """Whether so many entries of a sparse tensor are stored that to go through all places costs less."""
    return tensor.count >= _SHARE * math.prod(tensor.shape)


def filled_arrays(observed):
    """Entries and weights as dense tensors, zeros where nothing is observed."""
    tensor, xp = observed.tensor, observed.tensor.xp
    ones = xp.ones_like(tensor.values)
    weights = ones if observed.weights is None else xp.astype(observed.weights, tensor.dtype)
    filled = [part.filled() for part in (tensor, tensor.with_values(weights))]
    return tuple(DenseTensor(array, tensor.dtype, 0.0) for array in filled)


class FilledEntries:
    """The observed entries of `observed` (real), for models of `rank` terms.

    Three arrays of the size of the tensor are held: entries, weights, and their products.
    """

    def __init__(self, observed, rank):
        tensor = observed.tensor
        self.xp, self.shape = tensor.xp, tensor.shape
        self.split, self.far = balanced_split(self.shape), be.eps(tensor.dtype) ** _FAR
        self.values, self.weights = filled_arrays(observed)
        heavy = self.values.with_array(self.values.array * self.weights.array)
        self._compiled = be.losses_compiled(math.prod(self.shape), tensor.dtype, self.xp)
        self._products, self._grams = DimensionTree(heavy), DimensionTree(self.weights)
        self._pairs, self._held = [None] * len(self.shape), {}
        first, second = np.triu_indices(rank)
        place = np.zeros((rank, rank), np.int64)
        place[first, second] = place[second, first] = np.arange(first.size)
        self._first, self._second, self._square = (
            be.index_arrays(index.reshape(-1, 1), (rank * rank,), self.xp, tensor.device)[0]
            for index in (first, second, place)
        )

    def solve_rows(self, factors, k, error):
        """As `row_solves.solve_rows`, for factors of the relative residual `error`.

        The right-hand sides are those of the residual, or differences of products as long as the residual is large
        compared with their rounding.
        """
        for j, factor in enumerate(factors):
            if self._held.get(j) is not factor:
                columns = (self.xp.take(factor, index, axis=1) for index in (self._first, self._second))
                self._pairs[j], self._held[j] = math.prod(columns), factor
        gram, (n, rank) = self._grams.product(k, self._pairs), factors[k].shape
        gram = self.xp.reshape(self.xp.take(gram, self._square, axis=1), (n, rank, rank))
        if error < self.far:
            right = self.pulls(factors, (k,))[0]
        else:
            right = self._products.product(k, factors) - (gram @ factors[k][:, :, None])[:, :, 0]
        return damped_step(factors[k], gram, right)

    def pulls(self, factors, modes=None):
        """``Σ w (x - m) z`` for all rows of some modes (None: all), z being products of rows of the other factors."""
        modes, (left, right), split = modes or range(len(factors)), self._sides(factors), self.split
        X, weights = (part.matrix(split) for part in (self.values, self.weights))
        if not self._compiled:
            gap = weights * (X - be.matmul(left, right.mT))
            tensor = self.values.with_array(self.xp.reshape(gap, self.shape))
            return [tensor.mttkrp(factors, k) for k in modes]
        of_left, of_right = (part / -2.0 for part in be.loss_gradients("gaussian", 0.0, X, weights, left, right)[1:])
        return [
            khatri_rao_pullback(of_left, factors[:split], k)
            if k < split
            else khatri_rao_pullback(of_right, factors[split:], k - split)
            for k in modes
        ]

    def _sides(self, factors):
        return khatri_rao(factors[: self.split]), khatri_rao(factors[self.split :])

    def products(self, models):
        """Weighted inner products of the residuals of some models, a host matrix in double precision."""
        sides = [self._sides(factors) for factors in models]
        X, weights = (part.matrix(self.split) for part in (self.values, self.weights))
        if self._compiled:
            return be.residual_products(X, weights, *(list(part) for part in zip(*sides, strict=True)))
        total = np.zeros((len(models), len(models)))
        roots = self.xp.sqrt(weights)
        for rows in be.fixed_partition(X.shape[0], max(1, _SLAB // (X.shape[1] * len(models)))):
            gaps = [roots[rows, :] * (X[rows, :] - be.matmul(left[rows, :], right.mT)) for left, right in sides]
            stack = self.xp.stack([self.xp.reshape(gap, (-1,)) for gap in gaps], axis=1)
            total += residual_gram(stack)
        return total
