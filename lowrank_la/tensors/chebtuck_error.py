"""Errors of Chebyshev-Tucker approximations on the grid that they were made from."""

import math

import numpy as np

from .. import _backend as be
from .modes import expand, expand_all
from .multilinear import at_points

COLUMNS = 1024
"""Terms of a sum that are formed at a time."""
EXACT = 1 << 29
"""Multiplications up to which errors and norms of a sum of terms are computed by forming it in bases."""
_SAMPLED = 4000
_SLAB = 1 << 22


def dense_error(X, core, on_grid, norm):
    """``‖X - X̂‖ / ‖X‖`` with slabs of the approximation."""
    if norm == 0.0:
        return 0.0
    rest = expand_all(core, [None, *on_grid[1:]])
    rows = be.fixed_partition(X.shape[0], max(1, _SLAB // max(1, math.prod(X.shape[1:]))))
    parts = [be.fro_norm(X[part, ...] - expand(rest, 0, on_grid[0][part, :])) for part in rows]
    return math.hypot(*parts) / norm


def error_of_terms(data, core, on_grid, key):
    """Error on the grid: in bases that hold both sides, or from sampled entries where that is too much work."""
    widths = [min(c.shape[0], c.shape[1] + g.shape[1]) for c, g in zip(data.columns, on_grid, strict=True)]
    if data.norm == 0.0:
        return 0.0, "exact"
    if data.core.shape[0] * math.prod(widths) > EXACT:
        return _sampled_error(data, core, on_grid, key), "estimate"
    xp, sides, others = be.namespace(core), [], []
    for column, grid in zip(data.columns, on_grid, strict=True):
        R = be.householder_triangle(xp.concat([column, grid], axis=1))
        sides.append(R[:, : column.shape[1]])
        others.append(R[:, column.shape[1] :])
    if not data.is_sum:
        return be.fro_norm(expand_all(data.core, sides) - expand_all(core, others)) / data.norm, "exact"
    return be.fro_norm(superposed(data.core, sides) - expand_all(core, others)) / data.norm, "exact"


def _sampled_error(data, core, on_grid, key):
    chosen = []
    xp, place = be.namespace(core), be.device(core)
    for k, grid in enumerate(on_grid):
        u = be.uniform(key.child(f"entries {k}"), slice(0, _SAMPLED), slice(0, 1), "float64")[:, 0]
        chosen.append(
            be.index_array(
                np.minimum((u * grid.shape[0]).astype(np.int64), grid.shape[0] - 1), grid.shape[0], xp, place
            )
        )
    values = at_points(core, [xp.take(grid, i, axis=0) for grid, i in zip(on_grid, chosen, strict=True)])
    parts = []
    for rows in be.fixed_partition(_SAMPLED, max(1, _SLAB // data.core.shape[0])):
        product = data.core[None, :]
        for column, i in zip(data.columns, chosen, strict=True):
            product = product * xp.take(column, i[rows], axis=0)
        parts.append(xp.sum(product, axis=1))
    truth = xp.concat(parts)
    size = be.fro_norm(truth)
    return be.fro_norm(truth - values) / size if size > 0 else 0.0


def superposed(scale, sides):
    """``Σ_r scale[r] · sides[0][:, r] ∘ sides[1][:, r] ∘ …``, columns a block at a time."""
    xp = be.namespace(scale)
    shape = tuple(side.shape[0] for side in sides)
    total = None
    for columns in be.fixed_partition(scale.shape[0], COLUMNS):
        right = xp.ones((1, columns.stop - columns.start), dtype=scale.dtype, device=be.device(scale))
        for side in sides[1:]:
            right = xp.reshape(right[:, None, :] * side[:, columns][None, :, :], (-1, right.shape[1]))
        part = be.matmul(sides[0][:, columns] * scale[columns][None, :], right.mT)
        total = part if total is None else total + part
    return xp.reshape(total, shape)
