"""Truncated factorisations beside their peers: ``python -m benchmarks.bench_factor [--problems a,b] [--quick]``."""

import argparse
import math

import numpy as np

import lowrank_la as lr
from benchmarks import extras, harness, peers, report
from benchmarks.problems import PROBLEMS

TARGET = 1e-6


def ours(problem):
    """The library's contenders, from loose to strict accuracy."""
    labels = {1e-4: "accuracy=1e-4", 1e-6: "default", 1e-8: "accuracy=1e-8", 1e-10: "accuracy=1e-10"}

    def settings(function):
        return [(label, lambda accuracy=accuracy: function(accuracy)) for accuracy, label in labels.items()]

    def run_eigh(accuracy):
        w, V = lr.eigh(problem.A, problem.rank, accuracy=accuracy, rng=0)
        return V, w, V.T

    run_svd = settings(lambda accuracy: lr.svd(problem.A, problem.rank, accuracy=accuracy, rng=0))
    found = [harness.Contender("lowrank_la svd", run_svd, "default", ours=True)]
    if problem.psd:
        found.append(harness.Contender("lowrank_la eigh", settings(run_eigh), "default", ours=True))
    return found


def floor_seconds(problem, info, rates):
    """Least time for the work that our method did: flops by kind over the measured product rate, or bytes read.

    Krylov and subspace methods: 2mn flops a product, one read of the matrix a pass, 4·min(m, n)·L² for an
    orthonormal basis of L columns on the shorter side and 2(m + n)Lk for the factors. Gram: mn² (half of the
    symmetric product), 4n³/3 for the tridiagonal form and 2mnk for the long factor. Dense: 4mn² - 4n³/3 for the
    bidiagonal form.
    """
    if problem.sparse:
        return math.nan
    (m, n), k = sorted(problem.A.shape, reverse=True), problem.rank
    rate, read = rates["gemm_flops"], rates["read_bytes"]
    if "gram" in info.method:
        return max((m * n**2 + 4 * n**3 / 3 + 2 * m * n * k) / rate, 2 * m * n * 8 / read)
    if "dense" in info.method:
        return (4 * m * n**2 - 4 * n**3 / 3) / rate
    products = info.products or 0
    width = min(products / 2, n)
    multiply = max(2 * m * n * products / rate, (info.passes or 0) * m * n * 8 / read)
    return multiply + (4 * n * width**2 + 2 * (m + n) * width * k) / rate


def _describe(problem, row, rates):
    """Method, counts and floor of our default run, as a note."""
    result = row.run()
    info = getattr(result, "info", None)
    if info is None:
        return {}
    floor = floor_seconds(problem, info, rates)
    residual, orthogonality = problem.residual(tuple(result))
    return {
        "method": info.method,
        "products": info.products,
        "passes": info.passes,
        "residual": residual,
        "orthogonality": orthogonality,
        "floor_seconds": floor,
        "floor_ratio": row.timing.median / floor if floor else math.nan,
    }


def run_problem(problem, rates, *, repeats, budget, only=(), wait=0.0):
    """Time every contender on one problem; return a summary with all rows.

    A contender that took four times as long as the fastest accurate one, and more than a twelfth of `budget`, is run
    once.
    """
    rows, bystanders = [], harness.Bystanders(wait)
    for contender in [*ours(problem), *peers.contenders(problem)]:
        if only and not contender.ours and not any(word in contender.name for word in only):
            continue
        bystanders.rest()
        rows += harness.gate(contender, problem.name, problem.error, TARGET, patience=2 * budget)
    fastest = min((row.timing.cold for row in rows if row.timing and row.passes), default=math.inf)
    limit = max(4 * fastest, budget / 12)
    timed = {f"{row.name} {row.setting}": row for row in rows if row.timing and (row.ours or row.timing.cold <= limit)}
    colds = {name: row.timing.cold for name, row in timed.items()}
    runs = {name: row.run for name, row in timed.items()}
    for name, timing in harness.alternate(runs, repeats, budget=budget, colds=colds, bystanders=bystanders).items():
        timed[name].timing = timing
        timed[name].memory = harness.peak_extra_memory(timed[name].run)
    best = harness.rank_rows(rows)
    summary = {"title": problem.title, "rank": problem.rank, "rows": [row.record() for row in rows]}
    print(f"\n({problem.name}) {problem.title}, k = {problem.rank}", flush=True)
    print(report.table(rows), flush=True)
    summary |= _compare(problem, rows, best, rates)
    return summary


def _compare(problem, rows, best, rates):
    """Our fastest accurate setting beside the best peer, printed and for the report."""
    mine = [row for row in rows if row.ours and row.passes and row.timing]
    if not mine or best is None:
        return {}
    fastest = min(mine, key=lambda row: row.timing.median)
    details = _describe(problem, fastest, rates)
    by_fastest = fastest.timing.fastest / best.timing.fastest
    listing = ", ".join(
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in details.items()
    )
    print(f"  ours ({fastest.setting}): {listing}", flush=True)
    print(f"  {fastest.ratio:.2f} x {best.name} {best.setting} (by the fastest runs {by_fastest:.2f})", flush=True)
    return {"ours": details, "ratio": fastest.ratio, "ratio_of_fastest_runs": by_fastest, "best_peer": best.name}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_factor", description=__doc__)
    parser.add_argument("--problems", default=",".join(PROBLEMS), help="letters of the problems, separated by commas")
    parser.add_argument("--peers", default="", help="words; only peers whose name holds one of them are run")
    parser.add_argument("--quick", action="store_true", help="three runs instead of nine, no extra measurements")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds a problem to wait for an idle machine")
    parser.add_argument("--extras", action="store_true", help="only the extra measurements")
    options = parser.parse_args(arguments)
    only = [word for word in options.peers.split(",") if word]
    repeats, budget = (3, 3.0) if options.quick else (9, 12.0)
    payload = {"target": TARGET, "problems": {}}
    with harness.threads():
        payload["rates"] = rates = harness.machine_rates(bystanders=harness.Bystanders(options.wait / 2))
        print(f"product {rates['gemm_flops'] / 1e9:.0f} Gflop/s, memory read {rates['read_bytes'] / 1e9:.1f} GB/s")
        for letter in () if options.extras else filter(None, options.problems.split(",")):
            problem = PROBLEMS[letter]()
            payload["problems"][letter] = run_problem(
                problem, rates, repeats=repeats, budget=budget, only=only, wait=options.wait
            )
        if options.extras or not options.quick:
            payload["extras"] = extras.measure(repeats, options.wait)
    whole = set(payload["problems"]) == set(PROBLEMS) and not (options.quick or only)
    ratios = [entry["ratio"] for entry in payload["problems"].values() if "ratio" in entry]
    if ratios:
        payload["geometric_mean_ratio"] = float(np.exp(np.mean(np.log(ratios))))
        print(f"\ngeometric mean of our time to the best peer's: {payload['geometric_mean_ratio']:.2f}")
    print("wrote", report.write_json("factor" if whole else "factor_partial", payload).name)


if __name__ == "__main__":
    main()
