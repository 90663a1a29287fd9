"""``sample`` and ``wht``: rows that stand for a matrix, and Walsh-Hadamard transforms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import lowrank_la as lr
from lowrank_la.results import to_host

from .app import app
from .common import AsJson, File, Key, Seed, answer, finish, integer, opened, timed, write_array, written


@app.command("sample", short_help="Rows that stand for all.")
def _sample(
    file: File,
    size: Annotated[
        int, typer.Option(parser=integer, metavar="K", help="Number of rows; in expectation, where they are drawn.")
    ],
    by: Annotated[
        str, typer.Option(metavar="NAME", help="leverage (random, with weights) or pivots (the rows that span best).")
    ] = "leverage",
    seed: Seed = 0,
    output: Annotated[Path | None, written("indices and weights, or coefficients,")] = None,
    key: Key = None,
    as_json: AsJson = False,
):
    """Rows of the matrix in FILE that stand for all of it: their indices, and weights where they were drawn.

    Example: lowrank-la sample table.csv --size 20 --json
    """
    if by not in ("leverage", "pivots"):
        raise ValueError(f"--by must be leverage or pivots, got {by!r}")
    A = opened(file, key, output)
    if by == "leverage":
        result, seconds = timed(lambda: lr.sample_rows(A, size, rng=seed))
    else:
        result, seconds = timed(lambda: lr.interpolative(A, size, axis=0, rng=seed))
    indices = to_host(result.indices)
    report = {"shape": list(A.shape), "size": len(indices), "method": result.info.method, "seconds": seconds}
    report["indices"] = indices.tolist()
    if by == "leverage":
        report["weights"] = to_host(result.weights).tolist()
    finish(result, report, output, as_json)


@app.command("wht", short_help="Walsh-Hadamard transform of rows or columns.")
def _wht(
    file: File,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="X.npy", help="Write the transform to this .npy file.")
    ],
    order: Annotated[str, typer.Option(metavar="NAME", help="natural, sequency or dyadic.")] = "natural",
    ortho: Annotated[bool, typer.Option("--ortho", help="Divide by the root of the length.")] = False,
    axis: Annotated[int, typer.Option(parser=integer, metavar="A", help="0 transforms columns, 1 rows.")] = 1,
    key: Key = None,
    as_json: AsJson = False,
):
    """Walsh-Hadamard transform of the rows (or columns) of the matrix in FILE.

    Example: lowrank-la wht signals.npy -o spectrum.npy --order sequency
    """
    A = opened(file, key, array=output)
    A = A if isinstance(A, np.ndarray) else A.toarray()
    transformed, seconds = timed(lambda: lr.fwht(A, axis, order=order, norm="ortho" if ortho else None))
    report = {"shape": list(A.shape), "order": order, "seconds": seconds}
    write_array(transformed, output, report, "output")
    answer(report, as_json)
