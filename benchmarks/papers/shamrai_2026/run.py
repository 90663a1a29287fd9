"""Clusters of matrices within an error: ``python -m benchmarks.papers.shamrai_2026.run``.

What Shamrai (2026) claims: the error of a truncated SVD of matrices side by side can be bounded while they are added
one by one, by three bounds of rising sharpness, and matrices can be grouped by them so that no group exceeds an error
that was asked for. Radio channels of users at a few places, pulses that travel at a few speeds, and the first layers of
small networks.
"""

import math
import time
import warnings

import numpy as np

import lowrank_la as lr
from benchmarks.papers.study import Study
from lowrank_la.streaming.cluster_bounds import ESTIMATORS

METHODS, ORDERS = ("incremental", "residual", "weyl"), ("residual", "norm")
SETTINGS = ((20, 0.05), (32, 0.2))  # rank, and the squared relative error that is allowed
SHARP = 0.01  # by how much the incremental bound of the error may exceed the truth
SLACK = 1e-6


def channels(size, seed, users=48, places=4, antennas=16):
    """Channels between `size` and 16 antennas, few paths each; users of one place share directions at the station."""
    generator = np.random.default_rng(seed)
    blocks = []
    for user in range(users):
        centre = -0.9 + 1.8 * (user % places + 0.5) / places
        sines = centre + 0.05 * generator.standard_normal(6)
        gains = (generator.standard_normal(6) + 1j * generator.standard_normal(6)) / np.arange(1, 7)
        station = np.exp(1j * np.pi * np.outer(np.arange(size), sines))
        device = np.exp(1j * np.pi * np.outer(np.arange(antennas), generator.uniform(-1, 1, 6)))
        block = station * gains @ device.T
        noise = generator.standard_normal(block.shape) + 1j * generator.standard_normal(block.shape)
        blocks.append(block / np.linalg.norm(block) + 0.02 * noise / math.sqrt(2 * block.size))
    return blocks


def advection(size, seed, runs=40):
    """Snapshots of Gaussian pulses on a ring that travel at a few speeds, from different places."""
    generator = np.random.default_rng(seed)
    x, t = np.arange(size) / size, np.linspace(0.0, 1.0, 24)
    blocks = []
    for run in range(runs):
        speed, width = (0.02, 0.1, 0.3)[run % 3], (0.03, 0.06)[run % 2]
        where = (
            x[:, None] - (0.2 + 0.2 * (run % 3) + 0.02 * generator.random()) - speed * t[None, :] + 0.5
        ) % 1.0 - 0.5
        blocks.append(generator.uniform(0.5, 2.0) * np.exp(-((where / width) ** 2) / 2))
    return blocks


def layers(_size, seed, networks=10):
    """First layers, 64×40, of networks that were trained a little on small pictures of digits."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    X, y = load_digits(return_X_y=True)
    blocks = []
    for number in range(networks):
        net = MLPClassifier((40,), max_iter=12, random_state=100 * seed + number, alpha=1e-2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # twelve sweeps are not meant to converge
            blocks.append(net.fit(X / 16.0, y).coefs_[0])
    return blocks


DATA = {"channels": channels, "advection": advection, "layers": layers}


def rounded(value):
    return float(f"{value:.8g}") if isinstance(value, float) else value


def true_error(blocks, rank):
    s = np.linalg.svd(np.hstack(blocks), compute_uv=False)
    return float(np.sqrt(np.sum(s[rank:] ** 2) / np.sum(s**2)))


def bounds_along(blocks, rank):
    """True error of the first j blocks side by side beside the upper bounds, for every second j."""
    found, estimators = [], {}
    for j, block in enumerate(blocks[:16]):
        for name in METHODS:
            known = estimators.get(name)
            estimators[name] = ESTIMATORS[name].first(block, rank) if known is None else known.extended(block)
        if j % 2:
            residual = estimators["residual"]
            pooled = np.sort(residual.squares)[::-1][:rank].sum()
            row = {"blocks": j + 1, "true": true_error(blocks[: j + 1], rank)}
            row |= {name: estimators[name].bounds()[1] for name in METHODS}
            row |= {"lower": estimators["incremental"].bounds()[0]}
            row |= {"residual, as published": math.sqrt(max(1.0 - pooled / residual.energy, 0.0))}
            found.append({key: rounded(value) for key, value in row.items()})
    return found


def clustered(blocks, rank, tol, method, order):
    """Number of clusters, largest true error of those with two blocks or more, and how much smaller the factors are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        start = time.perf_counter()
        result = lr.cluster_matrices(blocks, rank, tol, method=method, order=order)
        seconds = time.perf_counter() - start
    groups = [
        [b for b, label in zip(blocks, result.labels, strict=True) if label == c] for c in range(result.upper.size)
    ]
    worst = max((true_error(group, rank) for group in groups if len(group) > 1), default=0.0)
    return {"clusters": len(groups), "worst": worst, "ratio": result.info.ratio}, seconds


def measured(sizes):
    """Bounds along the blocks, and clusters by every method."""
    found = []
    for name, of_data in sizes.items():
        for size in of_data:
            blocks = DATA[name](size, 0)
            for rank, square in SETTINGS:
                along = bounds_along(blocks, rank)
                for method in METHODS:
                    for order in ORDERS:
                        row = {
                            "data": name,
                            "size": size,
                            "rank": rank,
                            "squared tol": square,
                            "method": method,
                            "order": order,
                        }
                        figures, seconds = clustered(blocks, rank, math.sqrt(square), method, order)
                        row |= {name: rounded(value) for name, value in figures.items()}
                        found.append(row | ({"along": along} if (method, order) == ("incremental", "residual") else {}))
                        print(
                            f"| {name} {size} | {rank} | {square} | {method} | {order} | {row['clusters']} | "
                            f"{row['worst'] ** 2:.4f} | {row['ratio']:.2f} | {seconds:.2f} |",
                            flush=True,
                        )
    return found


def problems(found):
    """What in the measurements contradicts the claims."""
    wrong, counts = [], {}
    for row in found:
        where = f"{row['data']} {row['size']}, rank {row['rank']}, {row['method']} by {row['order']}"
        if row["worst"] > math.sqrt(row["squared tol"]):
            wrong.append(f"{where}: a cluster has error {row['worst']:.4f}")
        counts[row["data"], row["size"], row["rank"], row["method"], row["order"]] = row["clusters"]
        for step in row.get("along", []):
            chain = [step[name] for name in ("lower", "true", "incremental", "residual", "weyl")]
            if any(a > b * (1 + 1e-9) + SLACK for a, b in zip(chain, chain[1:], strict=False)):
                wrong.append(f"{where}: bounds out of order {chain}")
            if step["incremental"] > (1 + SHARP) * step["true"] + SLACK and step["true"] > 1e-3:
                wrong.append(f"{where}: incremental bound {step['incremental']:.4f}, true {step['true']:.4f}")
    by_order = {order: sum(n for key, n in counts.items() if key[3:] == ("incremental", order)) for order in ORDERS}
    if by_order["residual"] > by_order["norm"]:
        wrong.append(f"candidates by residual gave more clusters: {by_order}")
    return wrong


def differences(found, expected):
    """Numbers of clusters that differ from the expected ones by more than one."""
    keys = ("data", "size", "rank", "method", "order")
    known = {tuple(row[key] for key in keys): row["clusters"] for row in expected}
    wrong = []
    for row in found:
        before = known.get(tuple(row[key] for key in keys))
        if before is None or abs(before - row["clusters"]) > 1:
            wrong.append(f"{[row[key] for key in keys]}: {row['clusters']} clusters, expected {before}")
    return wrong


def figure(found):
    """Bounds while blocks are added, one panel a data set at its first rank."""
    import matplotlib.pyplot as plt

    rows = {(row["data"], row["size"]): row for row in reversed(found) if "along" in row}
    largest = {name: rows[name, max(size for data, size in rows if data == name)] for name, _ in sorted(rows)}
    drawn, panels = plt.subplots(1, len(largest), figsize=(4.0 * len(largest), 3.2), layout="constrained")
    for axes, (name, row) in zip(panels, largest.items(), strict=True):
        blocks = [step["blocks"] for step in row["along"]]
        for bound, style in (("lower", ":"), ("true", "k-"), ("incremental", "o"), ("residual", "--"), ("weyl", "-.")):
            axes.plot(blocks, [step[bound] for step in row["along"]], style, label=bound)
        axes.set(xlabel="blocks side by side", title=f"{name}, {row['size']} rows, rank {row['rank']}")
    panels[0].set_ylabel("relative error")
    panels[0].legend(fontsize=8)
    return drawn


STUDY = Study(
    __file__,
    __doc__,
    {
        "quick": {"sizes": {"channels": (64,), "advection": (64,), "layers": (64,)}},
        "medium": {"sizes": {"channels": (64, 256), "advection": (64, 256), "layers": (64,)}},
        "full": {"sizes": {"channels": (64, 256, 512, 1024), "advection": (64, 256, 512, 1024), "layers": (64,)}},
    },
    measured,
    problems,
    differences,
    figure,
    head="data | rank | squared error allowed | method | order | clusters | largest | ratio | s",
)

if __name__ == "__main__":
    raise SystemExit(STUDY.main())
