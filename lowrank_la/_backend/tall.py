"""One sweep over the rows of a tall matrix: triangular solve and Gram matrix while a panel is in cache."""

import numpy as np

from .blas import solve_rows_in_place
from .linalg import right_solve_upper
from .products import gram, mH
from .threads import fixed_partition, map_blocks

_RANGES = 32
_LEAST_ROWS = 512
_PANEL_BYTES = 1 << 20


def solve_and_gram(M, R, *, overwrite=False):
    """``Q = M R⁻¹`` and ``Qᴴ Q`` for upper triangular `R`.

    With `overwrite` the rows of `M` are overwritten where the namespace allows it.
    """
    if not isinstance(M, np.ndarray) or M.size == 0:
        Q = right_solve_upper(M, R)
        return Q, gram(Q)
    Q = M if overwrite and M.flags.c_contiguous and M.flags.writeable else np.empty(M.shape, dtype=M.dtype)
    R = np.ascontiguousarray(R, dtype=M.dtype)
    panel = max(64, _PANEL_BYTES // (M.itemsize * max(1, M.shape[1])))

    def sweep(rows):
        total = np.zeros((M.shape[1], M.shape[1]), dtype=M.dtype)
        for part in fixed_partition(rows.stop - rows.start, panel):
            block = Q[rows][part]
            if Q is not M:
                block[...] = M[rows][part]
            solve_rows_in_place(block, R)
            total += (block.conj() if np.iscomplexobj(block) else block).T @ block
        return total

    parts = map_blocks(sweep, fixed_partition(M.shape[0], max(_LEAST_ROWS, -(-M.shape[0] // _RANGES))))
    G = sum(parts[1:], start=parts[0])
    return Q, (G + mH(G)) / 2


def solve_in_place(Q, R):
    """``Q R⁻¹`` in the memory of `Q` where the namespace allows it."""
    if not isinstance(Q, np.ndarray) or Q.size == 0 or not (Q.flags.c_contiguous and Q.flags.writeable):
        return right_solve_upper(Q, R)
    R = np.ascontiguousarray(R, dtype=Q.dtype)
    panel = max(64, _PANEL_BYTES // (Q.itemsize * Q.shape[1]))
    map_blocks(lambda rows: solve_rows_in_place(Q[rows], R), fixed_partition(Q.shape[0], panel))
    return Q
