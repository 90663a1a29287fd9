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
from .norms import safe_scale

_MOST_NODES = 1 << 24
_LONGEST = 1024  # nodes a mode at degrees found without being asked for; a single variable costs little
_FIRST = 17  # nodes on lines
_LINES = 4
_TRIALS = 300
_ROUNDS = 12
_AT_ONCE = 1 << 18  # points of one call of the function
_SHARES = (0.25, 0.05, 0.01)  # of the tolerance that truncation may take
_GROWTH = 1.5
_SLACK = 100.0  # of what single coefficients may have, for the deviation between nodes
_STALLED = 3  # rounds in a row that may gain little before more nodes are given up, once they are many
_MANY = 1 << 20
_ROUNDING = 1e3
_BETWEEN = np.cos(np.pi * np.array([0.0537, 0.2311, 0.4127, 0.6219, 0.8213, 0.9641]))  # of no common grid of nodes


@dataclass(frozen=True)
class Fitted:
    """What a fit ends with."""

    core: Any
    factors: tuple
    info: Info


@dataclass
class Sampler:
    """The function with its box, its values divided by `scale`; counts evaluations and the largest modulus seen."""

    f: Any
    bounds: Any
    like: Any
    check_finite: bool
    evaluations: int = 0
    largest: float = 0.0
    scale: float = 1.0

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
        values = values if self.scale == 1.0 else values / self.scale
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
    sampler.scale = safe_scale(sampler.largest, truth.dtype) if math.isfinite(sampler.largest) else 1.0
    truth, sampler.largest = truth / sampler.scale, sampler.largest / sampler.scale
    if degrees is None:
        most = _most_nodes(order)
        sizes = [min(most, size) for size in _sizes_on_lines(sampler, trials[:_LINES], tol, most)]
    else:
        sizes, most = [degree + 1 for degree in degrees], 0
    _require_few(sizes, degrees is None)
    judge = _Judge(trials, truth, sampler)
    least, stalled = math.inf, 0
    for _ in range(_ROUNDS):
        coefficients = _coefficients(sampler, sizes)
        tails = [tail(coefficients, k) for k in range(order)]
        core, factors, error = _truncated(coefficients, tol, judge)
        seen = max(tails) > tol
        short = [t > tol for t in tails] if seen else [error > tol] * order
        grown = [_grown(m, most, seen) if s else m for m, s in zip(sizes, short, strict=True)]
        stalled = stalled + 1 if error > least / 2.0 else 0
        rounding = error <= _ROUNDING * be.eps(coefficients.dtype)
        many = stalled >= _STALLED and math.prod(grown) > _MANY
        if grown == sizes or (rounding and stalled) or (many and not seen):
            break  # nothing to grow, or noise that no degree takes away
        sizes, least = grown, min(least, error)
        if math.prod(sizes) > _MOST_NODES:
            break
    reached = [factor.shape[0] - 1 for factor in factors]
    info = _verdict(error, max(tails), tol, reached, degrees is None, sampler, key)
    return Fitted(core * sampler.scale, factors, info)


def _most_nodes(order):
    """Nodes a mode at most, so that neither evaluations nor decompositions take long."""
    longest = chebyshev.LARGEST_DEGREE + 1 if order == 1 else _LONGEST
    return max(2, min(longest, int(_MOST_NODES ** (1.0 / order) + 1e-9)))


def _require_few(sizes, automatic):
    count = math.prod(sizes)
    if count > _MOST_NODES:
        what = f"{len(sizes)} variables ask" if automatic else "degree asks"
        raise ValueError(
            f"{what} for {count} evaluations, the most allowed are {_MOST_NODES}: give lower degrees with degree=, 0 "
            "for variables that hardly matter, or keep some variables fixed"
        )


def _grown(size, most, seen):
    """More nodes: by a half where the tail asks for them, else doubled, for something that lies between them."""
    return max(size, min(most, math.ceil(_GROWTH * size) if seen else max(_FIRST, 2 * size - 1)))


def _sizes_on_lines(sampler, bases, tol, most):
    """Nodes that each mode needs on lines through a few points and the centre of the box."""
    order = bases.shape[1]
    bases = np.concatenate([np.zeros((1, order)), bases if order > 1 else bases[:0]])
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
        coefficients = be.matmul(chebyshev.like(chebyshev.coefficient_matrix(m), values), values[:, None])
        moduli = np.abs(be.to_numpy(coefficients))[:, 0]
        floor = max(tol / 10.0, 4.0 * be.eps(values.dtype)) * sampler.largest
        above = np.flatnonzero(moduli > floor)
        needed = int(above[-1]) + 1 if above.size else 1
        settled = needed <= m - max(2, m // 10) and _holds_between(sampler, points[:1], k, coefficients, floor)
        if settled or m >= most:
            return min(m, needed + 2)
        m = 2 * m - 1


def _holds_between(sampler, point, k, coefficients, floor):
    """Whether the interpolant on a line is near the function between its nodes, where nodes alone may be deceived."""
    points = np.tile(point, (len(_BETWEEN), 1))
    points[:, k] = _BETWEEN
    values = sampler(points)
    found = chebyshev.clenshaw(coefficients, chebyshev.like(_BETWEEN, coefficients))[:, 0]
    gap = float(be.namespace(values).max(be.namespace(values).abs(values - found)))
    return gap <= _SLACK * floor


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
        worth = best is None or error < best[2] / 2.0
        best = (found.core, found.factors, error) if worth else best
        if best[2] <= tol or not worth:
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
