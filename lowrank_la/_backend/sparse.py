"""Sparse matrices of SciPy, cupyx and torch as one canonical CSR form."""

import sys
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from .dtypes import compute_dtype
from .namespace import device, kind, namespace

_PARTS = 16
_TORCH_LAYOUTS = ("sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc")


@dataclass(frozen=True)
class CSR:
    """A sparse matrix by rows: a view of the caller's arrays wherever their dtype and layout allow.

    Attributes
    ----------
    values, indices, indptr : array
        Without duplicates. Never written to.
    shape : tuple of int
    xp, device
        Namespace and device of the arrays.
    native : object
        The matrix in the form that its own library multiplies with.
    """

    values: Any
    indices: Any
    indptr: Any
    shape: tuple[int, int]
    xp: Any
    device: Any
    native: Any

    @property
    def dtype(self):
        """Dtype of the nonzeros."""
        return self.values.dtype

    @property
    def nnz(self):
        """Stored entries."""
        return int(self.values.shape[0])

    @cached_property
    def row_parts(self):
        """Sixteen or fewer slices of rows, balanced by nonzeros: a function of the matrix alone."""
        work = np.asarray(self.indptr, np.int64) + np.arange(self.shape[0] + 1)
        cuts = np.searchsorted(work, np.linspace(0, work[-1], _PARTS + 1)[1:-1].astype(np.int64))
        edges = np.unique(np.concatenate([[0], cuts, [self.shape[0]]])).tolist()
        return [slice(low, high) for low, high in pairwise(edges)]

    @cached_property
    def row_ids(self):
        """Row of each nonzero."""
        counts = self.indptr[1:] - self.indptr[:-1]
        rows = self.xp.arange(self.shape[0], dtype=self.indices.dtype, device=self.device)
        return self.xp.repeat(rows, counts)

    @cached_property
    def adjoint(self):
        """The conjugate transpose by rows: a sorted copy, made once."""
        xp = self.xp
        if sparse_kind(self.native) == "torch":
            places = xp.flip(self.native.indices(), axis=0)
            values = xp.conj(self.values).resolve_conj()
            flipped = xp.sparse_coo_tensor(places, values, self.shape[::-1], check_invariants=False)
            return _from_torch(flipped)
        flipped = self.native.conj().T.tocsr() if self.dtype.kind == "c" else self.native.T.tocsr()
        return CSR(flipped.data, flipped.indices, flipped.indptr, flipped.shape, xp, self.device, flipped)

    @cached_property
    def kernel_arrays(self):
        """Values (real, two columns when complex), indices and row pointers for a compiled kernel."""
        values = self.values
        if values.dtype.kind == "c":
            values = np.ascontiguousarray(values).view(values.real.dtype).reshape(-1, 2)
        return tuple(writable_view(np.ascontiguousarray(a)) for a in (values, self.indices, self.indptr))


def csr_of(values, indices, indptr, shape):
    """`CSR` on arrays that are in order and without duplicates already; nothing is checked or copied."""
    xp = namespace(values)
    name, native = kind(xp), None
    if name == "numpy":
        from scipy.sparse import csr_array

        native = csr_array((values, indices, indptr), shape=shape, copy=False)
    elif name == "cupy":
        from cupyx.scipy.sparse import csr_matrix

        native = csr_matrix((values, indices, indptr), shape=shape)
    elif name == "torch":
        rows = xp.repeat_interleave(xp.arange(shape[0], device=values.device), indptr[1:] - indptr[:-1])
        places = xp.stack([rows, indices])
        native = xp.sparse_coo_tensor(places, values, shape, is_coalesced=True, check_invariants=False)
    return CSR(values, indices, indptr, tuple(shape), xp, device(values), native)


def stored_entries(x):
    """Every stored entry of a sparse matrix, duplicates and zeros too.

    Returns
    -------
    rows, columns, values : arrays
        `rows` is None where `indptr` is given.
    indptr : array or None
        Row pointers of a matrix by rows whose columns ascend in each row; its arrays are then those of `x`.
    """
    name = sparse_kind(x)
    if name == "torch":
        entries = x if str(x.layout).endswith("sparse_coo") else x.to_sparse_coo()
        return *entries._indices(), entries._values(), None
    if name == "cupyx":
        entries = x.tocoo()
        return entries.row, entries.col, entries.data, None
    if x.format in ("csr", "csc"):
        _require_sound(x)
    if x.format == "csr" and not (x.indices[1:] <= x.indices[:-1]).any(where=_inside_rows(x)):
        return None, x.indices, x.data, x.indptr
    entries = x.tocoo()
    return entries.row, entries.col, entries.data, None


def _inside_rows(x):
    """For each entry but the first, whether it is in the row of the one before it."""
    inside = np.ones(max(0, x.indices.shape[0] - 1), bool)
    firsts = x.indptr[1:-1]
    inside[firsts[(firsts > 0) & (firsts < x.indices.shape[0])] - 1] = False
    return inside


class _Interface:
    def __init__(self, interface):
        self.__array_interface__ = interface


def writable_view(a):
    """The same memory, flagged writable: a kernel that only reads is then compiled once, not once a flag."""
    if a.flags.writeable or a.size == 0:
        return a
    interface = dict(a.__array_interface__)
    interface["data"] = (interface["data"][0], False)
    return np.asarray(_Interface(interface))


def sparse_kind(x):
    """Library of a sparse matrix ("scipy", "cupyx" or "torch"), None for anything else."""
    module = type(x).__module__.split(".", 1)[0]
    if module == "torch":
        layout = getattr(x, "layout", None)
        return "torch" if str(layout).removeprefix("torch.") in _TORCH_LAYOUTS else None
    if module in ("cupyx", "cupy"):
        return "cupyx" if sys.modules["cupyx.scipy.sparse"].issparse(x) else None
    scipy_sparse = sys.modules.get("scipy.sparse")
    return "scipy" if scipy_sparse is not None and scipy_sparse.issparse(x) else None


def is_sparse(x):
    """Whether `x` is a sparse matrix of SciPy, cupyx or torch."""
    return sparse_kind(x) is not None


def to_csr(x):
    """`x` by rows, and whether it holds the transpose of `x`.

    Parameters
    ----------
    x : sparse matrix, shape (m, n)
        Never changed; half precision, integers and booleans are promoted in a copy of the nonzeros.

    Returns
    -------
    csr : CSR
    transposed : bool
        True for CSC input: its arrays read by rows are those of the transpose, and stay where they are.
    """
    name = sparse_kind(x)
    if name == "torch" and x.dense_dim() > 0:
        raise TypeError(
            f"a torch tensor with two sparse and no dense dimensions was expected, got {x.sparse_dim()} sparse and "
            f"{x.dense_dim()} dense ones, shape {tuple(x.shape)}; pass A.to_dense() if it is a matrix"
        )
    if x.ndim != 2:
        raise ValueError(f"a two-dimensional sparse matrix was expected, got shape {tuple(x.shape)}")
    if name == "torch":
        return _from_torch(x), False
    if name == "cupyx":
        return _from_cupyx(x)
    return _from_scipy(x)


def _from_scipy(x):
    from array_api_compat import numpy as xp
    from scipy.sparse import csr_array

    transposed = x.format == "csc"
    rows = x.T if transposed else x.tocsr()
    _require_sound(rows)
    if not _without_duplicates(rows):
        rows = rows.copy()
        rows.sum_duplicates()
    values = rows.data.astype(compute_dtype(xp, rows.dtype), copy=False)
    native = csr_array((values, rows.indices, rows.indptr), shape=rows.shape, copy=False)
    return CSR(native.data, native.indices, native.indptr, native.shape, xp, "cpu", native), transposed


def _require_sound(rows):
    """ValueError where indices or row pointers of a CSR matrix point outside it: kernels would read there."""
    try:
        rows.check_format(full_check=True)
    except ValueError as error:
        raise ValueError(f"the sparse matrix is damaged: {error}") from None


def _without_duplicates(rows):
    """Whether no row names a column twice, found on a second set of flags so that `rows` keeps its own."""
    from scipy.sparse import csr_array

    probe = csr_array((rows.data, rows.indices, rows.indptr), shape=rows.shape, copy=False)
    return probe.has_canonical_format


def _from_cupyx(x):
    from array_api_compat import cupy as xp

    transposed = x.format == "csc"
    rows = (x.T if transposed else x.tocsr()).copy()
    rows.sum_duplicates()
    dtype = compute_dtype(xp, rows.dtype)
    native = rows if rows.dtype == dtype else rows.astype(dtype)
    return CSR(native.data, native.indices, native.indptr, native.shape, xp, native.data.device, native), transposed


def _from_torch(x):
    from array_api_compat import torch as xp

    entries = (x if x.layout is xp.sparse_coo else x.to_sparse_coo()).coalesce()
    dtype = compute_dtype(xp, x.dtype, x.device)
    if entries.dtype != dtype:
        entries = entries.to(dtype)
    rows, columns = entries.indices()
    counts = xp.bincount(rows, minlength=x.shape[0])
    indptr = xp.concat([xp.zeros(1, dtype=counts.dtype, device=x.device), xp.cumulative_sum(counts)])
    return CSR(entries.values(), columns, indptr, tuple(x.shape), xp, x.device, entries)


def sparse_take(csr, indices, axis):
    """Rows (axis 0) or columns (axis 1) of a `CSR` as a sparse matrix of its library."""
    if sparse_kind(csr.native) == "torch":
        return csr.native.index_select(axis, indices)
    return csr.native[indices, :] if axis == 0 else csr.native[:, indices]
