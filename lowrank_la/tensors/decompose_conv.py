"""Convolution weights as a chain of smaller convolutions."""

import math
from functools import partial

import numpy as np

from .. import _backend as be
from ..factor.iteration import settle
from ..results import Info
from .conv_chain import ConvResult, by_group, cp_chain
from .cp import cp
from .given_arrays import numbers
from .rank_choice import squares
from .tucker import tucker

_METHODS = ("tucker2", "cp")
_SETTLED = 3e-5  # change of the core's norm in a sweep: flat spectra creep on for a thousandth of the error
_ADVICE = "give a larger rank or max_params, or loosen tol"


@be.supports(sparse=False, operators=False)
def decompose_conv(
    W,
    *,
    method="tucker2",
    rank=None,
    tol=None,
    max_params=None,
    groups=1,
    rng=None,
    on_failure="warn",
    check_finite=True,
):
    """Kernels of three or four small convolutions that do nearly what one convolution does.

    Parameters
    ----------
    W : array, shape (out, in/groups, kh, kw)
    method : {"tucker2", "cp"}
        "tucker2": 1×1 to few channels, kh×kw, 1×1 to the output channels. "cp": 1×1, kh×1, 1×kw, 1×1.
    rank : int or pair of int, optional
        Channels between the convolutions, of each group; for "tucker2" a pair (output side, input side), an integer
        stands for itself or the number of channels there are.
    tol : float, optional
        Relative error of the weights allowed, in (0, 1).
    max_params : int, optional
        Numbers that all kernels may have together: the ranks that leave out least. "cp" takes no more terms than any
        weights of that shape need.
    groups : int
        Groups of the convolution; each is decomposed by itself, with the same ranks.
    rng : optional
        Seed or generator of the starts of "cp".
    on_failure : {"warn", "raise"}
        What happens where ``info.converged`` is False.
    check_finite : bool
        Refuse NaN and infinite entries.

    Returns
    -------
    ConvResult
        ``kernels``, in layer order, in the namespace, dtype and device of `W` (integers promoted);
        ``arguments(stride, padding, dilation)`` tells how to call them, ``full()`` is the one convolution that they
        stand for. ``info.error`` is its exact relative error, ``info.parameters`` the numbers in all kernels,
        ``info.ranks`` the channels in between.

    Raises
    ------
    ValueError
        Unless exactly one of `rank`, `tol` and `max_params` is given, or if an argument is out of range or `W` not
        finite.
    TypeError
        If `W` is no array or an argument is of the wrong type.

    Notes
    -----
    "tucker2" is a Tucker decomposition of the channel modes [1]_, "cp" a canonical polyadic one [2]_. With `tol` the
    ranks of "cp" are searched for by doubling and halving. Kernels are scaled to equal norms, which
    keeps the gradients of further training alike.

    References
    ----------
    .. [1] kim_et_al_2016
    .. [2] lebedev_et_al_2015

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> W = np.random.default_rng(0).standard_normal((16, 8, 3, 3))
    >>> first, middle, last = lr.decompose_conv(W, rank=(6, 4))
    >>> first.shape, middle.shape, last.shape
    ((4, 8, 1, 1), (6, 4, 3, 3), (16, 6, 1, 1))
    """
    be.check_option("method", method, _METHODS)
    be.check_option("on_failure", on_failure, ("warn", "raise"))
    W, parts, given = _checked_weights(W, groups, check_finite)
    tol = None if tol is None else be.check_tol(tol)
    max_params = None if max_params is None else be.check_count("max_params", max_params)
    if sum(option is not None for option in (rank, tol, max_params)) != 1:
        raise ValueError("give one of rank (channels in between), tol (relative error allowed) and max_params")
    key = be.resolve_rng(rng)
    with be.single_blas():
        found = (_tucker2 if method == "tucker2" else _cp)(parts, rank, tol, max_params, key)
        result = _assembled(W, found, groups, method, tol, key, given)
    settle(result.info, on_failure, _ADVICE)
    return result


def _checked_weights(W, groups, check_finite):
    """`W` in the dtype that is computed in, its groups, and the dtype of the kernels."""
    be.require_untracked(W, "decompose_conv", "W")
    W = numbers(np.asarray(W) if isinstance(W, np.ndarray) else W, "W")
    if W.ndim != 4 or 0 in W.shape:
        raise ValueError(f"W must have shape (out, in/groups, kh, kw), none of it zero; got {tuple(W.shape)}")
    if W.shape[0] % be.check_count("groups", groups):
        raise ValueError(f"groups must divide the {W.shape[0]} output channels, got {groups}")
    if be.check_flag("check_finite", check_finite):
        be.require_finite(W, "W")
    xp = be.namespace(W)
    worked = xp.astype(W, be.compute_dtype(xp, W.dtype, be.device(W)), copy=False)
    return worked, by_group(worked, groups), W.dtype if be.is_half(W.dtype) else worked.dtype


def _tucker2(parts, rank, tol, max_params, _key):
    """Kernels of each group, all of the same shapes."""
    if max_params is not None:
        rank = _ranks_within(parts, max_params)
    elif tol is not None:
        found = [tucker(part, tol=tol, modes=(0, 1), method="st_hosvd").ranks for part in parts]
        rank = tuple(max(ranks[mode] for ranks in found) for mode in (0, 1))
    kernels = []
    for part in parts:
        core, (out, inner) = tucker(part, rank, modes=(0, 1), method="hooi", change=_SETTLED, maxiter=500)
        kernels.append(_balanced([inner.mT[:, :, None, None], core, out[:, :, None, None]]))
    return kernels


def _ranks_within(parts, most):
    """Ranks (out, in) of least error whose kernels have at most `most` numbers together."""
    n_out, n_in, kh, kw = parts[0].shape
    energy = 0.0
    for part in parts:
        core = tucker(part, (n_out, n_in), modes=(0, 1), method="st_hosvd").core
        energy = energy + be.to_numpy(be.namespace(core).sum(squares(core), axis=(2, 3))).astype(float)
    captured = np.cumsum(np.cumsum(energy, axis=0), axis=1)
    out, inner = np.arange(1, n_out + 1)[:, None], np.arange(1, n_in + 1)[None, :]
    size = len(parts) * (inner * n_in + out * inner * kh * kw + n_out * out)
    if size[0, 0] > most:
        raise ValueError(f"max_params must be at least {size[0, 0]}, what kernels of one channel have; got {most}")
    best = np.unravel_index(np.argmax(np.where(size <= most, captured, -1.0)), captured.shape)
    return int(best[0]) + 1, int(best[1]) + 1


def _cp(parts, rank, tol, max_params, key):
    if tol is None:
        rank = rank if max_params is None else _terms_within(parts, max_params)
        return [_cp_kernels(part, be.check_count("rank", rank), key) for part in parts]
    return _least(partial(_all_cp, parts, key), partial(_worst, parts), tol, _enough_terms(parts[0].shape))


def _all_cp(parts, key, rank):
    return [_cp_kernels(part, rank, key) for part in parts]


def _worst(parts, kernels):
    """Relative error of all groups together."""
    gaps = [be.fro_norm(part - cp_chain(*of_group)) for part, of_group in zip(parts, kernels, strict=True)]
    size = math.hypot(*map(be.fro_norm, parts))
    return math.hypot(*gaps) / size if size > 0 else 0.0


def _least(kernels_of, error_of, tol, most):
    """Kernels of the least rank found whose error is at most `tol`: doubling, then halving the interval."""
    low, high = 0, 1
    found = kernels_of(high)
    while error_of(found) > tol and high < most:
        low, high = high, min(2 * high, most)
        found = kernels_of(high)
    while high - low > 1:
        middle = (low + high) // 2
        tried = kernels_of(middle)
        if error_of(tried) <= tol:
            found, high = tried, middle
        else:
            low = middle
    return found


def _terms_within(parts, most):
    one = len(parts) * sum(parts[0].shape)
    if one > most:
        raise ValueError(f"max_params must be at least {one}, what kernels of one term have; got {most}")
    return min(most // one, _enough_terms(parts[0].shape))


def _enough_terms(shape):
    """Number of terms that any tensor of that shape is a sum of."""
    return math.prod(shape) // max(shape)


def _cp_kernels(part, rank, key):
    weights, (out, inner, rows, columns) = cp(part, rank, tol=1e-6, maxiter=2000, rng=key)
    out = out * be.namespace(out).astype(weights, out.dtype, copy=False)[None, :]
    return _balanced(
        [inner.mT[:, :, None, None], rows.mT[:, None, :, None], columns.mT[:, None, None, :], out[:, :, None, None]]
    )


def _balanced(kernels):
    """The kernels scaled to equal norms; their product stays as it is."""
    sizes = [be.fro_norm(kernel) for kernel in kernels]
    if min(sizes) == 0.0:
        return kernels
    each = math.exp(sum(map(math.log, sizes)) / len(sizes))
    return [kernel * (each / size) for kernel, size in zip(kernels, sizes, strict=True)]


def _assembled(W, of_groups, groups, method, tol, key, given):
    xp = be.namespace(W)
    kernels = tuple(xp.astype(xp.concat(list(parts), axis=0), given) for parts in zip(*of_groups, strict=True))
    counts = [groups * int(parts.shape[0]) for parts in of_groups[0]]
    divided = (groups,) * 3 if method == "tucker2" else (groups, counts[1], counts[2], groups)
    ranks = [int(parts.shape[0]) for parts in of_groups[0][:-1]][::-1] if method == "tucker2" else [counts[0] // groups]
    result = ConvResult(kernels, divided, groups, Info())
    size = be.fro_norm(W)
    error = be.fro_norm(W - xp.astype(result.full(), W.dtype)) / size if size > 0 else 0.0
    met = tol is None or error <= tol
    info = Info(
        error=error, error_kind="exact", converged=met, reason="tolerance met" if met and tol is not None else
        "ranks reached" if met else "no rank tried meets tol", method=method,
        rng=key.record if method == "cp" else None,
        details={"parameters": result.parameters, "given": math.prod(W.shape), "ranks": ranks},
    )  # fmt: skip
    return ConvResult(kernels, divided, groups, info)
