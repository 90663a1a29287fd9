"""Options that commands share, and how their answers are written and shown."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from lowrank_la.reading import read_matrix
from lowrank_la.results import is_writable, replacing

_FORMATS = (".npy", ".npz", ".mtx", ".csv", ".tsv", ".parquet", ".h5", ".hdf5", ".zarr", ".png", ".jpg", ".txt")


def integer(text: str) -> int:
    """The integer that an option gives."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not an integer") from None


def written(parts: str) -> Any:
    """The option that writes an answer; its help says what the file holds."""
    return typer.Option("--output", "-o", metavar="X.npz", help=f"Write {parts} to this .npz file.")


File = Annotated[
    Path, typer.Argument(metavar="FILE", help="Matrix: .npy .npz .mtx .csv .tsv .parquet .h5 .zarr or an image.")
]
Rank = Annotated[int | None, typer.Option(parser=integer, metavar="K", help="Rank of the answer, at most.")]
Tol = Annotated[float | None, typer.Option(metavar="T", help="Relative Frobenius error to reach, in (0, 1).")]
Seed = Annotated[int, typer.Option(parser=integer, metavar="S", help="Seed of what is random.")]
Key = Annotated[str | None, typer.Option(metavar="NAME", help="Name of the matrix inside an .npz, HDF5 or Zarr file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What `work` returns, and how long it took."""
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def opened(
    file: Path,
    key: str | None,
    output: Path | None = None,
    array: Path | None = None,
    read: Callable[..., Any] = read_matrix,
) -> Any:
    """The data of a file, read once it is known that the answer can be written: a result, and perhaps an array."""
    check_writable(output)
    check_writable(array, ".npy")
    return read(file, key=key)


def check_asked(rank: Any, tol: float | None, name: str = "--rank K") -> None:
    """Refuse a command that is asked for neither a rank nor a tolerance."""
    if rank is None and tol is None:
        raise ValueError(f"give {name} or --tol T, or both: then whichever comes first")


def solved(data: Any, size: Callable[[Any], Any], work: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
    """What `work` returns, and the beginning of its report; `size` tells the rank, or the ranks, of the answer."""
    result, seconds = timed(work)
    rank = size(result)
    name = "ranks" if isinstance(rank, list) else "rank"
    return result, {"shape": list(data.shape), name: rank, **account(result.info), "seconds": seconds}


def finish(result: Any, report: dict[str, Any], output: Path | None, as_json: bool) -> None:
    """Write the answer where that is wanted, and print the report."""
    if output is not None:
        result.save(output)
        report["output"] = str(output)
    answer(report, as_json)


def write_array(array: np.ndarray, path: Path | None, report: dict[str, Any], name: str) -> None:
    """Write an array to a .npy file where that is wanted, and say so in the report."""
    if path is not None:
        with replacing(path) as stream:
            np.save(stream, array)
        report[name] = str(path)


def show_progress(as_json: bool) -> bool:
    """Whether somebody looks at a terminal."""
    return sys.stderr.isatty() and not as_json


def check_writable(path: Path | None, ending: str = ".npz") -> None:
    """Refuse an output that can't be written, or is named as another format, before the work and not after it."""
    if path is None:
        return
    if path.suffix != ending and path.suffix.lower() in _FORMATS:
        raise ValueError(f"{path}: what is written here is an {ending} file; give a name that ends in {ending}")
    if path.is_dir():
        raise ValueError(f"{path}: is a folder, a file to write was expected")
    if not path.parent.is_dir():
        raise ValueError(f"{path}: can't be written, there is no folder {path.parent}")
    if not is_writable(path):
        raise ValueError(f"{path}: can't be written, permission denied")


def finite(value: Any) -> float | None:
    """A number as JSON knows it; None for what is not finite."""
    return float(value) if value is not None and math.isfinite(value) else None


def account(info: Any) -> dict[str, Any]:
    """What every answer reports of its `info`."""
    return {
        "error": finite(info.error),
        "error_kind": info.error_kind,
        "converged": info.converged,
        "reason": info.reason,
        "method": info.method,
        "iterations": info.iterations,
    }


def answer(report: dict[str, Any], as_json: bool) -> None:
    """Print a report as one JSON object, or a line for each entry that is known."""
    if as_json:
        typer.echo(json.dumps(report, allow_nan=False))
        return
    shown = {name: value for name, value in report.items() if value is not None}
    if shown.get("error") is not None:
        shown["error"] = f"{shown['error']:.6e} ({shown.pop('error_kind')})"
    if "seconds" in shown:
        shown["seconds"] = f"{shown['seconds']:.3g}"
    for name in ("shape", "ranks"):
        if name in shown:
            shown[name] = " × ".join(map(str, shown[name]))
    width = max(16, *map(len, shown))
    typer.echo("\n".join(f"{name.replace('_', ' '):<{width}} {_listed(value)}" for name, value in shown.items()))


def _listed(value: Any) -> Any:
    """A value, or the first entries of a list, numbers with six digits."""
    if isinstance(value, list):
        return ", ".join(str(_listed(entry)) for entry in value[:6]) + (", …" if len(value) > 6 else "")
    return f"{value:.6g}" if isinstance(value, float) else value
