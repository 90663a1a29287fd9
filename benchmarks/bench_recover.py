"""Steps of `recover` beside the products in them: ``python -m benchmarks.bench_recover [--quick] [--wait 60]``.

A step of the sub-gradient method needs ``A(U Uᵀ)`` and the adjoint of the signs of the residual. On an array that is
two products with a vector: what they take by NumPy, and by torch, is timed in the same run, and so is the step written
in torch. All of them have to make the same step to 1e-10. For entries and rank-one forms the two products are our own.
The ways to withstand outliers are compared by whole calls; an answer counts when its error is at most 1e-6.
"""

import argparse
import warnings

import numpy as np

import lowrank_la as lr
from benchmarks import harness, report
from lowrank_la import _backend as be
from lowrank_la.robust.reading import read_measurements
from lowrank_la.robust.subgradient import Task

SAME = 1e-10
DENSE = {
    "a": ("d=20, N=1800, k=20", 20, 1800, 20),
    "b": ("d=50, N=4500, k=5", 50, 4500, 5),
    "c": ("d=100, N=6000, k=5", 100, 6000, 5),
}
STEP = 0.1
CLOSE = 1e-6
SHARES = (0.1, 0.3, 0.4)
WAYS = {
    "l1": {},
    "l1, truncate 3": {"truncate": 3.0},
    "l1, preconditioned": {"preconditioned": True},
    "l1, preconditioned, median": {"preconditioned": True, "optimum": "median"},
    "l2, preconditioned, truncate 3": {"loss": "l2", "preconditioned": True, "truncate": 3.0},
}


def dense_problem(d, count, k, seed=0):
    generator = np.random.default_rng(seed)
    A, U = generator.standard_normal((count, d, d)), generator.standard_normal((d, k)) / d**0.5
    return A, generator.standard_normal(count), U


def our_step(measure, y, U, V, symmetric):
    """One step of the sub-gradient method: the products, the length of the step and the move."""
    measurement, y, _ = read_measurements(measure, y, (U.shape[0], V.shape[0]), symmetric, False)
    task = Task(measurement, y, U.shape[1], symmetric, be.resolve_rng(0))

    def run():
        z, image = task.residual_image(U, V, np.sign)
        np.sum(np.abs(z))
        step = STEP / image.norm
        if symmetric:
            return U - step * image.times(U)
        return U - step * image.times(V), V - step * image.adjoint_times(U)

    return run, measurement, y


def dense_runs(A, y, U):
    """The step, and the products alone, by us, NumPy and torch."""
    d, flat = U.shape[0], A.reshape(A.shape[0], -1)
    step, measurement, y = our_step(A, y, U, U, True)

    def products():
        z = flat @ (U @ U.T).ravel() - y
        return np.sign(z) @ flat

    def by_numpy():
        Q = products().reshape(d, d)
        Q = (Q + Q.T) / 2
        return U - STEP / np.linalg.norm(Q) * (Q @ U)

    def ours():
        return measurement.adjoint(np.sign(measurement.forward(U, U) - y)).matrix

    runs = {"our step": step, "our two products": ours, "NumPy, two products": products, "NumPy, step": by_numpy}
    try:
        import torch
    except ImportError:
        return runs, by_numpy()
    tensors = [torch.from_numpy(x) for x in (flat, y, U)]

    def in_torch():
        flat, y, U = tensors
        z = flat @ (U @ U.T).reshape(-1) - y
        Q = (torch.sign(z) @ flat).reshape(d, d)
        Q = (Q + Q.T) / 2
        return (U - STEP / torch.linalg.norm(Q) * (Q @ U)).numpy()

    def products_in_torch():
        flat, y, U = tensors
        return torch.sign(flat @ (U @ U.T).reshape(-1) - y) @ flat

    return {**runs, "torch, two products": products_in_torch, "torch, step": in_torch}, by_numpy()


def structured_runs(kind, n=3000, count=200_000, k=10):
    generator = np.random.default_rng(0)
    U, V = generator.standard_normal((2, n, k))
    if kind == "entries":
        measure = np.divmod(np.unique(generator.integers(0, n * n, count)), n)
        count = measure[0].size
    else:
        n, count = 500, 20_000
        U, V = generator.standard_normal((2, n, k))
        measure = lr.RankOne(generator.standard_normal((count, n)), generator.standard_normal((count, n)))
    step, measurement, y = our_step(measure, generator.standard_normal(count), U, V, False)

    def products():
        image = measurement.adjoint(np.sign(measurement.forward(U, V) - y))
        return image.times(V), image.adjoint_times(U)

    return f"{kind}, n={n}, N={count}, k={k}", {"our step": step, "our two products": products}


def spoilt_problem(share, d=20, count=1500, spectrum=(1.0, 0.1), seed=0):
    """A matrix of rank two, Gaussian measurements, outliers N(0, 100) on a share of them."""
    generator = np.random.default_rng(seed)
    U, V = (np.linalg.qr(generator.standard_normal((d, len(spectrum))))[0] for _ in range(2))
    X, A = U * np.array(spectrum) @ V.T, generator.standard_normal((count, d, d))
    y = A.reshape(count, -1) @ X.ravel()
    return X, A, y + (generator.random(count) < share) * 10.0 * generator.standard_normal(count)


def outliers(share, repeats, bystanders):
    """Steps, seconds and errors of the ways to withstand outliers."""
    X, A, y = spoilt_problem(share)
    runs = {name: lambda way=way: lr.recover(A, y, X.shape, 2, rng=0, **way) for name, way in WAYS.items()}
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        for name, run in runs.items():
            result = run()
            found[name] = float(np.linalg.norm(result.U @ result.V.T - X)), result.info.iterations
        good = {name: run for name, run in runs.items() if found[name][0] <= CLOSE}
        timings = harness.alternate(good, min(repeats, 3), budget=2.0, bystanders=bystanders)
    title = f"d=20, N=1500, 1 and 0.1, {share:.0%} outliers"
    print(f"\n{title}")
    rows = []
    for name, (error, steps) in found.items():
        seconds = timings[name].median if name in timings else 0.0
        print(f"  {name:<32}{steps:>6} steps{error:>10.1e}{seconds:>9.3f} s", flush=True)
        rows.append(
            {"contender": name, "ours": True, "setting": f"{steps} steps", "error": error, "seconds": seconds or None}
        )
    return {"title": title, "rows": rows}


def timed(title, runs, repeats, bystanders):
    for run in runs.values():
        run()
    with be.single_blas():
        timings = harness.alternate(runs, repeats, budget=5.0, bystanders=bystanders)
    best = min(timing.median for name, timing in timings.items() if name.endswith("products"))
    print(f"\n{title}")
    rows = []
    for name, timing in timings.items():
        ratio = timing.median / best
        print(f"  {name:<22}{1e3 * timing.median:>9.3f} ms   {ratio:5.2f} of the fastest two products", flush=True)
        rows.append(
            {"contender": name, "ours": name.startswith("our"), "seconds": timing.median, "over_products": ratio}
        )
    return {"title": title, "rows": rows}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_recover", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="five runs instead of twenty-one")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds a problem to wait for an idle machine")
    options = parser.parse_args(arguments)
    repeats, payload = 5 if options.quick else 21, {"problems": {}}
    with harness.threads():
        for letter, (title, d, count, k) in DENSE.items():
            runs, expected = dense_runs(*dense_problem(d, count, k))
            for name in (name for name in runs if name.endswith("step")):
                off = np.linalg.norm(runs[name]() - expected) / np.linalg.norm(expected)
                if off > SAME:
                    raise SystemExit(f"{name} makes another step: {off:.1e}")
            payload["problems"][letter] = timed(title, runs, repeats, harness.Bystanders(options.wait))
        for kind in ("entries", "rank one"):
            title, runs = structured_runs(kind)
            payload["problems"][kind] = timed(title, runs, repeats, harness.Bystanders(options.wait))
        for share in SHARES:
            payload["problems"][f"outliers {share}"] = outliers(share, repeats, harness.Bystanders(options.wait))
    print("\nwrote", report.write_json("recover_partial" if options.quick else "recover", payload).name)


if __name__ == "__main__":
    main()
