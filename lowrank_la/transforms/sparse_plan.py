"""What the caller of a sparse transform asked for, checked."""

from dataclasses import dataclass

from .. import _backend as be
from .sparse_check import checks_for
from .sparse_load import bits_for

_METHODS = ("auto", "peeling", "dense")
_VOTES = ("soft", "hard")
_SAMPLES = 1 << 24
_LARGEST_DENSE = 30
LEAST_BITS = 4  # of a first group: fewer bins see too few points, and show no noise


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
    degree : int or None
    soft : bool
    verify, attempts, samples, checks : int
        Offsets that verify, limits, and independent points to look at before there is a certificate.
    method : str
    """

    sparsity: int | None
    bins: int | None
    repeats: int | None
    groups: int
    noise: float | str | None
    degree: int | None
    soft: bool
    verify: int
    attempts: int
    samples: int
    checks: int
    method: str

    @property
    def dense(self):
        """Whether all of a small cube may be looked at instead."""
        return self.method == "auto"

    def told(self, n):
        """Bits of a frequency that a bin tells at least; None in noise, where the bin has to be a check."""
        if self.noise is not None:
            return None
        return bits_for(self.sparsity or 1, min(LEAST_BITS, n), n) if self.bins is None else self.bins


def planned(n, *, sparsity, noise, degree, method, bins, groups, repeats, verify, vote, attempts, max_samples, checks):
    """The `Plan` for these options of `sparse_wht`."""
    be.check_option("method", method, _METHODS)
    if sparsity is not None:
        sparsity = be.check_count("sparsity", sparsity, 0, 1 << n)
    if method == "dense" and n > _LARGEST_DENSE:
        raise ValueError(f"method='dense' looks at 2**n values, for n up to {_LARGEST_DENSE}; got n = {n}")
    noise = _checked_noise(noise)
    bins = _checked_bins(bins, n, noise)
    groups, verify = be.check_count("groups", groups), be.check_count("verify", verify, 0)
    repeats = None if repeats is None else be.check_count("repeats", repeats)
    checks = checks_for(sparsity, n, verify) if checks is None else be.check_count("checks", checks, 0)
    least = max(12 * (sparsity or 0), 4 * groups * (repeats or 1) << (bins or 0)) * (1 + n + verify) + checks
    return Plan(
        sparsity=max(sparsity, 1) if sparsity is not None else None,
        bins=bins,
        repeats=repeats,
        groups=groups,
        noise=noise,
        degree=None if degree is None else be.check_count("degree", degree, 0, n),
        soft=be.check_option("vote", vote, _VOTES) == "soft",
        verify=verify,
        attempts=be.check_count("attempts", attempts),
        samples=max(_SAMPLES, least) if max_samples is None else be.check_count("max_samples", max_samples),
        checks=checks,
        method=method,
    )


def _checked_noise(noise):
    if isinstance(noise, str):
        return be.check_option("noise", noise, (None, "unknown"))
    return None if noise is None else be.check_positive("noise", noise, zero=True) or None


def _checked_bins(bins, n, noise):
    """The logarithm of `bins`."""
    if bins is None:
        return None
    bins = be.check_count("bins", bins, 1, 1 << n)
    if bins & (bins - 1):
        raise ValueError(f"bins must be a power of two, got {bins}")
    if noise == "unknown" and bins < min(1 << LEAST_BITS, 1 << n):
        raise ValueError(
            f"bins must be at least {1 << LEAST_BITS} for noise='unknown', which shows in empty bins, got {bins}"
        )
    return bins.bit_length() - 1
