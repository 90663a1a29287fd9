"""Entries of a residual that are small, in place and with their counts."""

from ._jit import jit


@jit
def keep_small(data, product, limit, row_counts, column_counts):
    """Overwrite `product` by ``data - product`` where its modulus is at most `limit`, by zero elsewhere.

    Counts of what was kept: written to `row_counts`, added to `column_counts`.
    """
    zero = product.dtype.type(0.0)
    for i in range(data.shape[0]):
        count = 0
        for j in range(data.shape[1]):
            gap = data[i, j] - product[i, j]
            small = abs(gap) <= limit
            product[i, j] = gap if small else zero
            column_counts[j] += small
            count += small
        row_counts[i] = count


@jit
def keep_small_known(data, known, product, limit, row_counts, column_counts):
    """`keep_small` of the entries where `known` is nonzero; the others become zero and are not counted."""
    zero = product.dtype.type(0.0)
    for i in range(data.shape[0]):
        count = 0
        for j in range(data.shape[1]):
            gap = data[i, j] - product[i, j]
            small = (abs(gap) <= limit) & (known[i, j] != 0)
            product[i, j] = gap if small else zero
            column_counts[j] += small
            count += small
        row_counts[i] = count


@jit
def clip_step(data, known, product, work, share, bound):
    """One step of an augmented Lagrangian on a panel, in place.

    With ``step = share * (work - product)`` and `moved` the entry ``data - product + step`` clipped to ±`bound`, `work`
    becomes ``product + moved`` and `product` becomes ``moved - step``. Where `known`, unless empty, is zero, so are
    `step` and `moved`.
    """
    zero = product.dtype.type(0.0)
    masked = known.size > 0
    for i in range(data.shape[0]):
        for j in range(data.shape[1]):
            low_rank = product[i, j]
            step = share * (work[i, j] - low_rank)
            moved = min(max(data[i, j] - low_rank + step, -bound), bound)
            if masked and known[i, j] == 0:
                step, moved = zero, zero
            work[i, j] = low_rank + moved
            product[i, j] = moved - step
