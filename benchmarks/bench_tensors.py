"""Tensor decompositions beside their peers: ``python -m benchmarks.bench_tensors [--quick] [--only words]``.

The rows come from ``tensor_*_rows``. Contenders alternate in one process, each problem says what it aims at, and all
aims are listed in the end. A run of some problems is added to the stored ones.
"""

import argparse
import importlib
import logging
import time

from benchmarks import harness, report
from benchmarks.tensor_timing import summary

MODULES = ("tensor_cp_rows", "tensor_tucker_rows", "tensor_sparse_rows", "tensor_functional_rows")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_tensors", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small problems, kept apart from the stored results")
    parser.add_argument("--only", nargs="*", default=[], help="problems whose name contains one of these words")
    parser.add_argument("--modules", nargs="*", default=MODULES, help="files of rows")
    parser.add_argument("--threads", type=int, default=harness.THREADS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-store", action="store_true", help="print only")
    options = parser.parse_args(arguments)
    logging.disable(logging.WARNING)
    began, found = time.perf_counter(), {}
    with harness.threads(options.threads):
        for name in options.modules:
            module = importlib.import_module(f"benchmarks.{name}")
            found |= module.problems(options.quick, options.repeats, options.only)
    print(f"\n{time.perf_counter() - began:.0f} s")
    if not (options.quick or options.no_store):
        found = report.stored_problems("tensors") | found
    found["aims"] = summary(found)
    if not options.no_store:
        name = "tensors_partial" if options.quick else "tensors"
        print("wrote", report.write_json(name, {"problems": found}).name)


if __name__ == "__main__":
    main()
