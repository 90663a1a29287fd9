"""Conditioning and errors of weighted least squares designs: ``python -m benchmarks.papers.nouy_michel_2023.run``.

Reproduces the comparison of Nouy and Michel (2023): the least eigenvalue of the weighted Gram matrix of the first d
Legendre polynomials at s points, 300 designs of each kind, and the error of the approximation of two functions.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.sampling import designs
from lowrank_la.sampling.proposals import PointProposals
from lowrank_la.solve.weighted import smallest_eigenvalue

HERE = Path(__file__).parent
DESIGNS = {
    "iid": designs.independent,
    "volume_rescaled": designs.volume_rescaled,
    "repeated_dpp": designs.repeated,
}
SETTINGS = (("Legendre", 10, 30), ("Legendre", 20, 80), ("Hermite", 10, 30))
FUNCTIONS = {"1/(1+25x^2)": lambda x: 1.0 / (1.0 + 25.0 * x**2), "exp(x)": np.exp}


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


def errors(trials, d=10, sizes=(10, 20, 30, 50, 100), seed=0):
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


def check(found, expected):
    """Differences to the expected table beyond four standard errors."""
    pairs = zip(found, expected, strict=True)
    return [
        f"{a['family']} d={a['d']} s={a['size']} {a['design']}: {a['median']:.3f}, expected {b['median']:.3f}"
        for a, b in pairs
        if abs(a["median"] - b["median"]) > 4 * math.hypot(a["median_error"], b["median_error"])
    ]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--store", action="store_true", help="store what was found as what is expected")
    options = parser.parse_args(arguments)
    found = {"conditioning": conditioning(options.trials), "errors": errors(min(options.trials, 50))}
    print("| family | d | size | design | median least eigenvalue | share above 1/2 |\n|---|---|---|---|---|---|")
    for row in found["conditioning"]:
        print(
            f"| {row['family']} | {row['d']} | {row['size']} | {row['design']} | {row['median']:.3f} ± "
            f"{row['median_error']:.3f} | {row['above_half']:.2f} |"
        )
    print("\n| function | size | design | error / best |\n|---|---|---|---|")
    for row in found["errors"]:
        print(f"| {row['function']} | {row['size']} | {row['design']} | {row['median_ratio']:.3g} |")
    path = HERE / "expected.json"
    if options.store:
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    else:
        wrong = check(found["conditioning"], json.loads(path.read_text(encoding="utf-8"))["conditioning"])
        print("\nas expected" if not wrong else "\nnot as expected:\n" + "\n".join(wrong))
        return 1 if wrong else 0
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
