"""The sub-gradient method from small starts: ``python -m benchmarks.papers.ma_fattahi_2023.run``.

What Ma and Fattahi (2023) show: with outliers the final error falls with the initial scale, whatever the rank is taken
to be; in Gaussian noise the error is the statistical one, whatever the rank, and nothing has to be stopped early.
"""

import numpy as np

import lowrank_la as lr
from benchmarks.papers.study import Study

SIDE, RANK = 20, 3
SCALES = (1e-1, 1e-3, 1e-6, 1e-9)
LIMITS = (1e-2, 3e-3, 3e-5, 1e-6)
HALF = 1e-5  # the error allowed where half of the values are spoilt
STATISTICAL = 1.5  # times √(ν² d r / m)
SAME = 0.05  # by which the error may depend on the rank


def problem(count, share, noise, seed):
    """A projection of rank three, Gaussian measurements, outliers N(0, 100) and noise N(0, ν²)."""
    generator = np.random.default_rng(seed)
    U = np.linalg.qr(generator.standard_normal((SIDE, RANK)))[0]
    X, A = U @ U.T, generator.standard_normal((count, SIDE, SIDE))
    y = A.reshape(count, -1) @ X.ravel()
    y += (generator.random(count) < share) * 10.0 * generator.standard_normal(count)
    return X, A, y + noise * generator.standard_normal(count)


def solved(data, rank, **options):
    """``(error, steps)`` of `recover`."""
    X, A, y = data
    result = lr.recover(A, y, (SIDE, SIDE), rank, symmetric=True, **options)
    return float(np.linalg.norm(result.U @ result.U.T - X)), result.info.iterations


def measured(seeds, scales=SCALES, counts=(600, 1200, 2400), ranks=(3, 10, 20)):
    """Errors of the three experiments."""
    return {"outliers": outliers(seeds, scales), "half": half(seeds), "gaussian": gaussian(seeds, counts, ranks)}


def outliers(seeds, scales):
    """Errors over the initial scale: a tenth of 600 values spoilt, the rank taken as 20."""
    found = []
    for scale in scales:
        runs = [solved(problem(600, 0.1, 0.0, seed), SIDE, init_scale=scale) for seed in range(seeds)]
        found.append({"scale": scale, "errors": [run[0] for run in runs], "steps": [run[1] for run in runs]})
        show("outliers", scale, found[-1]["errors"])
    return found


def half(seeds):
    """Errors of the defaults: half of 30 d r values spoilt."""
    errors = [solved(problem(30 * SIDE * RANK, 0.5, 0.0, seed), SIDE)[0] for seed in range(seeds)]
    show("half spoilt", "default", errors)
    return errors


def gaussian(seeds, counts, ranks):
    """Errors in noise of standard deviation one, relative to √(ν² d r / m)."""
    found = []
    for count in counts:
        unit = (SIDE * RANK / count) ** 0.5
        for rank in ranks:
            ratios = [solved(problem(count, 0.0, 1.0, seed), rank, tol=1e-5)[0] / unit for seed in range(seeds)]
            found.append({"count": count, "rank": rank, "ratios": ratios})
            show(f"noise, m={count}", rank, ratios)
    return found


def show(what, setting, values):
    print(f"| {what} | {setting} | {min(values):.2e} | {np.median(values):.2e} | {max(values):.2e} |", flush=True)


def problems(found):
    """What in the measured errors contradicts the claims."""
    wrong = [
        f"scale {row['scale']:g}: median error {np.median(row['errors']):.1e} above {limit:g}"
        for row, limit in zip(found["outliers"], LIMITS, strict=False)
        if np.median(row["errors"]) > limit
    ]
    medians = [float(np.median(row["errors"])) for row in found["outliers"]]
    if sorted(medians, reverse=True) != medians:
        wrong.append("the error does not fall with the initial scale")
    wrong += [f"half spoilt, seed {i}: error {e:.1e}" for i, e in enumerate(found["half"]) if e > HALF]
    for row in found["gaussian"]:
        ratio = float(np.median(row["ratios"]))
        (exact,) = [r for r in found["gaussian"] if r["count"] == row["count"] and r["rank"] == RANK]
        if ratio > STATISTICAL:
            wrong.append(f"m={row['count']}, rank {row['rank']}: {ratio:.2f} times the statistical error")
        if max(abs(a - b) for a, b in zip(row["ratios"], exact["ratios"], strict=True)) > SAME:
            wrong.append(f"m={row['count']}: the error depends on the rank {row['rank']}")
    return wrong


def differences(found, expected):
    """Medians that are far from the expected ones."""
    pairs = [(a["errors"], b["errors"]) for a, b in zip(found["outliers"], expected["outliers"], strict=True)]
    return [
        f"outliers: median {np.median(a):.1e}, expected {np.median(b):.1e}"
        for a, b in pairs
        if abs(np.log10(np.median(a) / np.median(b))) > 1.0
    ]


def figure(found):
    """Error against the initial scale, and against the number of noisy measurements."""
    import matplotlib.pyplot as plt

    drawn, (left, right) = plt.subplots(1, 2, figsize=(8.0, 3.2), layout="constrained")
    for row in found["outliers"]:
        left.loglog([row["scale"]] * len(row["errors"]), row["errors"], "o", color="C0", alpha=0.6)
    left.loglog(SCALES, LIMITS, "k--", label="asked for")
    left.set(xlabel="initial scale", ylabel="error", title="a tenth spoilt, rank 20 for 3")
    left.legend()
    for place, rank in enumerate(sorted({row["rank"] for row in found["gaussian"]})):
        rows = [row for row in found["gaussian"] if row["rank"] == rank]
        counts = [row["count"] for row in rows]
        errors = [np.median(row["ratios"]) * (SIDE * RANK / row["count"]) ** 0.5 for row in rows]
        right.loglog(counts, errors, "o-", color=f"C{place}", label=f"rank {rank}")
    right.loglog(counts, [(SIDE * RANK / count) ** 0.5 for count in counts], "k--", label="√(ν² d r / m)")
    right.set_xticks(counts, [str(count) for count in counts])
    right.minorticks_off()
    right.set(xlabel="measurements", title="Gaussian noise, ν = 1")
    right.legend()
    return drawn


STUDY = Study(
    __file__,
    __doc__,
    {
        "quick": {"seeds": 2, "scales": SCALES[:3], "counts": (600, 1200), "ranks": (3, 20)},
        "medium": {"seeds": 4},
        "full": {"seeds": 10},
    },
    measured,
    problems,
    differences,
    figure,
    head="what | setting | least | median | largest",
)

if __name__ == "__main__":
    raise SystemExit(STUDY.main())
