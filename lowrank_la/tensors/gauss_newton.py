"""Damped Gauss-Newton steps in all factors of a canonical polyadic decomposition at once."""

import math
from functools import reduce
from operator import mul

from .. import _backend as be
from .cp_als import CANCELLED, Fitted, Sweeps
from .dimension_tree import source_of
from .kruskal import balanced, real_inner
from .normal_solve import solve_normal

_FIRST_SWEEPS = 5  # of alternating least squares, before the first step
_DAMPING = 1e-3  # the first one, over the largest diagonal entry of JᵀJ
_LEAST_DAMPING = 1e-15
_PATIENCE = 2  # steps with next to no change of the fit before the end


def gauss_newton(tensor, factors, tol, watch):
    """Levenberg-Marquardt iteration, its steps by preconditioned conjugate gradients.

    Parameters
    ----------
    tensor : DenseTensor or SparseTensor
    factors : list of arrays, shapes (n_k, R)
    tol : float
        Change of the fit in accepted steps that ends the iteration.
    watch : Watch

    Returns
    -------
    Fitted

    Notes
    -----
    One pass over the dimension tree gives the gradient; products with JᵀJ take ``O(R² Σ n_k)`` and never form it. It
    is singular along the scalings of the columns, so that some damping always stays; columns are brought to equal
    norms after every step. The damping follows the ratio of the actual to the predicted fall.
    """
    point = Point(tensor, _swept(tensor, factors))
    errors, waited, inner = [point.error], 0, 0
    damping, growth, reason = _DAMPING * point.largest, 2.0, None
    while not watch.over and reason is None:
        step, predicted, taken = point.step(damping)
        inner += taken
        moved = Point(tensor, [a + v for a, v in zip(point.factors, step, strict=True)])
        gain = (point.error**2 - moved.error**2) / 2.0 / predicted if predicted > 0.0 else -1.0
        if moved.error < point.error:
            waited = waited + 1 if point.error - moved.error < tol else 0
            damping *= max(1.0 / 3.0, 1.0 - (2.0 * gain - 1.0) ** 3)
            damping, growth, point = max(damping, _LEAST_DAMPING), 2.0, moved
        else:
            damping, growth = damping * growth, growth * 2.0
        errors.append(point.error)
        watch.tick(error=point.error)
        reason = _end(point, waited, damping)
    return Fitted(
        point.weights * tensor.norm, point.factors, errors, reason is not None, reason or watch.reason,
        {"inner_iterations": inner},
    )  # fmt: skip


def _end(point, waited, damping):
    if waited >= _PATIENCE:
        return "the fit no longer changes"
    eps = be.eps(point.factors[0].dtype)
    if point.error <= 2.0 * eps:
        return "the tensor is met to rounding"
    return "no step lowers the error any more" if damping * eps > point.largest else None


def _swept(tensor, factors):
    """Factors of the tensor over its norm, after some sweeps, weights spread over the modes."""
    source = source_of(tensor)
    state = Sweeps(tensor, source, factors)
    for _ in range(_FIRST_SWEEPS):
        state.sweep()
    scaled = state.absorbed()
    return [*scaled[:-1], scaled[-1] * (state.scale / tensor.norm)]


class Point:
    """Factors with columns of equal norms in all modes, and what a step from there needs."""

    def __init__(self, tensor, factors):
        self.tensor, self.xp, self.order = tensor, tensor.xp, len(factors)
        self.factors = balanced(factors)
        self.grams = [be.mH(factor) @ factor for factor in self.factors]
        self.weights = self.xp.ones(factors[0].shape[1], dtype=be.real_dtype(self.xp, tensor.dtype),
                                    device=tensor.device)  # fmt: skip
        self._products = [B / tensor.norm for _, B in tensor.mttkrps(list(self.factors))]
        self.error = self._error()

    @property
    def largest(self):
        """The largest diagonal entry of JᵀJ."""
        xp = self.xp
        return max(float(xp.max(xp.abs(xp.linalg.diagonal(self._gamma(k))))) for k in range(self.order))

    def step(self, damping):
        """``(V, fall, products)``: the step, the fall of half the squared error by its model, and products taken."""
        xp, rank = self.xp, self.grams[0].shape[0]
        one = xp.eye(rank, dtype=self.tensor.dtype, device=self.tensor.device)
        damped = [self._gamma(k) + damping * one for k in range(self.order)]
        inverses = [solve_normal(one, gamma) for gamma in damped]
        gradient, pairs = self.gradient(), self._pairs()
        size = math.sqrt(_dot(gradient, gradient))
        V, left, taken = _conjugate_gradients(
            lambda V: self.normal(V, damped, pairs),
            lambda V: [v @ inverse for v, inverse in zip(V, inverses, strict=True)],
            [-g for g in gradient],
            min(0.1, math.sqrt(size)) * size,
            2 * rank * self.order + 10,
        )
        # The damped model: -⟨∇, V⟩ - ½⟨V, (JᵀJ + μ) V⟩ with (JᵀJ + μ) V = -∇ - left, and the damping taken off.
        fall = -0.5 * _dot(gradient, V) + 0.5 * _dot(left, V) + 0.5 * damping * _dot(V, V)
        return V, fall, taken

    def gradient(self):
        """Gradient of half the squared relative error, a part for each factor."""
        gammas = map(self._gamma, range(self.order))
        return [a @ gamma.mT - B for a, gamma, B in zip(self.factors, gammas, self._products, strict=True)]

    def normal(self, V, gammas=None, pairs=None):
        """``JᴴJ V``, the diagonal blocks with `gammas` in place of the products of Gram matrices where given."""
        gammas = gammas or [self._gamma(k) for k in range(self.order)]
        pairs = pairs or self._pairs()
        crossed = [be.mH(a) @ v for a, v in zip(self.factors, V, strict=True)]
        out = []
        for k in range(self.order):
            mixed = sum(pairs[j, k] * crossed[j] for j in range(self.order) if j != k)
            out.append(V[k] @ gammas[k].mT + self.factors[k] @ mixed.mT)
        return out

    def _gamma(self, k):
        return reduce(mul, self.grams[:k] + self.grams[k + 1 :])

    def _pairs(self):
        one = self.grams[0] * 0 + 1
        pairs = {}
        for j in range(self.order):
            for k in range(j):
                rest = [gram for i, gram in enumerate(self.grams) if i not in (j, k)]
                pairs[j, k] = pairs[k, j] = reduce(mul, rest, one)
        return pairs

    def _error(self):
        """Relative error: by products of the tensor, or from the residual where these cancel."""
        B, last, xp = self._products[-1], self.factors[-1], self.xp
        whole = _real(reduce(mul, self.grams))
        square = 1.0 - 2.0 * _dot([last], [B]) + float(xp.sum(whole))
        if square >= CANCELLED * be.eps(self.tensor.dtype) * max(1.0, float(xp.sum(xp.abs(whole)))):
            return math.sqrt(square)
        return self.tensor.residual_norm(self.weights * self.tensor.norm, self.factors) / self.tensor.norm


def _conjugate_gradients(normal, precondition, right, least, most):
    """``(x, residual, products)`` for a positive definite system in lists of arrays."""
    x, residual = [0 * part for part in right], right
    z = precondition(residual)
    direction, energy = z, _dot(residual, z)
    for taken in range(1, most + 1):
        image = normal(direction)
        curvature = _dot(direction, image)
        if curvature <= 0.0:
            return x, residual, taken
        length = energy / curvature
        x = [a + length * d for a, d in zip(x, direction, strict=True)]
        residual = [r - length * i for r, i in zip(residual, image, strict=True)]
        if math.sqrt(_dot(residual, residual)) <= least:
            return x, residual, taken
        z = precondition(residual)
        energy, last = _dot(residual, z), energy
        direction = [p + (energy / last) * d for p, d in zip(z, direction, strict=True)]
    return x, residual, most


def _dot(a, b):
    return sum(map(real_inner, a, b))


def _real(x):
    return be.namespace(x).real(x) if be.is_complex(x.dtype) else x
