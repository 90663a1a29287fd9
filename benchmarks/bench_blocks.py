"""Data in slabs beside Dask's own routines: ``python -m benchmarks.bench_blocks [--problems dask,map] [--quick]``.

Problem dask: 1e6×256 float32, k = 20, two Dask worker threads, the data in memory in chunks. The error is the sine of
the largest angle between the right vectors found and the true ones, and the excess of the projection error over the
optimum. Our rows have to be no worse than ``svd_compressed`` in both to count.
Problem cluster, when asked for: the same on two worker processes of a `LocalCluster`, the data persisted in them.
Problem map: a memory map of `--gigabytes` in a temporary folder, deleted after, read cold; beside it the rate at which
the file can be read and the rates of the products alone, in the same run, and the anonymous memory of the process.
"""

import argparse
import gc
import os
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import threadpoolctl

import lowrank_la as lr
from benchmarks import harness, report
from lowrank_la import _backend as be
from lowrank_la.blocks import block_source
from lowrank_la.factor import slabs

ROWS, COLUMNS, RANK, GIGABYTES = 1_000_000, 256, 20, 8
CHUNK = 1 << 24  # bytes
PEER = "dask svd_compressed q=2"
EXACT = "dask svd"


def filled(out, seed=0):
    """Fill the rows of `out` with a matrix whose singular values fall like 1/i; chunks are drawn one by one."""
    generator = np.random.default_rng(seed)
    n = out.shape[1]
    V = np.linalg.qr(generator.standard_normal((n, n)))[0]
    mixing = ((np.arange(1.0, n + 1) ** -1.0)[:, None] * V.T).astype(np.float32)
    for start in range(0, out.shape[0], 1 << 16):
        rows = out[start : start + (1 << 16)]
        rows[...] = generator.standard_normal(rows.shape, dtype=np.float32) @ mixing
    return out


class Judge:
    """Errors of right singular vectors, from the Gram matrix in double precision."""

    def __init__(self, A):
        G = sum(chunk.T.astype(float) @ chunk for chunk in (A[i : i + 65536] for i in range(0, len(A), 65536)))
        w, V = np.linalg.eigh(G)
        self.G, self.V, self.energy = G, V[:, ::-1][:, :RANK], np.trace(G)
        self.left = self.energy - w[::-1][:RANK].sum()

    def angle(self, Vh):
        Q = np.linalg.qr(np.asarray(Vh, dtype=float).T)[0]
        return float(np.linalg.norm(Q - self.V @ (self.V.T @ Q), 2))

    def excess(self, Vh):
        Q = np.linalg.qr(np.asarray(Vh, dtype=float).T)[0]
        return float(max((self.energy - np.trace(Q.T @ self.G @ Q)) / self.left, 1.0) ** 0.5 - 1.0)


def ours(data, **options):
    result = lr.svd(data, RANK, rng=0, on_failure="warn", **options)
    return result.s, result.Vh


def compressed(data, compute):
    """``svd_compressed`` with two power iterations, as the issue asks: s and Vh computed, U left lazy as ours is."""
    import dask

    _, s, v = dask.array.linalg.svd_compressed(data, RANK, n_power_iter=2, iterator="QR", compute=compute, seed=0)
    return dask.compute(s, v)


def exact(data):
    import dask

    _, s, v = dask.array.linalg.svd(data)
    s, v = dask.compute(s, v)
    return s[:RANK], v[:RANK]


def contenders(data):
    """Ours and the peers on a Dask array, each a function without arguments."""
    return {
        "lowrank_la gram, 1 read": partial(ours, data, method="gram"),
        "lowrank_la fused, 3 reads": partial(ours, data, method="fused", passes=3),
        PEER: partial(compressed, data, True),
        f"{PEER}, BLAS held to 1 thread": partial(held, partial(compressed, data, True)),
    }


def held(run):
    """``run()`` with one BLAS thread a worker, which nobody does for the peer but ourselves."""
    with threadpoolctl.threadpool_limits(1):
        return run()


def timed_problem(name, data, judge, options, *, once=()):
    """Time all contenders in alternation; return a summary with the ratios that the issue asks for."""
    runs, rows = contenders(data), []
    found, memory = {}, {}
    for label, run in runs.items():
        memory[label] = harness.peak_extra_memory(partial(_kept, found, label, run))
    repeats = 3 if options.quick else 5
    timings = harness.alternate(runs, repeats, budget=options.budget, bystanders=harness.Bystanders(options.wait))
    for label, run in once:
        result, spent = harness.seconds(run)
        runs[label], found[label], timings[label] = run, result, harness.Timing((spent,), spent)
    limits = [measure(found[PEER][1]) for measure in (judge.angle, judge.excess)]
    for label in runs:
        angle, excess = judge.angle(found[label][1]), judge.excess(found[label][1])
        fine = angle <= limits[0] and excess <= limits[1]
        ratio = timings[PEER].median / timings[label].median
        rows.append(
            {
                "contender": label, "seconds": timings[label].median, "fastest": timings[label].fastest,
                "angle": angle, "excess": excess, "no_worse": fine, "extra_megabytes": memory.get(label),
                "times_peer": ratio,
            }
        )  # fmt: skip
        print(
            f"({name}) {label:<45} {timings[label].median:7.2f} s (min {timings[label].fastest:.2f})  angle {angle:.1e}"
            f"  excess {excess:.1e}  {memory.get(label, float('nan')):6.0f} MB  {ratio:5.1f}× svd_compressed",
            flush=True,
        )
    return {"rows": rows}


def _kept(found, label, run):
    found[label] = run()


def dask_problem(options):
    """Two worker threads over an array in memory."""
    import dask
    import dask.array

    A = filled(np.empty((options.rows, COLUMNS), np.float32))
    data = dask.array.from_array(A, chunks=(CHUNK // (4 * COLUMNS), COLUMNS))
    with dask.config.set(scheduler="threads", num_workers=2):
        once = ((EXACT, partial(exact, data)),) if options.exact else ()
        return timed_problem("dask", data, Judge(A), options, once=once)


def cluster_problem(options):
    """Two worker processes that hold the data."""
    import dask.array
    from dask.distributed import Client, LocalCluster, wait

    A = filled(np.empty((options.rows, COLUMNS), np.float32))
    judge = Judge(A)
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=folder
        ) as cluster,
        Client(cluster),
    ):
        path = Path(folder) / "a.npy"
        np.save(path, A)
        del A
        held = np.load(path, mmap_mode="r")
        data = dask.array.from_array(held, chunks=(CHUNK // (4 * COLUMNS), COLUMNS)).map_blocks(np.array).persist()
        wait(data)
        return timed_problem("cluster", data, judge, options)


class AnonymousMemory:
    """Largest anonymous memory of this process while the block runs, in megabytes."""

    def __enter__(self):
        self.peak, self._stop = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *failure):
        self._stop.set()
        self._thread.join()

    def _watch(self):
        while True:
            line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("RssAnon"))
            self.peak = max(self.peak, int(line.split()[1]) / 1024)
            if self._stop.wait(0.02):
                return


def forget(path):
    """Drop the pages of a file from the cache."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_rate(path, size):
    """Bytes a second of reading the file from start to end, cold, in buffers of a slab."""
    forget(path)
    buffer = bytearray(CHUNK)
    start = time.perf_counter()
    with open(path, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return size / (time.perf_counter() - start)


def product_rates():
    """Bytes of data a second that the products of each mode take, on two threads, the data in memory.

    The last of three reads multiplies with half as many columns again, and with ten probes, and takes the image times
    itself in double precision.
    """
    A = filled(np.empty((1 << 18, COLUMNS), np.float32))
    pieces = be.fixed_partition(len(A), CHUNK // (4 * COLUMNS))
    width = RANK + 10
    W = np.random.default_rng(0).standard_normal((COLUMNS, width + width // 2 + 10)).astype(np.float32)

    def gram(rows):
        for part in be.fixed_partition(rows.stop - rows.start, slabs._GRAM_ROWS):
            panel = A[rows][part]
            panel.T @ panel

    def step(rows, forward=width, back=width):
        multiplier = np.ascontiguousarray(W[:, :forward])
        for part in be.fixed_partition(rows.stop - rows.start, 512):
            panel = A[rows][part]
            image = panel @ multiplier
            panel.T @ image[:, :back]
            if forward > back:
                image = image.astype(np.float64)
                image.T @ image

    def last(rows):
        step(rows, width + width // 2 + 10, width + width // 2)

    spent = {}
    for name, work in (("gram", gram), ("step", step), ("last", last)):
        times = [harness.seconds(lambda work=work: be.map_blocks(work, pieces))[1] for _ in range(9)]
        spent[name] = float(np.median(times))
    return {"gram": A.nbytes / spent["gram"], "fused": 3 * A.nbytes / (2 * spent["step"] + spent["last"])}


def map_problem(options):
    """A memory map larger than what the process may hold, read cold."""
    rows = int(options.gigabytes * 1e9) // (4 * COLUMNS)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "a.npy"
        written = np.lib.format.open_memmap(path, "w+", np.float32, (rows, COLUMNS))
        block = filled(np.empty((1 << 18, COLUMNS), np.float32))
        for start in range(0, rows, len(block)):
            part = written[start : start + len(block)]
            part[...] = block[: len(part)]
        written.flush()
        del written, part, block
        size = rows * COLUMNS * 4
        found = {"gigabytes": size / 1e9, "rows": []}
        for mode, arguments, reads in (("gram", {"method": "gram"}, 1), ("fused", {"method": "fused", "passes": 3}, 3)):
            found["rows"].append(_mapped_row(path, size, mode, arguments, reads))
        return found


def _mapped_row(path, size, mode, arguments, reads):
    """One mode over the file, and what the machine can do right before and after; kernels were loaded by a call."""
    few = block_source(filled(np.empty((1 << 14, COLUMNS), np.float32)))
    lr.svd(few, RANK, rng=0, on_failure="warn", **arguments)
    before = read_rate(path, size), product_rates()[mode]
    forget(path)
    gc.collect()
    with AnonymousMemory() as memory:
        data = np.load(path, mmap_mode="r")
        result, spent = harness.seconds(partial(lr.svd, data, RANK, rng=0, on_failure="warn", **arguments))
        passes = result.info.passes
        del data, result  # as long as the lazy left factor maps the file its pages can't be dropped
    gc.collect()
    after = read_rate(path, size), product_rates()[mode]
    read, product = (float(np.mean(pair)) for pair in zip(before, after, strict=True))
    rate = reads * size / spent
    row = {
        "mode": mode, "reads": passes, "seconds": spent, "bytes_per_second": rate,
        "read_rate": read, "product_rate": product, "share_of_smaller": rate / min(read, product),
        "anonymous_megabytes": memory.peak,
    }  # fmt: skip
    print(
        f"(map) {mode}: {spent:.1f} s, {rate / 1e9:.2f} GB/s; file {read / 1e9:.2f}, products {product / 1e9:.2f} GB/s"
        f": {100 * row['share_of_smaller']:.0f} % of the smaller; {memory.peak:.0f} MB anonymous",
        flush=True,
    )
    return row


PROBLEMS = {"dask": dask_problem, "map": map_problem, "cluster": cluster_problem}
WHOLE = ("dask", "map")


TITLES = {
    "dask": "1e6×256 float32, rank 20, a Dask array, two threads",
    "map": "a memory map of 8 GB, rank 20",
    "cluster": "the same Dask array on a cluster of two workers",
}


def labelled(name, found):
    """What the page of the benchmarks reads: a title, and of every row its name and whether it is ours."""
    for row in found["rows"]:
        row.setdefault("contender", f"memory map, {row.get('mode')}")
        row["ours"] = row["contender"].startswith(("lowrank_la", "memory map"))
    return {"title": TITLES.get(name, name), **found}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_blocks", description=__doc__)
    parser.add_argument("--problems", default=",".join(WHOLE))
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--gigabytes", type=float, default=GIGABYTES)
    parser.add_argument("--folder", default=None, help="where the memory map is made")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds that one contender may take")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds to wait for an idle machine")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--exact", action="store_true", help="also Dask's exact svd, once")
    options = parser.parse_args(arguments)
    payload = {"problems": {}}
    with harness.threads():
        for name in filter(None, options.problems.split(",")):
            payload["problems"][name] = labelled(name, PROBLEMS[name](options))
            gc.collect()
    asked = (options.rows, options.gigabytes, options.quick)
    whole = set(payload["problems"]) >= set(WHOLE) and asked == (ROWS, GIGABYTES, False)
    print("wrote", report.write_json("blocks" if whole else "blocks_partial", payload).name)


if __name__ == "__main__":
    main()
