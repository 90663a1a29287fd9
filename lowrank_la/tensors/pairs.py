"""Kruskal tensors as arguments: a `CPResult` or a pair of weights and factors."""

from .. import _backend as be
from .kruskal import in_compute_dtype


def kruskal_pair(name, given):
    """``weights, factors`` of the argument called `name`, in a dtype that is computed in.

    Raises
    ------
    TypeError
        If it is neither a `CPResult` nor a pair, or the weights are complex.
    ValueError
        If the factors don't have the same number of columns as there are weights, or numbers are not finite.
    """
    wanted = f"{name} must be a result of cp or a pair (weights, factors), got {type(given).__name__}"
    if not hasattr(given, "__iter__"):
        raise TypeError(wanted)
    try:
        weights, factors = given
        factors = [be.dense_array(factor, f"a factor of {name}") for factor in factors]
    except (TypeError, ValueError) as error:
        raise TypeError(f"{wanted}: {error}") from None
    rank = {int(factor.shape[1]) if factor.ndim == 2 else -1 for factor in factors}
    if len(factors) < 1 or len(rank) != 1 or -1 in rank:
        raise ValueError(f"{name} must have factors of shapes (n_k, R), got {[tuple(f.shape) for f in factors]}")
    if weights is None:
        xp = be.namespace(factors[0])
        weights = xp.ones(rank.pop(), dtype=be.widest_real(xp, be.device(factors[0])), device=be.device(factors[0]))
    weights = be.dense_array(weights, f"weights of {name}")
    if be.is_complex(weights.dtype):
        raise TypeError(f"weights of {name} must be real, got {be.dtype_name(weights.dtype)}: put phases into a factor")
    if len({id(be.namespace(part)) for part in (weights, *factors)}) > 1:
        raise TypeError(f"the weights and factors of {name} must be arrays of one library; convert them")
    if tuple(weights.shape) != (factors[0].shape[1],):
        raise ValueError(f"{name} must have one weight a column, got {tuple(weights.shape)} and {factors[0].shape[1]}")
    be.require_finite(weights, f"weights of {name}")
    for factor in factors:
        be.require_finite(factor, f"a factor of {name}")
    return in_compute_dtype(weights, factors)
