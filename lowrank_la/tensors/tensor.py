"""The door of the room: any tensor as an object with the products that the decompositions ask for."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .. import _backend as be
from .backwards import BackwardsTensor
from .dimension_tree import SMALL, balanced_split, mttkrp, mttkrps
from .given_arrays import array_of, first_place
from .kruskal import khatri_rao, real_inner
from .norms import require_norm, safe_scale

_SLAB = 1 << 19  # entries of the model that are formed at a time


@dataclass(frozen=True, eq=False)
class DenseTensor:
    """A dense tensor in the dtype it is worked in, its entries in C order.

    Attributes
    ----------
    array : array, shape (n_1, …, n_N)
    given_dtype : dtype
        What the caller's entries were before half precision and integers were promoted.
    norm : float
        Frobenius norm.
    """

    array: Any
    given_dtype: Any
    norm: float

    is_sparse = False

    @property
    def shape(self):
        """Lengths of the modes."""
        return tuple(int(n) for n in self.array.shape)

    @property
    def dtype(self):
        """Dtype that is computed in."""
        return self.array.dtype

    @cached_property
    def xp(self):
        """Array namespace."""
        return be.namespace(self.array)

    @property
    def device(self):
        """Device of the entries."""
        return be.device(self.array)

    def matrix(self, split):
        """The entries as a matrix of the first `split` modes by the others, a view."""
        return self.xp.reshape(self.array, (math.prod(self.shape[:split]), math.prod(self.shape[split:])))

    def mttkrps(self, factors):
        """Yield ``(k, B_k)`` for all modes, ``B_k = X_(k) conj(KR)`` with the factors that the list holds by then.

        The caller may replace ``factors[k]`` before it goes on; a factor of a mode still to come must not change.
        """
        return mttkrps(self, factors)

    def mttkrp(self, factors, k):
        """``X_(k) conj(KR)``, KR the Khatri-Rao product of all factors but the `k`-th."""
        return mttkrp(self, factors, k)

    def inner(self, weights, factors):
        """Real part of ``⟨X, model⟩`` as a float."""
        last = len(self.shape) - 1
        part = self.mttkrp(factors, last)
        scaled = factors[last] * self.xp.astype(weights, self.dtype, copy=False)[None, :]
        return real_inner(part, scaled)

    def residual(self, weights, factors):
        """``(‖X - model‖_F, "exact")``."""
        return self.residual_norm(weights, factors), "exact"

    def residual_norm(self, weights, factors):
        """``‖X - model‖_F`` as a float, by forming the model a slab at a time."""
        split = balanced_split(self.shape)
        X = self.matrix(split)
        left = khatri_rao(factors[:split]) * self.xp.astype(weights, self.dtype, copy=False)[None, :]
        right = khatri_rao(factors[split:]).mT
        slabs = be.fixed_partition(X.shape[0], max(1, _SLAB // X.shape[1]))

        def missed(rows):
            return be.fro_norm(X[rows, :] - be.matmul(left[rows, :], right))

        parts = be.map_blocks(missed, slabs) if be.kind(self.xp) == "numpy" else map(missed, slabs)
        return math.hypot(*parts)

    def unfolding_gram(self, k):
        """``X_(k) X_(k)ᴴ``, an n_k×n_k matrix, without a copy of the tensor."""
        n, left, right = self.shape[k], math.prod(self.shape[:k]), math.prod(self.shape[k + 1 :])
        if right == 1:
            return self._conj(be.gram(self.xp.reshape(self.array, (left, n))))
        if left == 1:
            return self._conj(be.gram(self.xp.reshape(self.array, (n, right)).mT))
        X = self.xp.reshape(self.array, (left, n, right))
        blocks = be.fixed_partition(left, -(-left // 8))

        def gram(block):
            return sum(X[i, :, :] @ be.mH(X[i, :, :]) for i in range(block.start, block.stop))

        parts = be.map_blocks(gram, blocks) if be.kind(self.xp) == "numpy" else map(gram, blocks)
        total = sum(parts)
        return (total + be.mH(total)) / 2

    def with_array(self, array):
        """The tensor with other entries of the same norm, such as itself with its modes turned."""
        return replace(self, array=array)

    def over(self, scale):
        """The tensor divided by a power of two."""
        return self if scale == 1.0 else replace(self, array=self.array / scale, norm=self.norm / scale)

    def _conj(self, x):
        return self.xp.conj(x) if be.is_complex(x.dtype) else x


def as_tensor(X, *, check_finite=True, name="X", backwards=False, measured=None):
    """`X` as a `DenseTensor`, or as a `SparseTensor` where it is sparse.

    Parameters
    ----------
    X : array or sparse, shape (n_1, …, n_N), N ≥ 2
        Array of any supported library or nested lists; or a SciPy sparse array, of any order in coordinate form.
    check_finite : bool
        Refuse NaN and infinite entries.
    name : str
        What messages call it.
    backwards : bool
        Take entries in Fortran order as they are, for a caller that is served by a `BackwardsTensor` too.
    measured : callable, optional
        Takes the array in C order; returns its norm, or None where it does not tell. Norms at the ends of the range
        are formed again.

    Returns
    -------
    DenseTensor, BackwardsTensor or SparseTensor
        Half precision and integers are promoted. Entries that are in C order are not copied.

    Raises
    ------
    TypeError
        If `X` is no array, or records gradients.
    ValueError
        If it has fewer than two modes, is empty, or holds NaN or infinite entries.
    """
    if be.is_sparse(X):
        from .sparse_tensor import as_sparse_tensor

        return as_sparse_tensor(X, check_finite=check_finite, name=name)
    X = array_of(X, name)
    be.require_untracked(X, "a decomposition of tensors", "X")
    xp = be.namespace(X)
    if X.ndim < 2 or 0 in X.shape:
        raise ValueError(f"{name} must have two or more modes, none of length zero; got shape {tuple(X.shape)}")
    plain = X.view(np.ndarray) if isinstance(X, np.ndarray) else X  # a memory map is read as the array that it is
    array = xp.astype(plain, be.compute_dtype(xp, X.dtype, be.device(X)), copy=False)
    backwards = backwards and _runs_backwards(array)
    array = xp.permute_dims(array, tuple(reversed(range(array.ndim)))) if backwards else array
    array = xp.reshape(xp.reshape(array, (-1,)), tuple(array.shape))
    norm = None if measured is None else measured(array)
    if norm is None or not 0.0 < norm < math.inf or safe_scale(norm, array.dtype) != 1.0:
        split = balanced_split(array.shape)
        norm = be.fro_norm(xp.reshape(array, (math.prod(array.shape[:split]), -1)))
    if be.check_flag("check_finite", check_finite) and not math.isfinite(norm):
        require_norm(array, name)
        place = first_place(~xp.isfinite(array))
        raise ValueError(
            f"{name} holds NaN or infinite values, the first at {place[::-1] if backwards else place}; take them out, "
            "or tell which entries are observed with mask= where the function has it"
        )
    tensor = DenseTensor(array, X.dtype, norm)
    return BackwardsTensor(tensor) if backwards else tensor


def _runs_backwards(array):
    """Whether the entries are in Fortran order, and so many that a copy of them would count."""
    flags = getattr(array, "flags", None)
    return getattr(flags, "f_contiguous", False) and not flags.c_contiguous and math.prod(array.shape) > SMALL
