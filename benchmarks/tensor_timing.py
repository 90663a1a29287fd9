"""Clocks, contests and aims that the rows of the tensors share."""

import contextlib
import gc
import math
import sys
import time
from dataclasses import dataclass

import numpy as np

from benchmarks import harness

_QUICK = 5.0  # seconds of a first call up to which a second one tells the memory
_PAUSE = 0.05  # seconds after which threads that the contender before left spinning sleep
LIMIT = "limit: "  # begins the name of a row that is no contender but what the machine allows


@dataclass
class Found:
    """What a contender returned, its seconds, and megabytes by which the first call raised the peak of memory."""

    result: object
    times: tuple
    cold: float
    megabytes: float
    failure: str = ""

    def row(self, name, **figures):
        """A row of the report with the times of this contender."""
        timing = harness.Timing(self.times) if self.times else None
        low, high = timing.interval if len(self.times) > 1 else (None, None)
        return {
            "contender": name, "ours": name.startswith("lowrank_la"), "accurate": not self.failure,
            "seconds": timing.median if timing else math.nan, "seconds_fastest": timing.fastest if timing else math.nan,
            "seconds_low": low, "seconds_high": high, "runs": len(self.times), "cold_seconds": self.cold,
            "extra_megabytes": self.megabytes, "note": self.failure,
        } | figures  # fmt: skip


def contest(contenders, repeats=3, budget=15.0):
    """``{name: Found}``: one call of each for its result and memory, then calls in alternation.

    A contender whose first call takes more than half of `budget` seconds is not called again: that call is its time,
    compilation and the touching of fresh memory included. Others run until their share is spent.
    """
    found = {name: _first(run) for name, run in contenders.items()}
    again = [name for name, first in found.items() if not first.failure and first.cold <= budget / 2]
    with _no_collection():
        for turn in range(repeats):
            for name in again:
                one = found[name]
                if not turn or sum(one.times) * (1 + 1 / turn) <= budget:
                    one.times += (harness.Bystanders().undisturbed(contenders[name]),)
    for first in found.values():
        first.times = first.times or (() if first.failure else (first.cold,))
    return found


@contextlib.contextmanager
def _no_collection():
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _first(run):
    """`Found` of one call, or of two quick ones: the first compiles, which takes memory, the second is measured."""
    held = []
    try:
        megabytes = harness.peak_extra_memory(lambda: held.extend(harness.seconds(run)))
        if held[1] < _QUICK:
            megabytes = harness.peak_extra_memory(run)
    except Exception as failure:  # noqa: BLE001 - a peer that fails is a row of the report
        print(f"failed: {type(failure).__name__}: {failure}", file=sys.stderr, flush=True)
        return Found(None, (), math.nan, math.nan, f"failed: {type(failure).__name__}")
    return Found(held[0], (), held[1], megabytes)


def clocked(run):
    """``(seconds of a sweep, result)`` of ``run(stamp)``, which calls `stamp` once in every sweep at the same place.

    What a call does before its first and after its last stamp is left out; between them are at least two sweeps.
    """
    stamps = []
    result = run(lambda *_: stamps.append(time.perf_counter()))
    return (stamps[-1] - stamps[0]) / (len(stamps) - 1), result


def sweep_contest(contenders, sweeps, repeats, budget=12.0):
    """``({name: Found}, shares)``: seconds of a sweep for times, shares of calls that are spent outside of sweeps.

    A call goes on for `sweeps` sweeps; a contender is called again until `budget` seconds are spent. Slow first calls
    count too.
    """
    found = {name: _first(lambda run=run: clocked(run)) for name, run in contenders.items()}
    spent, shares = dict.fromkeys(contenders, 0.0), {name: [] for name in contenders}
    for one in found.values():
        if not one.failure and one.cold >= _QUICK:
            one.times = (one.result[0],)
    with _no_collection():
        for turn in range(repeats):
            for name, run in contenders.items():
                one = found[name]
                if one.failure or (turn and spent[name] * (1 + 1 / turn) > budget):
                    continue
                time.sleep(_PAUSE)
                (seconds, _), whole = harness.seconds(lambda run=run: clocked(run))
                one.times += (seconds,)
                shares[name].append(max(0.0, 1.0 - seconds * sweeps / whole))
                spent[name] += whole
    for one in found.values():
        one.result = None if one.failure else one.result[1]
    return found, {name: float(np.median(share)) if share else math.nan for name, share in shares.items()}


def aim(figure, value, most=None, least=None, words="{:.3g}"):
    """A figure beside what it is to reach: at most `most`, or at least `least`."""
    bound = words.format(most if least is None else least)
    met = bool(value <= most) if least is None else bool(value >= least)
    return {"figure": figure, "found": words.format(value), "value": float(value),
            "aim": f"{'≤' if least is None else '≥'} {bound}", "met": met}  # fmt: skip


def problem(title, rows, aims=(), **more):
    """The rows with the ratio to the fastest accurate peer, and the aims; printed."""
    peers = _peers(rows)
    for row in rows:
        row["ratio_to_best_peer"] = row.get("seconds", math.nan) / min(peers) if peers else math.nan
    print(f"\n{title}")
    for row in rows:
        print("  " + _line(row))
    for one in aims:
        print(f"    {'met   ' if one['met'] else 'MISSED'} {one['figure']}: {one['found']} {one['aim']}", flush=True)
    return {"title": title, "rows": rows, "aims": list(aims)} | more


def times_peer(rows, name=None):
    """How many times the seconds of `name` (or of our fastest accurate row) the fastest accurate peer takes."""
    own = [row["seconds"] for row in rows if row["ours"] and (row["contender"] == name if name else row["accurate"])]
    peers = _peers(rows)
    return min(peers) / min(own) if peers and own else math.nan


def _peers(rows):
    """Seconds of the accurate peers."""
    peers = [row for row in rows if not row["ours"] and not row["contender"].startswith(LIMIT)]
    return [
        row["seconds"] for row in peers if row.get("accurate", True) and math.isfinite(row.get("seconds", math.nan))
    ]


def summary(problems):
    """All aims of `problems` as one problem."""
    rows = []
    for name, one in sorted(problems.items()):
        for figure in one.get("aims", ()) if name != "aims" else ():
            note = f"{figure['found']}, aim {figure['aim']}{'' if figure['met'] else ', missed'}"
            rows.append({"contender": f"{one['title']}: {figure['figure']}", "ours": True, "note": note} | figure)
    missed = [row for row in rows if not row["met"]]
    print(f"\n{len(rows) - len(missed)} of {len(rows)} aims are met")
    for row in missed:
        print(f"  missed: {row['contender']}: {row['note']}")
    return {"title": "All aims and what was found", "rows": rows, "ordered": True}


def _line(row):
    parts = [f"{row['contender']:<46}"]
    if "seconds" in row:
        parts.append(f"{row['seconds']:.6g} s")
        if row.get("runs", 0) > 1:
            parts.append(f"(fastest {row['seconds_fastest']:.6g}, {row['runs']} runs)")
    if "error" in row:
        parts.append(f"error {row['error']:.6g}")
    parts += ["not accurate"] if not row.get("accurate", True) else []
    if math.isfinite(row.get("ratio_to_best_peer", math.nan)):
        parts.append(f"ratio {row['ratio_to_best_peer']:.3g}")
    parts += [f"extra memory {row['extra_share']:.0%} of the tensor"] if "extra_share" in row else []
    return "  ".join([*parts, row.get("note") or ""])
