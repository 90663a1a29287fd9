"""Streams of rows beside their peers: ``python -m benchmarks.bench_streaming [--quick] [--only words]``.

Rows a second and the largest extra memory, alternated in one process. A contender counts when its error is within the
target of its problem. The plain streamed Gram matrix with one eigendecomposition at the end is the roofline.
"""

import argparse

import numpy as np

import lowrank_la as lr
from benchmarks import harness, report

POOL = 1 << 16


class Rows:
    """Rows of a spiked spectrum, float32: a pool that is gone through until `count` rows have been given."""

    def __init__(self, count, d, k, seed=0):
        generator = np.random.default_rng(seed)
        size = np.where(np.arange(d) < k, 6.0, 1.0).astype("float32")
        turn = np.linalg.qr(generator.standard_normal((d, d), dtype="float32"))[0]
        pool = min(POOL, (1 << 25) // d, count)
        self.pool = (generator.standard_normal((pool, d), dtype="float32") * size) @ turn.T
        self.count, self.d, self.k = count, d, k

    def batches(self, size):
        given = 0
        while given < self.count:
            start = given % self.pool.shape[0]
            stop = min(start + size, self.pool.shape[0], start + self.count - given)
            yield self.pool[start:stop]
            given += stop - start

    def truth(self):
        """Leading right vectors of all rows that are given, from Gram matrices in double precision."""
        turns, rest = divmod(self.count, self.pool.shape[0])
        if self.d > 1024 and not rest:
            return lr.svd(self.pool, self.k, rng=0).Vh.T.astype(np.float64)
        G = turns * self._gram(self.pool) + self._gram(self.pool[:rest])
        return np.linalg.eigh(G)[1][:, ::-1][:, : self.k]

    def _gram(self, rows):
        G = np.zeros((self.d, self.d))
        for start in range(0, rows.shape[0], 8192):
            block = rows[start : start + 8192].astype(np.float64)
            G += block.T @ block
        return G


def sine(Vh, truth):
    """Sine of the largest angle between two spans."""
    Q = np.linalg.qr(np.asarray(Vh, np.float64).T)[0]
    return float(np.linalg.norm(Q - truth @ (truth.T @ Q), 2))


def plain_gram(rows, size, dtype=np.float64):
    """What people write: the Gram matrix of one batch after the other, and an eigendecomposition."""
    G = np.zeros((rows.d, rows.d), dtype)
    for batch in rows.batches(size):
        G += batch.T @ batch
    return np.linalg.eigh(G)[1][:, ::-1][:, : rows.k].T


def incremental_pca(rows, size):
    from sklearn.decomposition import IncrementalPCA

    peer = IncrementalPCA(rows.k)
    for batch in rows.batches(size):
        peer.partial_fit(batch)
    return peer.components_


def row_wise_directions(rows, size, width=40):
    """Frequent Directions as published: one row after the other, a decomposition when twice the rows are full."""
    B, filled = np.zeros((2 * width, rows.d), "float32"), 0
    for batch in rows.batches(size):
        for row in batch:
            if filled == 2 * width:
                _, s, Vh = np.linalg.svd(B, full_matrices=False)
                s = np.sqrt(np.maximum(s**2 - s[width] ** 2, 0.0))[:width]
                B[:] = 0.0
                B[:width] = s[:, None] * Vh[:width]
                filled = width
            B[filled] = row
            filled += 1
    return np.linalg.svd(B, full_matrices=False)[2][: rows.k]


def ours(rows, size, **options):
    stream = lr.IncrementalSVD(rows.k, **options)
    for batch in rows.batches(size):
        stream.partial_fit(batch)
    return stream.result().Vh


def directions(rows, size, buffer, width=40):
    stream = lr.FrequentDirections(width, buffer=buffer)
    for batch in rows.batches(size):
        stream.partial_fit(batch)
    return stream.result()


def short_rows(quick):
    """1e6×256, k = 20: the full scatter against the roofline and an incremental PCA."""
    rows = Rows(1 << 18 if quick else 1_000_000, 256, 20)
    few = Rows(1 << 15 if quick else 1 << 17, 256, 20)
    yield (
        "1e6x256 float32 k=20",
        rows,
        1e-6,
        {
            "IncrementalSVD, batches of 16384": (rows, lambda r: ours(r, 16384)),
            "IncrementalSVD, batches of 1000": (rows, lambda r: ours(r, 1000)),
            "plain Gram, batches of 4096": (rows, lambda r: plain_gram(r, 4096)),
            "plain Gram, batches of 16384": (rows, lambda r: plain_gram(r, 16384)),
            "scikit-learn IncrementalPCA, its batch of 5 d": (few, lambda r: incremental_pca(r, 5 * r.d)),
            "IncrementalSVD qr": (few, lambda r: ours(r, 16384, method="qr")),
            "IncrementalSVD truncated": (few, lambda r: ours(r, 16384, method="truncated")),
        },
    )


def long_rows(quick):
    """d = 4096, k = 50: truncated updates."""
    rows, few = (Rows(count, 4096, 50) for count in ((1 << 12, 1 << 11) if quick else (1 << 14, 1 << 13)))
    yield (
        "d=4096 float32 k=50",
        rows,
        1.0,
        {
            "IncrementalSVD": (rows, lambda r: ours(r, 4096)),
            "scikit-learn IncrementalPCA, batches of 250": (few, lambda r: incremental_pca(r, 250)),
            "scikit-learn IncrementalPCA, batches of 1024": (few, lambda r: incremental_pca(r, 1024)),
        },
    )


def sketches(quick):
    """Frequent Directions, d = 256, ℓ = 40, by the size of the buffer."""
    rows, few = Rows(1 << 17 if quick else 1 << 19, 256, 20), Rows(1 << 13, 256, 20)
    runs = {
        f"FrequentDirections, buffer {buffer}": (rows if buffer > 500 else few, _directions(buffer))
        for buffer in (80, 256, 1024, 4096, 16384)
    }
    runs["row-wise Frequent Directions, buffer 80"] = (few, lambda r: row_wise_directions(r, 4096))
    yield "Frequent Directions d=256 l=40", rows, 1.0, runs


def _directions(buffer):
    return lambda rows: directions(rows, 8192, buffer).Vh[: rows.k]


def measured(problem, rows, target, runs, repeats, patience):
    """Rows of the report: rates, errors and memory of the contenders of one problem."""
    truths = {id(rows): rows.truth()}
    bystanders, found = harness.Bystanders(patience), []
    timings = harness.alternate(
        {name: (lambda run=run, data=data: run(data)) for name, (data, run) in runs.items()},
        repeats, budget=40.0, bystanders=bystanders,
    )  # fmt: skip
    for name, (data, run) in runs.items():
        truth = truths.setdefault(id(data), data.truth())
        error = sine(run(data), truth)
        memory = harness.peak_extra_memory(lambda run=run, data=data: run(data))
        rate = data.count / timings[name].median
        best = data.count / timings[name].fastest
        found.append(
            {"problem": problem, "contender": name, "ours": name.split()[0].strip(",") in vars(lr)["__all__"],
             "rows_per_second": rate, "fastest": best, "error": error,
             "accurate": error <= target, "extra_megabytes": memory, "rows": data.count}
        )  # fmt: skip
    return found


def state_sizes():
    """State memory and bound of Frequent Directions for each size of the buffer, on the same rows."""
    rows, found = Rows(1 << 16, 256, 20), []
    A = rows.pool.astype(np.float64)
    energy = np.linalg.norm(A) ** 2
    for buffer in (41, 80, 160, 256, 1024, 4096, 16384):
        result = directions(rows, 8192, buffer)
        gap = A.T @ A - result.B.astype(np.float64).T @ result.B
        found.append(
            {"contender": f"buffer of {buffer} rows", "ours": True, "state_kilobytes": 40 * 256 * 8 / 1024,
             "waiting_kilobytes": (buffer - 40) * 256 * 4 / 1024,
             "delta": result.delta / energy, "true": float(np.linalg.norm(gap, 2)) / energy}
        )  # fmt: skip
    return found


def show(found):
    width = max(len(row["contender"]) for row in found)
    for row in found:
        print(
            f"{row['problem']:32s} {row['contender']:{width}s} {row['rows_per_second'] / 1e3:9.1f} k rows/s "
            f"(fastest {row['fastest'] / 1e3:9.1f})  angle {row['error']:.1e}  {row['extra_megabytes']:6.0f} MB"
            f"{'' if row['accurate'] else '  not accurate'}"
        )


def plain_sketch(A, rank, size):
    """The three sketches of one read with Gaussian matrices kept in memory, and the same reconstruction."""
    m, n = A.shape
    generator, k, s = np.random.default_rng(0), size, 2 * size + 1
    left, right = generator.standard_normal((k, m)), generator.standard_normal((n, k))
    core_left, core_right = generator.standard_normal((s, m)), generator.standard_normal((n, s))
    Q, P = np.linalg.qr(A @ right)[0], np.linalg.qr((left @ A).T)[0]
    Z = core_left @ A @ core_right
    C = np.linalg.lstsq(core_left @ Q, Z, rcond=None)[0]
    C = np.linalg.lstsq((P.T @ core_right).T, C.T, rcond=None)[0].T
    u, sigma, vh = np.linalg.svd(C)
    return (Q @ u[:, :rank]) * sigma[:rank], vh[:rank] @ P.T


def single_pass(repeats):
    """One pass over 20000×1000 float64: the sketch by rows in batches, and the same method on the whole matrix."""
    rank, shape = 20, (20_000, 1000)
    A = lr.testing.matrix(*shape, 1.0 / np.arange(1, 1001) ** 2, rng=0)

    def by_batches():
        sketch = lr.SinglePassSketch(shape, rank, rng=0)
        for start in range(0, shape[0], 4000):
            sketch.partial_fit(A[start : start + 4000])
        result = sketch.result()
        return result.U * result.s, result.Vh

    def whole():
        return plain_sketch(A, rank, 4 * rank + 1)

    timings = harness.alternate({"SinglePassSketch": by_batches, "the same in NumPy, A in memory": whole}, repeats)
    best = np.linalg.norm(1.0 / np.arange(rank + 1, 1001) ** 2)
    return [
        {"contender": name, "ours": name == "SinglePassSketch", "seconds": timings[name].median,
         "rows_per_second": shape[0] / timings[name].median,
         "error_over_best": float(np.linalg.norm(A - np.matmul(*run())) / best)}
        for name, run in (("SinglePassSketch", by_batches), ("the same in NumPy, A in memory", whole))
    ]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--threads", type=int, default=harness.THREADS)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    payload = {"problems": {}}
    with harness.threads(options.threads):
        for make in (short_rows, long_rows, sketches):
            if options.only and not any(word in make.__name__ for word in options.only):
                continue
            for problem, rows, target, runs in make(options.quick):
                part = measured(problem, rows, target, runs, options.repeats, 0.0 if options.quick else 20.0)
                show(part)
                payload["problems"][make.__name__] = {"title": problem, "rows": part, "ordered": True}
        if not options.only or "sizes" in options.only:
            rows = state_sizes()
            payload["problems"]["sizes"] = {
                "title": "Frequent Directions by the size of the buffer",
                "rows": rows,
                "ordered": True,
            }
        if not options.only or "single_pass" in options.only:
            rows = single_pass(options.repeats)
            payload["problems"]["single_pass"] = {"title": "one pass over 20000×1000, rank 20", "rows": rows}
    for name in ("sizes", "single_pass"):
        for row in payload["problems"].get(name, {"rows": []})["rows"]:
            print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()))
    if not options.quick:
        payload["problems"] = report.stored_problems("streaming") | payload["problems"]
    print("wrote", report.write_json("streaming_partial" if options.quick else "streaming", payload).name)


if __name__ == "__main__":
    main()
