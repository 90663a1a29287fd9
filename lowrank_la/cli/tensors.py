"""``cp`` and ``tucker``: decompositions of a tensor."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import lowrank_la as lr
from lowrank_la.reading import read_array
from lowrank_la.results import to_host

from .app import app
from .common import AsJson, Key, Seed, Tol, check_asked, finish, integer, opened, show_progress, solved, written

Tensor = Annotated[Path, typer.Argument(metavar="FILE", help="Tensor: .npy .npz .h5 .zarr, or a matrix in any format.")]


@app.command("cp", short_help="A tensor as a sum of rank-one terms.")
def _cp(
    file: Tensor,
    rank: Annotated[int, typer.Option(parser=integer, metavar="R", help="Number of terms.")],
    nonneg: Annotated[bool, typer.Option("--nonneg", help="Factors without negative numbers.")] = False,
    method: Annotated[str, typer.Option(metavar="NAME", help="als, gauss_newton, leverage or random.")] = "als",
    seed: Seed = 0,
    output: Annotated[Path | None, written("weights and factors")] = None,
    key: Key = None,
    as_json: AsJson = False,
):
    """Sum of rank-one terms for the tensor in FILE; NaN is missing.

    Example: lowrank-la cp cube.npy --rank 5 -o terms.npz
    """
    X = opened(file, key, output, read=read_array)
    missing = isinstance(X, np.ndarray) and X.dtype.kind in "fc" and bool(np.isnan(X).any())
    options = {"method": method, "nonneg": nonneg, "rng": seed, "progress": show_progress(as_json)}
    if missing:
        options["mask"] = ~np.isnan(X)
    result, report = solved(X, lambda found: len(found.weights), lambda: lr.cp(X, rank, **options))
    report["weights"] = to_host(result.weights).tolist()
    finish(result, report, output, as_json)


@app.command("tucker", short_help="A tensor as a core and orthonormal factors.")
def _tucker(
    file: Tensor,
    ranks: Annotated[str | None, typer.Option(metavar="R,R,R", help="Rank of every mode, or one for all.")] = None,
    tol: Tol = None,
    method: Annotated[str, typer.Option(metavar="NAME", help="auto, st_hosvd, hooi or randomized.")] = "auto",
    seed: Seed = 0,
    output: Annotated[Path | None, written("core and factors")] = None,
    key: Key = None,
    as_json: AsJson = False,
):
    """Core and orthonormal factors of the tensor in FILE, to ranks or to a tolerance.

    Example: lowrank-la tucker cube.npy --tol 0.01 -o small.npz
    """
    check_asked(ranks, tol, "--ranks R,R,R")
    X = opened(file, key, output, read=read_array)
    options = {"tol": tol, "method": method, "rng": seed, "progress": show_progress(as_json)}
    work = partial(lr.tucker, X, _ranks(ranks, X.ndim), **options)
    result, report = solved(X, lambda found: [factor.shape[1] for factor in found.factors], work)
    report["compression"] = X.size / sum(int(np.prod(part.shape)) for part in (result.core, *result.factors))
    finish(result, report, output, as_json)


def _ranks(text: str | None, order: int) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        ranks = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--ranks must be integers separated by commas, got {text!r}") from None
    if len(ranks) == 1:
        return ranks * order
    if len(ranks) != order:
        raise ValueError(f"--ranks must be one number or {order}, one a mode, got {text!r}")
    return ranks
