"""Gradient descent with too many columns: ``python -m benchmarks.papers.xiong_ding_du_2024.run``.

What Xiong, Ding and Du (2024) show for rank three and five columns: one factor for a positive semidefinite matrix is
slow, the squared loss falls like 1/T²; two factors from starts of different size converge linearly, at a rate in
proportion to the square of the initial scale; and rebalancing them once makes the rate independent of it.
"""

import numpy as np

import lowrank_la as lr
from benchmarks.papers.study import Study

SIDE, RANK, COLUMNS = 20, 3, 5
SCALES = (1e-3, 1e-2, 1e-1, 1.0)
IMBALANCED = (0.3, 0.4, 0.5, 0.6)
GOAL = 1e-24
LIMIT = 800
SPREAD = 1.25  # by which the steps from different scales may differ


def problem(spectrum, symmetric, seed, count):
    generator = np.random.default_rng(seed)
    U, V = (np.linalg.qr(generator.standard_normal((SIDE, RANK)))[0] for _ in range(2))
    X = (U * np.asarray(spectrum)) @ (U if symmetric else V).T
    A = generator.standard_normal((count, SIDE, SIDE))
    return A, A.reshape(count, -1) @ X.ravel()


def losses(spectrum, seed, steps, count, symmetric=False, **options):
    """``‖A(X) - y‖² / N`` before each step."""
    A, y = problem(spectrum, symmetric, seed, count)
    result = lr.recover(
        A, y, (SIDE, SIDE), COLUMNS, loss="l2", symmetric=symmetric, tol=0.0, maxiter=steps, rng=seed, **options
    )
    return np.asarray(result.info.history) ** 2 * float(y @ y) / count


def measured(seeds, steps, imbalanced, scales, count):
    """Courses of the loss, for each of the claims."""
    return {
        "one factor": one_factor(seeds, steps, count),
        "two factors": two_factors(seeds, imbalanced, count),
        "rebalanced, κ = 1": rebalanced(seeds, scales, count, (1.0,) * RANK, LIMIT),
        "rebalanced, κ = 10": rebalanced(seeds, scales, count, (1.0, 0.5, 0.1), 12_000),
    }


def one_factor(seeds, steps, count):
    """Slope of the logarithm of the loss against that of the steps, over the last half of them."""
    found = []
    for seed in range(seeds):
        course = losses((1.0,) * RANK, seed, steps, count, symmetric=True, rebalance=False, init_scale=0.1)
        found.append({"steps": steps, "slopes": [slope(course, end) for end in (steps // 4, steps // 2, steps)]})
        print(f"| one factor | seed {seed} | slopes {', '.join(f'{x:.2f}' for x in found[-1]['slopes'])} |", flush=True)
        found[-1]["course"] = thinned(course)
    return found


def slope(course, end):
    steps = np.arange(1, end + 1)
    return float(np.polyfit(np.log(steps[end // 2 :]), np.log(course[end // 2 : end]), 1)[0])


def two_factors(seeds, scales, count, steps=4000):
    """Rates over the square of the initial scale."""
    found = []
    for scale in scales:
        for seed in range(seeds):
            course = losses((1.0,) * RANK, seed, steps, count, rebalance=False, init_scale=scale)
            inside = np.flatnonzero((course < 1e-5) & (course > 1e-22))
            rate = -float(np.polyfit(inside, np.log(course[inside]), 1)[0])
            found.append({"scale": scale, "rate": rate, "ratio": rate / scale**2, "course": thinned(course)})
            print(f"| two factors | α = {scale:g} | rate {rate:.4f}, over α² {rate / scale**2:.3f} |", flush=True)
    return found


def rebalanced(seeds, scales, measurements, spectrum, steps):
    """Steps to the goal from each scale."""
    found = []
    for scale in scales:
        for seed in range(seeds):
            for symmetric in (False, True):
                course = losses(spectrum, seed, steps, measurements, symmetric=symmetric, init_scale=scale)
                below = np.flatnonzero(course < GOAL)
                count = int(below[0]) if below.size else None
                found.append({"scale": scale, "symmetric": symmetric, "seed": seed, "steps": count})
                found[-1]["course"] = thinned(course)
                print(f"| rebalanced, κ = {spectrum[0] / spectrum[-1]:g} | α = {scale:g} | {count} steps |", flush=True)
    return found


def thinned(course):
    """About two hundred losses of a course, with their steps."""
    places = np.unique(np.geomspace(1, len(course), 200).astype(int)) - 1
    return {"steps": (places + 1).tolist(), "losses": [float(f"{x:.3e}") for x in course[places]]}


def problems(found):
    """What in the measured courses contradicts the claims."""
    wrong = []
    for row in found["one factor"]:
        first, _, last = row["slopes"]
        if not (-2.2 <= last <= -1.6 and abs(last + 2.0) <= abs(first + 2.0) + 0.05):
            wrong.append(f"one factor: slopes {row['slopes']} don't tend to -2")
    ratios = [row["ratio"] for row in found["two factors"]]
    if not max(ratios) <= 2.5 * min(ratios):
        wrong.append(f"two factors: rate over α² between {min(ratios):.3f} and {max(ratios):.3f}")
    wrong += [
        f"rebalanced, κ = 1, α = {row['scale']:g}: {row['steps']} steps"
        for row in found["rebalanced, κ = 1"]
        if row["steps"] is None or row["steps"] > LIMIT
    ]
    counts = {}
    for row in found["rebalanced, κ = 10"]:
        counts.setdefault((row["symmetric"], row["seed"]), []).append(row["steps"])
    for which, steps in counts.items():
        if None in steps or max(steps) > SPREAD * min(steps):
            wrong.append(f"rebalanced, κ = 10, {which}: steps {steps} depend on α")
    return wrong


def differences(found, expected):
    """Counts that differ from the expected ones by more than a tenth."""
    return [
        f"{name}, α = {a['scale']:g}: {a['steps']} steps, expected {b['steps']}"
        for name in ("rebalanced, κ = 1", "rebalanced, κ = 10")
        for a in found[name]
        for b in expected[name]
        if (a["scale"], a["symmetric"], a["seed"]) == (b["scale"], b["symmetric"], b["seed"])
        and (None in (a["steps"], b["steps"]) or abs(a["steps"] - b["steps"]) > 0.1 * b["steps"])
    ]


def figure(found):
    """One panel a claim: squared loss against steps."""
    import matplotlib.pyplot as plt

    drawn, axes = plt.subplots(1, 4, figsize=(13.0, 3.2), layout="constrained")
    for ax, (name, rows) in zip(axes, found.items(), strict=True):
        for row in rows:
            if row.get("symmetric") or row.get("seed", 0):
                continue
            ax.plot(row["course"]["steps"], row["course"]["losses"], label=f"α = {row.get('scale', 0.1):g}")
        ax.set(title=name, xlabel="steps", yscale="log")
        ax.legend(fontsize=8)
    axes[0].set(xscale="log", ylabel="squared loss")
    return drawn


STUDY = Study(
    __file__,
    __doc__,
    {
        "quick": {"seeds": 1, "steps": 4000, "imbalanced": (0.4, 0.6), "scales": (1e-3, 1e-1), "count": 500},
        "medium": {"seeds": 1, "steps": 10_000, "imbalanced": IMBALANCED, "scales": SCALES, "count": 2000},
        "full": {"seeds": 3, "steps": 10_000, "imbalanced": IMBALANCED, "scales": SCALES, "count": 2000},
    },
    measured,
    problems,
    differences,
    figure,
)

if __name__ == "__main__":
    raise SystemExit(STUDY.main())
