"""How many coefficients a set of groups can hold: density evolution of the peeling decoder."""

import math
from functools import lru_cache

_STEPS = 2000
_EMPTY = 1e-6


def left_over(loads):
    """Share of the coefficients that peeling leaves, for many bins and a random hash a group.

    Parameters
    ----------
    loads : sequence of float
        Coefficients a bin of each group.

    Returns
    -------
    float
        The fixed point of ``p_c = Π (1 - exp(-p_d load_d))`` over the other groups d, reached from one, times the
        same factor of the group itself.
    """
    shares = [1.0] * len(loads)
    for _ in range(_STEPS):
        factors = [-math.expm1(-p * load) for p, load in zip(shares, loads, strict=True)]
        whole = math.prod(factors)
        if whole < _EMPTY:
            return 0.0
        new = [math.prod(factors[:c] + factors[c + 1 :]) for c in range(len(loads))]
        if max(abs(a - b) for a, b in zip(new, shares, strict=True)) < 1e-9:
            break
        shares = new
    return whole


# Three groups, as logarithms of their bins over those of the smallest, and the coefficients a bin of that one at which
# density evolution stalls.
_SHAPES = (((0, 0, 0), 2.4554), ((1, 0, 0), 3.1463), ((1, 1, 0), 3.9726))
_MANY, _SPARE_FEW, _SPARE_MANY = 512, 1.35, 1.18  # room beyond that load, below `_MANY` coefficients and from there on
_MIXED_FROM = 100  # coefficients; fewer collide too often in groups of different sizes


def bits_for(sparsity, least, most):
    """Logarithm of the bins of each of three groups: at least 0.55 a coefficient, at most 1.1, between the limits."""
    return min(max(least, math.ceil(math.log2(0.55 * max(sparsity, 1)))), most)


@lru_cache(maxsize=64)
def first_sizes(sparsity, least, most):
    """Logarithms of the bins of three groups, as few together as hold `sparsity` coefficients, between the limits."""
    if sparsity < _MIXED_FROM:
        return (bits_for(sparsity, least, most),) * 3
    spare = _SPARE_FEW if sparsity < _MANY else _SPARE_MANY
    best = None
    for shape, load in _SHAPES:
        bits = math.ceil(math.log2(spare * sparsity / load))
        sizes = tuple(min(max(least, bits + more), most) for more in shape)
        best = min(best or sizes, sizes, key=lambda logs: sum(1 << log for log in logs))
    return best


def added_sizes(loads, bits, sparsity, most):
    """Up to three equal groups of the fewest bins, as logarithms, with which `sparsity` coefficients find room."""
    best = None
    for size in range(max(bits - 2, 0), most + 1):
        for count in (1, 2, 3):
            cost = count << size
            if best is not None and cost >= best[0]:
                continue
            if left_over([*loads, *[1.1 * sparsity / (1 << size)] * count]) == 0.0:
                best = cost, [size] * count
    return best[1] if best else [most] * 3
