"""Which groups to sample: the first ones, and what to add while the decoder does not explain all values."""

import math
from dataclasses import dataclass, replace

import numpy as np
import scipy.special

from .sparse_decoder import decode
from .sparse_load import added_sizes, bits_for, left_over
from .sparse_noise import Noise, estimated_variance, mean_square, repeats_for, rounding_floor, thresholds

_FIRST_BITS = 4
_CROWDED = 0.02  # share of empty bins below which their number tells nothing
_MOST_REPEATS = 64
_LARGEST_DENSE = 26
_CONSISTENT = (0.5, 1.6)  # what is left, over the first estimate of the noise
_SLACK = 0.05


@dataclass(frozen=True)
class Plan:
    """What the caller asked for; None where it is to be found out.

    Attributes
    ----------
    sparsity, bins, repeats : int or None
        `bins` as a logarithm.
    groups : int
    noise : float, None or "unknown"
        Standard deviation of the samples.
    soft : bool
    attempts, samples : int
        Limits.
    dense : bool
        Whether all of a small cube may be looked at instead.
    """

    sparsity: object
    bins: object
    repeats: object
    groups: int
    noise: object
    soft: bool
    attempts: int
    samples: int
    dense: bool


@dataclass(frozen=True, eq=False)
class Outcome:
    """The last decoding, the groups behind it, the noise met, and how it ended."""

    found: object
    groups: list
    noise: Noise
    attempts: int
    reason: str


def search(sampler, plan):
    """Sample and decode until everything is explained; None where looking at the whole cube costs less."""
    groups, bits = [], plan.bins
    if bits is None and plan.sparsity is None and plan.noise is None:
        groups, bits = probe(sampler, plan, _FIRST_BITS)
    elif bits is None:
        bits = bits_for(plan.sparsity, sampler.code.n) if plan.sparsity else min(_FIRST_BITS, sampler.code.n)
    if bits is None:
        return None
    repeats = plan.repeats or 1
    while bits > 0 and sampler.oracle.samples + plan.groups * sampler.cost(bits, repeats) > plan.samples:
        bits -= 1
    wanted = [bits] * plan.groups
    noise, found = None, None
    for attempt in range(1, plan.attempts + 1):
        cost = sum(sampler.cost(size, repeats) for size in wanted)
        if _whole_is_cheaper(sampler, plan, cost):
            return None
        if sampler.oracle.samples + cost > plan.samples and attempt > 1:
            return Outcome(found, groups, noise, attempt - 1, "sample budget spent")
        groups = groups + sampler.groups(wanted, repeats)
        noise, found = _judged(groups, sampler, plan)
        if plan.repeats is None and plan.noise is not None:
            groups, noise, found = _with_repeats(groups, noise, found, sampler, plan)
        if groups is None:
            return None
        repeats = max(group.repeats for group in groups)
        if found.complete:
            return Outcome(found, groups, noise, attempt, "every bin explained")
        if attempt < plan.attempts:
            wanted = _next_sizes(groups, found, noise, sampler, plan)
    return Outcome(found, groups, noise, plan.attempts, "attempts used up")


def _whole_is_cheaper(sampler, plan, cost):
    n = sampler.code.n
    return plan.dense and n <= _LARGEST_DENSE and sampler.oracle.samples + cost >= 1 << n


def probe(sampler, plan, bits):
    """Groups of verification offsets alone, and from their share of empty bins the logarithm of the bins needed."""
    n, groups = sampler.code.n, []
    bits = min(bits, n)
    while True:
        cost = (1 + sampler.verify) << bits
        if _whole_is_cheaper(sampler, plan, cost):
            return groups, None
        if sampler.oracle.samples + cost > plan.samples:
            return groups, bits
        group = sampler.groups([bits], 0, 1 + sampler.verify)[0]
        groups.append(group)
        empty = _empty_share([group], rounding(groups, sampler))
        if empty > 0.2 or bits == n:
            return groups, bits_for(_counted(empty, group.size), n)
        bits = min(bits + (3 if empty < _CROWDED else 1), n)


def rounding(groups, sampler):
    """The noise of exact values."""
    return Noise(0.0, rounding_floor(groups, sampler.oracle.precision))


def _empty_share(groups, noise):
    """Share of the bins with no more than noise, over the largest groups."""
    largest = max(group.size for group in groups)
    chosen = [group for group in groups if group.size == largest]
    zero, _, _ = thresholds(chosen, noise, 0.01, 2 if np.iscomplexobj(chosen[0].bins) else 1)
    energies = [np.sum(group.bins.real**2 + group.bins.imag**2, axis=1) for group in chosen]
    return float(np.mean([np.mean(e <= limit) for e, limit in zip(energies, zero, strict=True)]))


def _counted(empty, size):
    """Coefficients that leave a share `empty` of the bins empty, two standard deviations above the estimate."""
    load = -math.log(max(empty, 0.5 / size))
    return math.ceil(size * load + 2.0 * math.sqrt(size * max(math.exp(load) - load - 1.0, 0.0)))


def _judged(groups, sampler, plan):
    """The noise and the decoding; unknown noise is estimated again from what the first decoding leaves."""
    exact = rounding(groups, sampler)
    if plan.noise is None:
        return exact, decode(groups, sampler.code, exact, plan.soft)
    if plan.noise != "unknown":
        noise = replace(exact, variance=(plan.noise / sampler.oracle.scale) ** 2)
        return noise, decode(groups, sampler.code, noise, plan.soft)
    parts = 2 if np.iscomplexobj(groups[0].bins) else 1
    sparsity = plan.sparsity or max(group.size for group in groups) / 0.6
    noise = replace(exact, variance=estimated_variance(groups, sparsity, parts), slack=_SLACK)
    found = decode(groups, sampler.code, noise, plan.soft)
    for _ in range(2):
        better = _variance_left(groups, found, parts)
        low, high = (bound * noise.variance for bound in _CONSISTENT)
        if not low < better < high or abs(better - noise.variance) < 0.03 * noise.variance:
            break
        noise = replace(noise, variance=better)
        found = decode(groups, sampler.code, noise, plan.soft)
    return noise, found


def _variance_left(groups, found, parts):
    """Variance of a sample from the median energy that is left in the bins."""
    widths = np.asarray([group.bins.shape[1] for group in groups])
    medians = 2.0 * scipy.special.gammaincinv(0.5 * parts * widths, 0.5) / parts
    sizes = np.asarray([group.size for group in groups])
    return float(np.median(found.energies * (sizes / medians)[found.group_of]))


def _with_repeats(groups, noise, found, sampler, plan):
    """More repeats where votes on single bits are too uncertain for coefficients of the mean size.

    They are also added where less than half of the coefficients that the caller expects has shown.
    """
    largest = max(group.size for group in groups)
    repeats = max(group.repeats for group in groups)
    power = max(mean_square(groups) - noise.variance, 0.0) / (plan.sparsity or largest / 0.6)
    wanted = min(repeats_for(power / noise.of_bin(largest)), _MOST_REPEATS)
    while repeats < wanted and (not found.complete or 2 * found.keys.shape[0] < (plan.sparsity or 0)):
        more = min(max(repeats, -(-wanted // 2)), wanted - repeats)
        cost = sum(more * sampler.code.length * group.size for group in groups)
        if _whole_is_cheaper(sampler, plan, cost):
            return None, noise, found
        if sampler.oracle.samples + cost > plan.samples:
            break
        groups, repeats = sampler.repeated(groups, more), repeats + more
        noise, found = _judged(groups, sampler, plan)
    return groups, noise, found


def _next_sizes(groups, found, noise, sampler, plan):
    """Logarithms of the bins of the groups to add.

    Too many coefficients for the bins: as many groups as density evolution asks for. A few that fell into one bin in
    every group: one group, just large enough to part them; in noise one of twice the bins, which halves its variance.
    """
    n, largest = sampler.code.n, max(group.size for group in groups)
    bits = largest.bit_length() - 1
    empty = _empty_share(groups, noise)
    if empty < _CROWDED:
        return [min(bits + 2, n)] * plan.groups
    sparsity = _counted(empty, largest)
    loads = [sparsity / group.size for group in groups if group.repeats]
    if left_over(loads) > 0.0:
        return added_sizes(loads, bits, sparsity, n)
    if plan.noise is not None:
        return [min(bits + 1, n)]
    stuck = np.bincount(found.group_of[found.unresolved], minlength=1)
    return [min(bits, max(int(stuck.max()) * 2 - 1, 1).bit_length())]
