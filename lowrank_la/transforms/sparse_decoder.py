"""From the bins of some groups to frequencies, coefficients and the question whether they explain everything."""

from dataclasses import dataclass

import numpy as np

from .. import _kernels
from .sparse_groups import energies_of
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
    energies : array (bins,)
        Energy left in every bin.
    limits : array (groups,)
        What it may be.
    weighted : float
        Sum of the energies, times the bins of their group.
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
    weighted: float
    complete: bool
    looks: int
    empty: float

    def unresolved(self, groups):
        """Whether each bin holds more than noise."""
        return self.energies > self.limits[groups.group_of]


def decode(groups, code, noise, soft):
    """Peel, drop what cancelled, fit the coefficients to all samples, and look at what is left.

    Parameters
    ----------
    groups : Groups
    code : Code
    noise : Noise
    soft : bool
        Votes on a bit weighted by the values.
    """
    U = groups.values.copy()
    limits = zero, _, _ = thresholds(groups, noise, RISK, groups.parts)
    keys, values, looks, untouched, smallest = _peeled(U, groups, code, limits, soft)
    keys, values, left = _fitted(U, groups, code, noise, keys, values, smallest, zero)
    energies, _, weighted, above = left
    complete = looks <= PATIENCE * groups.bins and above == 0 and _as_noise(energies, groups, noise, code.n)
    complete = complete and _bits_are_sure(values, groups, noise, code.n)
    values = values[:, 0] if groups.parts == 1 else values.view(np.complex128)[:, 0]
    return Decoding(keys, values, energies, zero, weighted, complete, looks, untouched / groups.bins)


def _energies_left(U, groups, zero):
    """``energies, largest, weighted, above``, see the kernel `bin_energies`."""
    return energies_of(U, groups, zero)


def _peeled(U, groups, code, limits, soft):
    """What the kernel `peel` gives; looks pass the patience of the peeling where that, or room, ran out."""
    return _kernels.lookup("peel", "numpy")(
        U, groups.layout, groups.hashes, groups.shifts, code.stencil, groups.parts, code.degree, code.exps, code.logs,
        soft, CHECK_HASH, *limits, PATIENCE * groups.bins, 2 * groups.bins + 16,
    )  # fmt: skip


def _fitted(U, groups, code, noise, keys, values, smallest, zero):
    """Frequencies whose coefficients did not cancel, their least squares coefficients, and the energies left."""
    parts = U, groups.layout, groups.hashes, groups.shifts, code.stencil
    samples = min(groups.samples, 1 << code.n)
    error = (noise.variance / samples) ** 0.5
    least = max(_SIGNIFICANT * error, 0.5 * noise.floor**0.5)
    if smallest <= least:
        keys, values = _pruned(parts, keys, values, least)
    left = _energies_left(U, groups, zero)
    if keys.shape[0] == 0 or (noise.variance == 0.0 and not noise.digits < left[1] <= noise.floor):
        return keys, values, left
    quiet = np.full(len(groups), -1.0) if noise.variance else noise.digits * np.array(groups.widths)
    sweeps, tol = (_SWEEPS_NOISY, 1e-3 * error) if noise.variance else (_SWEEPS_EXACT, 0.25 * noise.digits**0.5)
    weights = np.array(groups.sizes, np.float64)
    _kernels.lookup("refit", "numpy")(*parts, weights, quiet, keys, values, sweeps, tol)
    if _kernels.lookup("smallest_of", "numpy")(values, keys.shape[0]) <= least:
        keys, values = _pruned(parts, keys, values, least)
    return keys, values, _energies_left(U, groups, zero)


def _pruned(parts, keys, values, least):
    """Frequencies whose coefficients are larger than `least`; what the others explained goes back into the bins."""
    kept = np.einsum("ij,ij->i", values, values) > least * least
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
    telling = min(sum(size * repeats for size, repeats in zip(groups.sizes, groups.repeats, strict=True)), 1 << n)
    smallest = float(np.min(np.sum(values * values, axis=1))) ** 0.5
    return smallest >= _SURE * (noise.variance / telling) ** 0.5


def _as_noise(energies, groups, noise, n):
    """Whether all that is left has the energy of the noise, to four standard deviations.

    Points that were drawn twice from a function without fresh noise repeat theirs, which widens the deviation.
    """
    if noise.variance == 0.0:
        return True
    units = np.array([noise.of_bin(size) for size in groups.sizes])
    count = groups.samples * groups.parts / (1.0 + groups.samples * 2.0 ** -min(n, 1000))
    return not exceeds(float(np.sum(energies / units[groups.group_of])), groups.samples, count, noise.slack)


def relative_error(found, groups):
    """‖f - Σ‖ / ‖f‖ over the values in the bins."""
    return (found.weighted / groups.squares) ** 0.5 if groups.squares > 0.0 else 0.0
