"""Orders of the rows of a Sylvester matrix."""

from functools import lru_cache

import numpy as np

ORDERS = ("natural", "sequency", "dyadic")


@lru_cache(maxsize=64)
def row_order(order, stages):
    """Rows of the natural matrix of size ``2**stages``, in another order.

    Parameters
    ----------
    order : {"sequency", "dyadic"}
        By the number of sign changes, or by the reversed bits of the natural number.
    stages : int

    Returns
    -------
    read-only int64 array, shape (2**stages,)
        Row s of the ordered matrix is this row of the natural one. The ordered matrix is symmetric too.
    """
    numbers = np.arange(1 << stages)
    wanted = numbers ^ (numbers >> 1) if order == "sequency" else numbers
    rows = np.zeros_like(numbers)
    for _ in range(stages):
        rows = (rows << 1) | (wanted & 1)
        wanted = wanted >> 1
    rows.flags.writeable = False
    return rows
