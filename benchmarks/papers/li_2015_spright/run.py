"""Sparse Walsh-Hadamard transforms in noise: ``python -m benchmarks.papers.li_2015_spright.run [--full] [--store]``.

The framework of Li, Bradley, Pawar and Ramchandran (2015): success against the bins a coefficient (exact values),
against
signal-to-noise ratio, repeats and kind of vote, and values and time against n. Groups are random subspaces here.
"""

import argparse
import json
import math
import time
import warnings
from pathlib import Path

import numpy as np

import lowrank_la as lr
from benchmarks.bench_sparse_wht import planted, stored
from lowrank_la.transforms.sparse_load import left_over

HERE = Path(__file__).parent
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


def curves(trials):
    """All shares: a name, the settings, the shares found."""
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


def growth(full):
    """Values and seconds without those of the function: n at 64 coefficients, then coefficients at 0.6 bins each."""
    rows = []
    settings = (
        [(n, 64, 64) for n in (14, 20, 30, 40, 50, 60)] + [(22, 1706, 1024)] + ([(30, 6826, 4096)] if full else [])
    )
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


def problems(found, grown, trials):
    """What contradicts the notes: shares by more than three standard deviations and a tenth."""
    wrong = []
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


def differences(found, expected):
    return [
        f"{name}: {shares}, stored {expected[name]}"
        for name, shares in found.items()
        if name in expected and max(abs(a - b) for a, b in zip(shares, expected[name], strict=True)) > 0.25
    ]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="300 trials a share instead of 30, and larger problems")
    parser.add_argument("--store", action="store_true", help="store the shares as the expected ones")
    options = parser.parse_args(arguments)
    start, path, trials = time.perf_counter(), HERE / "expected.json", 300 if options.full else 30
    found, grown = curves(trials), growth(options.full)
    for name, shares in found.items():
        print(f"| {name} | " + " | ".join(f"{share:.2f}" for share in shares) + " |")
    for row in grown:
        print("| " + " | ".join(f"{key} {value}" for key, value in row.items()) + " |")
    wrong = problems(found, grown, trials)
    if options.store:
        path.write_text(
            json.dumps({"trials": trials, "shares": found, "growth": grown}, indent=1) + "\n", encoding="utf-8"
        )
    elif path.exists():
        wrong += differences(found, json.loads(path.read_text(encoding="utf-8"))["shares"])
    print(f"\n{time.perf_counter() - start:.0f} s")
    print("as expected" if not wrong else "not as expected:\n" + "\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
