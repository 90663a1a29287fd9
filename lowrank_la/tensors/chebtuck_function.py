"""Chebyshev-Tucker approximations of functions that can be evaluated anywhere."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _backend as be
from ..results import Info
from . import chebyshev
from .modes import expand, three_way
from .multilinear import at_points, truncate

_MOST_NODES = 1 << 24
_FIRST = 17  # nodes on lines
_LINES = 4
_TRIALS = 300
_ROUNDS = 6
_AT_ONCE = 1 << 18  # points of one call of the function
_SHARES = (0.25, 0.05, 0.01)  # of the tolerance that truncation may take
_GROWTH = 1.5


@dataclass(frozen=True)
class Fitted:
    """What a fit ends with."""

    core: Any
    factors: tuple
    info: Info


@dataclass
class Sampler:
    """The function with its box; counts evaluations and remembers the largest modulus seen."""

    f: Any
    bounds: Any
    like: Any
    check_finite: bool
    evaluations: int = 0
    largest: float = 0.0

    def __call__(self, reference):
        """Values (p,) at the rows of the NumPy array `reference` (p, d) in [-1, 1]."""
        parts = [self._call(reference[rows]) for rows in be.fixed_partition(reference.shape[0], _AT_ONCE)]
        return parts[0] if len(parts) == 1 else be.namespace(parts[0]).concat(parts)

    def _call(self, reference):
        low, high = self.bounds[:, 0], self.bounds[:, 1]
        points = chebyshev.like((low + high) / 2.0 + (high - low) / 2.0 * reference, self.like)
        values = self.f(points)
        values = values if be.is_array(values) else np.asarray(values)
        xp, place = be.namespace(points), be.device(points)
        if isinstance(values, np.ndarray) and be.kind(xp) != "numpy":
            complex_values = values.dtype.kind == "c"
            kept = be.complex_dtype(xp, points.dtype) if complex_values else points.dtype
            values = be.from_numpy(values, xp, place, kept)
        if tuple(values.shape) != (reference.shape[0],):
            raise ValueError(
                f"f must return an array of shape ({reference.shape[0]},) for points of shape {reference.shape}, got "
                f"{tuple(values.shape)}"
            )
        be.require_untracked(values, "what f returns to ChebTuck.fit")
        values = xp.astype(values, be.compute_dtype(xp, values.dtype, place), copy=False)
        largest = float(xp.max(xp.abs(values)))
        if self.check_finite and not math.isfinite(largest):
            raise ValueError("f returns NaN or infinite values in the domain; approximate it where it is finite")
        self.evaluations += reference.shape[0]
        self.largest = max(self.largest, largest)
        return values


def fit_function(f, bounds, like, tol, degrees, key, check_finite):
    """`Fitted` for a function of points in the box `bounds`."""
    sampler = Sampler(f, bounds, like, check_finite)
    order = bounds.shape[0]
    trials = 2.0 * be.uniform(key.child("trials"), slice(0, _TRIALS), slice(0, order), "float64") - 1.0
    truth = sampler(trials)
    if degrees is None:
        most = max(2, min(chebyshev.LARGEST_DEGREE + 1, int(_MOST_NODES ** (1.0 / order))))
        sizes = [min(most, size) for size in _sizes_on_lines(sampler, trials[:_LINES], tol, most)]
    else:
        sizes, most = [degree + 1 for degree in degrees], 0
        if math.prod(sizes) > _MOST_NODES:
            raise ValueError(f"degree asks for {math.prod(sizes)} evaluations, the most allowed are {_MOST_NODES}")
    judge = _Judge(trials, truth, sampler)
    before = math.inf
    for _ in range(_ROUNDS):
        coefficients = _coefficients(sampler, sizes)
        tails = [tail(coefficients, k) for k in range(order)]
        core, factors, error = _truncated(coefficients, tol, judge)
        short = [t > tol for t in tails] if max(tails) > tol else [error > tol] * order
        grown = [_grown(m, most) if s else m for m, s in zip(sizes, short, strict=True)]
        if grown == sizes or (max(tails) <= tol and error > before / 2.0):
            break  # nothing to grow, or rounding that no degree takes away
        sizes, before = grown, error
    reached = [factor.shape[0] - 1 for factor in factors]
    info = _verdict(error, max(tails), tol, reached, degrees is None, sampler, key)
    return Fitted(core, factors, info)


def _grown(size, most):
    return max(size, min(most, math.ceil(_GROWTH * size)))


def _sizes_on_lines(sampler, bases, tol, most):
    """Nodes that each mode needs on lines through a few points and the centre of the box."""
    order = bases.shape[1]
    bases = np.concatenate([np.zeros((1, order)), bases])
    sizes = []
    for k in range(order):
        size = 1
        for base in bases:
            size = max(size, _size_on_line(sampler, base, k, tol, most))
        sizes.append(size)
    return sizes


def _size_on_line(sampler, base, k, tol, most):
    m = _FIRST
    while True:
        points = np.tile(base, (m, 1))
        points[:, k] = chebyshev.nodes(m)
        values = sampler(points)
        moduli = np.abs(
            be.to_numpy(be.matmul(chebyshev.like(chebyshev.coefficient_matrix(m), values), values[:, None]))
        )[:, 0]
        floor = max(tol / 10.0, 4.0 * be.eps(values.dtype)) * sampler.largest
        above = np.flatnonzero(moduli > floor)
        needed = int(above[-1]) + 1 if above.size else 1
        if needed <= m - max(2, m // 10) or m >= most:
            return min(m, needed + 2)
        m = 2 * m - 1


def _coefficients(sampler, sizes):
    """Tensor of Chebyshev coefficients of the interpolant in the product of nodes, evaluated slab by slab."""
    grids = [chebyshev.nodes(m) for m in sizes]
    rest = (
        np.stack([g.ravel() for g in np.meshgrid(*grids[1:], indexing="ij")], axis=1) if sizes[1:] else np.empty((1, 0))
    )
    parts = []
    for rows in be.fixed_partition(sizes[0], max(1, _AT_ONCE // rest.shape[0])):
        first = np.repeat(grids[0][rows], rest.shape[0])
        tiled = np.tile(rest, (rows.stop - rows.start, 1))
        parts.append(sampler(np.concatenate([first[:, None], tiled], axis=1)))
    xp = be.namespace(parts[0])
    X = xp.reshape(xp.concat(parts), tuple(sizes))
    for k, m in enumerate(sizes):
        X = expand(X, k, chebyshev.like(chebyshev.coefficient_matrix(m), X))
    return X


def tail(coefficients, k):
    """Norm of the last tenth (two at least) of the mode-k coefficients relative to all; zero for one node."""
    cube = three_way(coefficients, k)
    m, norm = cube.shape[1], be.fro_norm(coefficients)
    if m <= 2 or norm == 0.0:
        return 0.0
    return be.fro_norm(cube[:, m - max(2, m // 10) :, :]) / norm


@dataclass(frozen=True)
class _Judge:
    """Largest deviation at the trial points, relative to the largest modulus seen."""

    trials: Any
    truth: Any
    sampler: Sampler

    def __call__(self, core, factors):
        xp = be.namespace(core)
        columns = [chebyshev.like(column, core) for column in self.trials.T]
        values = at_points(core, [chebyshev.clenshaw(c, x) for c, x in zip(factors, columns, strict=True)])
        deviation = float(xp.max(xp.abs(values - self.truth)))
        return deviation / self.sampler.largest if self.sampler.largest > 0 else deviation


def _truncated(coefficients, tol, judge):
    """``core, factors, error``; truncation takes less where its first share of the tolerance was too much."""
    best = None
    for share in _SHARES:
        found = truncate(coefficients, share * tol * judge.sampler.largest)
        error = judge(found.core, found.factors)
        if best is None or error < best[2] / 2.0:
            best = found.core, found.factors, error
        if best[2] <= tol or error > best[2]:
            break
    return best


def _verdict(error, largest_tail, tol, degrees, chosen, sampler, key):
    met = error <= tol
    reason = "tolerance met" if met else f"error {error:.1e} and tail {largest_tail:.1e} at degrees {degrees}"
    return Info(
        error=error, error_kind="estimate", converged=met, reason=reason, rng=key.record,
        method="interpolation, automatic degree" if chosen else "interpolation",
        details={"degrees": degrees, "tail": largest_tail, "evaluations": sampler.evaluations},
    )  # fmt: skip
