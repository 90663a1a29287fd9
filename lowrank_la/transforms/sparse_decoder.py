"""From the bins of some groups to frequencies, coefficients and the question whether they explain everything."""

from dataclasses import dataclass

import numpy as np

from .. import _kernels
from .sparse_noise import exceeds, thresholds

RISK = 0.01  # that noise alone passes a threshold in any bin
PATIENCE = 20  # looks a bin, on average, before peeling is given up
CHECK_HASH = True
_SIGNIFICANT, _SURE = 4.0, 5.0  # standard deviations of a coefficient, and of one that tells a single bit
_SWEEPS_EXACT, _SWEEPS_NOISY = 6, 60


@dataclass(frozen=True, eq=False)
class Decoding:
    """What the decoder found.

    Attributes
    ----------
    keys : uint64 array (k, words)
    values : array (k,)
    energies, limits : arrays (bins,)
        Energy left in every bin, and what it may be.
    group_of : int array (bins,)
    complete : bool
        Peeling ended by itself, and what is left has the size of the noise in every bin and on the whole.
    looks : int
        Bins looked at.
    empty : float
        Share of the bins of which no coefficient was taken.
    """

    keys: np.ndarray
    values: np.ndarray
    energies: np.ndarray
    limits: np.ndarray
    group_of: np.ndarray
    complete: bool
    looks: int
    empty: float

    @property
    def unresolved(self):
        """Whether each bin holds more than noise."""
        return self.energies > self.limits


@dataclass(frozen=True, eq=False)
class Bins:
    """Groups as the kernels take them."""

    U: np.ndarray
    layout: np.ndarray
    group_of: np.ndarray
    hashes: np.ndarray
    shifts: np.ndarray


def bins_of(groups):
    """All groups in one flat array, a copy."""
    layout, start, first, row = [], 0, 0, 0
    for group in groups:
        layout.append((start, first, group.columns.shape[0], group.verify, group.repeats, row))
        start, first, row = start + group.bins.size, first + group.size, row + group.shifts.shape[0]
    return Bins(
        np.concatenate([group.bins.reshape(-1) for group in groups]),
        np.array(layout, np.int64),
        np.repeat(np.arange(len(groups), dtype=np.int32), [group.size for group in groups]),
        np.array([group.hashes for group in groups]),
        np.concatenate([group.shifts for group in groups]),
    )


def decode(groups, code, noise, soft):
    """Peel, drop what cancelled, fit the coefficients to all samples, and look at what is left.

    Parameters
    ----------
    groups : list of Group
    code : Code
    noise : Noise
    soft : bool
        Votes on a bit weighted by the values.
    """
    bins = bins_of(groups)
    zero, single, growth = thresholds(groups, noise, RISK, 2 if bins.U.dtype.kind == "c" else 1)
    keys, values, looks, empty = _peeled(bins, code, zero, single, growth, soft)
    keys, values, energies = _fitted(bins, groups, code, noise, keys, values)
    limits = zero[bins.group_of]
    complete = looks <= PATIENCE * energies.size and bool((energies <= limits).all())
    complete = complete and _as_noise(energies, groups, bins, noise, code.n)
    complete = complete and _bits_are_sure(values, groups, noise, code.n)
    return Decoding(keys, values, energies, limits, bins.group_of, complete, looks, empty)


def _energies_left(bins, code):
    energies = np.empty(bins.group_of.size)
    _kernels.lookup("bin_energies", "numpy")(bins.U, bins.layout, bins.group_of, code.length - 1, energies)
    return energies


def _peeled(bins, code, zero, single, growth, soft):
    """``keys, values, looks, empty`` of the peeling; looks pass its patience where that, or room, ran out."""
    total = bins.group_of.size
    room = 2 * total + 16
    keys, values = np.empty((room, bins.shifts.shape[1]), np.uint64), np.empty(room, bins.U.dtype)
    table = np.full(1 << (2 * room).bit_length(), -1, np.int32)
    work = np.empty(total, np.int32), np.empty(total, np.int32), np.empty(total, np.uint8)
    budget = PATIENCE * total
    found, looks = _kernels.lookup("peel", "numpy")(
        bins.U, bins.layout, bins.group_of, bins.hashes, bins.shifts, code.stencil, code.degree, code.exps, code.logs,
        soft, CHECK_HASH, zero, single, growth, budget, keys, values, table, *work,
    )  # fmt: skip
    return keys[:found], values[:found], looks, 1.0 - np.count_nonzero(work[0]) / total


def _fitted(bins, groups, code, noise, keys, values):
    """Frequencies whose coefficients did not cancel, their least squares coefficients, and the energies left."""
    parts = bins.U, bins.layout, bins.hashes, bins.shifts, code.stencil
    samples = min(bins.U.size, 1 << code.n)
    error = (noise.variance / samples) ** 0.5
    least = max(_SIGNIFICANT * error, 0.5 * noise.floor**0.5)
    keys, values = _pruned(parts, keys, values, least)
    energies = _energies_left(bins, code)
    if keys.shape[0] == 0 or (noise.variance == 0.0 and not _fit_helps(energies, noise, code.length)):
        return keys, values, energies
    weights = np.asarray([float(group.size) for group in groups])
    quiet = np.full(len(groups), -1.0 if noise.variance else noise.digits * code.length)
    sweeps, tol = (_SWEEPS_NOISY, 1e-3 * error) if noise.variance else (_SWEEPS_EXACT, 0.25 * noise.digits**0.5)
    _kernels.lookup("refit", "numpy")(*parts, weights, quiet, keys, values, sweeps, tol)
    keys, values = _pruned(parts, keys, values, least)
    return keys, values, _energies_left(bins, code)


def _pruned(parts, keys, values, least):
    """Frequencies whose coefficients are larger than `least`; what the others explained goes back into the bins."""
    kept = abs(values) > least
    if kept.all():
        return keys, values
    _kernels.lookup("put_back", "numpy")(*parts, keys[~kept], values[~kept])
    return keys[kept], values[kept]


def _bits_are_sure(values, groups, noise, n):
    """Whether every coefficient tells each of its bits from noise.

    Frequencies that differ in one bit may differ in the sign of a single value of each repeat.
    """
    if noise.variance == 0.0 or values.size == 0:
        return True
    telling = min(sum(group.size * group.repeats for group in groups), 1 << n)
    return float(np.min(abs(values))) >= _SURE * (noise.variance / telling) ** 0.5


def _fit_helps(energies, noise, width):
    """Whether what is left of exact values is neither far below what counts as rounding, nor signal.

    The first would change no digit, the second spread what is in a few bins over all.
    """
    return noise.digits * width < float(energies.max()) <= noise.floor * width


def _as_noise(energies, groups, bins, noise, n):
    """Whether all that is left has the energy of the noise, to four standard deviations.

    Points that were drawn twice from a function without fresh noise repeat theirs, which widens the deviation.
    """
    if noise.variance == 0.0:
        return True
    units = np.asarray([noise.of_bin(group.size) for group in groups])
    samples = sum(group.size * group.bins.shape[1] for group in groups)
    count = bins.U.size * (2 if bins.U.dtype.kind == "c" else 1) / (1.0 + samples * 2.0 ** -min(n, 1000))
    return not exceeds(float(np.sum(energies / units[bins.group_of])), bins.U.size, count, noise.slack)


def relative_error(found, groups):
    """‖f - Σ‖ / ‖f‖ over the values in the bins."""
    whole = sum(group.size * group.energy for group in groups)
    sizes = np.array([float(group.size) for group in groups])
    return (float(np.dot(found.energies, sizes[found.group_of])) / whole) ** 0.5 if whole > 0.0 else 0.0
