"""``complete`` and ``rpca``: matrices with missing or grossly wrong entries."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import lowrank_la as lr
from lowrank_la.results import to_host

from .app import app
from .common import AsJson, File, Key, Rank, Seed, finish, opened, show_progress, solved, write_array, written


@app.command("complete", short_help="What is missing, from a low-rank matrix.")
def _complete(
    file: File,
    rank: Rank = None,
    tol: Annotated[float, typer.Option(metavar="T", help="Relative residual on the known entries.")] = 1e-6,
    regularization: Annotated[float, typer.Option(metavar="L", help="Penalty of the factors, for noisy data.")] = 0.0,
    seed: Seed = 0,
    output: Annotated[Path | None, written("the factors U, V")] = None,
    fill: Annotated[
        Path | None, typer.Option(metavar="X.npy", help="Write the completed matrix to this .npy file.")
    ] = None,
    key: Key = None,
    as_json: AsJson = False,
):
    """Low-rank matrix from the entries of FILE that are known: all but NaN, or those that a sparse file stores.

    Example: lowrank-la complete ratings.mtx --rank 8 --regularization 2 -o factors.npz
    """
    observed = opened(file, key, output, fill)
    options = {"tol": tol, "regularization": regularization, "rng": seed, "progress": show_progress(as_json)}
    work = partial(lr.complete, observed, rank, **options)
    result, report = solved(observed, lambda found: found.U.shape[1], work)
    if fill is not None:
        write_array(_filled(observed, result), fill, report, "filled")
    finish(result, report, output, as_json)


@app.command("rpca", short_help="Low rank, and gross errors of some entries.")
def _rpca(
    file: File,
    rank: Rank = None,
    method: Annotated[
        str, typer.Option(metavar="NAME", help="auto, accaltproj, ircur, scaled_gd, pcp or godec.")
    ] = "auto",
    seed: Seed = 0,
    output: Annotated[Path | None, written("U, s, Vh and the sparse errors S")] = None,
    fill: Annotated[
        Path | None, typer.Option(metavar="X.npy", help="Write the matrix without the errors to this .npy file.")
    ] = None,
    key: Key = None,
    as_json: AsJson = False,
):
    """Low-rank part and gross errors of the matrix in FILE; NaN is missing.

    Example: lowrank-la rpca frames.npy --rank 2 -o parts.npz
    """
    M = opened(file, key, output, fill)
    known = None
    if isinstance(M, np.ndarray) and M.dtype.kind in "fc" and np.isnan(M).any():
        known = ~np.isnan(M)
    options = {"method": method, "mask": known, "rng": seed, "progress": show_progress(as_json)}
    result, report = solved(M, lambda found: len(found.s), lambda: lr.robust_pca(M, rank, **options))
    report["outliers"] = int(result.S.nnz)
    if fill is not None:
        write_array((to_host(result.U) * to_host(result.s)) @ to_host(result.Vh), fill, report, "filled")
    finish(result, report, output, as_json)


def _filled(observed: Any, result: Any) -> np.ndarray:
    """The completed matrix, known entries of a dense one as they are."""
    full = to_host(result.U) @ to_host(result.V).conj().T
    return np.where(np.isnan(observed), full, observed) if isinstance(observed, np.ndarray) else full
