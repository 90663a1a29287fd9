"""Alternating least squares for the canonical polyadic decomposition."""

import math
from dataclasses import dataclass, field
from functools import reduce
from operator import mul
from typing import Any

import numpy as np

from .. import _backend as be
from .. import _kernels
from .dimension_tree import Unfoldings
from .momentum import Momentum
from .normal_solve import solve_normal
from .norms import SAFE

_COMPILED = 32  # terms up to which the whole update of a small factor is one compiled call
_SWEEPS_AT_REST = 3  # within rounding of each other, where no change of the fit ends the iteration
CANCELLED = 1e4  # multiples of eps: squared errors below are taken from the residual itself


@dataclass
class Fitted:
    """Unit factors and weights, the relative error after each sweep, and why the iteration ended."""

    weights: Any
    factors: list
    errors: list = field(default_factory=list)
    converged: bool = False
    reason: str = ""
    details: dict = field(default_factory=dict)


class Sweeps:
    """The state of alternating least squares: unit factors, their Gram matrices, and the weights of the last update.

    Parameters
    ----------
    tensor : DenseTensor or SparseTensor
    source : object with ``product(k, factors)``
        Gives ``X_(k) conj(KR)``.
    factors : list of arrays, shapes (n_k, R)
        Where to start; columns of any length.
    update : callable, optional
        ``update(B, gamma, A)`` in place of the solution of the normal equations, `A` being the factor so far.
    """

    def __init__(self, tensor, source, factors, update=None):
        self.tensor, self.source, self.update = tensor, source, update
        self.xp, self.order = tensor.xp, len(factors)
        self.host = be.kind(self.xp) == "numpy"
        self.complex = be.is_complex(tensor.dtype)
        real = be.dtype_name(be.real_dtype(self.xp, tensor.dtype))
        limit = SAFE[real]
        self.scale = 1.0 if 1.0 / limit < tensor.norm < limit else tensor.norm
        self.norm = tensor.norm / self.scale
        self.eps = be.eps(tensor.dtype)
        self.floor, self.resolution = CANCELLED * self.eps, math.inf
        self.weights, self.kernel = None, None
        if isinstance(source, Unfoldings) and update is None and factors[0].shape[1] <= _COMPILED:
            self.kernel = _kernels.lookup("als_update", "numpy")
        self.set_factors(factors)

    def set_factors(self, factors):
        """Start over from `factors`, whose columns are brought to length one; `sizes` tells what that takes."""
        self.factors, self.grams = [None] * self.order, [None] * self.order
        self.sizes = [None] * self.order
        for k, factor in enumerate(factors):
            self.put(k, factor)
        self.weights = reduce(mul, self.sizes)

    def sweep(self):
        """Update every factor once; returns the relative error of the model, known up to `resolution`."""
        for k in range(self.order):
            B = self.source.product(k, self.factors)
            if self.scale != 1.0:
                B = B / self.scale
            inner, square, mass = self._compiled(k, B) or self._updated(k, B)
        error = 1.0 - (2.0 * inner - square) / self.norm**2
        mass = max(1.0, mass / self.norm**2)
        if error < self.floor * mass:
            self.resolution = 2.0 * self.eps
            return self.true_error()
        self.resolution = 2.0 * self.eps * mass / math.sqrt(error)
        return math.sqrt(error)

    def _updated(self, k, B):
        """Update the factor `k` from its products `B`; what `_moments` tells of the model then, for the last factor."""
        gamma = self.gamma(k)
        if self.update is None:
            A = solve_normal(B, gamma, scaled=True)
        else:
            A = self.update(B, gamma, self.factors[k] * self.xp.astype(self.weights, self.tensor.dtype, copy=False))
        self.put(k, A)
        return self._moments(B, gamma, A) if k == self.order - 1 else (0.0, 0.0, 0.0)

    def _compiled(self, k, B):
        """As `_updated` in one call; None, and nothing done, where the normal equations are singular or not small."""
        if self.kernel is None:
            return None
        gamma = self.gamma(k)
        unit, size, gram = np.empty_like(B), np.empty(B.shape[1], B.dtype), np.empty_like(gamma)
        found, *moments = self.kernel(B, gamma, self.eps * B.shape[1], unit, size, gram)
        if not found:
            return None
        self.factors[k], self.grams[k], self.weights, self.sizes[k] = unit, gram, size, size
        return moments

    def move_to(self, factors):
        """Go on from `factors`, whose columns but those of the last one are of length one to within a small factor."""
        if self.update is not None:
            factors = [self.xp.where(factor > 0, factor, self.xp.zeros_like(factor)) for factor in factors]
        for k, factor in enumerate(factors[:-1]):
            self.factors[k], self.grams[k] = factor, be.mH(factor) @ factor
        self.put(self.order - 1, factors[-1])

    def absorbed(self):
        """The factors, the weights multiplied into the last one."""
        weights = self.xp.astype(self.weights, self.tensor.dtype, copy=False)
        return [*self.factors[:-1], self.factors[-1] * weights[None, :]]

    def gamma(self, k):
        """Elementwise product of the Gram matrices of all factors but the `k`-th."""
        return reduce(mul, self.grams[:k] + self.grams[k + 1 :])

    def true_error(self):
        """Relative error from the residual itself."""
        return self.tensor.residual_norm(self.weights * self.scale, self.factors) / self.tensor.norm

    def put(self, k, A):
        """Take `A` for the factor `k`: its columns are brought to length one, their lengths become the weights."""
        xp = self.xp
        if self.host and not self.complex:
            size = np.sqrt(np.einsum("ij,ij->j", A, A))
            if not size.all():
                size[size == 0.0] = 1.0
            self.weights = self.sizes[k] = size
            self.factors[k] = unit = A / size
            self.grams[k] = unit.T @ unit
            return
        gram = be.mH(A) @ A
        size = xp.sqrt(xp.real(xp.linalg.diagonal(gram)) if self.complex else xp.linalg.diagonal(gram))
        self.weights = self.sizes[k] = size = xp.where(size > 0, size, xp.ones_like(size))
        size = xp.astype(size, A.dtype, copy=False)
        self.factors[k], self.grams[k] = A / size[None, :], gram / (size[None, :] * size[:, None])

    def _moments(self, B, gamma, A):
        """``Re⟨X, model⟩``, ``‖model‖²`` and the moduli added up for that, after an update to `A`."""
        xp, weights = self.xp, self.weights
        if self.host and not self.complex:
            whole = gamma * self.grams[-1]
            square, mass = weights @ whole @ weights, weights @ np.abs(whole) @ weights
            return float(np.einsum("ij,ij->", B, A)), float(square), float(mass)
        product, whole = B * xp.conj(A) if self.complex else B * A, gamma * self.grams[-1]
        if self.complex:
            product, whole = xp.real(product), xp.real(whole)
        parts = whole * weights[None, :] * weights[:, None]
        return float(xp.sum(product)), float(xp.sum(parts)), float(xp.sum(xp.abs(parts)))


def als(tensor, source, factors, tol, watch, *, accelerate=True, update=None):
    """Alternate until the fit changes by less than `tol` in a sweep that was not extrapolated to.

    Parameters
    ----------
    tensor, source, factors, update
        As in `Sweeps`.
    tol : float
        Change of the fit, ``1 - error``.
    watch : Watch
    accelerate : bool
        Extrapolate between sweeps once they have become slow; see `Momentum`.

    Returns
    -------
    Fitted
    """
    state, errors, converged = Sweeps(tensor, source, factors, update), [], False
    momentum = Momentum(state) if accelerate else None
    while not watch.over:
        error = state.sweep()
        if momentum is not None and momentum.undone(error, errors):
            watch.tick(error=errors[-1])
            errors.append(errors[-1])
            continue
        errors.append(error)
        over = watch.tick(error=error)
        if _stands_still(errors, tol, state.resolution) and (momentum is None or momentum.rested()):
            converged = True
            break
        if momentum is not None and not over:
            momentum.move(errors)
    reason = "the fit no longer changes" if converged else watch.reason
    details = {} if momentum is None else {"restarts": momentum.restarts, "extrapolations": momentum.moves}
    return Fitted(state.weights * state.scale, state.factors, errors, converged, reason, details)


def _stands_still(errors, tol, resolution):
    """Whether the last sweep changed the fit by less than `tol`; for zero, the last ones by no more than rounding."""
    if tol > 0.0:
        return len(errors) > 1 and abs(errors[-2] - errors[-1]) < tol
    last = errors[-_SWEEPS_AT_REST - 1 :]
    return len(last) > _SWEEPS_AT_REST and max(last) - min(last) <= resolution
