"""Pictures of results, drawn with matplotlib, which is imported on the first call."""

from __future__ import annotations

from typing import Any

import numpy as np

from lowrank_la.results import to_host


def spectrum(result: Any, ax: Any = None) -> Any:
    """Draw the singular values or the magnitudes of the eigenvalues of a result on a logarithmic axis.

    Parameters
    ----------
    result : result with `s` or `w`
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; new ones by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If `result` has neither singular values nor eigenvalues.

    Examples
    --------
    >>> import lowrank_la as lr
    >>> ax = lr.plot.spectrum(lr.svd(lr.datasets.photograph(), 20))
    >>> ax.get_ylabel()
    'singular value'
    """
    name, label = ("s", "singular value") if hasattr(result, "s") else ("w", "|eigenvalue|")
    if not hasattr(result, name):
        raise TypeError(f"spectrum needs a result with singular values or eigenvalues, got {type(result).__name__}")
    values = np.abs(to_host(getattr(result, name)))
    ax = _figure().subplots() if ax is None else ax
    ax.semilogy(np.arange(1, values.size + 1), np.where(values > 0, values, np.nan), "o-", markersize=3)
    ax.set(xlabel="index", ylabel=label, title=_caption(result))
    ax.grid(visible=True, alpha=0.3)
    return ax


def approximation(A: Any, result: Any, ax: Any = None) -> Any:
    """Draw a matrix and its approximation side by side as grey images of one scale.

    Parameters
    ----------
    A : array, shape (m, n)
        The real matrix that was approximated; at most a few million entries, since both pictures are formed.
    result : result that stands for a matrix
    ax : pair of matplotlib.axes.Axes, optional
        Axes for `A` and for its approximation; new ones by default.

    Returns
    -------
    pair of matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If `A` is complex or `ax` isn't a pair.

    Examples
    --------
    >>> import lowrank_la as lr
    >>> A = lr.datasets.photograph()
    >>> left, right = lr.plot.approximation(A, lr.svd(A, 40))
    >>> left.get_title()
    '427 × 640'
    """
    original = to_host(A)
    if np.iscomplexobj(original):
        raise ValueError("approximation draws real matrices, got a complex one; draw its absolute values instead")
    pair = _figure(width=9.0).subplots(1, 2) if ax is None else ax
    if len(pair) != 2:
        raise ValueError(f"ax must be a pair of axes, got {len(pair)}")
    low, high = float(original.min()), float(original.max())
    titles = (f"{original.shape[0]} × {original.shape[1]}", _caption(result))
    for axes, matrix, title in zip(pair, (original, _dense(result)), titles, strict=True):
        axes.imshow(matrix, cmap="gray", vmin=low, vmax=high, interpolation="nearest", aspect="auto")
        axes.set(title=title, xticks=[], yticks=[])
    return tuple(pair)


def write_overview(A: Any, result: Any, path: Any) -> None:
    """Write a picture of the spectrum to `path`, beside `A` and its approximation when `A` is a real dense array.

    Parameters
    ----------
    A : array or anything else that `lowrank_la.svd` takes
    result : result with `s` or `w`
    path : str or Path
        The ending chooses the format.
    """
    drawable = isinstance(A, np.ndarray) and not np.iscomplexobj(A)
    figure = _figure(width=13.0 if drawable else 5.0)
    if not drawable:
        spectrum(result, figure.subplots())
    else:
        height, width = A.shape
        left, middle, right = figure.subplots(1, 3, width_ratios=(1.2, 1.2, 1.0))
        approximation(A, result, (left, middle))
        if 0.2 < height / width < 5:
            left.set_aspect("equal")
            middle.set_aspect("equal")
        spectrum(result, right).set_title("")
    figure.savefig(path, dpi=100)


def _figure(width: float = 5.0) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, 3.4), layout="constrained")


def _caption(result: Any) -> str:
    rank = len(result.s) if hasattr(result, "s") else len(result.w)
    error = result.info.error
    return f"rank {rank}" if error is None else f"rank {rank}, relative error {error:.2g}"


def _dense(result: Any) -> np.ndarray:
    """Form the approximation, mean included."""
    if hasattr(result, "s"):
        matrix = (to_host(result.U) * to_host(result.s)) @ to_host(result.Vh)
        mean = getattr(result, "mean", None)
        return matrix if mean is None else matrix + to_host(mean)
    return (to_host(result.V) * to_host(result.w)) @ to_host(result.V).conj().T
