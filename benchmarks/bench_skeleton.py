"""Skeletons beside their peers: ``python -m benchmarks.bench_skeleton [--problems a,b] [--quick] [--wait 60]``.

Errors are measured by the benchmark itself, over those of the best approximation of the rank asked for: in the
Frobenius norm for columns; for kernel matrices it is the relative trace error, for posteriors the largest error of a
standard deviation over the exact one. Peers that choose columns and leave the coefficients to the caller get those of
the projection, computed outside the time. `k` is the number of columns, landmarks or inducing points of the answer.
"""

import argparse
import math
from dataclasses import dataclass

import numpy as np

import lowrank_la as lr
from benchmarks import harness, report
from lowrank_la import testing


@dataclass(frozen=True)
class Contender:
    """``run()`` gives an answer, ``error(answer)`` its error over the best, ``size(answer)`` its number of columns."""

    name: str
    run: object
    error: object
    ours: bool = False
    size: object = None


@dataclass(frozen=True)
class Problem:
    """A matrix, its contenders, and the seconds and error over best that ours has to keep to."""

    title: str
    contenders: object
    seconds: float = math.nan
    error: float = math.inf


def of_columns(make, k, extra=10):
    """Contenders for `k` columns of ``make()``."""

    def build():
        A, values = make()
        norm, best = math.sqrt((values**2).sum()), math.sqrt((values[k:] ** 2).sum())
        dense = A if isinstance(A, np.ndarray) else A.toarray()

        def projected(columns, rank=None):
            Q = np.linalg.qr(dense[:, np.asarray(columns)])[0]
            explained = np.linalg.svd(Q.T @ dense, compute_uv=False)[:rank]
            return math.sqrt(norm**2 - (explained**2).sum()) / best

        def rebuilt(result):
            skeleton = result.skeleton if isinstance(A, np.ndarray) else result.skeleton.toarray()
            return np.linalg.norm(dense - skeleton @ result.coefficients) / best

        def ours(name, **options):
            options = options if "tol" in options else {"rank": k, **options}
            run = lambda: lr.interpolative(A, rng=0, **options)  # noqa: E731
            return Contender(f"lowrank_la {name}", run, rebuilt, ours=True, size=lambda r: r.indices.shape[0])

        def ours_by_cur(name, **options):
            options = options if "tol" in options else {"rank": k, **options}
            run = lambda: lr.cur(A, rng=0, **options)  # noqa: E731
            return Contender(f"lowrank_la {name}", run, by_cur, ours=True, size=lambda r: r.cols.shape[0])

        def by_cur(result):
            return np.linalg.norm(dense - result.__lowrank_operator__().todense()) / best

        yield ours("interpolative")
        yield ours(f"interpolative, {extra} more", oversample=extra)
        if 1.45 * best < norm:  # a flat spectrum leaves no tolerance to ask for
            yield ours("interpolative, tol", tol=1.45 * best / norm)
        for method in ("sketched_qr", "rrqr", "arp", "deim", "qdeim", "maxvol"):
            yield ours(method, method=method)
        yield ours_by_cur("cur")
        yield ours_by_cur(f"cur, {extra} more", oversample=extra)
        if 2.0 * best < norm:
            yield ours_by_cur("cur, tol", tol=2.0 * best / norm)
        yield from column_peers(A, dense, k, projected)

    return build


def column_peers(A, dense, k, projected):
    """SciPy's randomized ID, LAPACK's pivoted QR, and the selectors of scikit-matter where it is installed."""
    import scipy.linalg
    import scipy.linalg.interpolative as sli
    from scipy.sparse.linalg import aslinearoperator

    given = A if isinstance(A, np.ndarray) else aslinearoperator(A)

    def scipy_id():
        return sli.interp_decomp(given, k, rng=np.random.default_rng(0))

    def scipy_error(answer):
        return projected(answer[0][:k])

    yield Contender("scipy interp_decomp", scipy_id, scipy_error)
    yield Contender(
        "scipy qr(pivoting=True)",
        lambda: scipy.linalg.qr(dense, mode="r", pivoting=True),
        lambda answer: projected(answer[1][:k]),
    )
    try:
        from skmatter.feature_selection import CUR, FPS
    except ImportError:
        return
    for selector in (FPS, CUR) if min(dense.shape) <= 1000 else (FPS,):  # its CUR takes an SVD a column
        yield Contender(
            f"skmatter {selector.__name__}",
            lambda selector=selector: selector(n_to_select=k).fit(dense),
            lambda answer: projected(answer.selected_idx_),
        )


def gaussian(length):
    def kernel(x, y):
        squares = -2.0 * (x @ y.T)
        squares += (x * x).sum(axis=1)[:, None]
        squares += (y * y).sum(axis=1)[None, :]
        squares *= -0.5 / length**2
        return np.exp(squares, out=squares)

    return kernel


def simple_rpcholesky(X, kernel, k, seed=0):
    """Randomly pivoted Cholesky one pivot at a time, in NumPy."""
    generator = np.random.default_rng(seed)
    F, left = np.zeros((k, X.shape[0])), np.ones(X.shape[0])
    for t in range(k):
        s = generator.choice(X.shape[0], p=left / left.sum())
        column = kernel(X, X[s : s + 1])[:, 0] - F[:t, s] @ F[:t]
        F[t] = column / math.sqrt(column[s])
        left = np.maximum(left - F[t] ** 2, 0.0)
        left[s] = 0.0
    return F.T


def of_kernel(n, k, dim, length, ridge=None):
    """Contenders for `k` columns of the kernel matrix of n points; errors are relative trace errors."""

    def build():
        X, kernel = np.random.default_rng(0).standard_normal((n, dim)), gaussian(length)
        K = lr.KernelMatrix(X, kernel, diag=1.0)

        def trace_error(F):
            return 1.0 - np.vdot(F, F) / n

        def ours(name, run):
            return Contender(f"lowrank_la {name}", run, lambda r: trace_error(r.F), True, lambda r: r.F.shape[1])

        yield ours("rpcholesky", lambda: lr.rpcholesky(K, k, rng=0))
        if ridge is not None:
            yield ours("rpcholesky, tol=0.02", lambda: lr.rpcholesky(K, k, tol=0.02, rng=0))
            for method in ("recursive", "bless"):
                run = lambda method=method: lr.ridge_nystrom(K, ridge, method=method, rng=0)  # noqa: E731
                yield ours(f"ridge_nystrom, {method}", run)
        yield Contender("NumPy, one pivot at a time", lambda: simple_rpcholesky(X, kernel, k), trace_error)
        try:
            from sklearn.kernel_approximation import Nystroem
        except ImportError:
            return
        model = Nystroem(gamma=0.5 / length**2, n_components=k, random_state=0)
        yield Contender("sklearn Nystroem", lambda: model.fit_transform(X), trace_error)

    return build


def of_posterior(n, dim, length, ridge, budget):
    """Contenders for the posterior of n observations at as many other points."""

    def build():
        generator, kernel = np.random.default_rng(0), gaussian(length)
        X, new = generator.standard_normal((2, n, dim))
        y = np.sin(X).sum(axis=1) + math.sqrt(ridge) * generator.standard_normal(n)
        cross = kernel(new, X)
        solved = np.linalg.solve(kernel(X, X) + ridge * np.eye(n), cross.T)
        exact = np.sqrt(np.maximum(1.0 - np.sum(cross.T * solved, axis=0), 0.0))

        def ours():
            posterior = lr.NystromPosterior(kernel, ridge=ridge, budget=budget, diag=1.0, rng=0)
            for _ in range(4):  # each fit draws by the variances of the one before
                posterior.fit(X, y)
            return posterior, *posterior.predict(new)

        def worst(answer):
            return np.max(np.abs(answer[2] / exact - 1.0))

        yield Contender(
            "lowrank_la NystromPosterior, 4 fits", ours, worst, True, lambda answer: len(answer[0].inducing)
        )
        try:
            from sklearn.gaussian_process import GaussianProcessRegressor
            from sklearn.gaussian_process.kernels import RBF
        except ImportError:
            return

        def peer():
            model = GaussianProcessRegressor(RBF(length), alpha=ridge, optimizer=None).fit(X, y)
            return model, *model.predict(new, return_std=True)

        yield Contender("sklearn GaussianProcessRegressor", peer, worst, size=lambda _: n)

    return build


def polynomial(n):
    values = np.arange(1, n + 1.0) ** -1.2
    return lambda: (testing.matrix(n, n, values), values)


def exponential(n, scale):
    values = np.exp(-np.arange(n) / scale)
    return lambda: (testing.matrix(n, n, values), values)


def radial(n):
    def make():
        K = testing.rbf_kernel(n)
        return K, np.linalg.svd(K, compute_uv=False)

    return make


def text(m, n, nnz):
    def make():
        A = testing.sparse_tfidf(m, n, nnz)
        return A, np.linalg.svd(A.toarray(), compute_uv=False)

    return make


PROBLEMS = {
    "a": Problem("columns, 2000×2000, σ = i^-1.2, k=50", of_columns(polynomial(2000), 50), 0.25, 1.45),
    "b": Problem("columns, 1000×1000, σ = exp(-i/15), k=40", of_columns(exponential(1000, 15.0), 40)),
    "c": Problem("columns of a kernel matrix, 1500 points, k=40", of_columns(radial(1500), 40)),
    "d": Problem("columns, sparse 3000×1500, 6e4 nonzeros, k=50", of_columns(text(3000, 1500, 60_000), 50)),
    "e": Problem("kernel, n=1e5, k=200", of_kernel(100_000, 200, 3, 1.0, ridge=500.0), 0.3),
    "f": Problem("kernel, n=2e4, k=1000", of_kernel(20_000, 1000, 5, 1.0)),
    "g": Problem("posterior of 3000 observations", of_posterior(3000, 3, 1.0, 0.01, 5.0)),
}


def run_problem(problem, repeats, budget, bystanders):
    """Rows of one problem; contenders that take long are run once."""
    rows, runs = [], {}
    for contender in problem.contenders():
        row = {"contender": contender.name, "ours": contender.ours, "seconds": None}
        rows.append(row)
        try:
            answer, row["first_seconds"] = harness.seconds(contender.run)
            row["error_over_best"] = float(contender.error(answer))
            row["columns"] = contender.size(answer) if contender.size else None
        except Exception as failure:  # noqa: BLE001 - a peer that fails is a row of the report
            row["note"] = f"failed: {type(failure).__name__}: {failure}"
            continue
        del answer
        row["seconds"] = row["first_seconds"]
        if row["first_seconds"] <= budget:
            runs[contender.name] = contender.run, row
    timed = harness.alternate(
        {name: run for name, (run, _) in runs.items()}, repeats, budget=budget, bystanders=bystanders
    )
    for name, timing in timed.items():
        run, row = runs[name]
        low, high = timing.interval
        row |= {"seconds": timing.median, "seconds_low": low, "seconds_high": high, "seconds_fastest": timing.fastest}
        row["extra_megabytes"] = harness.peak_extra_memory(run)
    return rows


def show(problem, rows):
    target = "" if math.isnan(problem.seconds) else f" (target {1e3 * problem.seconds:g} ms, error {problem.error:g})"
    print(f"\n{problem.title}{target}")
    print(f"  {'contender':<36}{'ms':>9}{'min':>9}{'95 %':>18}{'first':>9}{'MB':>7}{'error':>10}{'k':>6}")
    for row in rows:
        if row["seconds"] is None:
            print(f"  {row['contender']:<36}  {row['note'][:90]}")
            continue
        keys = ("seconds", "seconds_fastest", "seconds_low", "seconds_high", "first_seconds")
        median, least, low, high, first = (1e3 * row.get(key, math.nan) for key in keys)
        memory, error = row.get("extra_megabytes", math.nan), row["error_over_best"]
        print(
            f"  {row['contender']:<36}{median:>9.1f}{least:>9.1f}{f'{low:.1f}-{high:.1f}':>18}{first:>9.0f}"
            f"{memory:>7.0f}{error:>10.4f}{row['columns'] or '':>6}",
            flush=True,
        )


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_skeleton", description=__doc__)
    parser.add_argument("--problems", default=",".join(PROBLEMS), help="letters of the problems, separated by commas")
    parser.add_argument("--quick", action="store_true", help="three runs instead of nine, slow peers once")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds a problem to wait for an idle machine")
    options = parser.parse_args(arguments)
    repeats, budget = (3, 2.0) if options.quick else (9, 20.0)
    payload = {"problems": {}}
    with harness.threads():
        for letter in filter(None, options.problems.split(",")):
            problem = PROBLEMS[letter]
            rows = run_problem(problem, repeats, budget, harness.Bystanders(options.wait))
            show(problem, rows)
            payload["problems"][letter] = {"title": problem.title, "rows": rows}
    whole = set(payload["problems"]) == set(PROBLEMS) and not options.quick
    print("\nwrote", report.write_json("skeleton" if whole else "skeleton_partial", payload).name)


if __name__ == "__main__":
    main()
