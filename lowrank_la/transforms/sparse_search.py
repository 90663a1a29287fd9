"""Which groups to sample: the first ones, and what to add while the decoder does not explain all values."""

import math
from dataclasses import dataclass, replace

import numpy as np
import scipy.special

from .sparse_check import RandomSubspaces, bits_of_share, noise_doubt
from .sparse_decoder import decode, relative_error
from .sparse_groups import Groups
from .sparse_load import added_sizes, bits_for, first_sizes, left_over
from .sparse_noise import (
    Noise,
    estimated_variance,
    mean_square,
    repeats_for,
    rounding,
    thresholds,
)
from .sparse_plan import LEAST_BITS

_CROWDED = 0.02  # share of empty bins below which their number tells nothing
_MOST_REPEATS = 64
_LARGEST_DENSE = 26
_CONSISTENT = (0.5, 1.6)  # what is left, over the first estimate of the noise
_SLACK = 0.05
_HELPED = 0.5  # share of the energy before that is left, at most, after groups that helped
_SHAPED = 3  # groups for which there are sizes that differ
_UNHEARD = 3  # attempts after which unknown noise without a coefficient is given up


@dataclass(frozen=True, eq=False)
class Outcome:
    """The last decoding, the groups behind it, the noise met, and how it ended."""

    found: object
    groups: Groups
    noise: Noise
    attempts: int
    certified: bool
    reason: str


def search(sampler, plan):
    """Sample and decode until everything is explained; None where looking at the whole cube costs less."""
    groups, sizes = _start(sampler, plan)
    if sizes is None:
        return None
    repeats, points, left = plan.repeats or 1, None, 1.0
    noise = found = doubt = None
    wanted = _affordable(sizes, repeats, sampler, plan)
    for attempt in range(1, plan.attempts + 1):
        cost = _cost(wanted, repeats, sampler)
        if _whole_is_cheaper(sampler, plan, cost + (0 if points else plan.checks)):
            return None
        if attempt > 1 and not _within(sampler, plan, cost, points):
            return Outcome(found, groups, noise, attempt - 1, False, f"sample budget spent{_and(doubt)}")
        added = sampler.groups(wanted, repeats)
        groups = groups.joined(added) if groups else added
        noise, found = _judged(groups, sampler, plan)
        if plan.repeats is None and plan.noise is not None:
            groups, noise, found = _with_repeats(groups, noise, found, sampler, plan, points)
        if groups is None:
            return None
        repeats, doubt = max(groups.repeats), None
        if found.complete:
            points = points or RandomSubspaces(sampler, plan.checks)
            doubt = _doubt(found, groups, noise, plan, points, sampler)
            if doubt is None:
                return Outcome(found, groups, noise, attempt, True, "every bin explained")
            if not found.keys.size and plan.noise == "unknown" and attempt >= _UNHEARD:
                return Outcome(found, groups, noise, attempt, False, doubt[0])
        before, left = left, relative_error(found, groups) ** 2
        if attempt < plan.attempts:
            wanted = _next_sizes(groups, found, noise, sampler, plan, doubt, left <= _HELPED * before)
    return Outcome(found, groups, noise, plan.attempts, False, f"attempts used up{_and(doubt)}")


def _start(sampler, plan):
    """Groups of a first look, and the logarithms of the bins to begin with; None where the whole cube costs less."""
    groups, count = None, plan.sparsity or 1
    if plan.bins is not None:
        return groups, [plan.bins] * plan.groups
    if plan.sparsity is None and plan.noise is None:
        groups, count = probe(sampler, plan, LEAST_BITS)
        if count is None:
            return groups, None
    if plan.noise is None and plan.groups == _SHAPED:
        return groups, first_sizes(count, LEAST_BITS, sampler.code.n)
    return groups, [bits_for(count, LEAST_BITS, sampler.code.n)] * plan.groups


def _affordable(sizes, repeats, sampler, plan):
    """`sizes`, or smaller ones where `plan.samples` allow no more; ValueError where that is not what was asked for."""
    asked = sizes
    while not (fits := _within(sampler, plan, _cost(sizes, repeats, sampler), None)) and max(sizes) > 0:
        sizes = [max(size - 1, 0) for size in sizes]
    if fits and (plan.bins is None or sizes == asked):
        return sizes
    most = asked[0] if plan.bins else 0
    least = sampler.oracle.samples + _cost([most] * plan.groups, repeats, sampler) + plan.checks
    raise ValueError(
        f"max_samples must be at least {least} for {plan.groups} groups of {1 << most} bins and {plan.checks} checks, "
        f"got {plan.samples}: allow more, or ask for fewer bins or checks"
    )


def _cost(sizes, repeats, sampler):
    return sum(sampler.cost(size, repeats) for size in sizes)


def _within(sampler, plan, cost, points):
    """Whether `cost` more values, and the points if they are still to come, are allowed."""
    return sampler.oracle.samples + cost + (0 if points else plan.checks) <= plan.samples


def _doubt(found, groups, noise, plan, points, sampler):
    """``text, share``, or None where nothing speaks against a certificate."""
    told = noise_doubt(found, groups, plan, sampler.code.n)
    if plan.noise == "unknown" and sampler.oracle.samples > 1 << sampler.code.n:
        told = told or "more values were taken than there are, and the same ones again show no new noise"
    return (told, 0.0) if told else points.doubt(found, groups, noise)


def _and(doubt):
    return f": {doubt[0]}" if doubt else ""


def _whole_is_cheaper(sampler, plan, cost):
    n, seen = sampler.code.n, sampler.oracle.samples
    return plan.dense and n <= _LARGEST_DENSE and seen + cost >= 1 << n and seen + (1 << n) <= plan.samples


def probe(sampler, plan, bits):
    """Groups of verification offsets alone, and the coefficients that their share of empty bins tells."""
    n, groups = sampler.code.n, None
    bits = min(bits, n)
    while True:
        cost = (1 + sampler.verify) << bits
        if _whole_is_cheaper(sampler, plan, cost):
            return groups, None
        if not _within(sampler, plan, cost + _cost([0] * plan.groups, plan.repeats or 1, sampler), None):
            return groups, 1 << bits
        group = sampler.groups([bits], 0, 1 + sampler.verify)
        groups = groups.joined(group) if groups else group
        empty = _empty_share(group, rounding(groups, sampler.oracle.precision))
        if empty > 0.2 or bits == n:
            return groups, _counted(empty, 1 << bits)
        bits = min(bits + (3 if empty < _CROWDED else 1), n)


def _empty_share(groups, noise):
    """Share of the bins with no more than noise, over the largest groups."""
    zero, _, _ = thresholds(groups, noise, 0.01, groups.parts)
    empty = groups.energies()[0] <= zero[groups.group_of]
    return float(np.mean(empty[np.array(groups.sizes)[groups.group_of] == max(groups.sizes)]))


def _counted(empty, size):
    """Coefficients that leave a share `empty` of the bins empty, two standard deviations above the estimate."""
    load = -math.log(max(empty, 0.5 / size))
    return math.ceil(size * load + 2.0 * math.sqrt(size * max(math.exp(load) - load - 1.0, 0.0)))


def _judged(groups, sampler, plan):
    """The noise and the decoding; unknown noise is estimated again from what the first decoding leaves."""
    exact = rounding(groups, sampler.oracle.precision)
    if plan.noise is None:
        return exact, decode(groups, sampler.code, exact, plan.soft)
    if plan.noise != "unknown":
        noise = replace(exact, variance=(plan.noise / (sampler.oracle.scale or 1.0)) ** 2)
        return noise, decode(groups, sampler.code, noise, plan.soft)
    sparsity = plan.sparsity or max(groups.sizes) / 0.6
    noise = replace(exact, variance=estimated_variance(groups, sparsity, groups.parts), slack=_SLACK)
    found = decode(groups, sampler.code, noise, plan.soft)
    for _ in range(2):
        better = _variance_left(groups, found)
        low, high = (bound * noise.variance for bound in _CONSISTENT)
        if not low < better < high or abs(better - noise.variance) < 0.03 * noise.variance:
            break
        noise = replace(noise, variance=better)
        found = decode(groups, sampler.code, noise, plan.soft)
    return noise, found


def _variance_left(groups, found):
    """Variance of a sample from the median energy that is left in the bins."""
    medians = 2.0 * scipy.special.gammaincinv(0.5 * groups.parts * np.array(groups.widths), 0.5) / groups.parts
    return float(np.median(found.energies * (np.array(groups.sizes) / medians)[groups.group_of]))


def _with_repeats(groups, noise, found, sampler, plan, points):
    """More repeats where votes on single bits are too uncertain for coefficients of the mean size.

    They are also added where less than half of the coefficients that the caller expects has shown.
    """
    largest, repeats = max(groups.sizes), max(groups.repeats)
    if noise.of_bin(largest) == 0.0:  # nothing but zeros
        return groups, noise, found
    power = max(mean_square(groups) - noise.variance, 0.0) / (plan.sparsity or largest / 0.6)
    wanted = min(repeats_for(power / noise.of_bin(largest)), _MOST_REPEATS)
    while repeats < wanted and (not found.complete or 2 * found.keys.shape[0] < (plan.sparsity or 0)):
        more = min(max(repeats, -(-wanted // 2)), wanted - repeats)
        cost = sum(more * (1 + length) << bits for bits, _, _, length in groups.shapes)
        if _whole_is_cheaper(sampler, plan, cost):
            return None, noise, found
        if not _within(sampler, plan, cost, points):
            break
        groups, repeats = sampler.repeated(groups, more), repeats + more
        noise, found = _judged(groups, sampler, plan)
    return groups, noise, found


def _next_sizes(groups, found, noise, sampler, plan, doubt, helped):
    """Logarithms of the bins of the groups to add.

    Too many coefficients for the bins: as many groups as density evolution asks for. A few that fell into one bin in
    every group: one group, just large enough to part them. Where the last groups did not help, as for frequencies that
    form a subspace, one of twice the bins; in noise too, where that halves its variance in a bin. Where random points
    contradict what all bins agree on: bins for as many coefficients as hide at so few points.
    """
    n, largest = sampler.code.n, max(groups.sizes)
    bits = largest.bit_length() - 1
    if doubt is not None:
        return [min(max(bits + 1, bits_of_share(doubt[1])), n) if doubt[1] else min(bits + 2, n)]
    empty = _empty_share(groups, noise)
    if empty < _CROWDED:
        return [min(bits + 2, n)] * plan.groups
    sparsity = _counted(empty, largest)
    loads = [sparsity / size for size, repeats in zip(groups.sizes, groups.repeats, strict=True) if repeats]
    if left_over(loads) > 0.0:
        return added_sizes(loads, bits, sparsity, n)
    if plan.noise is not None or not helped:
        return [min(bits + 1, n)]
    stuck = np.bincount(groups.group_of[found.unresolved(groups)], minlength=1)
    return [min(bits, max(int(stuck.max()) * 2 - 1, 1).bit_length())]
