"""Column-pivoted QR of a short, wide matrix: which columns, in which order."""

from .. import _backend as be
from .places import largest_place

_REFRESH = 1e-3  # squared norms that fell below this part of what they were measured as are measured again


def pivots(Y, count, floor=0.0):
    """The first `count` pivot columns of `Y` (l, n), fewer when the columns left are no longer than `floor`.

    Returns
    -------
    list of int
        In the order of choice: the column that is longest outside the span of those before it.
    """
    count = min(count, *Y.shape)
    if be.kind(be.namespace(Y)) == "numpy":
        return _by_lapack(Y, count, floor)
    return by_reflection(Y, count, floor)


def _by_lapack(Y, count, floor):
    import numpy as np
    from scipy.linalg import qr

    R, order = qr(Y, mode="r", pivoting=True, check_finite=False)
    size = np.abs(np.diagonal(R))[:count]
    return order[: int((size > floor).sum())].tolist()


def by_reflection(Y, count, floor=0.0):
    """`pivots` by one projection a column, for every array library."""
    xp = be.namespace(Y)
    rest = xp.asarray(Y, copy=True)
    squares = be.column_sums(xp.abs(rest) ** 2)
    measured = squares
    chosen = []
    while len(chosen) < count:
        j = largest_place(squares)
        length = float(xp.linalg.vector_norm(rest[:, j]))
        if float(squares[j]) <= 0.0 or length <= floor:
            break
        chosen.append(j)
        q = rest[:, j] / length
        row = be.adjoint_matmul(q[:, None], rest)
        rest = rest - q[:, None] * row
        squares = squares - xp.abs(row[0, :]) ** 2
        if bool(xp.any(squares < _REFRESH * measured)):
            squares = be.column_sums(xp.abs(rest) ** 2)
            measured = squares
        for i in chosen:
            squares[i] = -1.0
    return chosen
