"""Sums of losses over the entries of a tensor, and their gradients in the factors."""

import math
from dataclasses import dataclass
from functools import reduce
from typing import Any

from .. import _backend as be
from .dimension_tree import balanced_split
from .filled_entries import filled_arrays, is_mostly_observed
from .kruskal import khatri_rao, khatri_rao_pullback
from .losses import Loss

_HOST_SLAB, _DEVICE_SLAB = 1 << 15, 1 << 22  # entries whose losses are formed at a time: a host's stay in the cache
_TASK = 1 << 19  # entries of a thread's task, whose slabs add to one gradient


@dataclass(frozen=True, eq=False)
class DenseObjective:
    """All entries of a dense tensor, the model formed a slab at a time.

    Attributes
    ----------
    tensor : DenseTensor
    loss : Loss
    weights : DenseTensor, optional
        Factors of the losses, zeros for entries that are not observed, of which there are all but `observed`: for
        tensors of the compiled kernel.
    observed : int, optional
    """

    tensor: Any
    loss: Loss
    weights: Any = None
    observed: int | None = None

    @property
    def count(self):
        """Number of entries in the sum."""
        return math.prod(self.tensor.shape) if self.observed is None else self.observed

    def __call__(self, factors):
        """Sum of the losses and the gradient for each factor."""
        tensor, shape, loss = self.tensor, self.tensor.shape, self.loss
        split = balanced_split(shape)
        X, left, right = tensor.matrix(split), khatri_rao(factors[:split]), khatri_rao(factors[split:])
        if be.losses_compiled(math.prod(shape), tensor.dtype, tensor.xp):
            heavy = None if self.weights is None else self.weights.matrix(split)
            value, of_left, of_right = be.loss_gradients(loss.name, loss.parameter, X, heavy, left, right)
        else:
            value, of_left, of_right = _in_slabs(loss, X, left, right, tensor.xp)
        gradients = [khatri_rao_pullback(of_left, factors[:split], k) for k in range(split)]
        return value, gradients + [khatri_rao_pullback(of_right, factors[split:], k) for k in range(len(shape) - split)]


def _in_slabs(loss, X, left, right, xp):
    """Sum of the losses of a matrix under ``left @ right.T``, and its gradients: the twin of the compiled kernel."""
    turned = left.shape[0] > right.shape[0]
    short, long, rows = (right, left, X) if turned else (left, right, X.mT)
    host = be.kind(xp) == "numpy"
    at_once = max(short.shape[1], (_HOST_SLAB if host else _DEVICE_SLAB) // short.shape[0])

    def task(whole):
        values, along, across = [], [], xp.zeros_like(short)
        for start in range(whole.start, whole.stop, at_once):
            part = slice(start, min(start + at_once, whole.stop))
            data, model = rows[part, :], be.matmul(long[part, :], short.mT)
            slope = loss.slope(data, model)
            values.append(_total(loss.value(data, model)))
            along.append(be.matmul(slope, short))
            across = across + be.matmul(slope.mT, long[part, :])
        return values, along, across

    tasks = be.fixed_partition(long.shape[0], max(at_once, _TASK // short.shape[0]) if host else long.shape[0])
    found = be.map_blocks(task, tasks) if host else [task(whole) for whole in tasks]
    along = xp.concat([part for _, of_task, _ in found for part in of_task], axis=0)
    across = reduce(lambda a, b: a + b, (of_task for _, _, of_task in found))
    value = math.fsum(value for values, _, _ in found for value in values)
    return (value, along, across) if turned else (value, across, along)


def observed_objective(observed, loss):
    """The losses of the observed entries: of a filled array where most are observed and a kernel is compiled for it."""
    tensor, size = observed.tensor, math.prod(observed.tensor.shape)
    if not (is_mostly_observed(tensor) and be.losses_compiled(size, tensor.dtype, tensor.xp)):
        return ObservedObjective(observed, loss)
    values, weights = filled_arrays(observed)
    return DenseObjective(values, loss, weights, tensor.count)


@dataclass(frozen=True, eq=False)
class ObservedObjective:
    """The observed entries, each with its weight."""

    observed: Any
    loss: Loss

    @property
    def count(self):
        """Number of entries in the sum."""
        return self.observed.tensor.count

    def __call__(self, factors):
        """Sum of the weighted losses and the gradient for each factor."""
        tensor, weights = self.observed.tensor, self.observed.weights
        model = tensor.entries(None, factors)
        value, slope = self.loss.value(tensor.values, model), self.loss.slope(tensor.values, model)
        if weights is not None:
            value, slope = value * weights, slope * weights
        return _total(value), _gradients(tensor.with_values(slope), factors)


@dataclass(frozen=True, eq=False)
class SparseObjective:
    """All entries of a sparse tensor, for losses whose sum over zeros the factors tell."""

    tensor: Any
    loss: Loss

    @property
    def count(self):
        """Number of entries in the sum."""
        return math.prod(self.tensor.shape)

    def __call__(self, factors):
        """Sum of the losses and the gradient for each factor."""
        tensor, xp = self.tensor, self.tensor.xp
        model = tensor.entries(None, factors)
        zero = xp.zeros_like(model)
        gap = self.loss.value(tensor.values, model) - self.loss.value(zero, model)
        slope = self.loss.slope(tensor.values, model) - self.loss.slope(zero, model)
        total, everywhere = (_squares if self.loss.at_zero == "square" else _sums)(factors)
        gradients = _gradients(tensor.with_values(slope), factors)
        return _total(gap) + total, [a + b for a, b in zip(gradients, everywhere, strict=True)]


def _squares(factors):
    """Sum of the squares of all entries of the model, and its gradients."""
    grams = [be.gram(factor) for factor in factors]
    others = [_product(grams[:k] + grams[k + 1 :]) for k in range(len(grams))]
    total = _total(others[0] * grams[0])
    return total, [2 * be.matmul(factor, other) for factor, other in zip(factors, others, strict=True)]


def _sums(factors):
    """Sum of all entries of the model, and its gradients."""
    xp = be.namespace(*factors)
    sums = [xp.sum(factor, axis=0) for factor in factors]
    others = [_product(sums[:k] + sums[k + 1 :]) for k in range(len(sums))]
    total = _total(others[0] * sums[0])
    return total, [xp.zeros_like(factor) + other[None, :] for factor, other in zip(factors, others, strict=True)]


def _gradients(tensor, factors):
    return [part for _, part in tensor.mttkrps(list(factors))]


def _product(arrays):
    return reduce(lambda a, b: a * b, arrays)


def _total(x):
    xp = be.namespace(x)
    return float(xp.sum(xp.astype(x, be.widest_real(xp, be.device(x)))))
