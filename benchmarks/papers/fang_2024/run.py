"""Functional Bayesian Tucker decomposition of scattered data: ``python -m benchmarks.papers.fang_2024.run``.

The synthetic experiment of Fang et al. (2024): noisy values of sin²(2πx) cos(2πx) · exp(-2y) sin(1.5πy) at a tenth of
the cells of a grid with irregular coordinates, one product to be found, errors and intervals at other cells.
"""

import time

import numpy as np

import lowrank_la as lr
from benchmarks.papers.study import Study

COORDINATES, DATA, NOISE = 90, 675, 0.01
MODELS = {
    "tuned by evidence": {"core": "superdiagonal"},
    "scale 0.1, variance 0.5, as published": {"core": "superdiagonal", "length_scale": 0.1, "variance": 0.5},
    "tuned, smoothness 5/2": {"core": "superdiagonal", "smoothness": 2.5},
    "tuned, full core": {},
}
RANK_TWO = {"tuned, two products": {"core": "superdiagonal", "rank": 2}}
QUICK = {name: MODELS[name] for name in ("tuned by evidence", "scale 0.1, variance 0.5, as published")}
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


def compared(draws, models):
    """Errors and coverage of every model."""
    return [measured(name, draws, **options) for name, options in models.items()]


def measured(name, draws, rank=1, **options):
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


def figure(found):
    """Mean and largest errors of the models, and the coverage of their intervals."""
    import matplotlib.pyplot as plt

    drawn, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.2), sharey=True, layout="constrained")
    names = [row["model"].replace(", as published", "\n(as published)") for row in found]
    left.barh(names, [row["largest"] for row in found], color="0.8", label="largest of the draws")
    left.barh(names, [row["error"] for row in found], height=0.4, label="mean")
    left.axvline(LARGEST, color="k", linestyle=":", label="allowed, tuned")
    left.set(xlabel="root mean square error")
    left.invert_yaxis()
    drawn.legend(fontsize=8, loc="outside lower center", ncols=3)
    right.plot([row["coverage"] for row in found], names, "o")
    right.axvspan(*COVERAGE, color="0.9")
    right.axvline(0.95, color="k", linestyle=":")
    right.set(xlabel="coverage of 95 % intervals", xlim=(0.88, 1.0))
    return drawn


STUDY = Study(
    __file__,
    __doc__,
    {
        "quick": {"draws": 2, "models": QUICK},
        "medium": {"draws": 10, "models": MODELS},
        "full": {"draws": 40, "models": MODELS | RANK_TWO},
    },
    compared,
    problems,
    differences,
    figure,
    head="model | error | largest error | coverage | noise | seconds",
)

if __name__ == "__main__":
    raise SystemExit(STUDY.main())
