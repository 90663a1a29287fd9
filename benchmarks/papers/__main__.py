"""All reproduced experiments: ``python -m benchmarks.papers [NAME ...] [--medium | --full] [--store]``.

Every folder runs in a process of its own, compares what it finds with its ``expected.json`` and draws its figure. A
table says what was reproduced: yes, partly (with what the folder does not show) or no (with what differs).
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from .study import SIZES, add_sizes

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results" / "papers.json"
PICTURES = Path("build") / "papers"
HEAD = ("folder", "claim", "reproduced", "why not, or not whole", "seconds")


def folders():
    """Names of the folders, in order."""
    return sorted(path.parent.name for path in HERE.glob("*/run.py"))


def run(name, size="quick", pictures=None):
    """What came of one folder: a dict with claim, verdict, reason and seconds; at most the largest size that it has."""
    module = importlib.import_module(f"benchmarks.papers.{name}")
    sizes = importlib.import_module(f"benchmarks.papers.{name}.run").STUDY.sizes
    largest = [each for each in SIZES[: SIZES.index(size) + 1] if each in sizes][-1]
    command = [sys.executable, "-m", f"benchmarks.papers.{name}.run"]
    command += [] if largest == "quick" else [f"--{largest}"]
    command += ["--picture", str(pictures / f"{name}.png")] if pictures else []
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"MPLBACKEND": "Agg"})
    seconds = round(time.perf_counter() - start, 1)
    missing = getattr(module, "NOT_SHOWN", "")
    if done.returncode == 0:
        verdict, reason = ("partly", f"not shown: {missing}") if missing else ("yes", "")
    else:
        tail = (done.stdout.partition("not as expected:")[2] or done.stderr).strip().splitlines()
        verdict, reason = "no", "; ".join(tail[-5:]) or f"exit status {done.returncode}"
    return {"folder": name, "claim": module.CLAIM, "reproduced": verdict, "reason": reason, "seconds": seconds}


def main(arguments=None):
    """Run the folders asked for, all by default; status 1 if one of them is not reproduced."""
    options = _options(arguments)
    options.pictures.mkdir(parents=True, exist_ok=True)
    print(f"| {' | '.join(HEAD)} |\n{'|---' * len(HEAD)}|", flush=True)
    rows = []
    for name in options.names or folders():
        row = run(name, options.size, options.pictures)
        rows.append(row)
        print("| " + " | ".join(str(value) for value in row.values()) + " |", flush=True)
    print(f"\n{sum(row['seconds'] for row in rows):.0f} s; figures in {options.pictures}")
    if options.store:
        RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 1 if any(row["reproduced"] == "no" for row in rows) else 0


def _options(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="folders; all by default")
    add_sizes(parser, SIZES[1:])
    parser.add_argument("--pictures", type=Path, default=PICTURES, metavar="FOLDER", help=f"by default {PICTURES}")
    parser.add_argument("--store", action="store_true", help="keep the table of a whole run in results/papers.json")
    options = parser.parse_args(arguments)
    known = folders()
    for name in options.names:
        if name not in known:
            parser.error(f"{name!r} is no folder here; there are {', '.join(known)}")
    if options.store and (options.names or options.size == "quick"):
        parser.error("--store keeps whole runs of --medium or --full")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
