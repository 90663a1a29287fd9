"""Sparse Walsh-Hadamard transforms in noise: ``python -m benchmarks.papers.li_2015_spright.run``.

The framework of Li, Bradley, Pawar and Ramchandran (2015): success against the bins a coefficient (exact values),
against signal-to-noise ratio, repeats and kind of vote, and values and time against n. Groups are random subspaces.
"""

import math
import time
import warnings

import numpy as np

import lowrank_la as lr
from benchmarks.bench_sparse_wht import planted, stored
from benchmarks.papers.study import Study
from lowrank_la.transforms.sparse_load import left_over

LOADS = (0.36, 0.41, 0.45, 0.5, 0.6)
NOTES = {  # shares of exact answers that a careful implementation has
    "load 64": (0.0, 0.37, 0.83, 0.93, 0.93),
    "load 256": (0.0, 0.50, 0.93, 1.0, 1.0),
    "snr 1": (0.0, 0.30, 1.0),
    "snr 3": (0.0, 1.0, 1.0),
    "snr 5": (0.07, 1.0, 1.0),
    "snr 10": (0.97, 1.0, 1.0),
    "vote 3": (0.77, 0.55),
    "vote 5": (1.0, 0.87),
}
RATIOS = (-5.0, 0.0, 5.0)
GROWTH = (*((n, 64, 64) for n in (14, 20, 30, 40, 50, 60)), (22, 1706, 1024))
"""Bits, coefficients and bins of the problems whose values and time are counted."""


def function(rows, values):
    def f(bits):
        shared = bits.astype(np.float32) @ rows.T.astype(np.float32)
        return (1.0 - 2.0 * (shared % 2.0)) @ values

    return f


def once(x, n, count, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        return lr.sparse_wht(x, n, count, attempts=1, method="peeling", **options)


def exact_share(bins, load, trials, n=20):
    """Share of exact answers on exact values with `bins` bins and ``bins / load`` coefficients."""
    right = 0
    for seed in range(trials):
        rows, values = planted(n, round(bins / load), seed)
        result = once(stored(rows, values), n, len(rows), bins=bins, rng=seed)
        right += np.array_equal(result.indices, rows)
    return right / trials


def noisy_share(snr, repeats, vote, trials, noise=None, n=14, count=10):
    """Share of exact supports for signs as coefficients and white noise; the ratio in decibels."""
    right = 0
    for seed in range(trials):
        rows, values = planted(n, count, 1000 + seed, signs=True)
        sigma = math.sqrt(len(rows) / 10.0 ** (snr / 10.0))
        x = stored(rows, values) + sigma * np.random.default_rng(seed).standard_normal(1 << n)
        result = once(x, n, count, bins=32, repeats=repeats, vote=vote, noise=noise or sigma, rng=seed)
        right += np.array_equal(result.indices, rows)
    return right / trials


def measured(trials, settings):
    """Shares of success, and what growing problems cost."""
    found, grown = curves(trials), growth(settings)
    for name, shares in found.items():
        print(f"| {name} | " + " | ".join(f"{share:.2f}" for share in shares) + " |")
    for row in grown:
        print("| " + " | ".join(f"{key} {value}" for key, value in row.items()) + " |")
    return {"trials": trials, "shares": found, "growth": grown}


def curves(trials):
    """All shares: a name, and the shares found in its settings."""
    found = {"evolution": [left_over([load] * 3) == 0.0 for load in (1.0, 2.0, 3.0)]}
    for bins in (64, 256):
        found[f"load {bins}"] = [exact_share(bins, load, trials) for load in LOADS]
    for repeats in (1, 3, 5, 10):
        found[f"snr {repeats}"] = [noisy_share(snr, repeats, "soft", trials) for snr in RATIOS]
    for repeats in (3, 5):
        found[f"vote {repeats}"] = [noisy_share(-2.0, repeats, vote, trials) for vote in ("soft", "hard")]
    for repeats in (3, 10):
        found[f"unknown noise {repeats}"] = [
            noisy_share(snr, repeats, "soft", trials, "unknown") for snr in (-4.0, 1.0)
        ]
        found[f"known noise, 1 dB less {repeats}"] = [
            noisy_share(snr - 1.0, repeats, "soft", trials) for snr in (-4.0, 1.0)
        ]
    return found


def growth(settings):
    """Values and seconds without those of the function."""
    rows = []
    for n, count, bins in settings:
        frequencies, values = planted(n, count, 7)
        f, spent, least = function(frequencies, values), [0.0], math.inf

        def clocked(bits, f=f, spent=spent):
            start = time.perf_counter()
            answer = f(bits)
            spent[0] += time.perf_counter() - start
            return answer

        once(clocked, n, count, bins=bins, rng=99)
        for seed in range(3 if count > 1000 else 12):
            spent[0] = 0.0
            start = time.perf_counter()
            result = once(clocked, n, count, bins=bins, rng=seed)
            least = min(least, time.perf_counter() - start - spent[0])
            if np.array_equal(result.indices, frequencies):
                break
        rows.append({"n": n, "K": count, "bins": bins, "samples": result.info.samples, "ms": round(1e3 * least, 3),
                     "exact": bool(np.array_equal(result.indices, frequencies))})  # fmt: skip
    return rows


def problems(measured):
    """What contradicts the notes: shares by more than three standard deviations and a tenth."""
    found, grown, trials, wrong = measured["shares"], measured["growth"], measured["trials"], []
    if found["evolution"] != [True, True, False]:
        wrong.append(f"density evolution: {found['evolution']}")
    for name, shares in NOTES.items():
        for at, (share, expected) in enumerate(zip(found[name], shares, strict=True)):
            spread = 3.0 * math.sqrt(max(expected * (1.0 - expected), 0.02) * (1.0 / trials + 1.0 / 30.0))
            if abs(share - expected) > max(spread, 0.1):
                wrong.append(f"{name}, setting {at}: {share:.2f}, expected {expected:.2f}")
    for repeats in (3, 10):
        known, unknown = found[f"known noise, 1 dB less {repeats}"], found[f"unknown noise {repeats}"]
        wrong += [
            f"unknown noise costs more than 1 dB: {b} < {a}" for a, b in zip(known, unknown, strict=True) if b < a - 0.1
        ]
    wrong += [f"n = {row['n']}, K = {row['K']}: not exact" for row in grown if not row["exact"]]
    return wrong


def differences(measured, stored):
    expected = stored["shares"]
    return [
        f"{name}: {shares}, stored {expected[name]}"
        for name, shares in measured["shares"].items()
        if name in expected and max(abs(a - b) for a, b in zip(shares, expected[name], strict=True)) > 0.25
    ]


def figure(measured):
    """Success against the bins a coefficient and against the noise, and the values that growing problems read."""
    import matplotlib.pyplot as plt

    shares, grown = measured["shares"], [row for row in measured["growth"] if row["K"] == 64]
    drawn, (left, middle, right) = plt.subplots(1, 3, figsize=(12.0, 3.2), layout="constrained")
    for bins in (64, 256):
        left.plot(LOADS, shares[f"load {bins}"], "o-", label=f"{bins} bins")
    left.set(xlabel="bins a coefficient", ylabel="share of exact answers", title="exact values")
    for repeats in (1, 3, 5, 10):
        middle.plot(RATIOS, shares[f"snr {repeats}"], "o-", label=f"{repeats} repeats" if repeats > 1 else "no repeats")
    middle.set(xlabel="signal to noise, dB", title="noisy values, n = 14, ten coefficients")
    right.semilogy([row["n"] for row in grown], [row["samples"] for row in grown], "o-", label="values read")
    right.semilogy([row["n"] for row in grown], [2.0 ** row["n"] for row in grown], "k:", label="values there are")
    right.set(xlabel="bits n", title="64 coefficients")
    for axes in (left, middle, right):
        axes.legend(fontsize=8)
    return drawn


STUDY = Study(
    __file__,
    __doc__,
    {
        "quick": {"trials": 6, "settings": GROWTH[:4]},
        "medium": {"trials": 30, "settings": GROWTH},
        "full": {"trials": 300, "settings": (*GROWTH, (30, 6826, 4096))},
    },
    measured,
    problems,
    differences,
    figure,
)

if __name__ == "__main__":
    raise SystemExit(STUDY.main())
