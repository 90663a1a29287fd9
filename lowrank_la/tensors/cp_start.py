"""Where an iteration for the canonical polyadic decomposition starts."""

import math

from .. import _backend as be
from ..factor.signs import fix_vector_phases
from .norms import safely_scaled
from .pairs import kruskal_pair

STARTS = ("auto", "svd", "random")
_MOST = 2e9  # multiplications that singular vectors of all unfoldings may cost where nobody asked for them
_EIGH = 4  # multiplications of an eigendecomposition, over the cube of its order, at the rate of a product


def starting_factors(tensor, rank, init, key, *, nonneg=False):
    """``(factors, name)``: a factor (n_k, rank) a mode in the dtype that is worked in, and how they were made.

    Parameters
    ----------
    tensor : DenseTensor or SparseTensor
    rank : int
    init : {"auto", "svd", "random"} or (weights, factors)
        "svd" takes leading left singular vectors of the unfoldings, and random columns beyond their number; "auto"
        does where that is cheap.
    key : Key
    nonneg : bool
        Moduli instead of the numbers themselves.
    """
    if isinstance(init, str):
        name = be.check_option("init", init, STARTS)
        if name == "auto":
            name = "svd" if _is_cheap(tensor) else "random"
        if name == "svd":
            tensor, _ = safely_scaled(tensor)
        make = _singular_vectors if name == "svd" else _random
        factors = [make(tensor, rank, k, key.child(f"start {k}")) for k in range(len(tensor.shape))]
    else:
        name, factors = "given", given_factors(tensor, rank, init)
        if nonneg and any(float(tensor.xp.min(factor)) < 0.0 for factor in factors):
            raise ValueError("init must hold no negative numbers where nonneg=True: give moduli, or leave init out")
    if nonneg:
        factors = [tensor.xp.abs(factor) for factor in factors]
    return factors, name


def _is_cheap(tensor):
    of_grams = math.prod(tensor.shape) * float(sum(tensor.shape))
    return not tensor.is_sparse and of_grams + _EIGH * float(sum(n**3 for n in tensor.shape)) <= _MOST


def _random(tensor, rank, k, key):
    return be.gaussian(key, slice(0, tensor.shape[k]), slice(0, rank), tensor.dtype, tensor.xp, tensor.device)


def _singular_vectors(tensor, rank, k, key):
    if math.isfinite(tensor.norm) and tensor.norm > 0.0:
        _, vectors = be.small_eigh(tensor.unfolding_gram(k))
        xp, n = tensor.xp, tensor.shape[k]
        leading = fix_vector_phases(xp.flip(vectors, axis=1)[:, : min(rank, n)])
        if rank <= n:
            return leading
        more = be.gaussian(key, slice(0, n), slice(n, rank), tensor.dtype, xp, tensor.device)
        return xp.concat([leading, more / n**0.5], axis=1)
    return _random(tensor, rank, k, key)


def given_factors(tensor, rank, init):
    """The factors of ``init = (weights, factors)``, the weights multiplied into the last one; checked."""
    try:
        _, given = init
        given = list(given)
    except (TypeError, ValueError):
        raise TypeError(f"init must be one of {', '.join(map(repr, STARTS))} or (weights, factors)") from None
    for factor in given:
        be.require_untracked(factor if be.is_array(factor) else None, "a decomposition of tensors", "init")
    weights, factors = kruskal_pair("init", init)
    shapes, found = [(n, rank) for n in tensor.shape], [tuple(factor.shape) for factor in factors]
    if found != shapes:
        raise ValueError(f"the factors of init must have the shapes {shapes}, got {found}")
    if any(be.namespace(factor) is not tensor.xp for factor in factors):
        raise TypeError("the factors of init must be arrays of the library of X; convert them")
    if any(be.is_complex(factor.dtype) for factor in factors) and not be.is_complex(tensor.dtype):
        raise TypeError("init must be real, as X is: pass the real parts, or a complex X")
    factors = [tensor.xp.astype(factor, tensor.dtype, copy=False) for factor in factors]
    factors[-1] = factors[-1] * tensor.xp.astype(weights, tensor.dtype, copy=False)[None, :]
    for factor in factors:
        be.require_finite(factor, "init")
    return factors
