"""Robust principal components and their peers: ``python -m benchmarks.bench_robust [--problems a,b,c] [--quick]``.

Low rank plus errors at random places, ``L = U Vᵀ`` with Gaussian factors of rank 5, errors uniform in ± mean|L|. An
answer counts when the relative error of its low-rank part is at most 1e-5; pursuits count when their objective
``‖L‖_* + λ‖M - L‖_1`` is at most 1e-3 above the least one found (problem c). All peers are given the same two threads.
"""

import argparse
import math

import numpy as np

import lowrank_la as lr
from benchmarks import harness, report

TARGET = 1e-5
NEAR = 1e-3


def corrupted(n, rank, share, seed=0):
    generator = np.random.default_rng(seed)
    L = generator.standard_normal((n, rank)) @ generator.standard_normal((rank, n))
    places = generator.random((n, n)) < share
    return L, L + np.where(places, generator.uniform(-1, 1, (n, n)) * np.abs(L).mean(), 0.0)


def ours(M, rank, method):
    def run():
        result = lr.robust_pca(M, rank, method=method, rng=0)
        return result.U, result.s, result.Vh

    return run


def full_pursuit(M, tol=1e-7):
    """Principal component pursuit by inexact augmented Lagrangians and full decompositions, on plain arrays."""

    def run():
        weight, norm = 1.0 / math.sqrt(max(M.shape)), np.linalg.norm(M, 2)
        L, Y = np.zeros_like(M), M / max(norm, np.abs(M).max() / weight)
        penalty, size = 1.25 / norm, np.linalg.norm(M)
        ceiling = 1e7 * penalty
        for _ in range(500):
            E = M - L + Y / penalty
            E = np.sign(E) * np.maximum(np.abs(E) - weight / penalty, 0.0)
            U, s, Vh = np.linalg.svd(M - E + Y / penalty, full_matrices=False)
            kept = max(1, int((s > 1.0 / penalty).sum()))
            U, s, Vh = U[:, :kept], np.maximum(s[:kept] - 1.0 / penalty, 0.0), Vh[:kept]
            L = U * s @ Vh
            gap = M - L - E
            Y += penalty * gap
            penalty = min(1.5 * penalty, ceiling)
            if np.linalg.norm(gap) <= tol * size:
                break
        return U, s, Vh

    return run


def alternating_directions(M, tol=1e-7):
    """The pursuit by alternating directions with the fixed penalty of the early scripts, full decompositions."""

    def run():
        weight, penalty = 1.0 / math.sqrt(max(M.shape)), M.size / (4.0 * np.abs(M).sum())
        S, Y, size = np.zeros_like(M), np.zeros_like(M), np.linalg.norm(M)
        for _ in range(200):
            U, s, Vh = np.linalg.svd(M - S + Y / penalty, full_matrices=False)
            s = np.maximum(s - 1.0 / penalty, 0.0)
            L = U * s @ Vh
            R = M - L + Y / penalty
            S = np.sign(R) * np.maximum(np.abs(R) - weight / penalty, 0.0)
            gap = M - L - S
            Y += penalty * gap
            if np.linalg.norm(gap) <= tol * size:
                break
        return U, s, Vh

    return run


def by_tensorly(M, iterations):
    def run():
        from tensorly.decomposition import robust_pca

        weight = 1.0 / math.sqrt(max(M.shape))
        # Its objective adds the nuclear norms of both unfoldings, which for a matrix are the same.
        L, _ = robust_pca(M, reg_E=2.0 * weight, reg_J=1.0, n_iter_max=iterations, tol=1e-7, verbose=False)
        U, s, Vh = np.linalg.svd(L, full_matrices=False)
        return U, s, Vh

    return run


def low_rank_error(L):
    size = np.linalg.norm(L)
    return lambda answer: float(np.linalg.norm(answer[0] * answer[1] @ answer[2] - L) / size)


def excess(M, least):
    """Relative amount by which an answer misses the least objective."""
    weight = 1.0 / math.sqrt(max(M.shape))

    def judge(answer):
        U, s, Vh = answer
        value = float(s.sum()) + weight * float(np.abs(M - U * s @ Vh).sum())
        return max(value / least - 1.0, 0.0)

    return judge


def objective(M, answer):
    return excess(M, 1.0)(answer) + 1.0


def problem_a(quick):
    """AccAltProj beside pursuits with full decompositions."""
    L, M = corrupted(1000 if quick else 2000, 5, 0.2)
    yield from (
        harness.Contender("lowrank_la accaltproj", [("default", ours(M, 5, "accaltproj"))], "default", ours=True),
        harness.Contender("lowrank_la ircur", [("default", ours(M, 5, "ircur"))], "default", ours=True),
        harness.Contender("lowrank_la pcp", [("default", ours(M, None, "pcp"))], "default", ours=True),
        harness.Contender("full SVD pursuit", [("tol 1e-7", full_pursuit(M))], "tol 1e-7"),
    )
    return low_rank_error(L), TARGET


def problem_b(quick):
    """IRCUR beside AccAltProj."""
    L, M = corrupted(2000 if quick else 5000, 5, 0.3)
    yield from (
        harness.Contender("lowrank_la accaltproj", [("default", ours(M, 5, "accaltproj"))], "default", ours=True),
        harness.Contender("lowrank_la ircur", [("default", ours(M, 5, "ircur"))], "default", ours=True),
    )
    return low_rank_error(L), TARGET


def problem_c(quick):
    """Pursuits at one objective."""
    _, M = corrupted(300 if quick else 500, 5, 0.2)
    least = objective(M, full_pursuit(M, 1e-9)())
    yield from (
        harness.Contender("lowrank_la pcp", [("default", ours(M, None, "pcp"))], "default", ours=True),
        harness.Contender("full SVD pursuit", [("tol 1e-7", full_pursuit(M))], "tol 1e-7"),
        harness.Contender("fixed penalty", [("tol 1e-7", alternating_directions(M))], "tol 1e-7"),
        harness.Contender("tensorly", [(f"{n} iterations", by_tensorly(M, n)) for n in (100, 200, 400)]),
    )
    return excess(M, least), NEAR


PROBLEMS = {
    "a": ("n=2000, r=5, 20 % errors", problem_a),
    "b": ("n=5000, r=5, 30 % errors", problem_b),
    "c": ("n=500, r=5, 20 % errors, one objective", problem_c),
}


def gathered(generator):
    """The contenders that a problem yields, and what it returns."""
    contenders = []
    while True:
        try:
            contenders.append(next(generator))
        except StopIteration as stop:
            return contenders, *stop.value


def run_problem(letter, quick, bystanders):
    title, problem = PROBLEMS[letter]
    contenders, judge, target = gathered(problem(quick))
    rows = []
    for contender in contenders:
        rows += harness.gate(contender, title, judge, target, patience=120.0)
    runs = {f"{row.name} {row.setting}": row for row in rows if row.run is not None and row.timing}
    timed = harness.alternate(
        {name: row.run for name, row in runs.items() if row.timing.cold < 60.0}, 3 if quick else 7, budget=20.0,
        bystanders=bystanders, colds={name: row.timing.cold for name, row in runs.items()},
    )  # fmt: skip
    for name, row in runs.items():
        row.timing = timed.get(name, row.timing)
        row.memory = harness.peak_extra_memory(row.run) if row.timing.median < 60.0 else math.nan
    harness.rank_rows(rows)
    print(f"\n{title}")
    for row in rows:
        median = row.timing.median if row.timing else math.nan
        print(
            f"  {row.name:<24}{row.setting:<16}{median:>9.3f} s{row.error:>10.1e}{row.memory:>8.0f} MB"
            f"  {row.ratio:>6.3f} of the best peer {row.note}",
            flush=True,
        )
    return {"title": title, "rows": [row.record() for row in rows]}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_robust", description=__doc__)
    parser.add_argument("--problems", default=",".join(PROBLEMS))
    parser.add_argument("--quick", action="store_true", help="smaller matrices, three runs")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds a problem to wait for an idle machine")
    options = parser.parse_args(arguments)
    payload, chosen = {"problems": {}}, [name for name in options.problems.split(",") if name]
    with harness.threads():
        for name in chosen:
            payload["problems"][name] = run_problem(name, options.quick, harness.Bystanders(options.wait))
    whole = set(chosen) == set(PROBLEMS) and not options.quick
    print("\nwrote", report.write_json("robust" if whole else "robust_partial", payload).name)


if __name__ == "__main__":
    main()
