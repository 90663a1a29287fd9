"""The machine, JSON files and tables of a benchmark."""

import contextlib
import importlib.metadata
import json
import math
import os
import platform
from pathlib import Path

import numpy as np
import threadpoolctl

from benchmarks.harness import THREADS

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "lowrank_la",
    "numpy",
    "scipy",
    "numba",
    "scikit-learn",
    "torch",
    "cupy",
    "fbpca",
    "dppy",
    "tensorly",
    "pyttb",
)


def machine():
    """Processor, core count and versions; nothing that names a host, a user or a path."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    blas = sorted({f"{lib['internal_api']} {lib['version']}" for lib in threadpoolctl.threadpool_info()})
    return {"processor": model, "cores": cores, "threads": THREADS, "blas": blas, "versions": versions()}


def versions():
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def write_json(name, payload):
    """Write ``benchmarks/results/<name>.json`` with the machine, and return its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(_plain({"machine": machine(), **payload}), indent=1, sort_keys=True) + "\n")
    return path


def stored_problems(name):
    """Problems of the stored results, to which a run of some of them is added; none if another machine made them."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return {}
    stored = json.loads(path.read_text())
    return stored["problems"] if stored["machine"] == _plain(machine()) else {}


def _plain(value):
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def _order(row):
    return not row.ours, not row.passes, row.timing.median if row.timing else math.inf


def table(rows):
    """Format rows as text, ours first, then by time; the error of a row in brackets misses the target."""
    columns = f"{'error':>10}{'ms':>9}{'95 %':>16}{'min':>9}{'cold ms':>9}{'MB':>7}{'ratio':>7}"
    lines = [f"  {'contender':<24}{'setting':<15}{columns}"]
    for row in sorted(rows, key=_order):
        error = f"{row.error:.0e}" if row.passes else f"({row.error:.0e})"
        head = f"{'* ' if row.ours else '  '}{row.name:<24}{row.setting:<15}{error:>10}"
        if row.timing is None:
            lines.append(f"{head}  {row.note}")
            continue
        low, high = row.timing.interval
        lines.append(
            f"{head}{1e3 * row.timing.median:>10.1f}{f'{1e3 * low:.1f}-{1e3 * high:.1f}':>16}"
            f"{1e3 * row.timing.cold:>9.0f}{row.memory:>7.0f}{row.ratio:>7.2f}"
        )
    return "\n".join(lines)
