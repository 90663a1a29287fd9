"""Standard spectra."""

import numpy as np


def one_to(n):
    """``1.0, 2.0, …, n``."""
    return np.arange(1.0, n + 1.0)


def _steps(n, width, factor, floor=0.0):
    return np.maximum(factor ** (np.arange(n) // width), floor)


def _spiked_flat(n, spikes=10):
    values = np.ones(n)
    top = min(spikes, n)
    values[:top] = np.linspace(10.0, 5.0, top)
    return values


def _close_pair(n, cut=10, gap=1e-3):
    values = 1e-2 * 0.99 ** np.arange(n)
    values[:cut] = 1.0
    values[cut : cut + 1] = 1.0 - gap
    return values


def _low_rank_noise(n, rank=10, noise=1e-2):
    """Ones above ``noise·G Gᴴ/n``, whose eigenvalues are squares of quarter-circle quantiles."""
    x = np.linspace(0.0, 2.0, 4001)
    law = (x * np.sqrt(4.0 - x**2) / 2.0 + 2.0 * np.arcsin(x / 2.0)) / np.pi
    values = noise * np.interp((n - one_to(n) + 0.5) / n, law, x) ** 2
    values[:rank] += 1.0
    return values


def _exact_rank(n, rank=10):
    values = np.zeros(n)
    top = min(rank, n)
    values[:top] = np.linspace(1.0, 0.1, top)
    return values


spectra = {
    "polynomial_half": lambda n: one_to(n) ** -0.5,
    "polynomial_one": lambda n: one_to(n) ** -1.0,
    "polynomial_two": lambda n: one_to(n) ** -2.0,
    "exponential_slow": lambda n: 10.0 ** (-0.01 * (one_to(n) - 1.0)),
    "exponential_medium": lambda n: 10.0 ** (-0.1 * (one_to(n) - 1.0)),
    "exponential_fast": lambda n: 10.0 ** (-0.5 * (one_to(n) - 1.0)),
    "linear": lambda n: (n - one_to(n) + 1.0) / n,
    "flat": np.ones,
    "staircase": lambda n: _steps(n, max(n // 10, 1), 0.5),
    "devil": lambda n: _steps(n, 20, 10.0**-0.6, floor=1e-15),
    "spiked_flat": _spiked_flat,
    "close_pair": _close_pair,
    "low_rank_noise": _low_rank_noise,
    "exact_rank": _exact_rank,
}
"""Standard spectra: each takes a length and returns that many descending values.

Polynomial i^(-1/2), i^-1, i^-2; exponential 10^(-q i) with q = 0.01, 0.1, 0.5; ``staircase`` halves ten times,
``devil`` falls by 10^0.6 every 20 values; ``spiked_flat`` is 10 spikes over ones, ``close_pair`` a near tie at the cut
10, ``low_rank_noise`` 10 ones over a noise bulk, ``exact_rank`` 10 nonzero values.
"""


def spectrum_values(name, spectrum, n, *, signed=False):
    """At most `n` values: those given for the argument `name`, or the standard spectrum of that name."""
    if isinstance(spectrum, str):
        if spectrum not in spectra:
            raise ValueError(f"{name} must be an array or one of {', '.join(spectra)}; got {spectrum!r}")
        return spectra[spectrum](n)
    values = np.asarray(spectrum, dtype=np.float64)
    if values.ndim != 1 or values.size > n:
        raise ValueError(f"{name} must be one-dimensional with at most {n} values; got shape {values.shape}")
    wrong = ~np.isfinite(values) | ((values < 0.0) & (not signed))
    if np.any(wrong):
        raise ValueError(f"{name} must be finite{'' if signed else ' and not negative'}; got {values[wrong][0]}")
    return values
