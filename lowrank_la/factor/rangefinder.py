"""First blocks of an iteration: Gaussian columns, warm starts, probes."""

from .. import _backend as be
from ..operators.base import require_one_home

FRESH = 10


def gaussian_block(A, rows, cols, key):
    """Standard normal columns in the namespace, dtype and device of the operator `A`.

    Parameters
    ----------
    rows : int
    cols : slice or int
        Global column indices; each column depends on (key, index) alone.
    """
    wanted = slice(0, cols) if isinstance(cols, int) else cols
    return be.gaussian(key, slice(0, rows), wanted, be.dtype_name(A.dtype), A.xp, A.device)


def starting_columns(A, width, request):
    """`width` columns on the n side, all Gaussian; or the warm start and, always, some Gaussian columns with it."""
    key = request.key.child("start")
    if request.start is None:
        return gaussian_block(A, A.shape[1], width, key)
    start = A.xp.astype(leading_start(request), A.dtype, copy=False)
    fresh = max(width - start.shape[1], min(FRESH, A.shape[1] - start.shape[1]))
    return A.xp.concat([start, gaussian_block(A, A.shape[1], fresh, key)], axis=1) if fresh > 0 else start


def leading_start(request):
    """The columns to start from, no more of them than rank and oversampling can use."""
    columns = request.start.shape[1]
    most = columns if request.rank is None else request.rank + max(request.oversample, FRESH)
    return request.start[:, : min(most, columns)]


def checked_start(init, A):
    """The columns `init` in the dtype of `A`, or None; ValueError when they don't fit."""
    if init is None:
        return None
    n = A.shape[1]
    if not be.is_array(init) or init.ndim != 2 or init.shape[0] != n or init.shape[1] == 0:
        found = getattr(init, "shape", init)
        raise ValueError(f"init must be a result or an array with {n} rows and at least one column, got {found}")
    require_one_home("init", A, init)
    be.require_finite(init, "init")
    if be.is_complex(init.dtype) and not be.is_complex(A.dtype):
        raise TypeError("init is complex, A is real")
    return A.xp.astype(init, A.dtype)


def fresh_columns(A, rows, key):
    """Function that draws so many new Gaussian columns at each call."""
    stream, drawn = key.child("fresh"), [0]

    def draw(count):
        cols = slice(drawn[0], drawn[0] + count)
        drawn[0] += count
        return gaussian_block(A, rows, cols, stream)

    return draw


def complete_columns(A, Q, count, rows, key):
    """Orthonormal columns: `Q` filled up to `count` with directions orthogonal to it."""
    missing = count - Q.shape[1]
    if missing <= 0:
        return Q[:, :count]
    fill = gaussian_block(A, rows, missing, key.child("complement"))
    for _ in range(2):
        fill = fill - be.matmul(Q, be.adjoint_matmul(Q, fill)) if Q.shape[1] else fill
        fill = be.householder_qr(fill)[0]
    return A.xp.concat([Q, fill], axis=1)
