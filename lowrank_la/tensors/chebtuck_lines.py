"""How many Chebyshev points a function needs along lines through its box."""

import math

import numpy as np

from .. import _backend as be
from . import chebyshev

FIRST = 17  # nodes on lines
_SLACK = 100.0  # of what single coefficients may have, for the deviation between nodes
_BETWEEN = np.pi * np.array([0.0537, 0.2311, 0.4127, 0.6219, 0.8213, 0.9641])  # angles of no common grid of nodes


def sizes_on_lines(sampler, bases, tol, most, enough):
    """``sizes, mosts``: nodes that each mode needs on lines through `bases` and the centre, and may have at most.

    What `most` nodes of several variables do not resolve no product of them will: such modes get no more than `enough`
    nodes in all allow.
    """
    order = bases.shape[1]
    bases = np.concatenate([np.zeros((1, order)), bases if order > 1 else bases[:0]])
    found = [[_size_on_line(sampler, base, k, tol, most) for base in bases] for k in range(order)]
    sizes = [max(size for size, _ in of_mode) for of_mode in found]
    rough = [k for k in range(order) if order > 1 and not all(settled for _, settled in found[k])]
    rest = math.prod(size for k, size in enumerate(sizes) if k not in rough)
    mosts = [most] * order
    for k in rough:
        mosts[k] = sizes[k] = min(sizes[k], max(FIRST, int((enough / rest) ** (1.0 / len(rough)) + 1e-9)))
    return sizes, mosts


def _size_on_line(sampler, base, k, tol, most):
    """``size, settled``: nodes, `most` at the most, and whether the interpolant is within `tol` there."""
    m, last = FIRST, max(FIRST, most)
    while True:
        points = np.tile(base, (m, 1))
        points[:, k] = chebyshev.nodes(m)
        values = sampler(points)
        coefficients = be.matmul(chebyshev.like(chebyshev.coefficient_matrix(m), values), values[:, None])
        moduli = np.abs(be.to_numpy(coefficients))[:, 0]
        floor = max(tol / 10.0, 4.0 * be.eps(values.dtype)) * sampler.largest
        above = np.flatnonzero(moduli > floor)
        needed = int(above[-1]) + 1 if above.size else 1
        settled = needed <= m - max(2, m // 10) and _holds_between(sampler, points[:1], k, coefficients, floor)
        if settled or m == last:
            return min(m, needed + 2, most), settled
        m = min(2 * m - 1, last)


def _holds_between(sampler, point, k, coefficients, floor):
    """Whether the interpolant on a line is near the function between its nodes, where nodes alone may be deceived."""
    points = np.tile(point, (len(_BETWEEN), 1))
    points[:, k] = np.cos(_BETWEEN)
    values = sampler(points)
    found = chebyshev.at_angles(coefficients, _BETWEEN)[:, 0]
    gap = float(be.namespace(values).max(be.namespace(values).abs(values - found)))
    return gap <= _SLACK * floor
