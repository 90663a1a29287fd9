"""Sparse tensors: coordinates and values, with the products that the decompositions ask for."""

import math
from functools import cached_property

import numpy as np

from .. import _backend as be
from .kruskal import khatri_rao, model_mass, model_norm, real_inner
from .norms import require_norm
from .places import distinct, host_integers, keys_of, summed
from .tensor import DenseTensor

_EXACT_UP_TO = 1 << 26  # entries of a tensor whose model is formed, in slabs, where a residual has to be exact
_SLAB = 1 << 19
_FULL = 8  # entries for each stored one up to which Gram matrices are those of the dense tensor
_RESOLUTION = 8.0  # multiples of the machine epsilon to which squared norms of models are known
_DOUBT = 0.02  # share of a squared residual that rounding may be where it counts as exact


class SparseTensor:
    """A tensor with the numbers `values` at the places `coords` and zeros elsewhere.

    Parameters
    ----------
    coords : integer array, shape (nnz, N)
        Places in any order; values at the same place are added up.
    values : array, shape (nnz,)
        In the library and on the device that is computed with; zeros stay stored.
    shape : tuple of int
        Lengths of the N ≥ 2 modes.

    Attributes
    ----------
    coords : integer NumPy array, shape (nnz, N)
        Distinct places in ascending order.
    places : list of integer arrays
        The columns of `coords` in the library of the values.
    norm : float
        Frobenius norm.

    Notes
    -----
    For each mode that products are taken of, the entries are kept once more in the order of its lines, as fibres that
    differ in one index [1]_: less than three times the bytes of 64-bit coordinates and values together for order 3.

    References
    ----------
    .. [1] smith_karypis_2015
    """

    is_sparse = True

    def __init__(self, coords, values, shape):
        self.shape = tuple(map(int, shape))
        self.given_dtype = values.dtype
        coords, order, starts = distinct(host_integers(coords), self.shape)
        xp, place = be.namespace(values), be.device(values)
        values = xp.astype(values, be.compute_dtype(xp, values.dtype, place), copy=False)
        self.coords, self._trees, self._listed = coords, {}, {}
        self.values = summed(values, order, starts, coords.shape[0])

    @classmethod
    def where(cls, seen, values):
        """The tensor with `values` at the places where the host array `seen` is True, one after the other."""
        made, xp = object.__new__(cls), be.namespace(values)
        made.shape, made.given_dtype, made._trees, made._listed = tuple(map(int, seen.shape)), values.dtype, {}, {}
        made.coords = np.stack(np.nonzero(seen), axis=1)
        place = be.device(values)
        made.values = xp.astype(values, be.compute_dtype(xp, values.dtype, place), copy=False)
        return made

    def with_values(self, values):
        """The tensor with other numbers at the same places; what is known of the places is shared."""
        other = object.__new__(SparseTensor)
        other.shape, other.given_dtype, other.coords = self.shape, self.given_dtype, self.coords
        other._trees, other._listed, other.values = self._trees, {}, values
        other.__dict__ |= {name: self.__dict__[name] for name in ("places", "flat_places") if name in self.__dict__}
        return other

    @property
    def dtype(self):
        """Dtype that is computed in."""
        return self.values.dtype

    @cached_property
    def xp(self):
        """Array namespace."""
        return be.namespace(self.values)

    @property
    def device(self):
        """Device of the values."""
        return be.device(self.values)

    @property
    def count(self):
        """Number of stored entries."""
        return self.coords.shape[0]

    @cached_property
    def places(self):
        """Index arrays, one a mode."""
        return be.index_arrays(self.coords, self.shape, self.xp, self.device)

    @cached_property
    def norm(self):
        """Frobenius norm as a float."""
        return be.fro_norm(self.values) if self.count else 0.0

    def tree(self, k):
        """The entries by the lines of mode `k`."""
        if k not in self._trees:
            self._trees[k] = be.fibre_tree(self.coords, self.shape, k)
        return self._trees[k]

    def listed(self, k):
        """The values in the order of ``tree(k)``."""
        if k not in self._listed:
            order = self.tree(k).order
            self._listed[k] = self.values if order is None else self.values[order]
        return self._listed[k]

    def mttkrps(self, factors):
        """Yield ``(k, B_k)`` for all modes, ``B_k = X_(k) conj(KR)`` with the factors that the list holds by then.

        The caller may replace ``factors[k]`` before it goes on; a factor of a mode still to come must not change.
        """
        rank = factors[0].shape[1]
        if not self.is_compiled(rank):
            for k in range(len(self.shape)):
                yield k, be.products_twin(self.places, self.values, self._alike(factors), k, self.xp)
            return
        F, first = be.stacked(self._alike(factors)), 0
        for k, n in enumerate(self.shape):
            yield k, be.fibre_products(self.tree(k), self.listed(k), F, rank)
            F[first : first + n, :rank] = factors[k]
            first += n

    def mttkrp(self, factors, k):
        """``X_(k) conj(KR)``, KR the Khatri-Rao product of all factors but the `k`-th."""
        factors, rank = self._alike(factors), factors[0].shape[1]
        if self.is_compiled(rank):
            return be.fibre_products(self.tree(k), self.listed(k), be.stacked(factors), rank)
        return be.products_twin(self.places, self.values, factors, k, self.xp)

    def entries(self, weights, factors):
        """Entries of a Kruskal tensor at the places of this one, shape (nnz,); `weights` may be None."""
        factors = self._alike(factors)
        if weights is not None:
            weights = self.xp.astype(weights, self.dtype, copy=False)
            factors = [factors[0] * weights[None, :], *factors[1:]]
        if self.is_compiled(factors[0].shape[1]):
            return be.fibre_entries(self.tree(0), be.stacked(factors), 0)
        return be.entries_twin(self.places, factors, self.xp)

    def inner(self, weights, factors):
        """Real part of ``⟨X, model⟩`` as a float."""
        return real_inner(self.values, self.entries(weights, factors))

    def over(self, scale):
        """The tensor divided by a power of two."""
        return self if scale == 1.0 else self.with_values(self.values / scale)

    def residual_norm(self, weights, factors):
        """``‖X - model‖_F`` as a float, or the bound that `residual` gives."""
        return self.residual(weights, factors)[0]

    def residual(self, weights, factors):
        """``(‖X - model‖_F, "exact")``, or an upper bound and "bound".

        Where the tensor has no more than 2²⁶ entries the model is formed in slabs. Otherwise the residual at the stored
        places and the mass of the model elsewhere are added up. The latter is a difference of squared norms, taken in
        the widest precision with what rounding may have taken off: where that may be more than a fiftieth of the whole,
        below about √(400 ε) of the norm for terms that don't cancel, the sum is a bound.
        """
        if self.norm == 0.0 or math.prod(self.shape) <= _EXACT_UP_TO:
            return self._residual_in_slabs(weights, factors), "exact"
        size = 2.0 ** round(math.log2(self.norm))
        wide = self._widest.over(size)
        factors, weights = wide._alike(factors), self.xp.astype(weights, be.real_dtype(self.xp, wide.dtype)) / size
        model = wide.entries(weights, factors)
        stored, there = be.fro_norm(wide.values - model), be.fro_norm(model)
        rounding = _RESOLUTION * be.eps(wide.dtype) * model_mass(weights, factors)
        square = stored**2 + max(model_norm(weights, factors) ** 2 - there**2, 0.0) + rounding
        return size * math.sqrt(square), "bound" if rounding > _DOUBT * square else "exact"

    @cached_property
    def _widest(self):
        """The tensor with its values in the widest precision of the device."""
        real = be.widest_real(self.xp, self.device)
        wide = self.xp.result_type(self.dtype, real)
        return self if wide == self.dtype else self.with_values(self.xp.astype(self.values, wide))

    def unfolding_gram(self, k):
        """``X_(k) X_(k)ᴴ``, a dense n_k×n_k matrix; where many entries are stored, by way of the dense tensor."""
        if math.prod(self.shape) <= _FULL * self.count:
            return DenseTensor(self.filled(), self.given_dtype, self.norm).unfolding_gram(k)
        unfolded, xp = self.unfolding(k), self.xp
        if be.kind(xp) == "numpy":
            return (unfolded @ unfolded.conj().T).toarray()
        dense = unfolded.to_dense() if be.kind(xp) == "torch" else unfolded
        return be.matmul(dense, be.mH(dense))

    @cached_property
    def flat_places(self):
        """Where the stored entries stand in the dense tensor in C order, an index array."""
        place = np.ravel_multi_index(tuple(self.coords.T), self.shape)
        return be.index_arrays(place[:, None], (math.prod(self.shape),), self.xp, self.device)[0]

    def filled(self):
        """The dense tensor, zeros in place of what is not stored."""
        return self.xp.reshape(be.placed(self.values, self.flat_places, math.prod(self.shape), self.xp), self.shape)

    def unfolding(self, k):
        """Mode `k` by those columns of the unfolding that hold entries: sparse where the library has such matrices."""
        others = [mode for mode in range(len(self.shape)) if mode != k]
        columns = np.unique(keys_of(self.coords, self.shape, others), axis=0, return_inverse=True)[1].reshape(-1)
        width, n, xp = int(columns.max(initial=0)) + 1, self.shape[k], self.xp
        order = np.lexsort((columns, self.coords[:, k]))
        indptr = np.searchsorted(self.coords[order, k], np.arange(n + 1))
        if be.kind(xp) in ("numpy", "torch", "cupy"):
            parts = (be.from_numpy(part.astype(np.int64), xp, self.device) for part in (columns[order], indptr, order))
            columns, indptr, order = parts
            return be.csr_of(xp.take(self.values, order), columns, indptr, (n, width)).native
        places = be.index_arrays((self.coords[:, k] * width + columns)[:, None], (n * width,), xp, self.device)[0]
        return xp.reshape(be.segment_sum(self.values, places, n * width, xp), (n, width))

    def is_compiled(self, rank):
        """Whether sums over the entries are taken by compiled kernels."""
        return be.fibre_kernel_pays(self.count, rank, self.dtype, self.xp)

    def _alike(self, factors):
        return [self.xp.astype(factor, self.dtype, copy=False) for factor in factors]

    def _residual_in_slabs(self, weights, factors):
        xp, rest = self.xp, math.prod(self.shape[1:])
        factors = self._alike(factors)
        left = factors[0] * xp.astype(weights, self.dtype, copy=False)[None, :]
        right = khatri_rao(factors[1:]).mT
        column = self.coords[:, 1:] @ np.cumprod([1, *self.shape[:1:-1]], dtype=np.int64)[::-1]
        squares = []
        for rows in be.fixed_partition(self.shape[0], max(1, _SLAB // rest)):
            low, high = np.searchsorted(self.coords[:, 0], [rows.start, rows.stop]).tolist()
            size = (rows.stop - rows.start) * rest
            place = (self.coords[low:high, 0] - rows.start) * rest + column[low:high]
            index = be.index_arrays(place[:, None], (size,), xp, self.device)[0]
            slab = be.segment_sum(self.values[low:high], index, size, xp)
            slab = xp.reshape(slab, (rows.stop - rows.start, rest)) - be.matmul(left[rows, :], right)
            squares.append(be.fro_norm(slab))
        return math.hypot(*squares)


def as_sparse_tensor(X, *, check_finite=True, name="X"):
    """`SparseTensor` of a sparse array of SciPy (of any order in coordinate form), torch or CuPy.

    Raises
    ------
    ValueError
        If it has fewer than two modes, one of length zero, a place outside, or NaN or infinite values.
    """
    shape = tuple(map(int, X.shape))
    if len(shape) < 2 or 0 in shape:
        raise ValueError(f"{name} must have two or more modes, none of length zero; got shape {shape}")
    coords, values = _entries_of(X)
    be.require_untracked(values, "a decomposition of tensors", "X")
    tensor = SparseTensor(coords, values, shape)
    if be.check_flag("check_finite", check_finite) and not math.isfinite(tensor.norm):
        require_norm(tensor.values, name)
        raise ValueError(f"{name} holds NaN or infinite values; take them out: what is not stored counts as zero")
    return tensor


def _entries_of(X):
    kind = be.sparse_kind(X)
    if kind == "torch":
        entries = X if str(X.layout).endswith("sparse_coo") else X.to_sparse_coo()
        return entries._indices().mT, entries._values()
    if kind == "scipy" and hasattr(X.tocoo(), "coords"):
        entries = X.tocoo()
        return np.stack([np.asarray(index, np.int64) for index in entries.coords], axis=1), entries.data
    rows, columns, values, _ = be.stored_entries(X.tocoo())
    return np.stack([be.to_numpy(index).astype(np.int64) for index in (rows, columns)], axis=1), values
