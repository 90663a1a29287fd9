"""Matrix completion beside its peers: ``python -m benchmarks.bench_completion [--problems a,b] [--quick] [--wait 60]``.

Entries of ``U Vᴴ`` with Gaussian factors at uniform places. An answer counts when its relative error on 20,000 entries
that nobody saw is at most 1e-6; peers have no stopping rule, so their iterations are raised until they get there.
Conversion, start and stopping test are inside our time.
"""

import argparse
import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import threadpoolctl

import lowrank_la as lr
from benchmarks import feedback, harness, report

TARGET = 1e-6


@dataclass(frozen=True)
class Data:
    """Entries, and others to judge by."""

    n: int
    rank: int
    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    unseen: tuple

    def error(self, U, V):
        rows, columns, values = self.unseen
        found = np.einsum("pk,pk->p", U[rows], V[columns])
        return float(np.linalg.norm(found - values) / np.linalg.norm(values))


def sampled(n, count, rank, seed=0):
    generator = np.random.default_rng(seed)
    places = np.unique(generator.integers(0, n * n, count + count // 20 + 40_000))
    places = generator.permutation(places)[: count + 20_000]
    U, V = generator.standard_normal((2, n, rank))
    rows, columns = np.divmod(places, n)
    values = np.einsum("pk,pk->p", U[rows], V[columns])
    known, unseen = slice(0, count), slice(count, None)
    return Data(n, rank, rows[known], columns[known], values[known], (rows[unseen], columns[unseen], values[unseen]))


def ours(data, **options):
    def run():
        triple = (data.rows, data.columns, data.values)
        return tuple(lr.complete(triple, data.rank, shape=(data.n, data.n), rng=0, on_failure="warn", **options))

    return run


def by_cmfrec(data, sweeps, use_cg):
    matrix = scipy.sparse.coo_matrix((data.values, (data.rows, data.columns)), shape=(data.n, data.n))

    def run():
        import cmfrec

        model = cmfrec.CMF(
            k=data.rank, lambda_=1e-9, method="als", use_cg=use_cg, user_bias=False, item_bias=False, center=False,
            niter=sweeps, nthreads=harness.THREADS, verbose=False, precompute_for_predictions=False, use_float=False,
            finalize_chol=False,
        )  # fmt: skip
        model.fit(matrix)
        return model.A_, model.B_

    return run


def contenders(data, quick, every_method):
    if every_method:
        yield from methods(data)
        return
    yield harness.Contender("lowrank_la", [("default", ours(data))], "default", ours=True)
    for solver in ("cholesky", "cg", "sketch"):
        yield harness.Contender(f"lowrank_la {solver}", [("solver", ours(data, solver=solver))], "solver", ours=True)
    counts = (15, 25) if quick else (10, 15, 20, 30, 50)
    for name, use_cg in (("cmfrec Cholesky", False), ("cmfrec CG", True)):
        yield harness.Contender(name, [(f"{count} sweeps", by_cmfrec(data, count, use_cg)) for count in counts])


def methods(data):
    """Every method on a problem that is easy for all of them."""
    for name in ("altmin", "irls", "gauss_newton", "scaled_gd", "riemannian", "lmafit"):
        yield harness.Contender(f"lowrank_la {name}", [(name, ours(data, method=name, maxiter=1000))], name, ours=True)
    runs = [(f"{sweeps} sweeps", ours(data, method="soft_impute", maxiter=sweeps)) for sweeps in (100, 400, 1600)]
    yield harness.Contender("lowrank_la soft_impute", runs, ours=True)
    for name, use_cg in (("cmfrec Cholesky", False), ("cmfrec CG", True)):
        yield harness.Contender(name, [(f"{count} sweeps", by_cmfrec(data, count, use_cg)) for count in (15, 25, 50)])


PROBLEMS = {
    "a": ("n=1e4, r=10, 1e6 entries, until the error of unseen ones is 1e-6", 10_000, 1_000_000, 10, TARGET),
    "b": ("n=2e4, r=20, 4e6 entries, until the error of unseen ones is 1e-6", 20_000, 4_000_000, 20, TARGET),
    "c": ("n=2e3, r=10, 2e5 entries, every method until it is 1e-5", 2_000, 200_000, 10, 1e-5),
}
RANKS, SIZES, IN_A_ROW = (8, 16, 32, 64, 128), (100_000, 300_000, 1_000_000, 5_000_000), 4
EVERY = (*PROBLEMS, "feedback", "sweeps")


def sweeps_of(entries, rank, solver, threads):
    """Sweeps of alternating minimisation in a row, as a solution has them, with four steps a line."""
    from lowrank_la import _backend as be
    from lowrank_la.completion.problem import Problem
    from lowrank_la.completion.row_solvers import Effort, Lines

    generator = np.random.default_rng(1)
    U, V = (np.linalg.qr(generator.standard_normal((size, rank)))[0] for size in entries.shape)
    rows, columns = Lines.of(Problem(entries, rank), solver)

    def sweeps():
        with threadpoolctl.threadpool_limits(threads), be.single_blas():
            for _ in range(IN_A_ROW):
                columns.solve(U, V, 1.0, Effort(0.0, 4))
                rows.solve(V, U, 1.0, Effort(0.0, 4))

    sweeps()
    return sweeps


def sweep_costs(bystanders):
    """Time of a sweep: over ranks, over sizes with 100 entries a line, on one thread and two.

    All of them are timed in alternation: a slow spell of the machine then hits all alike.
    """
    from lowrank_la.operators.observed import Observed

    cases = [("rank", 4000, 2_000_000, rank, solver, 2) for rank in RANKS for solver in ("cg", "cholesky", "sketch")]
    cases += [("size", count // 100, count, 16, solver, 2) for count in SIZES for solver in ("cg", "cholesky")]
    cases += [("threads", 10_000, 1_000_000, 16, solver, count) for solver in ("cg", "cholesky") for count in (1, 2)]
    entries = {}
    for _, n, count, *_ in cases:
        if (n, count) not in entries:
            data = sampled(n, count, 1)
            entries[n, count] = Observed.from_entries(data.rows, data.columns, data.values, (n, n))
    runs = {case: sweeps_of(entries[case[1:3]], *case[3:]) for case in cases}
    timed = harness.alternate(runs, 7, budget=12.0, bystanders=bystanders)
    rows = []
    for case in cases:
        what, n, count, rank, solver, threads = case
        low, high = (x / IN_A_ROW for x in timed[case].interval)
        rows.append(
            {
                "contender": f"{solver}, {'one thread' if threads == 1 else f'{threads} threads'}", "ours": True,
                "setting": f"{n:,}², {count:,} entries, k = {rank}", "what": what, "seconds_low": low,
                "seconds": timed[case].median / IN_A_ROW, "seconds_high": high,
                "nanoseconds": 1e9 * timed[case].median / (IN_A_ROW * count * rank),
            }
        )  # fmt: skip
        print(f"  {rows[-1]['contender']:<22}{rows[-1]['setting']:<40}{rows[-1]['nanoseconds']:6.2f} ns", flush=True)
    return {"title": "A sweep with four steps of conjugate gradients a line", "ordered": True, "rows": rows}


def run_problem(letter, quick, bystanders):
    title, n, count, rank, target = PROBLEMS[letter]
    data = sampled(n, count, rank)
    return raced(
        title, contenders(data, quick, letter == "c"), lambda answer: data.error(*answer), target, quick, bystanders
    )


def run_feedback(quick, bystanders):
    """Implicit feedback: seconds until the objective is within half a percent of the least one that we find."""
    data = feedback.counts()
    return raced(feedback.TITLE, feedback.contenders(data), feedback.judge(data), feedback.TARGET, quick, bystanders)


def raced(title, found, judge, target, quick, bystanders):
    """Every contender's cheapest setting that is accurate enough, timed in alternation."""
    rows = []
    for contender in found:
        rows += harness.gate(contender, title, judge, target, patience=40.0)
    runs = {f"{row.name} {row.setting}": row for row in rows if row.run is not None and row.timing}
    timed = harness.alternate(
        {name: row.run for name, row in runs.items()}, 3 if quick else 9, budget=20.0, bystanders=bystanders,
        colds={name: row.timing.cold for name, row in runs.items()},
    )  # fmt: skip
    for name, row in runs.items():
        row.timing = timed[name]
        row.memory = harness.peak_extra_memory(row.run)
    harness.rank_rows(rows)
    print(f"\n{title}")
    for row in rows:
        median, low = (row.timing.median, row.timing.fastest) if row.timing else (math.nan, math.nan)
        print(
            f"  {row.name:<24}{row.setting:<12}{median:>8.3f} s {low:>8.3f} min{row.error:>10.1e}"
            f"{row.memory:>8.0f} MB  {row.ratio:>6.2f} of the best peer {row.note}",
            flush=True,
        )
    return {"title": title, "rows": [row.record() for row in rows]}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_completion", description=__doc__)
    parser.add_argument("--problems", default=",".join(EVERY))
    parser.add_argument("--quick", action="store_true", help="three runs instead of nine, fewer settings of the peers")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds a problem to wait for an idle machine")
    options = parser.parse_args(arguments)
    payload = {"problems": {}}
    chosen = [name for name in options.problems.split(",") if name]
    with harness.threads():
        for name in chosen:
            bystanders = harness.Bystanders(options.wait)
            if name == "sweeps":
                payload["problems"]["sweeps"] = sweep_costs(bystanders)
            elif name == "feedback":
                payload["problems"]["feedback"] = run_feedback(options.quick, bystanders)
            else:
                payload["problems"][name] = run_problem(name, options.quick, bystanders)
    whole = set(chosen) == set(EVERY) and not options.quick
    print("\nwrote", report.write_json("completion" if whole else "completion_partial", payload).name)


if __name__ == "__main__":
    main()
