"""Chebyshev-Tucker approximations of functions that can be evaluated anywhere."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _backend as be
from ..results import Info
from . import chebyshev
from .chebtuck_judge import Judge, truncated
from .chebtuck_lines import FIRST, sizes_on_lines
from .modes import expand, three_way
from .norms import safe_scale

_MOST_NODES = 1 << 24
_ENOUGH = 1 << 18  # nodes for functions that no degree allowed resolves on a line
_LONGEST = 1024  # nodes a mode at degrees found without being asked for; a single variable costs little
_LINES = 4
_TRIALS = 300
_ROUNDS = 12
_AT_ONCE = 1 << 18  # points of one call of the function
_GROWTH = 1.5
_STALLED = 3  # rounds in a row that may gain little before more nodes are given up, once they are many
_MANY = 1 << 20
_ROUNDING = 1e3


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
        be.require_untracked(values, "ChebTuck.fit", "values")
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
        sizes, mosts = sizes_on_lines(sampler, trials[:_LINES], tol, _most_nodes(order), _ENOUGH)
    else:
        sizes = mosts = [degree + 1 for degree in degrees]
    _require_few(sizes, degrees is None)
    judge = Judge(trials, truth, sampler, tol)
    core, factors, error, largest_tail = _refined(sampler, judge, sizes, mosts)
    if error > tol:
        error = max(error, judge.on_lines(core, factors))
    reached = [factor.shape[0] - 1 for factor in factors]
    info = _verdict(error, largest_tail, tol, reached, degrees is None, sampler, key)
    return Fitted(core * sampler.scale, factors, info)


def _refined(sampler, judge, sizes, mosts):
    """``core, factors, error, tail``, with up to `mosts` nodes until the tolerance is met or little is gained."""
    tol, least, stalled = judge.tol, math.inf, 0
    for _ in range(_ROUNDS):
        coefficients = _coefficients(sampler, sizes)
        tails = [tail(coefficients, k) for k in range(coefficients.ndim)]
        seen = max(tails) > tol
        core, factors, error = truncated(coefficients, judge, resolved=not seen)
        short = [t > tol for t in tails] if seen else [error > tol] * len(tails)
        grown = [_grown(m, most, seen) if s else m for m, most, s in zip(sizes, mosts, short, strict=True)]
        stalled = stalled + 1 if error > least / 2.0 else 0
        rounding = error <= _ROUNDING * be.eps(coefficients.dtype)
        many = stalled >= _STALLED and math.prod(grown) > _MANY
        if grown == sizes or (rounding and stalled) or (many and not seen):
            break  # nothing to grow, or noise that no degree takes away
        sizes, least = grown, min(least, error)
        if math.prod(sizes) > _MOST_NODES:
            break
    return core, factors, error, max(tails)


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
    return max(size, min(most, math.ceil(_GROWTH * size) if seen else max(FIRST, 2 * size - 1)))


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


def _verdict(error, largest_tail, tol, degrees, chosen, sampler, key):
    met = error <= tol
    reason = "tolerance met" if met else f"error {error:.1e} and tail {largest_tail:.1e} at degrees {degrees}"
    return Info(
        error=error, error_kind="estimate", converged=met, reason=reason, rng=key.record,
        method="interpolation, automatic degree" if chosen else "interpolation",
        details={"degrees": degrees, "tail": largest_tail, "evaluations": sampler.evaluations},
    )  # fmt: skip
