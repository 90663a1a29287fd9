"""Products of a CSR matrix with a block of columns.

On the host a Numba kernel works on fixed ranges of rows; what it adds up goes to one accumulator a range, and the
accumulators are added in order, so a product is the same bits for any number of workers. SciPy takes the products that
are too small or too narrow for the kernel, the other libraries their own sparse product.
"""

import numpy as np

from .. import _kernels
from .namespace import kind
from .products import mH
from .segment import segment_sum
from .sparse import writable_view
from .threads import fixed_partition, map_blocks

_KERNEL_FROM = 1 << 20  # multiplications
_NARROWEST = 8  # columns
_ACCUMULATORS = 4
_LANES_A_TASK = 16
_REDUCE_ROWS = 2048
_TWIN_ENTRIES = 1 << 24


def csr_matmat(A, X):
    """``A X`` for a `CSR` and an array of shape (n, b)."""
    if kind(A.xp) != "numpy":
        return A.native @ X if _has_product(A, X) else matmat_twin(A, X)
    if not kernel_pays(A, X.shape[1]):
        return A.native @ X
    kernel = _kernels.lookup("csr_matmat", "numpy")
    lanes = _lanes(X)
    out = np.empty((A.shape[0], X.shape[1]), X.dtype)
    target = _lanes(out)

    def block(rows):
        kernel(*A.kernel_arrays, lanes, target, rows.start, rows.stop, 0, lanes.shape[1])

    map_blocks(block, A.row_parts)
    return out


def csr_rmatmat(A, Y):
    """``Aᴴ Y`` for a `CSR` and an array of shape (m, b)."""
    if kind(A.xp) != "numpy":
        return A.adjoint.native @ Y if _has_product(A, Y) else rmatmat_twin(A, Y)
    if not kernel_pays(A, Y.shape[1]):
        return _small_rmatmat(A, Y)
    kernel = _kernels.lookup("csr_rmatmat", "numpy")
    lanes = _lanes(Y)

    def add(out, _, rows, low, high):
        kernel(*A.kernel_arrays, lanes, out, rows.start, rows.stop, low, high)

    return _accumulated(A, lanes, add).view(Y.dtype)


def csr_normal(A, X, shift=None):
    """``Aᴴ T`` and the column sums of ``T = A X - shift``, in one read of `A` where that pays.

    Parameters
    ----------
    A : CSR
    X : array, shape (n, b)
    shift : array, shape (b,), optional
        Subtracted from each row of ``A X``; None is zero.

    Returns
    -------
    Z : array, shape (n, b)
    sums : array, shape (b,)
    """
    if not kernel_pays(A, X.shape[1]) or A.shape[0] < A.shape[1]:
        T = csr_matmat(A, X)
        T = T if shift is None else T - shift
        return csr_rmatmat(A, T), A.xp.sum(T, axis=0)
    kernel = _kernels.lookup("csr_normal", "numpy")
    lanes = _lanes(X)
    offset = np.zeros_like(lanes, shape=(1, lanes.shape[1]))
    if shift is not None:
        offset[0] = np.ascontiguousarray(shift, dtype=X.dtype).view(offset.dtype)
    sums = np.zeros_like(lanes, shape=(_ACCUMULATORS, 1, lanes.shape[1]))

    def add(out, part, rows, low, high):
        kernel(*A.kernel_arrays, lanes, offset, out, sums[part], rows.start, rows.stop, low, high)

    Z = _accumulated(A, lanes, add)
    return Z.view(X.dtype), np.sum(sums, axis=0)[0].view(X.dtype)


def _accumulated(A, lanes, add):
    """Sum over row ranges of what `add` puts into an accumulator of shape (n, lanes)."""
    n, width = A.shape[1], lanes.shape[1]
    parts = _merged(A.row_parts, max(1, min(_ACCUMULATORS, A.nnz // (4 * n))))
    out = np.zeros_like(lanes, shape=(len(parts), n, width))
    pieces = max(1, min(_ACCUMULATORS // len(parts), width // _LANES_A_TASK))
    size = -(-width // pieces)
    size += size % 2
    ranges = [(low, min(low + size, width)) for low in range(0, width, size)]

    def task(job):
        part, (low, high) = job
        add(out[part], part, parts[part], low, high)

    map_blocks(task, [(part, piece) for part in range(len(parts)) for piece in ranges])
    if len(parts) > 1:
        map_blocks(lambda rows: _fold(out, rows), fixed_partition(n, _REDUCE_ROWS))
    return out[0]


def _fold(out, rows):
    total = out[0, rows]
    for part in range(1, out.shape[0]):
        total += out[part, rows]


def _merged(parts, count):
    group = -(-len(parts) // count)
    return [slice(parts[i].start, parts[min(i + group, len(parts)) - 1].stop) for i in range(0, len(parts), group)]


def kernel_pays(A, columns):
    """Whether a product of `A` with so many columns goes to a compiled kernel: a question of sizes alone."""
    return kind(A.xp) == "numpy" and columns >= _NARROWEST and A.nnz * columns >= _KERNEL_FROM


def _lanes(X):
    real = np.ascontiguousarray(X)
    return writable_view(real.view(real.real.dtype) if real.dtype.kind == "c" else real)


def _small_rmatmat(A, Y):
    if A.dtype.kind == "c":
        return np.conj(A.native.T @ np.conj(Y))
    return A.native.T @ Y


def _has_product(A, X):
    return kind(A.xp) in ("cupy", "torch") and A.dtype == X.dtype


def matmat_twin(A, X):
    """``A X`` from array-API operations alone."""

    def product(x):
        return segment_sum(A.values[:, None] * A.xp.take(x, A.indices, axis=0), A.row_ids, A.shape[0])

    return _by_columns(A, X, product)


def rmatmat_twin(A, Y):
    """``Aᴴ Y`` from array-API operations alone."""
    conjugate = mH(A.values[None, :])

    def product(y):
        return segment_sum(conjugate * A.xp.take(y, A.row_ids, axis=0), A.indices, A.shape[1])

    return _by_columns(A, Y, product)


def _by_columns(A, X, product):
    step = max(1, _TWIN_ENTRIES // max(1, A.nnz))
    parts = [product(X[:, columns]) for columns in fixed_partition(X.shape[1], step)]
    return parts[0] if len(parts) == 1 else A.xp.concat(parts, axis=1)
