"""The data, the loss and the start of a generalised CP decomposition."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from .. import _backend as be
from .cp_start import given_factors
from .gcp_objectives import DenseObjective, SparseObjective, observed_objective
from .losses import Loss, at_scale, require_allowed
from .observed import read_observed
from .tensor import as_tensor

_NEAR_ONE = 2.0**10  # root mean squares up to which, and from the inverse of which on, data stay as they are
_HIGH, _SPREAD = 3.0, 0.1  # level from which on a start is near it, in exponents; and how near its first term is
_LEAST = 1e-300
_AT_ONCE = 1 << 19  # entries that losses are added up of at a time


@dataclass(frozen=True)
class Task:
    """What is minimised: the entries as a tensor of one kind or another, over `scale`, and the loss.

    Attributes
    ----------
    tensor : DenseTensor, SparseTensor or None
    observed : ObservedTensor or None
        Instead of `tensor`.
    loss : Loss
    given : dtype
        That of the caller's entries.
    scale : float
        Power of two that the entries and a parameter of the loss were divided by; one where the loss has a scale.
    """

    tensor: Any
    observed: Any
    loss: Loss
    given: Any
    scale: float = 1.0

    @property
    def values(self):
        """The entries as an array."""
        return self.source.values if self.source.is_sparse else self.source.array

    @property
    def source(self):
        """The tensor that holds the entries."""
        return self.tensor if self.observed is None else self.observed.tensor

    @property
    def count(self):
        """Number of entries that count."""
        return math.prod(self.source.shape) if self.observed is None else self.source.count

    @property
    def method(self):
        """What "auto" stands for: samples where the sum over the zeros of a sparse tensor has no closed form."""
        return "adam" if self.is_sampled and not self.loss.at_zero else "lbfgs"

    @property
    def is_sampled(self):
        """Whether there are zeros that are not stored."""
        return self.observed is None and self.tensor.is_sparse

    def objective(self):
        """Sum of the losses and its gradients, as a function of factors."""
        if self.observed is not None:
            return observed_objective(self.observed, self.loss)
        return (SparseObjective if self.tensor.is_sparse else DenseObjective)(self.tensor, self.loss)

    def reported(self, value):
        """A mean loss of the entries over their scale as the mean loss of the caller's entries and weights."""
        value = at_scale(self.loss, value, self.scale, *self._means)
        return value if self.observed is None else value * self.observed.heaviest

    @cached_property
    def _means(self):
        """Means of the entries, weighted where there are weights, and of the weights."""
        if self.observed is None or self.observed.weights is None:
            return self.total(self.values) / self.count, 1.0
        weights = self.observed.weights
        return self.total(self.values * weights) / self.count, self.total(weights) / self.count

    @cached_property
    def least(self):
        """The sum of the least losses that single entries allow: what no model goes below."""
        xp, values = self.source.xp, self.source.xp.reshape(self.values, (-1,))
        weights = None if self.observed is None else self.observed.weights
        total = 0.0
        for part in be.fixed_partition(values.shape[0], _AT_ONCE):
            losses = self.loss.least(values[part])
            total += self.total(losses if weights is None else losses * xp.astype(weights[part], losses.dtype))
        return total

    def total(self, x):
        """Sum in the widest precision."""
        xp = self.source.xp
        return float(xp.sum(xp.astype(x, be.widest_real(xp, self.source.device))))


def read_task(X, loss, mask, weights, check_finite):
    """`Task` of the arguments of `gcp`."""
    if mask is None and weights is None:
        task = _whole(as_tensor(X, check_finite=check_finite), loss)
    else:
        task = _partial(read_observed(X, mask, weights, check_finite=check_finite), loss)
    if be.is_complex(task.source.dtype):
        raise TypeError(f"gcp is for real data, got dtype {be.dtype_name(task.source.dtype)}: take cp")
    require_allowed(loss, task.values)
    if loss.allowed == "positive" and task.is_sampled:
        raise ValueError(f"the loss {loss.name!r} is for positive numbers; a sparse X has zeros: pass mask='stored'")
    return task


def _whole(tensor, loss):
    count = tensor.count if tensor.is_sparse else math.prod(tensor.shape)
    scale = _scale(loss, tensor.norm / math.sqrt(max(1, count)))
    return Task(tensor.over(scale), None, _over(loss, scale), tensor.given_dtype, scale)


def _partial(observed, loss):
    scale = _scale(loss, observed.scale)
    tensor = observed.tensor.with_values(observed.tensor.values * (observed.scale / scale))
    return Task(None, replace(observed, tensor=tensor, scale=1.0), _over(loss, scale), observed.tensor.given_dtype,
                scale)  # fmt: skip


def _scale(loss, typical):
    if loss.degree is None or not 0.0 < typical < math.inf or 1.0 / _NEAR_ONE <= typical <= _NEAR_ONE:
        return 1.0
    return 2.0 ** round(math.log2(typical))


def _over(loss, scale):
    return loss if loss.at_scale is None else loss.at_scale(scale)


def starting_factors(task, rank, init, key):
    """Random factors of the scale of the data, or those given with their weights in the last one.

    Where exponentials of the model are compared with the data, whose scale says little of the model, the first term is
    near the one number that fits best.
    """
    source, loss = task.source, task.loss
    if not isinstance(init, str):
        factors = given_factors(source, rank, init)
        if loss.nonneg and any(bool(source.xp.any(factor < 0)) for factor in factors):
            raise ValueError(f"init must not be negative with the loss {loss.name!r}")
        return [*factors[:-1], factors[-1] / task.scale]
    be.check_option("init", init, ("auto",))
    draw, modes = be.uniform if loss.nonneg else be.gaussian, len(source.shape)
    level = 0.0 if loss.same_scale or loss.nonneg else _level(task)
    size = (_aim(task, level) / (rank * (0.5**modes if loss.nonneg else 1.0))) ** (1.0 / modes)
    factors = [
        size * draw(key.child(k), slice(0, n), slice(0, rank), be.dtype_name(source.dtype), source.xp, source.device)
        for k, n in enumerate(source.shape)
    ]
    return _around(factors, level, size) if abs(level) > _HIGH else factors


def _around(factors, level, size):
    """The factors with a first term whose entries are near `level`."""
    xp, each = be.namespace(*factors), abs(level) ** (1.0 / len(factors))
    firsts = [each * (1.0 + _SPREAD / (size * abs(level)) * factor[:, :1]) for factor in factors]
    firsts[-1] = math.copysign(1.0, level) * firsts[-1]
    return [xp.concat([first, factor[:, 1:]], axis=1) for first, factor in zip(firsts, factors, strict=True)]


def _level(task):
    """The model of exponentials that fits the mean of the data best."""
    mean = max(task.total(task.values) / task.count, 1e-3)
    return math.log(mean / max(1.0 - mean, 1e-3)) if task.loss.allowed == "binary" else math.log(mean)


def _aim(task, level):
    """What the entries of the model are to be like at the start."""
    loss, mean = task.loss, task.total(task.source.xp.abs(task.values)) / task.count
    if loss.name in ("bernoulli", "negative_binomial") and loss.allowed == "binary":
        mean = mean / max(1.0 - mean, 1e-3)
    if not loss.same_scale and not loss.nonneg:
        return max(1.0, abs(level)) if abs(level) <= _HIGH else 1.0
    return mean if mean > _LEAST else 1.0
