"""GPU tests and benchmarks in under eight minutes: ``python -m benchmarks.gpu``; exit status 3 without a GPU."""

import argparse
import math
import subprocess
import sys
import time

import numpy as np

import lowrank_la as lr
from benchmarks import harness, report
from benchmarks.gpu_peers import DEVICES, contenders
from benchmarks.problems import PROBLEMS

TARGET = 1e-6
TEST_SECONDS = 210
TOTAL_SECONDS = 450
NO_GPU = 3


def run_tests():
    """Outcome of every test marked ``gpu``, as the last line of pytest."""
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "--no-header", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TEST_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return {"status": "timed out", "summary": f"not finished in {TEST_SECONDS} s"}
    lines = done.stdout.strip().splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return {"status": done.returncode, "summary": lines[-1] if lines else "no output", "failed": failed[:50]}


def ours(problem, A):
    labels = {1e-4: "accuracy=1e-4", 1e-6: "default", 1e-8: "accuracy=1e-8"}
    runs = [
        (label, lambda accuracy=accuracy: lr.svd(A, problem.rank, accuracy=accuracy, rng=0))
        for accuracy, label in labels.items()
    ]
    return harness.Contender("lowrank_la svd", runs, "default", ours=True)


def run_problem(problem, device, *, repeats, deadline):
    """Time ours and the device's peers on one problem; return its rows."""
    A = device.move(problem.A)
    rows = []

    def judge(result):
        return problem.error(tuple(device.host(part) for part in result))

    for contender in [ours(problem, A), *contenders(problem, A, device)]:
        if time.monotonic() < deadline:
            rows += harness.gate(
                contender, f"{device.name} {problem.name}", judge, TARGET, patience=10.0, synchronise=device.synchronise
            )
    timed = {f"{row.name} {row.setting}": row for row in rows if row.timing}
    runs = {name: row.run for name, row in timed.items()}
    colds = {name: row.timing.cold for name, row in timed.items()}
    spare = max(deadline - time.monotonic(), 1.0) / max(len(runs), 1)
    timings = harness.alternate(runs, repeats, synchronise=device.synchronise, budget=min(3.0, spare), colds=colds)
    for name, timing in timings.items():
        timed[name].timing = timing
        timed[name].memory = device.peak_memory(timed[name].run)
    harness.rank_rows(rows)
    print(f"\n{device.name} ({problem.name}) {problem.title}, k = {problem.rank}", flush=True)
    print(report.table(rows), flush=True)
    return rows


def commit():
    """The commit under test, "+" appended where tracked files differ from it; None outside a checkout."""
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run(["git", "status", "--porcelain", "-uno"], capture_output=True, text=True, check=False)
    return None if found.returncode else found.stdout.strip() + ("+" if changed.stdout.strip() else "")


def rates(device):
    """Double-precision product rate of the device in flop/s."""
    n = device.rate_order
    A = device.move(np.random.default_rng(0).standard_normal((n, n)))
    A @ A
    best = min(harness.seconds(lambda: A @ A, device.synchronise)[1] for _ in range(5))
    return {"gemm_flops": 2 * n**3 / best}


def summarise(problems):
    """Geometric mean over the problems of our time to the best accurate peer's, by device."""
    found = {}
    for key, rows in problems.items():
        mine = [row.ratio for row in rows if row.ours and row.passes and math.isfinite(row.ratio)]
        if mine:
            found.setdefault(key.split()[0], []).append(min(mine))
    return {name: float(np.exp(np.mean(np.log(ratios)))) for name, ratios in found.items()}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--problems", default="a,b,d,e,c,f,g", help="letters of the problems, in order")
    parser.add_argument("--rehearse", action="store_true", help="run the benchmark with torch on the CPU, no tests")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    devices = [device for device in DEVICES if device.rehearsal == options.rehearse and device.available()]
    if not devices:
        print("benchmarks.gpu: no CUDA device that CuPy or torch can use; nothing was run", file=sys.stderr)
        return NO_GPU
    deadline = started + TOTAL_SECONDS
    tests = {"status": "skipped"} if options.rehearse else run_tests()
    print("tests:", tests.get("summary", "skipped"), flush=True)
    problems, payload = {}, {"tests": tests, "devices": {device.name: device.describe() for device in devices}}
    with harness.threads():
        payload["rates"] = {device.name: rates(device) for device in devices}
        for letter in options.problems.split(","):
            if time.monotonic() > deadline:
                break
            problem = PROBLEMS[letter]()
            for device in devices:
                problems[f"{device.name} {letter}"] = run_problem(problem, device, repeats=9, deadline=deadline)
    payload["problems"] = {key: [row.record() for row in rows] for key, rows in problems.items()}
    payload["commit"] = commit()
    payload["geometric_mean_ratio"] = summarise(problems)
    payload["seconds"] = time.monotonic() - started
    path = report.write_json("gpu_rehearsal" if options.rehearse else "gpu", payload)
    ratios = payload["geometric_mean_ratio"]
    print(f"\nours / best peer, geometric mean: {ratios}; {payload['seconds']:.0f} s; {path.name}")
    return 0 if tests["status"] in (0, 5, "skipped") else 1


if __name__ == "__main__":
    sys.exit(main())
