"""Tucker decomposition: a small core, multiplied by an orthonormal factor in every mode."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _backend as be
from ..blocks import BlockSource, block_source
from ..factor.iteration import Watch, settle
from . import hooi, st_hosvd, tucker_random
from .given_arrays import numbers
from .norms import safe_scale
from .tensor import as_tensor
from .tucker_answer import Given, assembled
from .tucker_arguments import checked_modes, checked_ranks
from .tucker_start import first_read

_METHODS = ("auto", "st_hosvd", "hooi", "randomized")
_MAXITER = {"hooi": 50, "randomized": 10}
_CHANGE = 1e-8
_TOO_LARGE = "the error at these ranks is above tol"


def _demand(X, rank, *, tol, method, modes, rng, check_finite, **given):
    """`Demand` of `tucker` of data in slabs with these arguments."""
    from .tucker_blocks import demand

    tol, _, _ = _asked(rank, tol, method, **given)
    be.check_flag("check_finite", check_finite)
    be.resolve_rng(rng)
    return demand(X, rank, tol, method, modes)


@be.supports(operators=False, blocks=True, demand=_demand)
def tucker(
    X,
    rank=None,
    *,
    tol=None,
    method="auto",
    modes=None,
    change=None,
    maxiter=None,
    rng=None,
    callback=None,
    progress=False,
    on_failure="warn",
    check_finite=True,
):
    """Tucker decomposition ``X ≈ core ×_1 U_1 … ×_N U_N`` to given ranks, or to a given error.

    Parameters
    ----------
    X : array, sparse, or data in blocks, shape (n_1, …, n_N), N ≥ 2
        Array of any supported library, `scipy.sparse.coo_array`, or what `block_source` takes (memory maps, HDF5, Zarr
        and Dask arrays, files), which is read in slabs along the first mode.
    rank : int or tuple of int, optional
        Columns of each factor, one entry a mode; an integer stands for itself or the length of the mode, whichever is
        less.
    tol : float, optional
        Relative error ‖X - X̂‖_F / ‖X‖_F allowed, in (0, 1). With `rank` as well no mode gets more than that.
    method : {"auto", "st_hosvd", "hooi", "randomized"}
        Of arrays "auto" is "randomized" to ranks that are thin beside the lengths of a large tensor, else "st_hosvd".
    modes : tuple of int, optional
        Modes to be compressed; the others stay as they are. All by default.
    change : float, optional
        "hooi" ends when the norm of the core changes by less than this share of ‖X‖_F in a sweep: 1e-8, for sparse
        tensors with "auto" 1e-4.
    maxiter : int, optional
        Sweeps of "hooi" (50), half sweeps of "randomized" (10).
    rng : optional
        Seed or generator of "randomized".
    callback : callable, optional
        Called once a sweep with ``iteration`` and ``error``; True stops.
    progress : bool
        Show a progress bar.
    on_failure : {"warn", "raise"}
        What happens where ``info.converged`` is False.
    check_finite : bool
        Refuse NaN and infinite entries.

    Returns
    -------
    TuckerResult
        ``core`` and ``factors`` in the namespace, dtype and device of `X`: orthonormal columns, slices of the core
        orthogonal to each other and of descending norm. ``info.error`` is the true relative error, "exact";
        ``info.ranks`` the shape of the core; ``info.passes`` the reads of `X`. Of half precision data the factors come
        back in half, the core in float32.

    Raises
    ------
    ValueError
        If neither `rank` nor `tol` is given, an argument is out of range, or `X` is empty or not finite.
    TypeError
        If `X` is no tensor or records gradients, or an argument is of the wrong type.
    ConvergenceError
        If the answer falls short and ``on_failure="raise"``.

    Notes
    -----
    "st_hosvd" projects one mode after the other onto the leading left singular vectors of what is left [1]_; its
    squared error is at most N times the least one possible. They come from Gram matrices in the widest precision, which
    tell singular values down to 1e-8 of the largest; where that is not enough, from an orthogonal triangularisation.
    With `tol` each mode may leave out an equal share of the squared error, and what one does not use goes to
    those after it. Then the core is cut to a leading block that still meets the tolerance, since slices that a mode had
    to keep may have become small when the others were truncated: ranks that no mode needs by itself are given up,
    which makes them stable where `tol` is close to the noise. Of tensors with structure no rank exceeds ``lb``, the
    least that the unfolding of its mode needs, by more than three or a fifth. Of noise no ranks that small may meet a
    loose `tol`; they are larger there, and modes that are treated last get the smaller ones.

    "hooi" goes on from there with alternating least squares [2]_, two passes over the tensor a sweep. "randomized"
    starts from one product with Gaussian matrices in half of the modes and one product with the bases that this shows
    of the others (in single precision where a product takes longer than a read: for complex numbers and outside of
    NumPy), and takes half sweeps of orthogonal iteration until the squared error falls by less than 1 %: three or four
    passes with thin matrices, no Gram matrix of the whole. With `tol` ranks are doubled until the error is met; where
    that makes them too large "st_hosvd" does the work, as ``info.method`` says.

    Extra memory is that of the largest product, ``r/n`` of the tensor; with `tol` up to the tensor itself where no mode
    can be truncated. Tensors that are not in C order, in half precision, or of a scale whose squares overflow are
    copied.

    Sparse tensors are never made dense: bases come from decompositions of their sparse unfoldings, and "hooi", which is
    what "auto" means there with a rank, adds up rows of products of the factors, one an entry; below about 1e-7 the
    error of a large one is an upper bound. Data in blocks are read once for each mode, and once more for the error
    where it is below 1e-6 or so; there the method is always "st_hosvd".

    References
    ----------
    .. [1] vannieuwenhoven_vandebril_meerbergen_2012
    .. [2] de_lathauwer_de_moor_vandewalle_2000b

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> i, j, k = np.ogrid[1:31, 1:21, 1:11]
    >>> core, factors = lr.tucker(1.0 / (i + j + k), tol=1e-4)
    >>> core.shape, factors[0].shape
    ((5, 5, 4), (30, 5))
    """
    tol, change, watch = _asked(
        rank, tol, method, change=change, maxiter=maxiter, callback=callback, progress=progress, on_failure=on_failure
    )
    check_finite, key = be.check_flag("check_finite", check_finite), be.resolve_rng(rng)
    with be.single_blas(), watch:
        source = _in_blocks(X)
        if source is not None:
            result = _of_blocks(source, rank, tol, method, modes, check_finite)
        elif be.is_sparse(X):
            result = _of_sparse(X, rank, tol, method, modes, watch, check_finite, change)
        else:
            result = _of_array(X, rank, tol, method, modes, watch, check_finite, change, key)
    settle(result.info, on_failure, _advice(rank, tol, result.info))
    return result


def _advice(rank, tol, info):
    """What could help, of the arguments that were given and that the method takes."""
    ways = ["allow larger ranks"] * (rank is not None and tol is not None) + ["loosen tol"] * (tol is not None)
    ways += ["raise maxiter"] * (info.method in _MAXITER)
    return " or ".join(ways)


def _asked(rank, tol, method, *, change, maxiter, callback, progress, on_failure):
    """``(tol, change, Watch)`` of the arguments of `tucker`, checked."""
    be.check_option("method", method, _METHODS)
    be.check_option("on_failure", on_failure, ("warn", "raise"))
    if rank is None and tol is None:
        raise ValueError("give rank (columns of the factors) or tol (the relative error allowed), or both")
    tol, change = None if tol is None else be.check_tol(tol), None if change is None else be.check_tol(change, "change")
    maxiter = _MAXITER.get(method, 50) if maxiter is None else be.check_count("maxiter", maxiter)
    watch = Watch(maxiter, be.check_callback(callback), be.check_flag("progress", progress), "tucker")
    return tol, change, watch


def _in_blocks(X):
    """The block source of data that are no array in memory, None for arrays and what is sparse."""
    if isinstance(X, BlockSource):
        return X
    mapped = isinstance(X, np.memmap) and getattr(X, "_mmap", None) is not None
    known = be.is_sparse(X) or isinstance(X, list | tuple | np.ma.MaskedArray)
    if not mapped and (known or (be.is_array(X) and be.kind(be.namespace(X)) != "other")):
        return None
    return block_source(X)


def _of_array(X, rank, tol, method, modes, watch, check_finite, change, key):
    plan = None

    def measured(array):
        nonlocal plan
        plan = _planned(array, rank, tol, method, modes, key)
        return plan.norm

    given, norm, scale, dtype = _at_safe_scale(X, check_finite, measured)
    first = plan.first if scale == 1.0 and norm == plan.norm else None
    parts, method, info = _run(given, norm, plan, tol, rank is not None, watch, change, key, first)
    info |= {"method": method, "rng": key.record if method == "randomized" else None, "iterations": parts.sweeps}
    return assembled(Given(given, norm), parts, plan.modes, scale, dtype, tol, info | {"short": _TOO_LARGE})


@dataclass(frozen=True)
class _Plan:
    """What is asked of a tensor, checked; the first read of it where that tells the norm, and the norm."""

    modes: tuple
    ranks: list
    method: str
    first: Any = None
    norm: float | None = None


def _planned(X, rank, tol, method, modes, key):
    modes = checked_modes(modes, X.ndim)
    ranks = checked_ranks(rank, tuple(X.shape), modes)
    thin = tucker_random.pays(X.shape, ranks, modes) if rank is not None else False
    if method == "auto":
        method = "randomized" if thin and tol is None else "st_hosvd"
    if method != "randomized" or tol is not None or not thin or not be.contracts_fast(X):
        return _Plan(modes, ranks, method)
    first = first_read(X, ranks, key, measure=True)
    return _Plan(modes, ranks, method, first, math.sqrt(first.square))


def _at_safe_scale(X, check_finite, measured):
    """``(array, norm, scale, given dtype)``: the tensor divided by `scale` where its squares would leave the range."""
    tensor = as_tensor(numbers(X, "X"), check_finite=check_finite, measured=measured)
    scale = safe_scale(tensor.norm, tensor.dtype)
    if scale == 1.0:
        return tensor.array, tensor.norm, 1.0, tensor.given_dtype
    array = tensor.array / scale
    return array, be.fro_norm(array), scale, tensor.given_dtype


def _run(X, norm, plan, tol, limited, watch, change, key, first):
    """``(parts, method, info)`` of a tensor in memory."""
    ranks, modes, method = plan.ranks, plan.modes, plan.method
    done: dict = {"converged": True, "reason": "tolerance met" if tol is not None else "ranks reached"}
    if norm == 0.0:
        return _of_zero(X, ranks, limited), method, done | {"reason": "the tensor is zero"}
    parts = None
    if method == "randomized":
        parts = _randomly(X, norm, ranks, tol, modes, watch, key, first)
        method = method if parts is not None else "st_hosvd"
    if parts is None and tol is not None:
        parts = st_hosvd.to_error(X, norm, tol, ranks, modes, st_hosvd.coarsest_gram(X))
    elif parts is None:
        parts = st_hosvd.to_ranks(X, ranks)
    if method == "hooi":
        parts, converged, history = hooi.hooi(X, norm, parts, watch, change or _CHANGE)
        reason = "the core changes no more" if converged else watch.reason
        done = {"converged": converged, "reason": reason, "details": {"history": history}}
    return parts, method, done


def _randomly(X, norm, ranks, tol, modes, watch, key, first):
    """`Parts` by the randomized method, None where fewer than two modes are truncated or their ranks are not thin."""
    if tol is not None:
        return tucker_random.to_error(X, norm, tol, ranks, key, watch)
    if sum(ranks[k] < X.shape[k] for k in modes) < 2:
        return None
    return tucker_random.from_random_start(X, norm, ranks, key, watch, first)


def _of_zero(X, ranks, limited):
    xp = be.namespace(X)
    kept = [n if r is None else (r if limited else 1) for n, r in zip(X.shape, ranks, strict=True)]
    core = xp.zeros(tuple(kept), dtype=X.dtype, device=be.device(X))
    factors = [
        None if r is None else xp.eye(n, k, dtype=X.dtype, device=be.device(X))
        for n, k, r in zip(X.shape, kept, ranks, strict=True)
    ]
    return st_hosvd.Parts(core, factors, 1)


def _of_blocks(source, rank, tol, method, modes, check_finite):
    from .tucker_blocks import tucker_of_blocks

    return tucker_of_blocks(source, rank, tol, method, modes, check_finite)


def _of_sparse(X, rank, tol, method, modes, watch, check_finite, change):
    from .tucker_sparse import tucker_of_sparse

    return tucker_of_sparse(X, rank, tol, method, modes, watch, check_finite, change)
