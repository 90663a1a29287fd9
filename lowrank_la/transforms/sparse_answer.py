"""What is told about an answer of the sparse transform."""

import numpy as np

from ..results import Info
from .sparse_decoder import relative_error
from .sparse_dense import whole_cube

_AGAINST = 4.0  # standard deviations that the noise may be against a coefficient which shows all the same


def of_cube(oracle, plan, key):
    """``keys, values, info`` from all values."""
    cube = whole_cube(oracle, plan.noise, plan.degree)
    scale = oracle.scale or 1.0  # known only now
    unit = cube.noise.variance / 2.0**oracle.n
    details = {"certificate": cube.doubt is None, "unresolved": np.zeros((0, 2), np.int64), "groups": [1 << oracle.n]}
    details |= {"noise": cube.noise.variance**0.5 * scale, "checks": 0, "samples": oracle.samples}
    details["resolution"] = (cube.limit**0.5 + _AGAINST * unit**0.5) * scale
    info = Info(
        error=cube.error, error_kind="exact", converged=cube.doubt is None, iterations=1, method="dense",
        reason=cube.doubt or "all values looked at", rng=key.record, details=details,
    )  # fmt: skip
    return cube.keys, cube.values, info


def of_groups(outcome, oracle, plan, key):
    """``keys, values, info`` from groups of bins."""
    found, groups, scale = outcome.found, outcome.groups, oracle.scale or 1.0
    unresolved, stuck = np.zeros((0, 2), np.int64), ""
    if not found.complete:
        bins = np.flatnonzero(found.unresolved(groups))
        own = groups.group_of[bins]
        unresolved = np.stack([own, bins - groups.layout[own, 1]], axis=1).astype(np.int64)
        stuck = f", {bins.size} of {groups.bins} bins not explained"
    details = {
        "certificate": outcome.certified,
        "unresolved": unresolved,
        "groups": groups.sizes,
        "checks": plan.checks,
        "noise": outcome.noise.variance**0.5 * scale,
        "samples": oracle.samples,
        "resolution": _resolution(found, groups, outcome.noise) * scale,
    }
    info = Info(
        error=relative_error(found, groups), error_kind="estimate", converged=outcome.certified,
        reason=outcome.reason + stuck, iterations=outcome.attempts, method="peeling", rng=key.record, details=details,
    )  # fmt: skip
    return found.keys, found.values, info


def _resolution(found, groups, noise):
    """Least size with which a coefficient passes the limit of its bin, noise against it."""
    least = np.inf
    for size, width, limit in zip(groups.sizes, groups.widths, found.limits.tolist(), strict=True):
        unit = noise.variance / size
        against = _AGAINST * (unit / width) ** 0.5
        least = min(least, against + max(against**2 - unit + limit / width, 0.0) ** 0.5)
    return least
