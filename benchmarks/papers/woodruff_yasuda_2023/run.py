"""Distortion of l_p norms by six ways of sampling rows: ``python -m benchmarks.papers.woodruff_yasuda_2023.run``.

Reproduces the comparison behind Woodruff and Yasuda (2023) with the scores of its successors: the largest distortion of
‖A x‖_p over x against the number of rows kept. The directions are maximised over; random ones hide what uniform
sampling misses. Expected: uniform sampling fails until nearly all heavy rows are in; the others fall with the square
root of the size; the total sensitivity stays below d for p < 2 and far below d^(p/2) for p > 2.
"""

import numpy as np

import lowrank_la as lr
from benchmarks.papers.study import Study

METHODS = ("uniform", "leverage", "root_leverage", "sensitivity", "sensitivity_leverage", "lewis")
COLUMNS = 6
DIRECTIONS = 200


def data(rows, rng=0):
    """Heavy-tailed rows, most of them in half of the coordinates, a few of which carry the last one alone."""
    generator = np.random.default_rng(rng)
    A = generator.standard_t(2.5, (rows, COLUMNS))
    A[: 3 * rows // 4, COLUMNS // 2 :] = 0.0
    A[:, -1] = 0.0
    A[generator.choice(rows, 40, replace=False), -1] = generator.standard_normal(40)
    return A


def random_distortion(A, indices, weights, p, generator):
    """Distortion in random directions, which hide what the worst ones show."""
    X = generator.standard_normal((A.shape[1], DIRECTIONS))
    whole = np.sum(np.abs(A @ X) ** p, axis=0) ** (1 / p)
    sampled = np.sum(np.abs(weights[:, None] * (A[indices] @ X)) ** p, axis=0) ** (1 / p)
    return float(np.max(np.abs(sampled / whole - 1.0)))


def measure(A, p, method, size, draw, starts):
    """Largest ``|‖S A x‖_p / ‖A x‖_p - 1|`` in maximised and in random directions, and the total sensitivity."""
    sample = lr.sample_rows(A, size, p=p, method=method, rng=draw)
    indices, weights, _ = sample
    found = lr.embedding_distortion(A, indices, weights, p=p, starts=starts, rng=draw)
    worst = max(found.high - 1.0, 1.0 - found.low)
    average = random_distortion(A, indices, weights, p, np.random.default_rng(draw))
    return worst, average, sample.info.total_sensitivity


def measured(rows, powers, sizes, draws, starts):
    """Mean distortions for every power, method and size."""
    found, A = [], data(rows)
    for p in powers:
        for method in METHODS:
            if method == "root_leverage" and p > 2:
                continue
            for size in sizes:
                runs = [measure(A, p, method, size, draw, starts) for draw in range(draws)]
                worst, average = np.mean([run[:2] for run in runs], axis=0)
                row = {"p": p, "method": method, "size": size, "worst": float(worst), "random": float(average)}
                found.append(row | {"total_sensitivity": runs[0][2]})
                print(f"p={p:<4g} {method:<21} {size:>5}  worst {worst:7.3f}  random {average:7.3f}", flush=True)
    return found


def problems(found):
    """What in the measured curves contradicts the claims."""
    wrong, totals = [], {row["p"]: row["total_sensitivity"] for row in found if row["total_sensitivity"]}
    for p, total in totals.items():
        if not total <= 0.9 * COLUMNS ** max(1.0, p / 2):
            wrong.append(f"p={p:g}: total sensitivity {total:.2f} is not below d^max(1, p/2)")
        worst = {(row["method"], row["size"]): row["worst"] for row in found if row["p"] == p}
        fewest, most = (end(size for _, size in worst) for end in (min, max))
        for method in sorted({method for method, _ in worst} - {"uniform"}):
            if not worst[method, fewest] < 0.5 * worst["uniform", fewest]:
                wrong.append(f"p={p:g}: {method} is no better than uniform")
            if not worst[method, most] < worst[method, fewest]:
                wrong.append(f"p={p:g}: {method} doesn't improve with its size")
    return wrong


def differences(found, expected):
    """Measured distortions that differ from the expected ones by more than a factor of three."""
    pairs = zip(found, expected, strict=True)
    return [
        f"p={a['p']:g} {a['method']} {a['size']}: {a['worst']:.3f}, expected {b['worst']:.3f}"
        for a, b in pairs
        if not 1 / 3 < a["worst"] / b["worst"] < 3
    ]


def figure(found):
    """One panel a power: distortion in the worst directions against the number of rows."""
    import matplotlib.pyplot as plt

    powers, sizes = (sorted({row[key] for row in found}) for key in ("p", "size"))
    drawn, axes = plt.subplots(1, len(powers), figsize=(4 * len(powers), 3.6), sharey=True, layout="constrained")
    for ax, p in zip(axes, powers, strict=True):
        for place, method in enumerate(METHODS):
            rows = [row for row in found if row["p"] == p and row["method"] == method]
            style = {"label": method.replace("_", " "), "color": f"C{place}", "marker": "osv^Dx"[place]}
            if rows:
                ax.loglog([r["size"] for r in rows], [r["worst"] for r in rows], **style)
        ax.set_xticks(sizes, [str(size) for size in sizes])
        ax.minorticks_off()
        ax.set(title=f"p = {p:g}", xlabel="rows kept")
    axes[0].set_ylabel("largest distortion found")
    axes[0].legend(fontsize=8)
    return drawn


STUDY = Study(
    __file__,
    __doc__,
    {
        "quick": {"rows": 4000, "powers": (1.0, 3.0), "sizes": (150, 1000), "draws": 2, "starts": 2},
        "medium": {"rows": 20_000, "powers": (1.0, 1.5, 3.0), "sizes": (150, 400, 1000), "draws": 2, "starts": 8},
    },
    measured,
    problems,
    differences,
    figure,
)

if __name__ == "__main__":
    raise SystemExit(STUDY.main())
