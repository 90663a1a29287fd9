"""Estimators of the top eigenvector, stochastic PCA, clusters of matrices and a tree of decompositions beside others.

``python -m benchmarks.stream_rows`` prints rows a second on one thread, the error and the largest extra memory; peers
run in alternation with ours. The Gram matrix of the whole stream with one eigendecomposition is the roofline.
"""

import argparse
import math
import warnings

import numpy as np

import lowrank_la as lr
from benchmarks import harness, report
from lowrank_la.streaming.oja_ladder import oja_ladder

POOL, LENGTH, BATCH = 1 << 16, 256, 4096
RATES = 30


def pool(top, rng=0):
    """Rows of 65,536 Gaussian draws, float32: the first `top` directions stand out by 6 to 3."""
    generator = np.random.default_rng(rng)
    sizes = np.concatenate([np.linspace(6.0, 3.0, top), np.linspace(1.0, 0.5, LENGTH - top)])
    turn = np.linalg.qr(generator.standard_normal((LENGTH, LENGTH)))[0]
    A = (generator.standard_normal((POOL, LENGTH)) * sizes) @ turn
    return A.astype("float32"), np.linalg.eigh(A.T @ A)[1][:, ::-1][:, :top]


def batches(A, rows):
    """The rows of the pool again and again, in batches, `rows` in all."""
    for start in range(0, rows, BATCH):
        yield A[start % POOL : start % POOL + min(BATCH, rows - start)]


def fed(make, A, rows, answer):
    def run():
        estimator = make()
        for batch in batches(A, rows):
            estimator.partial_fit(batch)
        return answer(estimator)

    return run


def gram_roofline(A, rows, k):
    def run():
        G = np.zeros((LENGTH, LENGTH))
        for batch in batches(A, rows):
            G += batch.T @ batch
        return np.linalg.eigh(G)[1][:, ::-1][:, :k].T

    return run


def ladder_alone(A, rows):
    """The kernel with exactly 30 rates, without the estimator around it."""

    def run():
        vectors = np.full((RATES, LENGTH), LENGTH**-0.5, "float32")
        rates, growth = [2.0 ** -(11 + j) for j in range(RATES)], np.zeros(RATES)
        for batch in batches(A, rows):
            for start in range(0, batch.shape[0], 64):
                vectors, growth = oja_ladder(batch[start : start + 64], vectors, rates, growth)
        return vectors[np.flatnonzero(growth > 11.0)[-1]][None, :]

    return run


def oja_by_rows(A, rows):
    """Thirty rates, one row after another, in NumPy."""

    def run():
        V = np.full((RATES, LENGTH), LENGTH**-0.5, "float32")
        rates, growth = 2.0 ** -np.arange(11.0, 11.0 + RATES, dtype="float32"), np.zeros(RATES)
        for batch in batches(A, rows):
            for row in batch:
                V += (rates * (V @ row))[:, None] * row
                size = np.sqrt(np.einsum("ij,ij->i", V, V))
                growth += np.log(size)
                V /= size[:, None]
        return V[np.flatnonzero(growth > 11.0)[-1]][None, :]

    return run


def incremental_pca(A, rows, k):
    from sklearn.decomposition import IncrementalPCA

    return fed(lambda: IncrementalPCA(k), A, rows, lambda estimator: estimator.components_)


def angle(truth):
    """Largest sine between the spaces of the rows found and the columns of the truth."""

    def judge(Vh):
        Q = np.linalg.qr(np.asarray(Vh, "float64").T)[0]
        return float(np.linalg.norm(Q - truth @ (truth.T @ Q), 2))

    return judge


def top_eigenvector(quick):
    """Contenders ``name: (run, rows)``, the judge, and the largest error that counts as right."""
    A, truth = pool(1)
    many, few = (1 << 18, 1 << 13) if quick else (1 << 20, 1 << 14)

    def found(estimator):
        return estimator.result().v[None, :]

    contenders = {
        "lowrank_la arbitrary order": (fed(lambda: lr.TopEigenvector("arbitrary", rng=0), A, many, found), many),
        "lowrank_la random order": (fed(lambda: lr.TopEigenvector("random", rng=0), A, many, found), many),
        "lowrank_la 30 rates, kernel": (ladder_alone(A, many), many),
        "30 rates by rows, NumPy": (oja_by_rows(A, few), few),
        "Gram + eigh (roofline)": (gram_roofline(A, many, 1), many),
    }
    return contenders, angle(truth), 0.2


def leading_subspace(quick):
    """Ten components."""
    A, truth = pool(10)
    rows = 1 << 16 if quick else 1 << 18

    def ours(method):
        return fed(lambda: lr.OjaPCA(10, method=method, rng=0), A, rows, lambda estimator: estimator.result().Vh), rows

    contenders = {
        "lowrank_la OjaPCA adaptive": ours("adaptive"),
        "lowrank_la OjaPCA history": ours("history"),
        "sklearn IncrementalPCA": (incremental_pca(A, rows, 10), rows),
        "Gram + eigh (roofline)": (gram_roofline(A, rows, 10), rows),
    }
    return contenders, angle(truth), 0.2


def clusters(quick):
    """Channels in clusters of squared error 0.05 at rank 20; the error is the number of clusters over the least."""
    from benchmarks.papers.shamrai_2026.run import channels

    blocks, tol = channels(64 if quick else 256, 0), math.sqrt(0.05)

    def ours(method):
        return lambda: lr.cluster_matrices(blocks, 20, tol, method=method).upper.shape[0], len(blocks)

    contenders = {f"lowrank_la {method}": ours(method) for method in ("incremental", "residual", "weyl")}
    contenders["SVD of every trial"] = (lambda: dense_clusters(blocks, 20, tol), len(blocks))
    least = contenders["SVD of every trial"][0]()
    return contenders, lambda count: count / least - 1.0, 0.25


def dense_clusters(blocks, rank, tol):
    """The same search with a dense decomposition of every trial."""
    left, count = sorted(range(len(blocks)), key=lambda j: -np.linalg.norm(blocks[j])), 0

    def error(members):
        s = np.linalg.svd(np.hstack([blocks[j] for j in members]), compute_uv=False)
        return math.sqrt(np.sum(s[rank:] ** 2) / np.sum(s**2))

    while left:
        members = [left[0]]
        U = np.linalg.svd(blocks[left[0]], full_matrices=False)[0][:, :rank]
        rest = sorted(left[1:], key=lambda j: np.linalg.norm(blocks[j] - U @ (U.conj().T @ blocks[j])))
        for j in rest:
            if error([*members, j]) > tol:
                break
            members.append(j)
        left, count = [j for j in left if j not in members], count + 1
    return count


def tree(quick):
    """Rank 20 of 64 blocks 1000×500; the error is that of the projection over the least one."""
    generator = np.random.default_rng(0)
    m, n, count = (400, 100, 64) if quick else (1000, 500, 64)
    left = np.linalg.qr(generator.standard_normal((m, 100)))[0] * 10.0 ** (-np.arange(100) / 25)
    M = left @ generator.standard_normal((100, n * count)) + 1e-5 * generator.standard_normal((m, n * count))
    blocks = np.array_split(M, count, axis=1)
    s = np.linalg.svd(M, compute_uv=False) if quick else np.sqrt(np.linalg.eigvalsh(M @ M.T)[::-1])
    least = math.sqrt(np.sum(s[20:] ** 2))

    def judge(U):
        return float(np.linalg.norm(M - U @ (U.T @ M))) / least - 1.0

    contenders = {
        "lowrank_la hierarchical_svd": (lambda: lr.hierarchical_svd(blocks, 20).basis, n * count),
        "lowrank_la svd of the whole": (lambda: lr.svd(M, 20, rng=0).U, n * count),
        "numpy svd of the whole": (lambda: np.linalg.svd(M, full_matrices=False)[0][:, :20], n * count),
    }
    return contenders, judge, 0.01


PROBLEMS = {
    "top": ("top eigenvector, 1e6×256 float32, one thread", top_eigenvector),
    "oja": ("10 components, 262144×256 float32, one thread", leading_subspace),
    "clusters": ("48 complex channels 256×16, rank 20, squared error 0.05", clusters),
    "tree": ("rank 20 of 64 blocks 1000×500", tree),
}


def run_problem(name, quick):
    """Time the contenders in turn; print and return their rows."""
    title, problem = PROBLEMS[name]
    contenders, judge, target = problem(quick)
    rows = []
    print(f"\n{title}")
    colds = {label: harness.seconds(run) for label, (run, _) in contenders.items()}
    errors = {label: judge(result) for label, (result, _) in colds.items()}
    timed = harness.alternate({label: run for label, (run, _) in contenders.items()}, 3 if quick else 5, budget=12.0)
    for label, (run, count) in contenders.items():
        row = harness.Row(
            title, label, "default", errors[label], errors[label] <= target, timed[label], ours="lowrank_la" in label
        )
        row.timing = harness.Timing(tuple(t / count for t in timed[label].times), colds[label][1])
        row.memory = harness.peak_extra_memory(run) if timed[label].median < 5.0 else math.nan
        row.note = f"{1.0 / row.timing.median:.4g} a second"
        rows.append(row)
    harness.rank_rows(rows)
    for row in rows:
        print(
            f"  {row.name:<30}{1.0 / row.timing.median:>12,.0f}/s{row.error:>10.1e}{row.memory:>8.0f} MB"
            f"{row.ratio:>8.3f} of the time of the best peer",
            flush=True,
        )
    return {"title": title, "rows": [row.record() for row in rows]}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stream_rows", description=__doc__.splitlines()[0])
    parser.add_argument("--problems", default=",".join(PROBLEMS))
    parser.add_argument("--quick", action="store_true", help="shorter streams, three runs")
    options = parser.parse_args(arguments)
    chosen = [name for name in options.problems.split(",") if name]
    with harness.threads(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        payload = {"problems": {name: run_problem(name, options.quick) for name in chosen}}
    whole = set(chosen) == set(PROBLEMS) and not options.quick
    print("\nwrote", report.write_json("stream_rows" if whole else "stream_rows_partial", payload).name)


if __name__ == "__main__":
    main()
