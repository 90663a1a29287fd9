"""Units of a state, powers of two: chosen by the first rows, and chosen anew for rows that would overflow in them.

A change of units is exact. What it takes from older rows that it brings below the smallest number is 2**-500 or so of
the rows that asked for it.
"""

import math

from .. import _backend as be
from .rows import densified, require_finite_rows, values_of

_REACH = {"float32": 1e10, "float64": 1e100}  # norms of first rows whose squares leave room for larger ones
_LARGEST = {"float32": 2.0**50, "float64": 2.0**450}  # norms of blocks whose squares can be added up without end
_LEAST_WEIGHT = 2.0**-120  # root that leaves room in single precision
_LARGEST_POWER = {"float32": 120, "float64": 1000}


def block_norm(block, weights=None):
    """Bound of the norm of the weighted rows of a block; ValueError where they are not finite."""
    values = values_of(block)
    norm = be.fro_norm(values) if 0 not in values.shape else 0.0
    if not math.isfinite(norm):
        require_finite_rows(block)
    if weights is None or norm == 0.0:
        return norm
    largest = float(be.namespace(weights).max(weights))
    return norm * largest**0.5 if largest > 0.0 else 0.0


def room_for(weights, block, layout):
    """The block, in the widest dtype where its own has no room for rows next to the roots of these weights."""
    if weights is None or layout.dtype == layout.wide:
        return block
    norm, reach = block_norm(block, weights), _REACH[be.dtype_name(layout.real)]
    usual = float(be.namespace(weights).max(weights)) >= _LEAST_WEIGHT and 1.0 / reach < norm < reach
    if usual or norm == 0.0:
        return block
    return layout.xp.astype(densified(block), layout.wide)


def safe_scale(norm, layout):
    """Power of two by which rows of that norm are divided, 1 for all but extreme ones."""
    name = be.dtype_name(layout.real)
    if 1.0 / _REACH[name] < norm < _REACH[name]:
        return 1.0
    power = math.frexp(norm)[1] if math.isfinite(norm) else _LARGEST_POWER[name]
    return 2.0 ** max(-_LARGEST_POWER[name], min(_LARGEST_POWER[name], power))


def fitting_scale(norm, scale, layout):
    """`scale` where squares of rows of that norm can be added up in its units, else a larger one in which they can."""
    fits = norm / scale <= _LARGEST[be.dtype_name(layout.real)]
    return scale if fits else safe_scale(norm, layout)


def common_scale(*states):
    """The larger of the units of two states, so that neither overflows; None where neither has one yet."""
    return max((state["scale"] for state in states if state["scale"] is not None), default=None)
