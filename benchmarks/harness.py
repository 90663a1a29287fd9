"""Alternated timing, the accuracy gate, peak memory and machine rates, shared by all benchmarks."""

import contextlib
import ctypes
import gc
import math
import os
import sys
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy.stats
import threadpoolctl

THREADS = 2
_PAUSE = 0.05


@dataclass(frozen=True)
class Timing:
    """Seconds of repeated warm runs, and of the first call in this process."""

    times: tuple
    cold: float = math.nan

    @property
    def median(self):
        return float(np.median(self.times))

    @property
    def fastest(self):
        return float(min(self.times))

    @property
    def interval(self):
        return median_interval(self.times)


@dataclass
class Contender:
    """One method with its settings in ascending order of cost; ``settings`` holds pairs (label, function).

    Each function takes nothing and returns ``U, s, Vh``. The setting labelled `default` is reported besides the
    cheapest one that is accurate enough.
    """

    name: str
    settings: list
    default: str | None = None
    ours: bool = False


@dataclass
class Row:
    """One line of a report: a contender in one setting."""

    problem: str
    name: str
    setting: str
    error: float
    passes: bool
    timing: Timing | None = None
    memory: float = math.nan
    ratio: float = math.nan
    ours: bool = False
    default: bool = False
    note: str = ""
    run: object = field(default=None, repr=False)

    def record(self):
        low, high = self.timing.interval if self.timing else (math.nan, math.nan)
        return {
            "problem": self.problem,
            "contender": self.name,
            "setting": self.setting,
            "ours": self.ours,
            "default": self.default,
            "error": self.error,
            "accurate": self.passes,
            "seconds": self.timing.median if self.timing else None,
            "seconds_fastest": self.timing.fastest if self.timing else None,
            "seconds_low": low,
            "seconds_high": high,
            "runs": len(self.timing.times) if self.timing else 0,
            "cold_seconds": self.timing.cold if self.timing else None,
            "extra_megabytes": self.memory,
            "ratio_to_best_peer": self.ratio,
            "note": self.note,
        }


def median_interval(times, level=0.95):
    """Order statistics that hold the true median with probability `level`; the extremes below six runs."""
    ordered = np.sort(times)
    j = max(int(scipy.stats.binom.ppf((1.0 - level) / 2.0, ordered.size, 0.5)), 1)
    return float(ordered[j - 1]), float(ordered[ordered.size - j])


def seconds(run, synchronise=None):
    """Return the result of ``run()`` and its wall time, with the device idle at both ends."""
    wait = synchronise or (lambda: None)
    wait()
    start = time.perf_counter()
    result = run()
    wait()
    return result, time.perf_counter() - start


class Bystanders:
    """Other processes of the machine: waits until they rest, and repeats runs that they disturbed.

    Parameters
    ----------
    patience : float
        Seconds to spend on waiting and repeating in total; none by default, and none where /proc/stat is missing.
    """

    def __init__(self, patience=0.0):
        self.patience = patience if Path("/proc/stat").exists() else 0.0

    def rest(self, window=0.1):
        """Wait until other processes take less than a tenth of one processor."""
        while self.patience > 0:
            before = self._busy()
            time.sleep(window)
            self.patience -= window
            if self._busy() - before < 0.1 * window + 0.01:
                return

    def undisturbed(self, run, synchronise=None):
        """Wall time of ``run()``, repeated while others took more than a tenth of a processor meanwhile.

        Threads that the contender before left spinning get time to sleep first.
        """
        while True:
            time.sleep(_PAUSE)
            self.rest()
            before = self._busy() if self.patience > 0 else 0.0
            elapsed = seconds(run, synchronise)[1]
            if self.patience <= 0 or self._busy() - before <= 0.1 * elapsed + 0.02:
                return elapsed
            self.patience -= elapsed

    @staticmethod
    def _busy():
        """Processor seconds spent by anyone but this process since the machine started."""
        ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        user, nice, system, _idle, _wait, irq, softirq, steal = ticks
        return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK") - time.process_time()


def alternate(runs, repeats=9, *, synchronise=None, budget=math.inf, colds=None, bystanders=None):
    """Time functions in alternation, A B C A B C, so that a slow spell of the machine hits all alike.

    Parameters
    ----------
    runs : dict of str to callable
    repeats : int, default 9
    synchronise : callable, optional
        Waits until the device has finished.
    budget : float
        Seconds that one function may take in total; slower ones run at least three times, but less than `repeats`.
    colds : dict of str to float, optional
        Seconds of calls made before, reported as cold.
    bystanders : Bystanders, optional

    Returns
    -------
    dict of str to Timing
    """
    colds, bystanders = dict(colds or {}), bystanders or Bystanders()
    times = {name: [] for name in runs}
    gc.collect()
    gc.disable()
    try:
        for turn in range(repeats):
            for name, run in runs.items():
                if turn >= 3 and sum(times[name]) * (1 + 1 / turn) > budget:
                    continue
                times[name].append(bystanders.undisturbed(run, synchronise))
    finally:
        gc.enable()
    return {name: Timing(tuple(values), colds.get(name, math.nan)) for name, values in times.items()}


def peak_extra_memory(run):
    """Megabytes by which ``run()`` raises the peak of resident memory; NaN where the kernel cannot tell.

    Linux keeps the high-water mark of a process and resets it on request, so nothing is missed between samples and
    memory that BLAS or Numba allocate counts too. Free memory held by the C allocator is given back first.
    """
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = _resident("VmRSS")
    except (OSError, AttributeError):
        return math.nan
    result = run()
    peak = _resident("VmHWM") - before
    del result
    return peak


def _resident(key):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) / 1024.0


@contextlib.contextmanager
def threads(count=THREADS):
    """Give every linear algebra library `count` threads, and silence warnings of the peers."""
    with threadpoolctl.threadpool_limits(count), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            import torch
        except ImportError:
            yield
            return
        torch.set_num_threads(count)
        yield


def machine_rates(repeats=5, bystanders=None):
    """Measured double-precision rates of this run: matrix product in flop/s, reading of memory in byte/s."""
    bystanders = bystanders or Bystanders()
    generator = np.random.default_rng(0)
    A, B = generator.standard_normal((2, 1500, 1500))
    product = min(bystanders.undisturbed(lambda: A @ B) for _ in range(repeats))
    long, x = generator.standard_normal((8000, 4000)), generator.standard_normal(4000)
    read = min(bystanders.undisturbed(lambda: long @ x) for _ in range(repeats))
    return {"gemm_flops": 2 * 1500**3 / product, "read_bytes": long.nbytes / read}


def gate(contender, problem, judge, target, *, patience=60.0, synchronise=None):
    """Run a contender's settings until one is accurate enough; return the rows to be timed.

    Parameters
    ----------
    contender : Contender
    problem : str
        Name for the report.
    judge : callable
        Takes ``U, s, Vh`` and returns the error.
    target : float
        Largest error that passes.
    patience : float
        Seconds after which the search for an accurate setting ends.

    Returns
    -------
    list of Row
        The default setting, and the cheapest accurate one where it is another.
    """
    rows, spent, found = [], 0.0, False
    for label, run in contender.settings:
        is_default = label == contender.default
        if (found or spent > patience) and not is_default:
            continue
        try:
            result, cold = seconds(run, synchronise)
            error = judge(result)
            note = ""
        except Exception as failure:  # noqa: BLE001 - a peer that fails is a row of the report
            cold, error, note = 0.0, math.inf, f"failed: {type(failure).__name__}"
        spent += cold
        passes = error <= target
        print(
            f"{problem} {contender.name} {label}: {cold:.2f} s, error {error:.1e} {note}", file=sys.stderr, flush=True
        )
        if is_default or passes:
            timing = Timing((cold,), cold) if math.isfinite(error) else None
            rows.append(
                Row(problem, contender.name, label, error, passes, timing, ours=contender.ours, default=is_default)
            )
            rows[-1].run, rows[-1].note = run, note
        found = found or passes
    if not found and len(contender.settings) > 1:
        worst = Row(problem, contender.name, label, error, False, None, ours=contender.ours)
        worst.note = note or "no setting tried is accurate enough"
        rows.append(worst)
    return rows


def rank_rows(rows):
    """Set each row's ratio to the fastest accurate peer, and return that peer (or None)."""
    peers = [row for row in rows if row.passes and row.timing and not row.ours]
    best = min(peers, key=lambda row: row.timing.median, default=None)
    for row in rows:
        if best and row.timing:
            row.ratio = row.timing.median / best.timing.median
    return best
