"""Exact determinantal samplers beside their peers: ``python -m benchmarks.bench_dpp [--problems a,b] [--quick]``.

Times are those of a further draw, after preparation. A contender counts when its sets of 3 of 8 rows pass the
chi-square test on counts, and its large sets are distinct rows of the right number.
"""

import argparse
import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import scipy.stats

import lowrank_la as lr
from benchmarks import harness, report

REJECT = 1e-4
DRAWS = {"ours": 20_000, "peer": 3_000}


@dataclass(frozen=True)
class Sampler:
    """``prepare(matrix, k)`` gives ``draw(seed)``; `inner` draws are timed at a time."""

    name: str
    prepare: object
    inner: int = 1
    ours: bool = False


def ours(V, _k):
    process = lr.ProjectionDPP(V)
    return lambda seed: process.sample(rng=seed)


def ours_batched(V, _k):
    process = lr.ProjectionDPP(V)
    return lambda seed: process.sample(1000, rng=seed)


def gram_schmidt(V, _k):
    """The standard sampler, coded in NumPy: a probability vector of length n for each of the k rows."""

    def draw(seed):
        generator = np.random.default_rng(seed)
        left = np.sum(V**2, axis=1)
        C, chosen = np.zeros((V.shape[0], V.shape[1])), []
        for t in range(V.shape[1]):
            i = generator.choice(V.shape[0], p=np.maximum(left, 0) / np.maximum(left, 0).sum())
            C[:, t] = (V @ V[i] - C[:, :t] @ C[i, :t]) / math.sqrt(left[i])
            left = left - C[:, t] ** 2
            left[i] = 0.0
            chosen.append(i)
        return np.asarray(chosen)

    return draw


def dppy_projection(V, _k):
    from dppy.finite_dpps import FiniteDPP

    process = FiniteDPP("correlation", projection=True, K_eig_dec=(np.ones(V.shape[1]), V))
    return lambda seed: np.asarray(process.sample_exact(mode="GS", random_state=seed))


def ours_of_size_k(L, k):
    process = lr.KDPP(k, L)
    return lambda seed: process.sample(rng=seed)


def dppy_of_size_k(L, k):
    from dppy.finite_dpps import FiniteDPP

    process = FiniteDPP("likelihood", L=L)
    process.sample_exact_k_dpp(size=k, random_state=0)
    return lambda seed: np.asarray(process.sample_exact_k_dpp(size=k, random_state=seed))


PROJECTION = (
    Sampler("lowrank_la ProjectionDPP", ours, inner=5, ours=True),
    Sampler("lowrank_la, 1000 draws at once", ours_batched, ours=True),
    Sampler("DPPy GS", dppy_projection),
    Sampler("NumPy, standard algorithm", gram_schmidt),
)
OF_SIZE_K = (Sampler("lowrank_la KDPP", ours_of_size_k, inner=5, ours=True), Sampler("DPPy k-DPP", dppy_of_size_k))


@dataclass(frozen=True)
class Problem:
    """A matrix to sample from, and who samples."""

    title: str
    make: object
    k: int
    samplers: tuple
    target: float = math.nan


def basis(n, k):
    return lambda: lr.tall_qr(np.random.default_rng(n + k).standard_normal((n, k)) * np.geomspace(1, 3, n)[:, None]).Q


def kernel(n):
    x = np.random.default_rng(n).standard_normal((n, 2))
    return lambda: np.exp(-2.0 * np.sum((x[:, None] - x[None, :]) ** 2, axis=2)) + 1e-3 * np.eye(n)


PROBLEMS = {
    "a": Problem("projection, n=1e5, k=200", basis(100_000, 200), 200, PROJECTION, 0.02),
    "b": Problem("projection, n=1e5, k=50", basis(100_000, 50), 50, PROJECTION, 0.0005),
    "c": Problem("projection, n=1e4, k=50", basis(10_000, 50), 50, PROJECTION),
    "d": Problem("projection, n=1e6, k=50", basis(1_000_000, 50), 50, PROJECTION[:2]),
    "e": Problem("projection, n=1e4, k=200", basis(10_000, 200), 200, PROJECTION),
    "f": Problem("k-DPP, n=2000, k=50", kernel(2000), 50, OF_SIZE_K, 0.002),
    "g": Problem("k-DPP, L = 1e6 I, n=400, k=60", lambda: 1e6 * np.eye(400), 60, OF_SIZE_K),
}


def law_passes(sampler, problem):
    """p-value of the sets of 3 of 8 rows."""
    n, k, draws = 8, 3, DRAWS["ours" if sampler.ours else "peer"]
    V = np.linalg.qr(np.random.default_rng(0).standard_normal((n, k)) * np.geomspace(1, 4, n)[:, None])[0]
    sets = list(combinations(range(n), k))
    if problem.samplers is OF_SIZE_K:
        V = V @ V.T + 0.1 * np.eye(n)
        law = np.asarray([np.linalg.det(V[np.ix_(s, s)]) for s in sets])
    else:
        law = np.asarray([np.linalg.det(V[list(s)]) ** 2 for s in sets])
    draw = sampler.prepare(V, k)
    first = np.asarray(draw(0))
    rows = draw(1) if first.ndim == 2 else np.stack([draw(seed) for seed in range(draws)])
    place = {s: i for i, s in enumerate(sets)}
    found = np.bincount([place.get(tuple(row), 0) for row in np.sort(rows, axis=1).tolist()], minlength=len(sets))
    expected = law / law.sum() * len(rows)
    few = expected < 5
    found, expected = (np.append(v[~few], v[few].sum()) for v in (found, expected))
    return float(scipy.stats.chisquare(found[expected > 0], expected[expected > 0]).pvalue)


def run_problem(problem, repeats, budget, bystanders):
    """Rows of one problem: preparation and further draws of every sampler."""
    matrix, rows, runs = problem.make(), [], {}
    for sampler in problem.samplers:
        row = {"contender": sampler.name, "ours": sampler.ours, "seconds": None}
        rows.append(row)
        try:
            row["law_p_value"] = law_passes(sampler, problem)
            draw, row["prepare_seconds"] = harness.seconds(lambda sampler=sampler: sampler.prepare(matrix, problem.k))
            drawn, row["first_seconds"] = harness.seconds(lambda draw=draw: draw(0))
        except Exception as failure:  # noqa: BLE001 - a peer that fails is a row of the report
            row["note"] = f"failed: {type(failure).__name__}: {failure}"
            continue
        sets = np.atleast_2d(drawn)
        row["accurate"] = row["law_p_value"] > REJECT and all(len(set(s)) == problem.k for s in sets.tolist())
        each = sampler.inner * len(sets)
        if row["first_seconds"] > budget:
            row["seconds"] = row["first_seconds"] / len(sets)
        else:
            runs[sampler.name] = repeated(draw, sampler.inner), row, each
    alternated = {name: run for name, (run, _, _) in runs.items()}
    timed = harness.alternate(alternated, repeats, budget=budget, bystanders=bystanders)
    for name, timing in timed.items():
        _, row, each = runs[name]
        low, high = timing.interval
        row |= {"seconds": timing.median / each, "seconds_low": low / each, "seconds_high": high / each}
        row["seconds_fastest"] = timing.fastest / each
    return rows


def repeated(draw, inner):
    """`inner` draws with new seeds each time."""
    seeds = iter(range(1, 1 << 40))
    return lambda: [draw(next(seeds)) for _ in range(inner)]


def show(problem, rows):
    print(f"\n{problem.title}" + ("" if math.isnan(problem.target) else f" (target {1e3 * problem.target:g} ms)"))
    print(f"  {'contender':<34}{'ms a draw':>11}{'min':>10}{'95 %':>20}{'prepare ms':>12}{'law p':>9}")
    for row in rows:
        if row["seconds"] is None:
            print(f"  {row['contender']:<34}  {row['note'][:90]}")
            continue
        low, high, least = (row.get(key, math.nan) for key in ("seconds_low", "seconds_high", "seconds_fastest"))
        print(
            f"  {row['contender']:<34}{1e3 * row['seconds']:>11.3f}{1e3 * least:>10.3f}"
            f"{f'{1e3 * low:.3f}-{1e3 * high:.3f}':>20}{1e3 * row['prepare_seconds']:>12.1f}{row['law_p_value']:>9.3f}"
            + ("" if row["accurate"] else "  NOT EXACT"),
            flush=True,
        )


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_dpp", description=__doc__)
    parser.add_argument("--problems", default=",".join(PROBLEMS), help="letters of the problems, separated by commas")
    parser.add_argument("--quick", action="store_true", help="three runs instead of eleven, slow peers once")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds a problem to wait for an idle machine")
    options = parser.parse_args(arguments)
    repeats, budget = (3, 1.0) if options.quick else (11, 8.0)
    payload = {"problems": {}}
    with harness.threads():
        for letter in filter(None, options.problems.split(",")):
            problem = PROBLEMS[letter]
            rows = run_problem(problem, repeats, budget, harness.Bystanders(options.wait))
            show(problem, rows)
            payload["problems"][letter] = {"title": problem.title, "target_seconds": problem.target, "rows": rows}
    whole = set(payload["problems"]) == set(PROBLEMS) and not options.quick
    print("wrote", report.write_json("dpp" if whole else "dpp_partial", payload).name)


if __name__ == "__main__":
    main()
