"""Pictures of results, drawn with matplotlib, which is imported on the first call."""

from __future__ import annotations

from typing import Any

import numpy as np

from lowrank_la.results import to_host


def spectrum(result: Any, ax: Any = None) -> Any:
    """Draw the singular values or the magnitudes of the eigenvalues of a result on a logarithmic axis.

    Where the result holds `error_bounds` of its values, or a residual of each, a band is drawn in which a true value
    lies for every one that is shown.

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
    index = np.arange(1, values.size + 1)
    ax.semilogy(index, np.where(values > 0, values, np.nan), "o-", markersize=3)
    band = _band(result, values)
    if band is not None:
        ax.fill_between(index, *band, alpha=0.25, label="holds a true value")
        ax.legend()
    ax.set(xlabel="index", ylabel=label, title=_caption(result))
    ax.grid(visible=True, alpha=0.3)
    return ax


def error_against_rank(result: Any, ax: Any = None) -> Any:
    """Draw the relative error that the leading 0, 1, 2, … triplets of a result have.

    Parameters
    ----------
    result : result with `s` and a known `info.error`
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If `result` has no singular values.
    ValueError
        If its error is not known.

    Examples
    --------
    >>> import lowrank_la as lr
    >>> ax = lr.plot.error_against_rank(lr.svd(lr.datasets.photograph(), 20))
    >>> ax.get_xlabel()
    'rank'
    """
    if not hasattr(result, "s"):
        raise TypeError(f"error_against_rank needs a result with singular values, got {type(result).__name__}")
    last = result.info.error
    if last is None:
        raise ValueError("the error of this result is not known: info.error is None")
    squares = to_host(result.s).astype(np.float64) ** 2
    share = squares * ((1.0 - last**2) / squares.sum()) if squares.sum() > 0 else squares
    left = np.concatenate([[1.0], np.sqrt(np.maximum(last**2 + np.cumsum(share[::-1])[::-1] - share, 0.0))])
    ax = _figure().subplots() if ax is None else ax
    ax.semilogy(np.arange(left.size), np.where(left > 0, left, np.nan), "o-", markersize=3)
    ax.set(xlabel="rank", ylabel="relative error", title=_caption(result))
    ax.grid(visible=True, alpha=0.3)
    return ax


def factors(result: Any, count: int = 4) -> Any:
    """Draw the first columns of every factor of a decomposition, one panel a factor.

    Parameters
    ----------
    result : result with `factors`, or with `U` and `Vh` or `V`
    count : int
        Columns drawn.

    Returns
    -------
    list of matplotlib.axes.Axes
        One a factor.

    Raises
    ------
    TypeError
        If `result` has no factors.

    Examples
    --------
    >>> import lowrank_la as lr
    >>> panels = lr.plot.factors(lr.svd(lr.datasets.photograph(), 5))
    >>> [ax.get_title() for ax in panels]
    ['mode 0', 'mode 1']
    """
    if hasattr(result, "factors"):
        matrices = [to_host(factor) for factor in result.factors]
    elif hasattr(result, "U") and hasattr(result, "Vh"):
        matrices = [to_host(result.U), to_host(result.Vh).conj().T]
    elif hasattr(result, "U") and hasattr(result, "V"):
        matrices = [to_host(factor) for factor in (result.U, result.V) if factor is not None]
    else:
        raise TypeError(f"factors needs a result with factors, or with U and Vh or V, got {type(result).__name__}")
    panels = _figure(width=4.0 * len(matrices)).subplots(1, len(matrices), squeeze=False)[0]
    for mode, (ax, matrix) in enumerate(zip(panels, matrices, strict=True)):
        ax.plot(np.real(matrix[:, :count]), linewidth=1.0)
        ax.set(xlabel="index", title=f"mode {mode}")
        ax.grid(visible=True, alpha=0.3)
    panels[0].legend([str(1 + column) for column in range(min(count, matrices[0].shape[1]))], fontsize="small")
    return list(panels)


def phase_diagram(x: Any, y: Any, share: Any, ax: Any = None) -> Any:
    """Draw shares of success over two parameters, from black (none) to white (all), with the line of one half.

    Parameters
    ----------
    x, y : sequence of float, ascending
        Values of the parameters.
    share : array, shape (len(y), len(x))
        Shares in [0, 1].
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> rank, ratio = np.arange(1, 9), np.linspace(0.1, 0.9, 9)
    >>> ax = lr.plot.phase_diagram(rank, ratio, (ratio[:, None] > rank[None, :] / 10).astype(float))
    """
    share = np.asarray(share, dtype=np.float64)
    if share.shape != (len(y), len(x)):
        raise ValueError(f"share must have shape (len(y), len(x)) = {(len(y), len(x))}, got {share.shape}")
    ax = _figure().subplots() if ax is None else ax
    mesh = ax.pcolormesh(np.asarray(x), np.asarray(y), share, cmap="gray", vmin=0.0, vmax=1.0, shading="nearest")
    if min(share.shape) > 1 and share.min() < 0.5 < share.max():
        ax.contour(np.asarray(x), np.asarray(y), share, levels=[0.5], colors="tab:red")
        ax.plot([], [], color="tab:red", label="half of them succeed")
        ax.legend()
    ax.figure.colorbar(mesh, ax=ax, label="share of successes")
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


def _band(result: Any, values: np.ndarray) -> Any:
    """Lower and upper limits of the true values; None where nothing is known."""
    bounds = getattr(result, "error_bounds", None)
    if bounds is not None:
        lower, upper = to_host(bounds)
    elif getattr(result.info, "residuals", None) is not None and np.shape(result.info.residuals) == values.shape:
        off = to_host(result.info.residuals)
        lower, upper = values - off, values + off
    else:
        return None
    return np.maximum(lower, np.finfo(np.float64).tiny), upper


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
