"""``info``: what a file holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import typer

import lowrank_la as lr
from lowrank_la.reading import read_matrix
from lowrank_la.results import to_host

from .app import app
from .common import AsJson, File, Key, account, answer


@app.command("info", short_help="What a file holds, and where it came from.")
def _info(file: File, key: Key = None, as_json: AsJson = False):
    """What FILE holds: a result that lowrank-la or the library saved, with its provenance, or a matrix.

    Example: lowrank-la info photograph-svd.npz
    """
    result = _saved(file) if key is None else None
    if result is None:
        answer(_of_matrix(read_matrix(file, key=key)), as_json)
        return
    parts = {name: _shape(getattr(result, name)) for name in result._unpack}
    report = {"result": type(result).__name__, "parts": parts, **account(result.info), "rng": result.info.rng}
    report |= {"versions": result.info.versions, "arrays": result.info.arrays}
    if as_json:
        answer(report, True)
    else:
        shapes = ", ".join(f"{name} {_text(shape)}" for name, shape in parts.items())
        typer.echo(f"{'result':<10} {type(result).__name__}: {shapes}\n{result.info.provenance()}")


def _saved(file: Any) -> Any:
    """The result in the file, or None where it is no result."""
    if file.suffix != ".npz" or not file.exists():
        return None
    try:
        return lr.load(file)
    except ValueError:
        return None


def _shape(part: Any) -> Any:
    if isinstance(part, (tuple, list)):
        return [_shape(each) for each in part]
    return list(part.shape) if hasattr(part, "shape") else list(np.shape(to_host(part)))


def _text(shape: Any) -> str:
    """Sizes as they are read aloud; one after the other for a list of factors."""
    if shape and isinstance(shape[0], list):
        return " and ".join(map(_text, shape))
    return "×".join(map(str, shape)) if shape else "a number"


def _of_matrix(A: Any) -> dict[str, Any]:
    dense = isinstance(A, np.ndarray)
    values = A if dense else A.data
    missing = int(np.isnan(values).sum()) if values.dtype.kind in "fc" else 0
    known = values[~np.isnan(values)] if missing else values
    return {
        "matrix": "dense" if dense else "sparse",
        "shape": list(A.shape),
        "dtype": str(A.dtype),
        "nonzeros": int(np.count_nonzero(values)),
        "missing": missing,
        "least_magnitude": float(np.abs(known).min()) if known.size else None,
        "largest_magnitude": float(np.abs(known).max()) if known.size else None,
        "frobenius_norm": float(
            np.linalg.norm(known.astype(np.complex128 if known.dtype.kind == "c" else float).ravel())
        ),
    }
