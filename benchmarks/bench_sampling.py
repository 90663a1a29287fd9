"""Scores and row samples beside their targets: ``python -m benchmarks.bench_sampling [--quick] [--only words]``."""

import argparse
import math

import numpy as np
import scipy.linalg

import lowrank_la as lr
from benchmarks import harness, report


def skewed(m, n, seed=0):
    """Normal rows of sizes that differ by a factor of a thousand."""
    generator = np.random.default_rng(seed)
    return generator.standard_normal((m, n)) * np.exp(1.5 * generator.standard_normal((m, 1)))


def plain_leverage(A):
    """What people write: LAPACK's QR and row norms."""
    return (np.linalg.qr(A)[0] ** 2).sum(axis=1)


def gram_leverage(A):
    """Script with the inverse of the Gram matrix."""
    return np.einsum("ij,ij->i", A @ np.linalg.inv(A.T @ A), A)


def plain_lewis(A, p, tol=1e-6, maxiter=500):
    """Script of the fixed-point iteration as published, Gram matrices and all."""
    w = np.full(A.shape[0], A.shape[1] / A.shape[0])
    for _ in range(maxiter):
        M = A.T @ (w[:, None] ** (1 - 2 / p) * A)
        L = scipy.linalg.cholesky(M, lower=True)
        size = (scipy.linalg.solve_triangular(L, A.T, lower=True) ** 2).sum(axis=0)
        new = size ** (p / 2)
        if np.abs(np.log(w ** (1 - 2 / p) * size / w)).max() <= tol:
            return w
        w = new
    return w


def lewis_residual(A, w, p):
    """Largest |log(leverage / w)| of the reweighted matrix, by LAPACK."""
    R = np.linalg.qr(w[:, None] ** (0.5 - 1 / p) * A)[1]
    tau = w ** (1 - 2 / p) * (scipy.linalg.solve_triangular(R.T, A.T, lower=True) ** 2).sum(axis=0)
    return float(np.abs(np.log(tau / w)).max())


def leverage_rows(m, n):
    A = skewed(m, n)
    truth = plain_leverage(A)

    def judge(scores):
        return float(np.abs(np.asarray(scores) / truth - 1).max())

    yield (
        f"leverage {m}x{n}",
        1e-8,
        math.inf,
        judge,
        {
            "lowrank_la leverage_scores": lambda: lr.leverage_scores(A).scores,
            "numpy qr, row norms": lambda: plain_leverage(A),
            "inverse of the Gram matrix": lambda: gram_leverage(A),
        },
    )


def lewis_rows(m, n):
    A = skewed(m, n)
    for p in (1.0, 1.5, 3.0):
        yield (
            f"Lewis weights {m}x{n}, p = {p:g}",
            1e-6 * 1.01,
            15.0,
            lambda w, p=p: lewis_residual(A, w, p),
            {
                "lowrank_la lewis_weights": lambda p=p: lr.lewis_weights(A, p).weights,
                "published iteration": lambda p=p: plain_lewis(A, p),
            },
        )
    yield (
        f"Lewis weights {m}x{n}, p = 6",
        1e-6 * 1.01,
        math.inf,
        lambda w: lewis_residual(A, w, 6.0),
        {
            "lowrank_la lewis_weights": lambda: lr.lewis_weights(A, 6.0).weights,
        },
    )


def sensitivity_rows(m, n):
    A = skewed(m, n)
    rows = np.random.default_rng(1).choice(m, 2000, replace=False)
    for p, limit in ((3.0, 15.0), (1.0, 60.0), (1.5, math.inf)):
        yield (
            f"sensitivities {m}x{n}, 2000 rows and the total, p = {p:g}",
            0.05,
            limit,
            lambda r: r,
            {
                "lowrank_la lp_sensitivities": lambda p=p: _gap(lr.lp_sensitivities(A, p, rows=rows, rng=0), rows),
            },
        )


def _gap(r, rows):
    """Larger of the median row bracket and the bracket of the total, as upper / lower - 1."""
    return max(float(np.median(r.upper[rows] / r.lower[rows])), r.total[1] / r.total[0]) - 1


def sampling_rows(m, n):
    A, size = skewed(m, n), 40 * n
    for p in (1.0, 1.5, 3.0):
        methods = ["uniform", "leverage", "sensitivity", "sensitivity_leverage", "lewis"]
        methods += ["root_leverage"] if p < 2 else []
        for method in methods:

            def judge(sample, p=p):
                return lr.embedding_distortion(A, sample.indices, sample.weights, p=p, rng=0).info.error

            yield (
                f"{size} of {m} rows, p = {p:g}, {method}",
                0.5,
                math.inf,
                judge,
                {
                    "lowrank_la sample_rows": lambda p=p, method=method: lr.sample_rows(
                        A, size, p=p, method=method, rng=1
                    )
                },
            )


def run(problem, accuracy, limit, judge, contenders, repeats):
    """Gate every contender, time those that pass in alternation, print and return the record."""
    rows = []
    for name, call in contenders.items():
        setting = harness.Contender(name, [("default", call)], "default", ours=name.startswith("lowrank_la"))
        rows += harness.gate(setting, problem, judge, accuracy, patience=300.0)
    timed = {row.name: row for row in rows if row.timing}
    colds = {name: row.timing.cold for name, row in timed.items()}
    runs = {name: row.run for name, row in timed.items()}
    for name, timing in harness.alternate(runs, repeats, budget=60.0, colds=colds).items():
        timed[name].timing = timing
        timed[name].memory = harness.peak_extra_memory(timed[name].run)
    harness.rank_rows(rows)
    ours = next(row for row in rows if row.ours)
    met = ours.passes and ours.timing is not None and ours.timing.median <= limit
    print(f"\n{problem}: target {'none' if math.isinf(limit) else f'{limit:g} s'}, {'met' if met else 'MISSED'}")
    print(report.table(rows), flush=True)
    return {"rows": [row.record() for row in rows], "limit_seconds": limit, "accuracy": accuracy, "met": met}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_sampling", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one run of each on a tenth of the rows")
    parser.add_argument("--only", default="", help="words, separated by commas; only problems that hold one are run")
    options = parser.parse_args(arguments)
    only = [word for word in options.only.split(",") if word]
    m, repeats = (10_000, 1) if options.quick else (100_000, 3)
    groups = (leverage_rows(m, 50), lewis_rows(m, 50), sensitivity_rows(m, 10), sampling_rows(m // 5, 8))
    payload = {"problems": {}}
    with harness.threads():
        for group in groups:
            for problem, *rest in group:
                if not only or any(word in problem for word in only):
                    payload["problems"][problem] = run(problem, *rest, repeats)
    whole = not (options.quick or only)
    print("wrote", report.write_json("sampling" if whole else "sampling_partial", payload).name)


if __name__ == "__main__":
    main()
