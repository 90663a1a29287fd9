"""What is told about an answer of the sparse transform."""

import numpy as np

from ..results import Info
from .sparse_decoder import relative_error
from .sparse_dense import whole_cube

_AGAINST = 4.0  # standard deviations that the noise may be against a coefficient which shows all the same


def of_cube(oracle, plan, key):
    """``keys, values, info`` from all values."""
    cube = whole_cube(oracle, plan.noise, plan.degree)
    unit = cube.noise.variance / 2.0**oracle.n
    details = {"certificate": cube.doubt is None, "unresolved": np.zeros((0, 2), np.int64), "groups": [1 << oracle.n]}
    details |= {"noise": cube.noise.variance**0.5, "resolution": cube.limit**0.5 + _AGAINST * unit**0.5, "checks": 0}
    info = Info(
        error=cube.error, error_kind="exact", converged=cube.doubt is None, iterations=1, method="dense",
        reason=cube.doubt or "all values looked at", rng=key.record, details=details,
    )  # fmt: skip
    return cube.keys, cube.values, info


def of_groups(outcome, plan, key):
    """``keys, values, info`` from groups of bins."""
    found, groups = outcome.found, outcome.groups
    sizes = [group.size for group in groups]
    unresolved, stuck = np.zeros((0, 2), np.int64), ""
    if not found.complete:
        bins = np.flatnonzero(found.unresolved)
        firsts = np.cumsum([0, *sizes])
        unresolved = np.stack([found.group_of[bins], bins - firsts[found.group_of[bins]]], axis=1).astype(np.int64)
        stuck = f", {bins.size} of {sum(sizes)} bins not explained"
    details = {"certificate": outcome.certified, "unresolved": unresolved, "groups": sizes, "checks": plan.checks}
    details |= {"noise": outcome.noise.variance**0.5, "resolution": _resolution(found, groups, outcome.noise)}
    info = Info(
        error=relative_error(found, groups), error_kind="estimate", converged=outcome.certified,
        reason=outcome.reason + stuck, iterations=outcome.attempts, method="peeling", rng=key.record, details=details,
    )  # fmt: skip
    return found.keys, found.values, info


def _resolution(found, groups, noise):
    """Least size with which a coefficient passes the limit of its bin, noise against it."""
    first, least = 0, np.inf
    for group in groups:
        unit, width = noise.variance / group.size, group.bins.shape[1]
        against = _AGAINST * (unit / width) ** 0.5
        over = against**2 - unit + float(found.limits[first]) / width
        least, first = min(least, against + max(over, 0.0) ** 0.5), first + group.size
    return least
