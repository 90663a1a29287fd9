"""Conditioning and errors of weighted least squares designs: ``python -m benchmarks.papers.nouy_michel_2023.run``.

Reproduces the comparison of Nouy and Michel (2023): the least eigenvalue of the weighted Gram matrix of the first d
Legendre polynomials at s points, 300 designs of each kind, and the error of the approximation of two functions.
"""

import math

import numpy as np

import lowrank_la as lr
from benchmarks.papers.study import Study
from lowrank_la import _backend as be
from lowrank_la.sampling import designs
from lowrank_la.sampling.proposals import PointProposals
from lowrank_la.solve.weighted import smallest_eigenvalue

DESIGNS = {
    "iid": designs.independent,
    "volume_rescaled": designs.volume_rescaled,
    "repeated_dpp": designs.repeated,
}
SETTINGS = (("Legendre", 10, 30), ("Legendre", 20, 80), ("Hermite", 10, 30))
FUNCTIONS = {"1/(1+25x^2)": lambda x: 1.0 / (1.0 + 25.0 * x**2), "exp(x)": np.exp}


def measured(trials, sizes):
    """Least eigenvalues of all designs, and errors of the approximations."""
    found = {"conditioning": conditioning(trials), "errors": errors(min(trials, 50), sizes)}
    print("| family | d | size | design | median least eigenvalue | share above 1/2 |\n|---|---|---|---|---|---|")
    for row in found["conditioning"]:
        print(
            f"| {row['family']} | {row['d']} | {row['size']} | {row['design']} | {row['median']:.3f} ± "
            f"{row['median_error']:.3f} | {row['above_half']:.2f} |"
        )
    print("\n| function | size | design | error / best |\n|---|---|---|---|")
    for row in found["errors"]:
        print(f"| {row['function']} | {row['size']} | {row['design']} | {row['median_ratio']:.3g} |")
    return found


def conditioning(trials, seed=0):
    """Median of the least eigenvalue, its standard error, and the share above one half, for each setting and design."""
    found = []
    for family, d, size in SETTINGS:
        proposals = PointProposals(getattr(lr, family)(d))
        for name, design in DESIGNS.items():
            places = design(proposals, size, be.resolve_rng(seed), range(trials))
            least = np.asarray([smallest_eigenvalue(proposals, row) for row in places])
            found.append(
                {
                    "family": family,
                    "d": d,
                    "size": size,
                    "design": name,
                    "median": float(np.median(least)),
                    "median_error": 1.2533 * float(least.std()) / math.sqrt(trials),
                    "above_half": float(np.mean(least > 0.5)),
                }
            )
    return found


def errors(trials, sizes, d=10, seed=0):
    """Median over designs of the L2 error, over the best possible, for each function and size."""
    x, w = np.polynomial.legendre.leggauss(400)
    w, features, found = w / 2, lr.Legendre(d), []
    for label, f in FUNCTIONS.items():
        best = f(x) - features(x) @ (features(x).T @ (w * f(x)))
        best = float(np.sqrt(w @ best**2))
        for size in sizes:
            for name in DESIGNS:
                solved = (
                    lr.weighted_lstsq(features, f, size, method=name, rng=seed + trial).coefficients
                    for trial in range(trials)
                )
                missed = [float(w @ (f(x) - features(x) @ c) ** 2) for c in solved]
                ratio = math.sqrt(float(np.median(missed))) / best
                found.append({"function": label, "size": size, "design": name, "median_ratio": ratio})
    return found


def problems(found):
    """What in the figures contradicts the claims."""
    wrong = []
    for family, d, size in SETTINGS:
        of = {row["design"]: row for row in found["conditioning"] if (row["family"], row["d"]) == (family, d)}
        medians = [of[name]["median"] for name in ("iid", "volume_rescaled", "repeated_dpp")]
        if medians != sorted(medians) or medians[-1] < 1.3 * medians[0]:
            wrong.append(f"{family}, d={d}, {size} points: medians {medians} do not rise")
    wrong += [
        f"{row['function']}, 10 points, {row['design']}: {row['median_ratio']:.3g} times the best"
        for row in found["errors"]
        if row["size"] == 10 and (row["median_ratio"] < 5.0) != (row["design"] != "iid")
    ]
    return wrong


def differences(found, expected):
    """Differences to the expected table beyond four standard errors."""
    pairs = zip(found["conditioning"], expected["conditioning"], strict=True)
    return [
        f"{a['family']} d={a['d']} s={a['size']} {a['design']}: {a['median']:.3f}, expected {b['median']:.3f}"
        for a, b in pairs
        if abs(a["median"] - b["median"]) > 4 * math.hypot(a["median_error"], b["median_error"])
    ]


def figure(found):
    """Medians of the least eigenvalue, and the error of the approximations against the number of points."""
    import matplotlib.pyplot as plt

    drawn, (left, *others) = plt.subplots(1, 3, figsize=(12.0, 3.2), layout="constrained")
    for place, name in enumerate(DESIGNS):
        rows = [row for row in found["conditioning"] if row["design"] == name]
        labels = [f"{row['family']}\n{row['d']} at {row['size']}" for row in rows]
        at, spread = np.arange(len(rows)) + 0.1 * (place - 1), [row["median_error"] for row in rows]
        left.errorbar(at, [row["median"] for row in rows], spread, fmt="o", color=f"C{place}", label=name)
    left.set_xticks(range(len(labels)), labels, fontsize=8)
    left.set(ylabel="least eigenvalue, median", ylim=(0, None))
    left.legend(fontsize=8)
    for axes, function in zip(others, FUNCTIONS, strict=True):
        for place, name in enumerate(DESIGNS):
            rows = [row for row in found["errors"] if (row["function"], row["design"]) == (function, name)]
            sizes, ratios = [row["size"] for row in rows], [row["median_ratio"] for row in rows]
            axes.semilogy(sizes, ratios, "o-", color=f"C{place}")
        axes.axhline(1.0, color="k", linestyle=":")
        axes.set(title=function, xlabel="points, ten polynomials", ylabel="error over the best possible")
    return drawn


STUDY = Study(
    __file__,
    __doc__,
    {"quick": {"trials": 60, "sizes": (10, 30)}, "medium": {"trials": 300, "sizes": (10, 20, 30, 50, 100)}},
    measured,
    problems,
    differences,
    figure,
)

if __name__ == "__main__":
    raise SystemExit(STUDY.main())
