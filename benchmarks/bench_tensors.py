"""Tensor decompositions beside their peers: ``python -m benchmarks.bench_tensors [--quick] [--only words]``.

The rows of CP are here; those of sparse tensors, Tucker and functional forms come from ``tensor_*_rows``. Contenders
alternate in one process. The time of a sweep is the difference of runs of few and of many sweeps from one start; the
products that a sweep cannot do without are timed in the same run.
"""

import argparse
import importlib
import math
import warnings

import numpy as np

import lowrank_la as lr
from benchmarks import harness, report

MODULES = ("tensor_tucker_rows", "tensor_sparse_rows", "tensor_functional_rows")


def terms(shape, rank, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.standard_normal((n, rank)) for n in shape]


def dense(factors):
    split = (len(factors) + 1) // 2
    sides = [_columns(part) for part in (factors[:split], factors[split:])]
    return (sides[0] @ sides[1].T).reshape([factor.shape[0] for factor in factors])


def _columns(factors):
    out = factors[0]
    for factor in factors[1:]:
        out = (out[:, None, :] * factor[None, :, :]).reshape(-1, factor.shape[1])
    return out


def noisy(shape, rank, noise, seed=0):
    X = dense(terms(shape, rank, seed))
    generator = np.random.default_rng(seed + 1)
    rest = generator.standard_normal(shape)
    rest *= noise * np.linalg.norm(X) / np.linalg.norm(rest)
    X += rest
    return X


def collinear(n, rank, congruence, seed=0):
    generator = np.random.default_rng(seed)
    root = np.linalg.cholesky(np.full((rank, rank), congruence) + (1 - congruence) * np.eye(rank))
    return dense([np.linalg.qr(generator.standard_normal((n, rank)))[0] @ root.T for _ in range(3)])


def ours(X, rank, start, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lr.cp(X, rank, init=(np.ones(rank), start), **options)


def tensorly(X, rank, start, sweeps, tol=0.0, library=np.asarray, function="parafac", **options):
    import tensorly as tl
    from tensorly import decomposition

    with tl.backend_context("pytorch" if library is not np.asarray else "numpy", local_threadsafe=True):
        init = tl.cp_tensor.CPTensor((library(np.ones(rank)), [library(factor.copy()) for factor in start]))
        return getattr(decomposition, function)(X, rank, init=init, n_iter_max=sweeps, tol=tol, **options)


def pyttb(X, rank, start, sweeps):
    import pyttb

    init = pyttb.ktensor([np.asfortranarray(factor) for factor in start])
    return pyttb.cp_als(X, rank, init=init, maxiters=sweeps, stoptol=0.0, printitn=0)[0]


def sweeps(shape, rank, quick, repeats):
    """Seconds of a sweep, the extra memory of a run, and the time of the large products alone."""
    import pyttb as peer
    import torch

    X, start = noisy(shape, rank, 0.1), terms(shape, rank, 7)
    contenders = {
        "lowrank_la cp": lambda count: ours(X, rank, start, maxiter=count, tol=0.0, accelerate=False),
        "TensorLy parafac, NumPy": lambda count: tensorly(X, rank, start, count),
        "TensorLy parafac, torch": lambda count: tensorly(
            torch.from_numpy(X), rank, start, count, library=torch.from_numpy
        ),
    }
    theirs = peer.tensor(X)
    contenders["pyttb cp_als"] = lambda count: pyttb(theirs, rank, start, count)
    few, many = (1, 3) if X.size > 1e6 else (20, 220)
    few, many = (few, 5) if X.size > 1e6 and not quick else (few, many)
    runs = {}
    for name, run in contenders.items():
        runs[f"{name}, few"], runs[f"{name}, many"] = (lambda run=run: run(few)), (lambda run=run: run(many))
    split = len(shape) // 2 + len(shape) % 2
    M = X.reshape(math.prod(shape[:split]), -1)
    right, left = np.ones((M.shape[1], rank)), np.ones((M.shape[0], rank))
    runs["first product"], runs["second product"] = (lambda: M @ right), (lambda: left.T @ M)
    timed, rows = harness.alternate(runs, repeats), []
    for name, run in contenders.items():
        first, last = timed[f"{name}, few"], timed[f"{name}, many"]
        rows.append(
            {"contender": name, "ours": "lowrank_la" in name, "seconds": (last.median - first.median) / (many - few),
             "seconds_fastest": (last.fastest - first.fastest) / (many - few),
             "error": difference(run(2), contenders["lowrank_la cp"](2)),
             "extra_share": 1e6 * harness.peak_extra_memory(lambda run=run: run(2)) / X.nbytes}
        )  # fmt: skip
    limit = timed["first product"].median + timed["second product"].median
    rows.append({"contender": "two products of NumPy alone", "ours": False, "seconds": limit, "error": 0.0,
                 "seconds_fastest": timed["first product"].fastest + timed["second product"].fastest,
                 "note": f"{4e-9 * X.size * rank / limit:.1f} GFlop/s"})  # fmt: skip
    return finished(f"a sweep, {'×'.join(map(str, shape))}, rank {rank}", rows, 1e-7, limit="two products")


def difference(result, reference):
    """Distance of two models over the norm of the second one, from the factors alone."""
    from lowrank_la.tensors import kruskal

    if hasattr(result, "factor_matrices"):
        weights, factors = result.weights, result.factor_matrices
    else:
        weights, factors = result[0], result[1]
    weights, factors = np.asarray(weights), [np.asarray(factor) for factor in factors]
    cross = kruskal.model_inner(weights, factors, reference.weights, reference.factors)
    one, two = kruskal.model_norm(weights, factors), kruskal.model_norm(reference.weights, reference.factors)
    return math.sqrt(max(0.0, one**2 - 2 * cross + two**2)) / two


def to_fit(title, X, contenders, repeats, share):
    """Seconds and true error of whole runs; accurate is what comes within `share` of the least error."""
    norm, rows = np.linalg.norm(X), []
    timed = harness.alternate(contenders, repeats)
    for name, run in contenders.items():
        result = run()
        factors = [np.asarray(factor) for factor in result[1]]
        factors[0] = factors[0] * np.asarray(result[0])
        rows.append({"contender": name, "ours": "lowrank_la" in name, "seconds": timed[name].median,
                     "seconds_fastest": timed[name].fastest,
                     "error": float(np.linalg.norm(dense(factors) - X) / norm)})  # fmt: skip
        if "lowrank_la" in name:
            rows[-1]["note"] = f"{result.info.iterations} iterations"
    return finished(title, rows, share)


def finished(title, rows, share, limit="no limit"):
    """The rows with the ratio to the fastest accurate peer, printed."""
    best = min(row["error"] for row in rows if limit not in row["contender"])
    for row in rows:
        row["accurate"] = bool(row["error"] <= best + share * max(abs(best), 1.0 if share < 1e-6 else abs(best)))
    peers = [row["seconds"] for row in rows if not row["ours"] and row["accurate"] and limit not in row["contender"]]
    print(f"\n{title}")
    for row in rows:
        row["ratio_to_best_peer"] = row["seconds"] / min(peers) if peers else math.nan
        print(f"  {row['contender']:<44}{row['seconds']:>11.6f} s (fastest {row['seconds_fastest']:.6f})"
              f"  error {row['error']:.3e}{'' if row['accurate'] else '  not accurate'}"
              f"  ratio {row['ratio_to_best_peer']:.3f}"
              + (f"  extra memory {row['extra_share']:.0%} of the tensor" if "extra_share" in row else "")
              + f"  {row.get('note', '')}", flush=True)  # fmt: skip
    return {"title": title, "rows": rows}


def swamp(quick, repeats):
    """Terms of congruence 0.95: seconds until the fit changes by less than 1e-9."""
    n = 30 if quick else 50
    X, start = collinear(n, 5, 0.95), terms((n, n, n), 5, 7)
    peer = {"tol": 1e-9, "sweeps": 2500}
    return to_fit(
        f"collinear terms, congruence 0.95, {n}³, rank 5, to a change of the fit of 1e-9", X,
        {
            "lowrank_la cp": lambda: ours(X, 5, start, tol=1e-9, maxiter=5000),
            "lowrank_la cp, without extrapolation": lambda: ours(
                X, 5, start, tol=1e-9, maxiter=5000, accelerate=False
            ),
            "lowrank_la cp, Gauss-Newton": lambda: ours(X, 5, start, tol=1e-9, method="gauss_newton"),
            "TensorLy parafac": lambda: tensorly(X, 5, start, **peer),
            "TensorLy parafac, line search": lambda: tensorly(X, 5, start, linesearch=True, **peer),
        },
        min(repeats, 2), math.inf,
    )  # fmt: skip


def fits(quick, repeats):
    """Large tensors with noise: seconds to a fit, by all entries and by samples."""
    n, rank = (100, 5) if quick else (400, 20)
    X, start = noisy((n, n, n), rank, 0.1), terms((n, n, n), rank, 7)
    return to_fit(
        f"{n}³, rank {rank}, 10 % noise, from a random start", X,
        {
            "lowrank_la cp": lambda: ours(X, rank, start, tol=1e-4),
            "lowrank_la cp, leverage": lambda: ours(X, rank, start, method="leverage", rng=0),
            "lowrank_la cp, random": lambda: ours(X, rank, start, method="random", rng=0),
            "TensorLy parafac, NumPy": lambda: tensorly(X, rank, start, 50, tol=1e-4),
        },
        repeats, 5e-3,
    )  # fmt: skip


def nonnegative(quick, repeats):
    """Non-negative terms with noise."""
    n = 40 if quick else 100
    factors = [np.abs(factor) for factor in terms((n, n, n), 8)]
    X = np.abs(dense(factors) * (1.0 + 0.05 * np.random.default_rng(2).standard_normal((n, n, n))))
    start = [np.abs(factor) for factor in terms((n, n, n), 8, 7)]
    return to_fit(
        f"non-negative, {n}³, rank 8", X,
        {
            "lowrank_la cp, nonneg": lambda: ours(X, 8, start, nonneg=True, tol=1e-6, maxiter=200),
            "TensorLy non_negative_parafac_hals": lambda: tensorly(
                X, 8, start, 200, tol=1e-6, function="non_negative_parafac_hals"
            ),
        },
        repeats, 0.05,
    )  # fmt: skip


def reached(quick):
    """Starts from which Gauss-Newton steps end at a relative error of 1e-12."""
    X, count = collinear(50, 5, 0.95), 10 if quick else 100
    found = [
        lr.cp(X, 5, method="gauss_newton", init="random", rng=seed, tol=1e-14, on_failure="warn").info.error
        for seed in range(count)
    ]
    met = sum(error <= 1e-12 for error in found)
    print(f"\nGauss-Newton, congruence 0.95, 50³, rank 5: {met} of {count} starts below 1e-12")
    name = "lowrank_la cp, Gauss-Newton"
    rows = [{"contender": name, "ours": True, "starts": count, "met": met, "worst": max(found)}]
    return {"title": "starts that end below a relative error of 1e-12, congruence 0.95, 50³, rank 5", "rows": rows}


def reported(_quick):
    """The error that is reported beside that of the dense model."""
    import tensorly as tl

    rows = []
    for dtype, levels in (("float64", (0.0, 1e-12, 1e-8)), ("float32", (0.0, 1e-5))):
        for noise in levels:
            X = noisy((40, 40, 40), 3, max(noise, 1e-300)).astype(dtype)
            start = [factor.astype(dtype) for factor in terms((40, 40, 40), 3, 7)]
            result = ours(X, 3, start, maxiter=300, tol=1e-12)
            truth = np.linalg.norm(dense([result.factors[0] * result.weights, *result.factors[1:]]).astype(float) - X)
            _, errors = tensorly(X, 3, start, 300, tol=1e-12, return_errors=True)
            peer = tensorly(X, 3, start, 300, tol=1e-12)
            theirs = np.linalg.norm(tl.cp_to_tensor(peer).astype(float) - X) / np.linalg.norm(X)
            rows += [
                {"contender": f"lowrank_la cp, {dtype}, noise {noise:g}", "ours": True, "reported": result.info.error,
                 "true": float(truth / np.linalg.norm(X.astype(float)))},
                {"contender": f"TensorLy parafac, {dtype}, noise {noise:g}", "ours": False,
                 "reported": float(errors[-1]), "true": float(theirs)},
            ]  # fmt: skip
    print("\nreported and true errors, 40³, rank 3")
    for row in rows:
        print(f"  {row['contender']:<44}{row['reported']:.3e}  true {row['true']:.3e}")
    return {"title": "reported and true errors, 40³, rank 3", "rows": rows}


def cp_problems(quick, repeats, chosen):
    """The rows of dense CP."""
    large = ((60,) * 3, 20), ((24,) * 4, 10)
    large = large if quick else (((400,) * 3, 20), ((100,) * 4, 10))
    makers = {
        "cp_sweep_order_3": lambda: sweeps(*large[0], quick, repeats),
        "cp_sweep_order_4": lambda: sweeps(*large[1], quick, repeats),
        "cp_sweep_tiny": lambda: sweeps((10, 10, 10), 4, quick, max(5, repeats)),
        "cp_swamp": lambda: swamp(quick, repeats),
        "cp_fit": lambda: fits(quick, repeats),
        "cp_nonneg": lambda: nonnegative(quick, repeats),
        "cp_gauss_newton": lambda: reached(quick),
        "cp_reported": lambda: reported(quick),
    }
    return {name: make() for name, make in makers.items() if chosen(name)}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_tensors", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--threads", type=int, default=harness.THREADS)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    with harness.threads(options.threads):
        found = cp_problems(
            options.quick, options.repeats, lambda name: not options.only or any(word in name for word in options.only)
        )
        for name in MODULES:
            module = importlib.import_module(f"benchmarks.{name}")
            found |= module.problems(options.quick, options.repeats, options.only)
    if not options.quick:
        found = report.stored_problems("tensors") | found
    print("wrote", report.write_json("tensors_partial" if options.quick else "tensors", {"problems": found}).name)


if __name__ == "__main__":
    main()
