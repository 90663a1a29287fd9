"""All reproduced experiments in their quick form: ``python -m benchmarks.papers [NAME ...]``.

Every folder runs in a process of its own and compares what it finds with its ``expected.json``. A table says what was
reproduced: yes, partly (with what the folder does not show) or no (with what differs).
"""

import argparse
import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results" / "papers.json"


def folders():
    """Names of the folders, in order."""
    return sorted(path.parent.name for path in HERE.glob("*/run.py"))


def run(name):
    """What came of one folder: a dict with claim, verdict, reason and seconds."""
    module = importlib.import_module(f"benchmarks.papers.{name}")
    start = time.perf_counter()
    command = [sys.executable, "-m", f"benchmarks.papers.{name}.run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    missing = getattr(module, "NOT_SHOWN", "")
    if done.returncode == 0:
        verdict, reason = ("partly", f"not shown: {missing}") if missing else ("yes", "")
    else:
        tail = (done.stdout.partition("not as expected:")[2] or done.stderr).strip().splitlines()
        verdict, reason = "no", "; ".join(tail[-5:]) or f"exit status {done.returncode}"
    seconds = round(time.perf_counter() - start, 1)
    return {"folder": name, "claim": module.CLAIM, "reproduced": verdict, "reason": reason, "seconds": seconds}


def main(arguments=None):
    """Run the folders asked for, all by default; status 1 if one of them is not reproduced."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="folders; all by default")
    parser.add_argument("--store", action="store_true", help="keep the table of a whole run in results/papers.json")
    options = parser.parse_args(arguments)
    known = folders()
    for name in options.names:
        if name not in known:
            parser.error(f"{name!r} is no folder here; there are {', '.join(known)}")
    print("| folder | claim | reproduced | why not, or not whole | seconds |\n|---|---|---|---|---|", flush=True)
    rows = []
    for name in options.names or known:
        row = run(name)
        rows.append(row)
        print("| " + " | ".join(str(value) for value in row.values()) + " |", flush=True)
    if options.store and not options.names:
        RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 1 if any(row["reproduced"] == "no" for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
