"""Dense products, split over fixed blocks on the host.

The split is a function of the shapes alone, so a product is the same bits for any number of workers. Elsewhere the
namespace's own product is used.
"""

import math

import numpy as np

from .dtypes import eps, is_complex, single_dtype, widest_like, widest_real
from .namespace import device, kind, namespace
from .threads import fixed_partition, map_blocks
from .tiled_gram import panel_gram

_PARALLEL_FLOPS = 1e7
_MIN_BLOCK = 128
_MAX_BLOCKS = 32
_TALL = 4096
_SMALL_COPY = 1 << 16
_PANEL_ROWS = 4096
_SMALL_SIDE = 512


def mH(x):
    """Conjugate transpose of a matrix (a view when `x` is real)."""
    xp = namespace(x)
    return xp.conj(x.mT) if is_complex(x.dtype) else x.mT


def matmul(A, B):
    """``A @ B``; operands of two dtypes give the wider one without a converted copy of `A`."""
    if not (isinstance(A, np.ndarray) and isinstance(B, np.ndarray)):
        return A @ B if A.dtype == B.dtype else _mixed_matmul(A, B)
    if not _splits(A, B):
        return _blasable(A) @ _blasable(B)
    (m, k), n = A.shape, B.shape[1]
    if k > 8 * max(m, n) and m * n < _TALL * 64:
        return _sum_over_inner(A, B)
    out = np.empty((m, n), dtype=np.result_type(A, B))
    small = _blasable(B if m >= n else A)
    if m >= n:

        def block(rows):
            np.matmul(_blasable(A[rows]), small, out=out[rows])

    else:

        def block(cols):
            out[:, cols] = small @ _blasable(B[:, cols])

    map_blocks(block, fixed_partition(max(m, n), _block_size(max(m, n))))
    return out


def adjoint_matmul(A, Y):
    """``Aᴴ @ Y`` without a conjugated copy of `A`."""
    if is_complex(A.dtype) and kind(namespace(A, Y)) != "torch":
        xp = namespace(A, Y)
        return xp.conj(matmul(A.mT, xp.conj(Y)))
    return matmul(mH(A), Y)


def gram(M, shift=None):
    """``Mᴴ M``, exactly Hermitian; of ``M - shift`` with a `shift` of one row or one column."""
    if shift is not None:
        return _gram_by_panels(M, shift, M.dtype)
    if _splits(M.mT, M):
        return _hermitian(_host_gram(M))
    M = _blasable(M) if isinstance(M, np.ndarray) else M
    return _hermitian(mH(M) @ M)


def _hermitian(G):
    """`G` with rounding's asymmetry taken off; NumPy multiplies a real matrix with its own transpose without any."""
    return G if isinstance(G, np.ndarray) and G.dtype.kind == "f" else (G + mH(G)) / 2


def gram_in_single(M, shift=None):
    """`gram` of double precision `M`, panels of rows multiplied in single precision and added up in double."""
    return _gram_by_panels(M, shift, single_dtype(namespace(M), M.dtype))


def _gram_by_panels(M, shift, dtype):
    """The Gram matrix of `M` or ``M - shift``, panels of rows multiplied in `dtype`."""
    xp = namespace(M)

    def product(rows):
        panel = M[rows, :]
        if shift is not None:
            panel = panel - (shift if shift.shape[0] == 1 else shift[rows, :])
        panel = xp.astype(panel, dtype, copy=False)
        return mH(panel) @ panel

    def block(rows):
        return fresh_sum(map(product, _parts(rows, _PANEL_ROWS)), M.dtype)

    blocks = fixed_partition(M.shape[0], _gram_rows(M.shape))
    parts = map_blocks(block, blocks) if isinstance(M, np.ndarray) else [block(rows) for rows in blocks]
    return _hermitian(fresh_sum(parts, M.dtype))


def _parts(rows, size):
    """The slice `rows` in slices of `size`."""
    return [slice(start, min(start + size, rows.stop)) for start in range(rows.start, rows.stop, size)]


def fresh_sum(terms, dtype):
    """The sum of fresh arrays, in `dtype`."""
    total = None
    for term in terms:
        if total is None:
            total = namespace(term).astype(term, dtype, copy=False)
        else:
            total += term
    return total


def vdot_real(x):
    """Sum of squared moduli of the entries of `x`, a Python float."""
    if isinstance(x, np.ndarray):
        return _host_sum_of_squares(x)
    matrix = x if x.ndim == 2 else namespace(x).reshape(x, (-1, 1))
    return float(sum(map_row_panels(_panel_sum_of_squares, matrix)))


def _panel_sum_of_squares(panel):
    """Summed pairwise or in double: a plain dot product in single precision is off by 1e-4 after 300,000 terms."""
    xp = namespace(panel)
    parts = (xp.real(panel), xp.imag(panel)) if is_complex(panel.dtype) else (panel,)
    wide = widest_real(xp, device(panel))
    return sum(float(xp.sum(part * part, dtype=wide)) for part in parts)


def fro_norm(x):
    """Frobenius norm as a Python float, without overflow or underflow on the way."""
    square = vdot_real(x)
    info = namespace(x).finfo(x.dtype)
    if float(info.smallest_normal) / eps(x.dtype) ** 2 < square < float(info.max):
        return square**0.5
    return _scaled_norm(x)


def map_row_panels(fn, A):
    """``[fn(panel) for panel in A]`` over row panels that fit the cache; their bounds depend on the shape alone."""
    panels = _row_panels(A)
    if isinstance(A, np.ndarray):
        return map_blocks(lambda rows: fn(A[rows]), panels)
    return [fn(A[rows, :]) for rows in panels]


def _row_panels(A):
    numbers = 1 << 17 if isinstance(A, np.ndarray) else 1 << 22
    return fixed_partition(A.shape[0], max(1, numbers // max(1, A.shape[1]))) or [slice(0, 0)]


def _scaled_norm(x):
    xp = namespace(x)
    matrix = x if x.ndim == 2 else xp.reshape(x, (-1, 1))
    if 0 in matrix.shape:
        return 0.0
    scale = max(map_row_panels(lambda panel: float(xp.max(xp.abs(panel))), matrix))
    if scale == 0.0 or not scale < float("inf"):
        return scale
    limit = 1020 if eps(x.dtype) < 1e-12 else 120
    power = 2.0 ** max(-limit, min(limit, -math.frexp(scale)[1]))
    return sum(map_row_panels(lambda panel: vdot_real(panel * power), matrix)) ** 0.5 / power


def _mixed_matmul(A, B):
    xp = namespace(A, B)
    dtype = xp.result_type(A.dtype, B.dtype)
    B = xp.astype(B, dtype, copy=False)
    if A.dtype == dtype:
        return A @ B
    return xp.concat(map_row_panels(lambda panel: xp.astype(panel, dtype) @ B, A), axis=0)


def column_sums(M):
    """Sums down the columns of `M`, accumulated in the widest dtype of the device."""
    xp = namespace(M)
    return xp.astype(xp.sum(M, axis=0, dtype=widest_like(xp, M.dtype, device(M))), M.dtype, copy=False)


def _splits(A, B):
    if not (isinstance(A, np.ndarray) and isinstance(B, np.ndarray) and A.ndim == B.ndim == 2):
        return False
    if 2.0 * A.shape[0] * A.shape[1] * B.shape[1] > _PARALLEL_FLOPS:
        return True
    return any(M.size > _SMALL_COPY and not _is_blasable(M) for M in (A, B))


def _block_size(n):
    size = max(_MIN_BLOCK, -(-n // _MAX_BLOCKS))
    return -(-size // 64) * 64


def _sum_over_inner(A, B):
    inner = A.shape[1]
    least = max(_TALL, 4 * max(A.shape[0], B.shape[1]))
    copied = not (_is_blasable(A) and _is_blasable(B))
    blocks = _MAX_BLOCKS if copied else min(_MAX_BLOCKS, 2 * max(1, inner // (2 * least)))
    parts = map_blocks(lambda ks: _blasable(A[:, ks]) @ _blasable(B[ks]), fixed_partition(inner, -(-inner // blocks)))
    return fresh_sum(parts, parts[0].dtype)


def _host_gram(M):
    blocks = fixed_partition(M.shape[0], _gram_rows(M.shape))
    return fresh_sum(map_blocks(lambda rows: panel_gram(_blasable(M[rows])), blocks), M.dtype)


def _gram_rows(shape):
    """Rows of a block: an even number of blocks, at most eight, none shorter than wide unless that is little memory."""
    m, n = shape
    least = 256 if n <= _SMALL_SIDE else n
    blocks = min(8, max(1, m // least))
    blocks -= blocks % 2 if blocks > 1 else 0
    return -(-m // blocks)


def blasable(A):
    """`A`, or a copy of it where NumPy would not hand it to BLAS."""
    return _blasable(A) if isinstance(A, np.ndarray) and A.ndim == 2 else A


def _blasable(A):
    return A if _is_blasable(A) else A.copy(order="K")


def _is_blasable(A):
    row, col = A.strides
    size = A.itemsize
    return (col == size and row >= A.shape[1] * size) or (row == size and col >= A.shape[0] * size) or min(A.shape) <= 1


def _host_sum_of_squares(x):
    if x.ndim == 2 and not x.flags.c_contiguous and x.flags.f_contiguous:
        x = x.T
    if x.size < 1 << 18 or x.ndim != 2:
        return float(np.vdot(x, x).real)
    rows = max(1, (1 << 18) // max(1, x.shape[1]), -(-x.shape[0] // 4096))

    def block(part):
        panel = x[part]
        return float(np.vdot(panel, panel).real)

    return float(sum(map_blocks(block, fixed_partition(x.shape[0], rows))))


def fused_normal(A, X, mean=None):
    """``Aᴴ (A X)``, or that of ``A - 1 meanᵀ`` without cancellation.

    On the host row panels are read once where the matrix is far larger than the products.
    """
    m = A.shape[0]
    shift = None if mean is None else matmul(mean[None, :], X)

    def panel_normal(panel):
        Z = matmul(panel, X)
        Z = Z if shift is None else Z - shift
        return adjoint_matmul(panel, Z), None if shift is None else column_sums(Z)

    fused = _splits(A, X) and A.shape[1] * 8 <= m and A.flags.c_contiguous
    panels = fixed_partition(m, max(512, -(-m // _MAX_BLOCKS))) if fused else []
    parts = map_blocks(lambda rows: panel_normal(A[rows]), panels) if fused else [panel_normal(A)]
    product, sums = parts[0]
    for part, part_sums in parts[1:]:
        product, sums = product + part, None if sums is None else sums + part_sums
    return product if mean is None else product - namespace(A).conj(mean)[:, None] * sums[None, :]
