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

import lowrank_la as lr
from benchmarks import harness, report

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


def by_implicit(data, sweeps):
    """Sweeps of an implicit-feedback model, which minimises another objective: its time a sweep is what counts."""
    matrix = scipy.sparse.csr_matrix((np.abs(data.values), (data.rows, data.columns)), shape=(data.n, data.n))

    def run():
        import implicit

        model = implicit.als.AlternatingLeastSquares(
            factors=data.rank, iterations=sweeps, num_threads=harness.THREADS, use_gpu=False, random_state=0
        )
        model.fit(matrix, show_progress=False)
        return np.asarray(model.user_factors), np.asarray(model.item_factors)

    return run


def contenders(data, quick):
    yield harness.Contender("lowrank_la", [("default", ours(data))], "default", ours=True)
    for solver in ("cholesky", "cg", "sketch"):
        yield harness.Contender(f"lowrank_la {solver}", [("solver", ours(data, solver=solver))], "solver", ours=True)
    counts = (15, 25) if quick else (10, 15, 20, 30, 50)
    for name, use_cg in (("cmfrec Cholesky", False), ("cmfrec CG", True)):
        yield harness.Contender(name, [(f"{count} sweeps", by_cmfrec(data, count, use_cg)) for count in counts])
    yield harness.Contender("implicit, 10 sweeps", [("10 sweeps", by_implicit(data, 10))], "10 sweeps")


PROBLEMS = {
    "a": ("n=1e4, r=10, 1e6 entries", 10_000, 1_000_000, 10, 0.30),
    "b": ("n=2e4, r=20, 4e6 entries", 20_000, 4_000_000, 20, 2.5),
}


def sweep_costs(bystanders):
    """Seconds a sweep of "cg" over entries and ranks: nanoseconds an entry and rank."""
    from lowrank_la import _backend as be
    from lowrank_la.completion.problem import Problem
    from lowrank_la.completion.row_solvers import Effort, Lines
    from lowrank_la.operators.observed import Observed

    found = []
    for n, count, rank in (
        *((4000, 2_000_000, rank) for rank in (8, 16, 32, 64, 128)),
        (1000, 100_000, 16), (3000, 1_000_000, 16), (7000, 5_000_000, 16),
    ):  # fmt: skip
        data = sampled(n, count, rank)
        observed = Observed.from_entries(data.rows, data.columns, data.values, (n, n))
        generator = np.random.default_rng(1)
        U, V = (np.linalg.qr(generator.standard_normal((n, rank)))[0] for _ in range(2))
        for solver in ("cholesky", "cg", "sketch"):
            rows, columns = Lines.of(Problem(observed, rank), solver)

            def sweep(rows=rows, columns=columns, U=U, V=V):
                columns.solve(U, V, 1.0, Effort(0.0, 4))
                rows.solve(V, U, 1.0, Effort(0.0, 4))

            sweep()
            with be.single_blas():
                timing = harness.alternate({"sweep": sweep}, 5, bystanders=bystanders)["sweep"]
            cost = 1e9 * timing.median / (count * rank)
            found.append({"n": n, "entries": count, "rank": rank, "solver": solver, "nanoseconds": cost})
            print(f"  n={n:<6} entries={count:<8} rank={rank:<4} {solver:<9} {cost:6.2f} ns an entry, rank", flush=True)
    return found


def run_problem(letter, quick, bystanders):
    title, n, count, rank, seconds = PROBLEMS[letter]
    data, rows = sampled(n, count, rank), []
    for contender in contenders(data, quick):
        rows += harness.gate(contender, title, lambda answer: data.error(*answer), TARGET, patience=40.0)
    runs = {f"{row.name} {row.setting}": row for row in rows if row.run is not None and row.timing}
    timed = harness.alternate(
        {name: row.run for name, row in runs.items()}, 3 if quick else 9, budget=20.0, bystanders=bystanders,
        colds={name: row.timing.cold for name, row in runs.items()},
    )  # fmt: skip
    for name, row in runs.items():
        row.timing = timed[name]
        row.memory = harness.peak_extra_memory(row.run)
    harness.rank_rows(rows)
    print(f"\n{title} (target {seconds:g} s to {TARGET:g})")
    for row in rows:
        median, low = (row.timing.median, row.timing.fastest) if row.timing else (math.nan, math.nan)
        print(
            f"  {row.name:<22}{row.setting:<12}{median:>8.3f} s {low:>8.3f} min{row.error:>10.1e}"
            f"{row.memory:>8.0f} MB  {row.ratio:>6.2f} of the best peer {row.note}",
            flush=True,
        )
    return {"title": title, "rows": [row.record() for row in rows]}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_completion", description=__doc__)
    parser.add_argument("--problems", default=",".join([*PROBLEMS, "sweeps"]))
    parser.add_argument("--quick", action="store_true", help="three runs instead of nine, fewer settings of the peers")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds a problem to wait for an idle machine")
    options = parser.parse_args(arguments)
    payload = {"problems": {}}
    chosen = [name for name in options.problems.split(",") if name]
    with harness.threads():
        for name in chosen:
            bystanders = harness.Bystanders(options.wait)
            if name == "sweeps":
                payload["sweeps"] = sweep_costs(bystanders)
            else:
                payload["problems"][name] = run_problem(name, options.quick, bystanders)
    whole = set(chosen) == {*PROBLEMS, "sweeps"} and not options.quick
    print("\nwrote", report.write_json("completion" if whole else "completion_partial", payload).name)


if __name__ == "__main__":
    main()
