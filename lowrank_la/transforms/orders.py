"""Which lengths have a Hadamard matrix, and how it is put together."""

from functools import lru_cache

from .constructions import core_matrix

_SEARCHED = 4096  # lengths on each side, of a valid neighbour


@lru_cache(maxsize=512)
def split_order(n):
    """``(core, stages)`` with ``n = core * 2**stages`` and a known Hadamard matrix of order `core`, or None."""
    stages = (n & -n).bit_length() - 1
    odd = n >> stages
    if odd == 1:
        return 1, stages
    for doublings in range(2, stages + 1):
        if core_matrix(odd << doublings) is not None:
            return odd << doublings, stages - doublings
    return None


def require_order(name, n, advice="take one of them"):
    """`split_order`, with a ValueError that names the nearest lengths that have one and says what to do."""
    split = split_order(n) if n > 0 else None
    if split is None:
        raise ValueError(f"{name} is {n}, for which no Hadamard matrix is known here; {neighbours(n)}: {advice}")
    return split


def neighbours(n):
    """The nearest valid lengths, in words."""
    below = next((m for m in range(n - 1, max(0, n - _SEARCHED), -1) if split_order(m)), None)
    above = next(m for m in range(max(n + 1, 1), n + _SEARCHED + (1 << max(n, 1).bit_length())) if split_order(m))
    return f"the nearest valid lengths are {below} and {above}" if below else f"the nearest valid length is {above}"
