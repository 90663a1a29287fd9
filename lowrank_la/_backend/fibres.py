"""Sparse tensors with factor matrices: entries in order, fibres below the lines of a mode, and products over them.

On the host compiled kernels work through fixed ranges of lines, so that results are the same bits for any number of
workers. Elsewhere, and for complex numbers, chunks of entries are gathered and added up.
"""

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from .. import _kernels
from .dtypes import is_complex
from .entries import balanced_parts, index_dtype
from .namespace import from_numpy, kind
from .segment import segment_sum
from .sparse import writable_view
from .threads import fixed_partition, map_blocks

_KERNEL_FROM = 1 << 14  # multiplications: fewer are done before Numba is imported
_PARALLEL_FROM = 1 << 17
_SORTED_FROM = 1 << 14
_GATHERED = 1 << 21  # numbers held at once by the portable forms
_LINE = 1 << 18  # numbers of a line held at once by the kernel of row solves
ROWS = 1 << 20  # numbers of the Khatri-Rao product held at once by a worker of row solves
_LEAST, _PARTS = 1 << 15, 32  # such numbers of a part, at least, and parts that there are, about, at most
_LANES = 4
_LONG = 1.5  # entries a fibre from which on fibres are worth a loop of their own


@dataclass(frozen=True, eq=False)
class FibreTree:
    """Entries of a sparse tensor by the lines of mode `root`, those that differ in mode `leaf` alone side by side.

    Attributes
    ----------
    order : integer array, shape (nnz,), or None
        Where each entry stands in the tensor; None for the order that they have there.
    lines, fibres : integer arrays, shapes (n_root + 1,) and (number of fibres + 1,)
        Where the fibres of a line and the entries of a fibre start.
    middles, leaves : integer arrays, shapes (number of fibres, N - 2) and (nnz,)
        Rows of the factors of all modes, one below the other.
    parts : list of slices
        Lines with about the same number of fibres.
    """

    root: int
    leaf: int
    order: Any
    lines: Any
    fibres: Any
    middles: Any
    leaves: Any
    parts: list


def sorted_places(coords, shape):
    """Host order that sorts the rows of `coords` (nnz, N) by the first index, then the second and so on."""
    return _sorted(coords, shape, range(len(shape)))


def _sorted(coords, shape, modes, given=None):
    """Host order by `modes`, the first one being the most significant; ties as in `given`."""
    order = np.arange(coords.shape[0], dtype=_integer(coords.shape[0])) if given is None else given
    for mode in reversed(modes):
        order = _sorted_by(coords[:, mode], order, shape[mode])[0]
    return order


def _sorted_by(keys, given, size):
    """``order, pointers`` of a stable sort of the entries `given` by their keys."""
    if given.shape[0] < _SORTED_FROM or size > 8 * given.shape[0]:
        order = given[np.argsort(keys[given], kind="stable")]
        return order, np.searchsorted(keys[order], np.arange(size + 1)).astype(given.dtype)
    pointers, order = np.zeros(size + 1, given.dtype), np.empty_like(given)
    _kernels.lookup("sorted_by", "numpy")(writable_view(np.ascontiguousarray(keys)), given, pointers, order)
    return order, pointers


def _integer(largest):
    return np.dtype(np.int32 if largest < 2**31 - 1 else np.int64)


def fibre_tree(coords, shape, root):
    """`FibreTree` of distinct places in the order of `sorted_places`.

    Fibres run along the longest of the other modes, where most entries share them; where they are short all the same,
    each entry is one.
    """
    others = [mode for mode in range(len(shape)) if mode != root]
    leaf = max(others, key=lambda mode: (shape[mode], mode))
    between = [mode for mode in others if mode != leaf]
    modes = [*between, leaf]
    order = None if modes == others else _sorted(coords, shape, modes)
    if order is None and root == 0:
        lines = np.searchsorted(coords[:, 0], np.arange(shape[0] + 1)).astype(_integer(coords.shape[0]))
    else:
        order = np.arange(coords.shape[0], dtype=_integer(coords.shape[0])) if order is None else order
        order, lines = _sorted_by(coords[:, root], order, shape[root])
    starts = _fibre_starts(coords, order, (root, *between)).astype(lines.dtype)
    offsets = np.concatenate([[0], np.cumsum(shape)[:-1]])
    integer = _integer(sum(shape))
    middles = np.empty((starts.shape[0], len(between)), integer)
    for l, mode in enumerate(between):
        middles[:, l] = _column(coords, order, mode)[starts] + offsets[mode]
    leaves = (_column(coords, order, leaf) + offsets[leaf]).astype(integer)
    lines = np.searchsorted(starts, lines).astype(lines.dtype)
    fibres = np.append(starts, lines.dtype.type(coords.shape[0]))
    return FibreTree(root, leaf, order, lines, fibres, middles, leaves, balanced_parts(fibres[lines]))


def _column(coords, order, mode):
    return coords[:, mode] if order is None else coords[:, mode][order]


def _fibre_starts(coords, order, modes):
    """Entries in whose indices in `modes` something changes; every entry where that makes short fibres."""
    first = np.zeros(coords.shape[0], bool)
    first[:1] = True
    for mode in modes:
        column = _column(coords, order, mode)
        first[1:] |= column[1:] != column[:-1]
    if _LONG * np.count_nonzero(first) >= first.shape[0]:
        return np.arange(first.shape[0])
    return np.flatnonzero(first)


def stacked(factors):
    """Real host factors one below the other, their width a multiple of the lanes of a vector."""
    rank = factors[0].shape[1]
    out = np.zeros((sum(factor.shape[0] for factor in factors), rank + -rank % _LANES), factors[0].dtype)
    np.concatenate(factors, axis=0, out=out[:, :rank])
    return out


def fibre_kernel_pays(count, rank, dtype, xp):
    """Whether sums over entries are taken by compiled kernels: a question of library, dtype and sizes alone."""
    return kind(xp) == "numpy" and not is_complex(dtype) and count * rank >= _KERNEL_FROM


def fibre_products(tree, values, F, rank):
    """``X_(root) KR`` for `values` in the order of the tree and `stacked` factors, shape (n_root, rank)."""
    kernel = _kernels.lookup("fibre_products", "numpy")
    out = np.empty((tree.lines.shape[0] - 1, F.shape[1]), F.dtype)
    values = writable_view(values)
    arrays = (tree.lines, tree.fibres, tree.middles, tree.leaves, values, F, out)
    _over_lines(tree, F.shape[1], lambda part: kernel(*arrays, part.start, part.stop))
    return out if out.shape[1] == rank else np.ascontiguousarray(out[:, :rank])


def fibre_entries(tree, F, root_row):
    """Entries of the sum of rank-one tensors with the `stacked` factors `F`, in the order of the tensor."""
    kernel = _kernels.lookup("fibre_entries", "numpy")
    out = np.zeros(tree.leaves.shape[0], F.dtype)
    arrays = (tree.lines, tree.fibres, tree.middles, tree.leaves, F, root_row, out)
    _over_lines(tree, F.shape[1], lambda part: kernel(*arrays, part.start, part.stop))
    if tree.order is None:
        return out
    listed = np.empty_like(out)
    listed[tree.order] = out
    return listed


def fibre_rows(tree, F, lines, out):
    """Write the rows of the Khatri-Rao product of all factors but that of the root to `out`, from its first row on.

    One row an entry of a slice of lines, in the order of the tree; `out` has the width of `F`.
    """
    kernel = _kernels.lookup("fibre_rows", "numpy")
    kernel(tree.lines, tree.fibres, tree.middles, tree.leaves, F, out, lines.start, lines.stop)


def fibre_row_solves(tree, values, roots, F, first, rank, damping):
    """Rows of one factor after a damped least squares step over the entries of their lines, by Cholesky.

    Parameters
    ----------
    tree : FibreTree
        By the lines of the mode of that factor.
    values : array, shape (nnz,)
        In the order of the tree.
    roots : array, shape (nnz,), or None
        Square roots of the weights of the entries.
    F : array
        The factors one below the other, as `stacked` gives them; the one to solve for begins at row `first`.
    rank : int
    damping : float
        Multiple of the mean diagonal that is added around the row that was.
    """
    pointers = tree.fibres[tree.lines].astype(np.int64)
    width, target = F.shape[1], F[first : first + pointers.shape[0] - 1].copy()
    values, roots = writable_view(values), F[:0, 0].copy() if roots is None else roots.astype(F.dtype)
    longest = int(np.max(pointers[1:] - pointers[:-1]))
    chunk = max(64, min(longest + (-longest % 8), _LINE // width // 8 * 8))
    kernel, none, ridge = _kernels.lookup("rows_by_cholesky", "numpy"), tree.leaves[:0], np.zeros(1, F.dtype)

    def run(lines):
        low, high = pointers[lines.start], pointers[lines.stop]
        rows = np.zeros((high - low + 1, width), F.dtype)
        fibre_rows(tree, F, lines, rows)
        kernel(
            pointers[lines.start : lines.stop + 1] - low, np.arange(high - low, dtype=tree.leaves.dtype), none,
            values[low:high], roots[low:high], 1, rows, target[lines], rank, ridge, damping, 1.0, chunk,
            np.zeros((1, 2)), 0, 0, lines.stop - lines.start,
        )  # fmt: skip

    map_blocks(run, _line_parts(pointers, width))
    return np.ascontiguousarray(target[:, :rank])


def _line_parts(pointers, width):
    """Slices of lines whose entries have rows of about as many numbers together, not too few nor too many."""
    lines, total = pointers.shape[0] - 1, int(pointers[-1])
    step = min(ROWS, max(_LEAST, total * width // _PARTS)) // width
    parts, low = [], 0
    while low < lines:
        high = int(np.searchsorted(pointers, pointers[low] + step, side="right")) - 1
        parts.append(slice(low, min(max(high, low + 1), lines)))
        low = parts[-1].stop
    return parts


def _over_lines(tree, width, run):
    if tree.leaves.shape[0] * width < _PARALLEL_FROM:
        run(slice(0, tree.lines.shape[0] - 1))
    else:
        map_blocks(run, tree.parts)


def index_arrays(coords, shape, xp, device):
    """The columns of host coordinates as index arrays of the namespace."""
    dtype = index_dtype(shape, coords.shape[0], xp, device)
    columns = (np.ascontiguousarray(coords[:, mode]) for mode in range(len(shape)))
    if kind(xp) == "numpy":
        return [column.astype(dtype) for column in columns]
    return [from_numpy(column, xp, device, dtype) for column in columns]


def rows_twin(places, factors, skip, part, xp):
    """Rows of the Khatri-Rao product of all factors but `skip` at the entries of a slice; None skips nothing."""
    rows = (xp.take(factors[j], places[j][part], axis=0) for j in range(len(factors)) if j != skip)
    return reduce(lambda a, b: a * b, rows)


def products_twin(places, values, factors, k, xp):
    """``X_(k) conj(KR)`` from array-API operations alone."""
    n, rank = factors[k].shape
    total = xp.zeros((n, rank), dtype=values.dtype, device=_device(values))
    for part in chunks(values.shape[0], rank):
        rows = rows_twin(places, factors, k, part, xp)
        rows = xp.conj(rows) if is_complex(rows.dtype) else rows
        total = total + segment_sum(values[part][:, None] * rows, places[k][part], n, xp)
    return total


def entries_twin(places, factors, xp):
    """Entries of a sum of rank-one tensors at the places, from array-API operations alone."""
    parts = [
        xp.sum(rows_twin(places, factors, None, part, xp), axis=1)
        for part in chunks(places[0].shape[0], factors[0].shape[1])
    ]
    return parts[0] if len(parts) == 1 else xp.concat(parts)


def chunks(count, width):
    """Slices of entries whose rows of `width` numbers are held at once by the portable forms."""
    return fixed_partition(max(count, 1), max(1, _GATHERED // max(1, width)))


def _device(x):
    return "cpu" if isinstance(x, np.ndarray) else x.device
