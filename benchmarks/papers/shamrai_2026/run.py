"""Clusters of matrices within an error: ``python -m benchmarks.papers.shamrai_2026.run``.

What Shamrai (2026) claims: the error of a truncated SVD of matrices side by side can be bounded while they are added
one by one, by three bounds of rising sharpness, and matrices can be grouped by them so that no group exceeds an error
that was asked for. Radio channels of users at a few places, pulses that travel at a few speeds, and the first layers of
small networks.
"""

import argparse
import json
import math
import time
import warnings
from pathlib import Path

import numpy as np

import lowrank_la as lr
from lowrank_la.streaming.cluster_bounds import ESTIMATORS

HERE = Path(__file__).parent
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


DATA = {
    "channels": (channels, (64, 256), (512, 1024)),
    "advection": (advection, (64, 256), (512, 1024)),
    "layers": (layers, (64,), ()),
}


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
            found.append(row | {"residual, as published": math.sqrt(max(1.0 - pooled / residual.energy, 0.0))})
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
    return {"clusters": len(groups), "worst": worst, "ratio": result.info.ratio, "seconds": seconds}


def measured(full):
    found = []
    for name, (make, sizes, more) in DATA.items():
        for size in (*sizes, *more) if full else sizes:
            blocks = make(size, 0)
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
                        row |= clustered(blocks, rank, math.sqrt(square), method, order)
                        found.append(row | ({"along": along} if (method, order) == ("incremental", "residual") else {}))
                        print(
                            f"| {name} {size} | {rank} | {square} | {method} | {order} | {row['clusters']} | "
                            f"{row['worst'] ** 2:.4f} | {row['ratio']:.2f} | {row['seconds']:.2f} |",
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


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="matrices with up to 1024 rows")
    parser.add_argument("--store", action="store_true", help="store the measurements as the expected ones")
    options = parser.parse_args(arguments)
    start, path, kind = time.perf_counter(), HERE / "expected.json", "full" if options.full else "quick"
    print(
        "| data | rank | squared error allowed | method | order | clusters | largest | ratio | s |\n" + "|---" * 9 + "|"
    )
    found = measured(options.full)
    wrong = problems(found)
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if options.store:
        stored[kind] = [{key: rounded(value) for key, value in row.items() if key != "seconds"} for row in found]
        path.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    else:
        wrong += differences(found, stored.get(kind, []))
    print(f"\n{time.perf_counter() - start:.0f} s")
    print("as expected" if not wrong else "not as expected:\n" + "\n".join(wrong))
    return 1 if wrong else 0


def rounded(value):
    if isinstance(value, list):
        return [{key: rounded(number) for key, number in row.items()} for row in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


if __name__ == "__main__":
    raise SystemExit(main())
