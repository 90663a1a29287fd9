"""``svd`` and ``pca``: truncated decompositions of a matrix."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from threadpoolctl import threadpool_limits

import lowrank_la as lr
from lowrank_la import datasets
from lowrank_la.reading import read_matrix
from lowrank_la.results import to_host

from .app import app
from .common import (
    AsJson,
    File,
    Key,
    Rank,
    Seed,
    Tol,
    check_asked,
    check_writable,
    finish,
    finite,
    integer,
    opened,
    show_progress,
    solved,
    written,
)

_PHOTOGRAPH_RANK = 40
_REPEATS = 7
_PATIENCE = 0.3


@app.command("svd", short_help="Singular values and vectors.")
def _svd(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Matrix to decompose; the photograph that ships if left out."),
    ] = None,
    rank: Annotated[
        int | None, typer.Option(parser=integer, metavar="K", help="Number of singular triplets, at most.")
    ] = None,
    tol: Tol = None,
    center: Annotated[bool, typer.Option("--center", help="Subtract the mean of the rows first.")] = False,
    method: Annotated[
        str, typer.Option(metavar="NAME", help="auto, dense, gram, krylov, fused, hermitian or subspace.")
    ] = "auto",
    seed: Seed = 0,
    output: Annotated[Path | None, written("U, s, Vh")] = None,
    key: Key = None,
    as_json: AsJson = False,
    picture: Annotated[bool | None, typer.Option(help="Write a .png beside the factors.", show_default=False)] = None,
):
    """Truncated singular value decomposition of the matrix in FILE, to a rank or to a tolerance.

    Reads .npy .npz .mtx .mtx.gz .csv .tsv .parquet .h5 .zarr and images. Without FILE, decomposes the photograph that
    ships with the package, compares with dense LAPACK and writes the factors to photograph-svd.npz.

    Example: lowrank-la svd data.csv --tol 0.05 --center -o factors.npz
    """
    demo = file is None
    rank = _PHOTOGRAPH_RANK if demo and rank is None and tol is None else rank
    check_asked(rank, tol)
    output = Path("photograph-svd.npz") if demo and output is None else output
    drawing = _picture_path(picture, demo, file, output)
    check_writable(output)
    check_writable(drawing, ".png")

    A = datasets.photograph() if file is None else read_matrix(file, key=key)
    options = {"tol": tol, "center": center, "method": method, "rng": seed}
    progress = sys.stderr.isatty() and not as_json
    started = time.perf_counter()
    result = lr.svd(A, rank, **options, progress=progress)
    report = {**_facts(A, result), "seconds": time.perf_counter() - started}
    if demo:
        report["seconds"] = _best_seconds(lambda: lr.svd(A, rank, **options))
        report["lapack_seconds"] = _lapack_seconds(A)
    if output is not None:
        result.save(output)
        report["output"] = str(output)
    if drawing is not None:
        from lowrank_la import plot

        plot.write_overview(A, result, drawing)
        report["picture"] = str(drawing)
    typer.echo(json.dumps(report, allow_nan=False) if as_json else _text(report))


def _picture_path(wanted: bool | None, demo: bool, file: Path | None, output: Path | None) -> Path | None:
    """Where the picture goes: asked for, or made by the main job when matplotlib is there.

    A pipe or device for the factors has no name that a picture could share: there only one asked for is made.
    """
    available = find_spec("matplotlib") is not None
    if wanted and not available:
        raise ValueError('--picture needs matplotlib, which is not installed: pip install "lowrank_la[plot]"')
    beside = output is not None and (output.is_file() or not output.exists())
    unasked = demo and available and (beside or output is None)
    if not (unasked if wanted is None else wanted):
        return None
    if output is not None and beside:
        return output.with_suffix(".png")
    return Path(f"{Path(file or 'photograph').stem}-svd.png")


def _facts(A: Any, result: Any) -> dict[str, Any]:
    info = result.info
    return {
        "shape": list(A.shape),
        "rank": len(result.s),
        "error": finite(info.error),
        "error_kind": info.error_kind,
        "true_error": _true_error(A, result) if isinstance(A, np.ndarray) else None,
        "converged": info.converged,
        "reason": info.reason,
        "method": info.method,
        "iterations": info.iterations,
        "products": info.products,
        "passes": info.passes,
        "singular_values": [float(value) for value in to_host(result.s)],
    }


def _true_error(A: np.ndarray, result: Any) -> float | None:
    """‖A - Â‖_F / ‖A‖_F, of the centred matrix if there is a mean, by panels of rows."""
    U, s, Vh = (to_host(factor) for factor in (result.U, result.s, result.Vh))
    mean = 0.0 if result.mean is None else to_host(result.mean)
    scale = float(np.max(np.abs(A))) or 1.0
    missed = total = 0.0
    if A.dtype == np.float16:
        A, U, Vh = (part.astype(np.float32) for part in (A, U, Vh))
    rows = max(1, 1_000_000 // A.shape[1])
    for start in range(0, A.shape[0], rows):
        panel = A[start : start + rows] - mean
        missed += float(np.linalg.norm((panel - (U[start : start + rows] * s) @ Vh) / scale) ** 2)
        total += float(np.linalg.norm(panel / scale) ** 2)
    return finite(math.sqrt(missed / total)) if total > 0 else 0.0


def _lapack_seconds(A: np.ndarray) -> float:
    """Time of the dense decomposition, with as many threads of BLAS as suit it: the default number or one."""
    default = _best_seconds(lambda: np.linalg.svd(A, full_matrices=False))
    with threadpool_limits(1, user_api="blas"):
        return min(default, _best_seconds(lambda: np.linalg.svd(A, full_matrices=False)))


def _best_seconds(work: Callable[[], Any]) -> float:
    """Shortest of a few runs, fewer when they are slow: what else the machine does only adds to a run."""
    seconds: list[float] = []
    while len(seconds) < _REPEATS and sum(seconds) < _PATIENCE:
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _text(report: dict[str, Any]) -> str:
    values = report["singular_values"]
    shown = ", ".join(f"{value:.6g}" for value in values[:6]) + (", …" if len(values) > 6 else "")
    rows = {
        "matrix": " × ".join(str(size) for size in report["shape"]),
        "rank": report["rank"],
        "singular values": shown,
        "relative error": _error_text(report),
        "true error": None if report["true_error"] is None else f"{report['true_error']:.6e}",
        "method": f"{report['method']}: {report['reason']}",
        "time": _time_text(report),
        "factors": report.get("output"),
        "picture": report.get("picture"),
    }
    return "\n".join(f"{name:<16} {value}" for name, value in rows.items() if value is not None)


def _error_text(report: dict[str, Any]) -> str:
    return "unknown" if report["error"] is None else f"{report['error']:.6e} ({report['error_kind']})"


def _time_text(report: dict[str, Any]) -> str:
    own, lapack = report["seconds"], report.get("lapack_seconds")
    if lapack is None:
        return f"{own:.3g} s"
    return f"{1e3 * own:.1f} ms; dense LAPACK takes {1e3 * lapack:.1f} ms (ratio {lapack / own:.1f})"


@app.command("pca", short_help="Principal components; rows are samples.")
def _pca(
    file: File,
    rank: Rank = None,
    tol: Tol = None,
    seed: Seed = 0,
    output: Annotated[Path | None, written("U, s, Vh and the mean")] = None,
    key: Key = None,
    as_json: AsJson = False,
):
    """Principal components of the matrix in FILE, whose rows are samples.

    Example: lowrank-la pca table.csv --rank 3 -o components.npz
    """
    check_asked(rank, tol)
    A = opened(file, key, output)
    options = {"tol": tol, "center": True, "rng": seed, "progress": show_progress(as_json)}
    result, report = solved(A, lambda found: len(found.s), lambda: lr.svd(A, rank, **options))
    squares = to_host(result.s).astype(float) ** 2
    left = 1.0 - (result.info.error or 0.0) ** 2
    total = squares.sum() / left if left > 0 else 0.0
    report["variances"] = (squares / max(1, A.shape[0] - 1)).tolist()
    report["shares"] = (squares / total if total > 0 else squares).tolist()
    finish(result, report, output, as_json)
