"""Products of a CSR matrix with a block of columns.

On the host a Numba kernel works on panels of at most 32 lanes (real numbers a row) and fixed ranges of rows. What it
adds up goes to one accumulator a range, and accumulators are added in order, so a product is the same bits for any
number of workers. SciPy takes the products that are too small or too narrow for the kernel, other libraries their own.
"""

from typing import NamedTuple

import numpy as np

from .. import _kernels
from .namespace import kind
from .products import mH
from .segment import segment_sum
from .sparse import writable_view
from .threads import fixed_partition, map_blocks

_KERNEL_FROM = 1 << 22  # multiplications: fewer are done before Numba is imported
_WIDTHS = {32: 24, 16: 8, 8: 0}  # lanes of a panel, taken when more lanes than this are left
_NARROWEST = 8  # columns
_GATHERED = 32  # lanes
_SCATTERED_BYTES = 256  # of a row of a panel that is read and written at random
_ACCUMULATORS = {4: 128, 2: 8, 1: 0}  # how many, from so many nonzeros a column on: each costs its memory and a sum
_TASKS = 4
_FOLDED_ROWS = 2048
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
    panels = [(panel.first, panel.of(lanes)) for panel in _panels(lanes.shape[1], _GATHERED)]

    def multiply(job):
        (first, packed), rows = job
        kernel(*A.kernel_arrays, packed, target, first, rows.start, rows.stop)

    map_blocks(multiply, [(panel, rows) for panel in panels for rows in A.row_parts])
    return out


def csr_rmatmat(A, Y):
    """``Aᴴ Y`` for a `CSR` and an array of shape (m, b)."""
    if kind(A.xp) != "numpy":
        return A.adjoint.native @ Y if _has_product(A, Y) else rmatmat_twin(A, Y)
    if not kernel_pays(A, Y.shape[1]):
        return _small_rmatmat(A, Y)
    kernel = _kernels.lookup("csr_rmatmat", "numpy")
    lanes = _lanes(Y)

    def begin(panel):
        def add(out, _, rows):
            kernel(*A.kernel_arrays, lanes, panel.first, out, rows.start, rows.stop)

        return add

    return _accumulated(A, lanes, begin).view(Y.dtype)


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
    sums = np.zeros_like(lanes, shape=(max(_ACCUMULATORS), lanes.shape[1]))

    def begin(panel):
        packed, taken_off = panel.of(lanes), panel.of(offset)

        def add(out, part, rows):
            total = np.zeros_like(taken_off)
            kernel(*A.kernel_arrays, packed, taken_off, out, total, rows.start, rows.stop)
            sums[part, panel.columns] = total[0, panel.new]

        return add

    Z = _accumulated(A, lanes, begin)
    return Z.view(X.dtype), np.sum(sums, axis=0).view(X.dtype)


class _Panel(NamedTuple):
    """Lanes ``[first, first + width)`` of a block; those before `start` belong to the panel before."""

    first: int
    width: int
    start: int

    @property
    def columns(self):
        return slice(self.start, self.first + self.width)

    @property
    def new(self):
        return slice(self.start - self.first, self.width)

    def of(self, lanes):
        """The panel of a block as an array of its own: rows of neighbours are then neighbours in memory."""
        return np.ascontiguousarray(lanes[:, self.first : self.first + self.width])


def _panels(lanes, widest):
    """Panels that cover `lanes` lanes: the widest first; the last ones are moved back to end with the block."""
    panels, start = [], 0
    while start < lanes:
        width = next(w for w, spare in _WIDTHS.items() if w <= min(widest, lanes) and (lanes - start > spare))
        panels.append(_Panel(min(start, lanes - width), width, start))
        start += width
    return panels


def _accumulated(A, lanes, begin):
    """Sum over row ranges of what ``begin(panel)(out, part, rows)`` adds to an accumulator of shape (n, width)."""
    n = A.shape[1]
    count = next(count for count, nonzeros in _ACCUMULATORS.items() if A.nnz >= nonzeros * n)
    parts = _merged(A.row_parts, count)
    together = -(-_TASKS // len(parts))
    total = np.empty_like(lanes, shape=(n, lanes.shape[1]))
    widest = _SCATTERED_BYTES // lanes.itemsize // (2 if len(parts) == 1 else 1)
    panels = _panels(lanes.shape[1], widest)
    for low in range(0, len(panels), together):
        work = [_Accumulation(panel, begin(panel), lanes, n, parts) for panel in panels[low : low + together]]
        map_blocks(lambda job: job[0].run(job[1]), [(each, part) for each in work for part in range(len(parts))])
        for each in work:
            map_blocks(lambda rows, each=each: each.fold(total, rows), fixed_partition(n, _FOLDED_ROWS))
    return total


class _Accumulation:
    """One panel of a sum over row ranges."""

    def __init__(self, panel, add, lanes, n, parts):
        self.panel, self.add, self.parts = panel, add, parts
        self.out = np.zeros_like(lanes, shape=(len(parts), n, panel.width))

    def run(self, part):
        self.add(self.out[part], part, self.parts[part])

    def fold(self, total, rows):
        first = self.out[0, rows]
        for other in self.out[1:]:
            first += other[rows]
        total[rows, self.panel.columns] = first[:, self.panel.new]


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
