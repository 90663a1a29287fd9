"""Functional Bayesian Tucker decomposition of scattered data: ``python -m benchmarks.papers.fang_2024.run``.

The synthetic experiment of Fang et al. (2024): noisy values of sin²(2πx) cos(2πx) · exp(-2y) sin(1.5πy) at a tenth of
the cells of a grid with irregular coordinates, one product to be found, errors and intervals at other cells.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

import lowrank_la as lr

HERE = Path(__file__).parent
COORDINATES, DATA, NOISE = 90, 675, 0.01
MODELS = {
    "tuned by evidence": {"core": "superdiagonal"},
    "scale 0.1, variance 0.5, as published": {"core": "superdiagonal", "length_scale": 0.1, "variance": 0.5},
    "tuned, smoothness 5/2": {"core": "superdiagonal", "smoothness": 2.5},
    "tuned, full core": {},
}
RANK_TWO = {"tuned, two products": {"core": "superdiagonal"}}
LARGEST = 0.0042  # root mean square error with tuned length scales
COVERAGE = (0.92, 0.98)  # of 95 % intervals of the function without noise, mean over draws
CLOSE = 2e-4  # by how much an error may differ from the expected one


def draw(seed):
    generator = np.random.default_rng(seed)
    axes = [np.sort(generator.uniform(size=COORDINATES)) for _ in range(2)]
    i, j = np.divmod(generator.permutation(COORDINATES**2)[: 2 * DATA], COORDINATES)
    x = np.stack([axes[0][i], axes[1][j]], axis=1)
    u = np.sin(2 * np.pi * x[:, 0]) ** 2 * np.cos(2 * np.pi * x[:, 0])
    f = u * np.exp(-2 * x[:, 1]) * np.sin(1.5 * np.pi * x[:, 1])
    return x[:DATA], f[:DATA] + NOISE * generator.standard_normal(DATA), x[DATA:], f[DATA:]


def measured(name, rank, options, draws):
    errors, covered, noises, start = [], [], [], time.perf_counter()
    for seed in range(draws):
        x, y, new, truth = draw(seed)
        result = lr.FunctionalTucker(rank, **options).fit(x, y, rng=seed)
        mean, std = result.predict(new)
        errors.append(np.sqrt(np.mean((mean - truth) ** 2)))
        covered.append(np.mean(np.abs(mean - truth) <= 1.959964 * std))
        noises.append(result.noise)
    row = {
        "model": name, "error": round(float(np.mean(errors)), 5), "largest": round(float(np.max(errors)), 5),
        "coverage": round(float(np.mean(covered)), 3), "noise": round(float(np.mean(noises)), 5),
    }  # fmt: skip
    seconds = (time.perf_counter() - start) / draws
    print(f"| {' | '.join(str(value) for value in row.values())} | {seconds:.2f} |", flush=True)
    return row


def problems(found):
    """What in the figures contradicts the claims."""
    table, wrong = {row["model"]: row for row in found}, []
    tuned, fixed = table["tuned by evidence"], table["scale 0.1, variance 0.5, as published"]
    if tuned["largest"] > LARGEST:
        wrong.append(f"largest error {tuned['largest']} is above {LARGEST}")
    if not COVERAGE[0] <= tuned["coverage"] <= COVERAGE[1]:
        wrong.append(f"coverage {tuned['coverage']} outside {COVERAGE}")
    if abs(tuned["noise"] / NOISE - 1.0) > 0.1:
        wrong.append(f"noise {tuned['noise']} instead of {NOISE}")
    if fixed["error"] <= tuned["error"]:
        wrong.append("length scales tuned by evidence don't help")
    return wrong


def differences(found, expected):
    """Errors that differ from the expected ones."""
    known = {row["model"]: row["error"] for row in expected}
    return [
        f"{row['model']}: {row['error']}, expected {known.get(row['model'])}"
        for row in found
        if row["model"] not in known or abs(known[row["model"]] - row["error"]) > CLOSE
    ]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="forty draws instead of ten, and two products")
    parser.add_argument("--store", action="store_true", help="store the figures as the expected ones")
    options = parser.parse_args(arguments)
    start, path, kind = time.perf_counter(), HERE / "expected.json", "full" if options.full else "quick"
    print("| model | error | largest error | coverage | noise | seconds |\n|---|---|---|---|---|---|")
    draws = 40 if options.full else 10
    found = [measured(name, 1, model, draws) for name, model in MODELS.items()]
    if options.full:
        found += [measured(name, 2, model, draws) for name, model in RANK_TWO.items()]
    wrong = problems(found)
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if options.store:
        stored[kind] = found
        path.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    elif kind in stored:
        wrong += differences(found, stored[kind])
    print(f"\n{time.perf_counter() - start:.0f} s")
    print("as expected" if not wrong else "not as expected:\n" + "\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
