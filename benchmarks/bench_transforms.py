"""Walsh-Hadamard transforms beside their peers: ``python -m benchmarks.bench_transforms [--quick] [--wait 60]``.

Kernels are called from compiled loops, so that the cost of a call from Python, given apart, is in none of them. Where
the processor has registers of 512 bits, those that others get are timed too, compiled in another process. Calls
from Python are timed in runs, and alone after a pause, in which processors and threads fall asleep. A C
library of hand-written vector code takes part where the environment variable FFHT_LIBRARY names its shared object
(functions fht_float and fht_double). Copying memory is the limit. Every contender's result is compared with a product
by the matrix, or with our transform where that is too large, before its time counts.
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numba
import numpy as np
import scipy.linalg
import threadpoolctl
from llvmlite import binding

import lowrank_la as lr
from benchmarks import harness, report, transform_threads
from benchmarks.transform_threads import call_often
from lowrank_la import _kernels

SINGLE = range(10, 23)
BATCHES = range(7, 15)
BATCH = 1 << 20
WORK = 1 << 22  # numbers transformed in one timed run, at least
ROUNDS = 6  # times the repeats, in which threads are compared
MOST_CALLS = 64  # from Python in one timed run
DTYPES = ("float32", "float64")


def hand_written(dtype):
    """A compiled loop over rows of the C library, or None."""
    if "FFHT_LIBRARY" not in os.environ:
        return None
    library = ctypes.CDLL(os.environ["FFHT_LIBRARY"])
    transform = library.fht_float if dtype == "float32" else library.fht_double
    transform.argtypes, transform.restype = [ctypes.c_void_p, ctypes.c_int], ctypes.c_int

    @numba.njit
    def loop(x, stages, repeats):
        for _ in range(repeats):
            for start in range(0, x.size, 1 << stages):
                transform(x[start:].ctypes, stages)

    return loop


def our_loop():
    rows, runs = (_kernels.lookup(name, "numpy") for name in ("walsh_rows", "walsh_runs"))

    @numba.njit(nogil=True)
    def loop(x, stages, repeats):
        low = min(stages, 16)
        if 1 <= stages - low <= 2:
            low -= 1
        one = x.dtype.type(1)
        for _ in range(repeats):
            rows(x, x, 0, low, 0, x.size, one)
            if low < stages:
                runs(x, x, 1 << low, stages - low, 0, 1 << low, 0, x.size, one)

    return loop


def copy_loop(x, target, repeats):
    for _ in range(repeats):
        np.copyto(target, x)


def checked(loops, stages, dtype):
    """Refuse a loop whose transform is wrong."""
    x = np.random.default_rng(0).standard_normal(1 << max(stages, 8)).astype(dtype)
    expected = lr.fwht(x.reshape(-1, 1 << stages).astype("float64")).reshape(-1)
    for name, loop in loops.items():
        y = x.copy()
        loop(y, stages, 1)
        off = np.linalg.norm(y - expected) / np.linalg.norm(expected)
        if off > stages * np.finfo(dtype).eps:
            raise SystemExit(f"{name} transforms {1 << stages} numbers wrongly: {off:.1e}")


def kernels(dtype, repeats, bystanders):
    """Nanoseconds a number of the compiled loops, for batches of rows and single vectors."""
    loops = {"ours": our_loop()}
    if (peer := hand_written(dtype)) is not None:
        loops["hand-written C"] = peer
    rows = []
    for stages, total in [(k, BATCH) for k in BATCHES] + [(k, 1 << k) for k in SINGLE]:
        checked(loops, stages, dtype)
        x, target, turns = np.zeros(total, dtype), np.zeros(total, dtype), max(1, WORK // total)
        runs = {name: partial(loop, x, stages, turns) for name, loop in loops.items()}
        runs["copying memory"] = partial(copy_loop, x, target, turns)
        runs["copying memory"]()
        timings = harness.alternate(runs, repeats, bystanders=bystanders)
        label = f"{total >> stages} rows of 2^{stages}" if total >> stages > 1 else f"one vector of 2^{stages}"
        record = {name: 1e9 * timing.fastest / (turns * total) for name, timing in timings.items()}
        ratio = record["ours"] / record["hand-written C"] if "hand-written C" in record else None
        rows.append(
            {"contender": label, "ours": True, "ns_a_number": record["ours"], "ns_in_c": record.get("hand-written C"),
             "ns_copying": record["copying memory"], "ratio": ratio}
        )  # fmt: skip
        text = "  ".join(f"{name} {value:.3f}" for name, value in record.items())
        print(f"  {label:<24} {text}  {'' if ratio is None else f'ratio {ratio:.2f}'}", flush=True)
    ratios = [row["ratio"] for row in rows if row["ratio"] is not None]
    mean = float(np.exp(np.mean(np.log(ratios)))) if ratios else None
    print(f"  {dtype}: geometric mean of the ratios {mean}, largest {max(ratios, default=None)}")
    return {"rows": rows, "geometric_mean": mean, "largest": max(ratios, default=None)}


def all_kernels(repeats, bystanders, what=""):
    found = {}
    for dtype in DTYPES:
        print(f"\n{dtype}, nanoseconds a number, one thread, compiled loops{what}")
        title = f"compiled loops, {dtype}, one thread{what}"
        found[f"kernels {dtype}{what}"] = {"title": title, "ordered": True, **kernels(dtype, repeats, bystanders)}
    return found


def narrow_kernels(arguments):
    """`all_kernels` by a process that compiles as if there were no registers of 512 bits; {} where there are none."""
    features = binding.get_host_cpu_features()
    if not features.get("avx512f"):
        return {}
    told = [f"{'+' if has and not name.startswith('avx512') else '-'}{name}" for name, has in features.items()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernels.json"
        command = [sys.executable, "-m", "benchmarks.bench_transforms", "--kernels", str(path), *arguments]
        subprocess.run(command, check=True, env=os.environ | {"NUMBA_CPU_FEATURES": ",".join(told)})
        return json.loads(path.read_text())


def numpy_butterfly(x):
    y, h = x, 1
    while h < x.shape[-1]:
        pairs = y.reshape(*x.shape[:-1], -1, 2, h)
        y = np.stack([pairs[..., 0, :] + pairs[..., 1, :], pairs[..., 0, :] - pairs[..., 1, :]], axis=-2).reshape(
            x.shape
        )
        h *= 2
    return y


def torch_butterfly(x):
    import torch

    y, h = x, 1
    while h < x.shape[-1]:
        a, b = y.reshape(*x.shape[:-1], -1, 2, h).unbind(-2)
        y = torch.stack([a + b, a - b], dim=-2).reshape(x.shape)
        h *= 2
    return y


def callers(x):
    """The transform of the rows of `x` by everything that Python offers."""
    n, runs = x.shape[-1], {}
    runs["lowrank_la"] = lambda: lr.fwht(x)
    runs["butterfly in NumPy"] = lambda: numpy_butterfly(x)
    if n <= 1 << 12:
        H = scipy.linalg.hadamard(n).astype(x.dtype)
        runs["product with the matrix"] = lambda: x @ H
    try:
        import torch
        from hadamard_transform import hadamard_transform
    except ImportError:
        return runs
    tensor = torch.from_numpy(x)
    runs["butterfly in torch"] = lambda: torch_butterfly(tensor).numpy()
    runs["hadamard-transform"] = lambda: hadamard_transform(tensor).numpy() * n**0.5
    return runs


def calls(repeats, bystanders):
    """Calls from Python, two threads, beside the peers': runs of calls, and single calls after a pause."""
    out = []
    for shape in ((1, 1 << 10), (4096, 1 << 12), (32768, 1 << 7), (1, 1 << 20)):
        x = np.random.default_rng(0).standard_normal(shape).astype("float32")
        runs, expected = callers(x), lr.fwht(x.astype("float64"))
        for name, run in list(runs.items()):
            off = np.linalg.norm(run() - expected) / np.linalg.norm(expected)
            if off > 1e-5:
                raise SystemExit(f"{name} is wrong on {shape}: {off:.1e}")
        turns = min(MOST_CALLS, max(1, WORK // x.size))
        often = {name: partial(call_often, run, turns) for name, run in runs.items()}
        timings = harness.alternate(often, repeats, budget=4.0, bystanders=bystanders)
        single = harness.alternate(runs, repeats, budget=4.0, bystanders=bystanders) if turns > 1 else timings
        ours, rows = timings["lowrank_la"].median, []
        for name, t in timings.items():
            row = {"contender": name, "ours": name == "lowrank_la", "seconds": t.median / turns}
            rows.append({**row, "ratio_to_ours": t.median / ours, "seconds_alone": single[name].median})
        title = f"{'one row' if shape[0] == 1 else f'{shape[0]} rows'} of {shape[1]}, float32, two threads"
        print(f"\n{title}, a call in a run of {turns}")
        for row in rows:
            print(
                f"  {row['contender']:<26}{1e3 * row['seconds']:10.4f} ms {row['ratio_to_ours']:8.1f} times ours, "
                f"alone after a pause {1e3 * row['seconds_alone']:10.3f} ms",
                flush=True,
            )
        out.append({"title": title, "rows": rows})
    return out


def own(repeats, bystanders):
    """Threads, axes, block rotations, the cost of a call and the trimmed sketch: our figures beside each other."""
    figures, loop = {"threads_alone": {}, "axes": {}, "blocks_over_copy": {}}, our_loop()
    for dtype in DTYPES:
        for stages in (17, 18, 20, 22):
            call = partial(lr.fwht, np.zeros(1 << stages, dtype), overwrite=True)
            found = transform_threads.measure(loop, dtype, stages, ROUNDS * repeats)
            for name, value in found.items():
                figures.setdefault(f"threads_{name}", {})[f"{dtype}, 2^{stages}"] = value
            alone = transform_threads.gain_after_a_pause(call, 2 * repeats, bystanders)
            figures["threads_alone"][f"{dtype}, 2^{stages}"] = alone
        figures["axes"] |= _axes(dtype, repeats, bystanders)
        x = np.zeros((1 << 11, 1 << 11), dtype)
        target = np.empty_like(x)
        for block in (16, 32, 64, 128):
            blocks, copy = partial(lr.fwht, x, block=block, overwrite=True), partial(np.copyto, target, x)
            with threadpoolctl.threadpool_limits(1):
                figures["blocks_over_copy"][f"{dtype}, {block}"] = _ratio(blocks, copy, repeats, bystanders)
    x = np.zeros(16, "float32")
    thousand = harness.alternate({"call": lambda: [lr.fwht(x) for _ in range(1000)]}, repeats, bystanders=bystanders)
    figures["microseconds_a_call"] = 1e3 * thousand["call"].median
    x = np.random.default_rng(0).standard_normal(1 << 20).astype("float32")
    S = lr.sketch.SRHT(1 << 10, 1 << 20, rng=0)
    rows = S._rows
    signs = S._host_signs(0, 1 << 20).astype("float32")
    trimmed, full = (partial(call_often, call, 8) for call in (lambda: S.apply(x), lambda: lr.fwht(x * signs)[rows]))
    with threadpoolctl.threadpool_limits(1):
        figures["trimmed_over_full"] = _ratio(trimmed, full, repeats, bystanders)
    for name, value in figures.items():
        print(f"\n{name}: {value if isinstance(value, float) else ''}")
        for label, number in value.items() if isinstance(value, dict) else ():
            print(f"  {label:<40}{number if number is None else f'{number:6.2f}'}", flush=True)
    return figures


def _axes(dtype, repeats, bystanders):
    """Time along another axis over the time along the last one, in place, one thread."""
    ratios = {}
    for outer, n, inner in (
        (1, 4096, 4096),
        (1, 1024, 4096),
        (64, 4096, 64),
        (256, 4096, 16),
        (1, 4096, 1000),
        (1024, 4096, 3),
    ):
        x = np.zeros((outer, n, inner), dtype)
        axis, last = partial(lr.fwht, x, 1, overwrite=True), partial(lr.fwht, x.reshape(-1, n), overwrite=True)
        with threadpoolctl.threadpool_limits(1):
            ratios[f"{dtype}, axis 1 of {outer}×{n}×{inner}"] = _ratio(axis, last, repeats, bystanders)
    return ratios


def _ratio(over, under, repeats, bystanders):
    """Median over pairs of runs, one after the other: of the seconds of the first over those of the second."""
    under()
    times = harness.alternate({"over": over, "under": under}, 2 * repeats, bystanders=bystanders)
    return float(np.median(np.divide(times["over"].times, times["under"].times)))


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_transforms", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three runs instead of eleven")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds a problem to wait for an idle machine")
    parser.add_argument("--kernels", help="file for the times of kernels in registers of 256 bits, and nothing else")
    options = parser.parse_args(arguments)
    repeats, bystanders = 3 if options.quick else 11, harness.Bystanders(options.wait)
    if options.kernels:
        Path(options.kernels).write_text(json.dumps(all_kernels(repeats, bystanders, ", registers of 256 bits")))
        return
    with harness.threads():
        payload = {"problems": all_kernels(repeats, bystanders)}
        payload["problems"] |= narrow_kernels([*["--quick"] * options.quick, "--wait", str(options.wait)])
        for number, problem in enumerate(calls(repeats, bystanders)):
            payload["problems"][f"calls {number}"] = problem
        payload["extras"] = own(repeats, bystanders)
    print("\nwrote", report.write_json("transforms_partial" if options.quick else "transforms", payload).name)


if __name__ == "__main__":
    main()
