"""Tensors of which some entries are known, each with a weight."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .. import _backend as be
from .given_arrays import array_of, first_place
from .norms import require_norm
from .sparse_tensor import SparseTensor, as_sparse_tensor

STORED, FINITE = "stored", "finite"


@dataclass(frozen=True, eq=False)
class ObservedTensor:
    """The observed entries as a sparse tensor, and their weights in its order (None: all one).

    Attributes
    ----------
    scale : float
        Power of two that the given values were divided by, so that their mean square is near one.
    norm : float
        Weighted norm of the observed entries.
    heaviest : float
        Power of two near the largest weight, that the given weights were divided by.
    """

    tensor: SparseTensor
    weights: Any
    scale: float
    norm: float
    heaviest: float = 1.0

    @cached_property
    def unseen(self):
        """For each mode the lines without an observed entry, as a list."""
        return [
            np.flatnonzero(np.bincount(self.tensor.coords[:, k], minlength=n) == 0).tolist()
            for k, n in enumerate(self.tensor.shape)
        ]

    def weighted_norm(self, residual):
        """``‖√w ∘ residual‖`` as a float."""
        if self.weights is not None:
            residual = residual * self.tensor.xp.astype(self.tensor.xp.sqrt(self.weights), residual.dtype)
        return be.fro_norm(residual)


def read_observed(X, mask=None, weights=None, *, check_finite=True):
    """`ObservedTensor` of a dense array or a sparse array.

    Parameters
    ----------
    X : array or sparse array, shape (n_1, …, n_N)
    mask : boolean array of the shape of `X`, "finite", "stored" or None
        True where an entry is observed; "finite" takes the finite entries of an array for observed, "stored" the stored
        entries of a sparse array, explicit zeros too. None: all.
    weights : array of the shape of `X`, or sparse array with its places, optional
        Non-negative; an entry of weight zero is not observed.

    Raises
    ------
    ValueError
        If shapes don't fit, nothing is observed, an observed entry is not finite or a weight negative.
    """
    sparse = be.is_sparse(X)
    if isinstance(mask, str):
        be.check_option("mask", mask, (STORED,) if sparse else (FINITE,))
    if sparse and not isinstance(mask, str):
        raise ValueError(
            "mask= or weights= of a sparse tensor go with its stored entries as the observed ones: pass mask='stored', "
            "and store the observed zeros too"
        )
    tensor, weights, heaviest = _of_sparse(X, weights) if sparse else _of_dense(X, mask, weights)
    if tensor.count == 0:
        raise ValueError("mask and weights leave no entry observed; at least one is needed")
    if be.check_flag("check_finite", check_finite) and not math.isfinite(tensor.norm):
        require_norm(tensor.values, "X")
        place = tuple(tensor.coords[first_place(~tensor.xp.isfinite(tensor.values))[0]].tolist())
        raise ValueError(f"X holds NaN or infinite values among the observed entries, the first at {place}; mask them")
    typical = tensor.norm / math.sqrt(tensor.count)
    scale = 2.0 ** round(math.log2(typical)) if 0.0 < typical < math.inf else 1.0
    tensor = tensor.with_values(tensor.values / scale)
    observed = ObservedTensor(tensor, weights, scale, 0.0)
    return ObservedTensor(tensor, weights, scale, observed.weighted_norm(tensor.values), heaviest)


def _of_sparse(X, weights):
    tensor = as_sparse_tensor(X, check_finite=False)
    if weights is None:
        return tensor, None, 1.0
    if not be.is_sparse(weights) or tuple(weights.shape) != tensor.shape:
        raise TypeError(f"weights of a sparse tensor must be a sparse array of its shape {tensor.shape}")
    own = as_sparse_tensor(weights, name="weights")
    if own.coords.shape != tensor.coords.shape or (own.coords != tensor.coords).any():
        raise ValueError("weights must be stored at the places of X and nowhere else")
    host = _checked(own.values)
    heaviest = _power_of_two(host)
    return *_kept(tensor, own.values / heaviest, host), heaviest


def _of_dense(X, mask, weights):
    X = array_of(X, "X")
    be.require_untracked(X, "a decomposition of tensors", "X")
    if X.ndim < 2 or 0 in X.shape:
        raise ValueError(f"X must have two or more modes, none of length zero; got shape {tuple(X.shape)}")
    xp, shape = be.namespace(X), tuple(map(int, X.shape))
    seen = _host_mask(X, mask, shape, xp)
    given = None if weights is None else _host_weights(weights, shape)
    seen = seen if given is None else seen & (given > 0)
    index = be.index_arrays(np.flatnonzero(seen)[:, None], (math.prod(shape),), xp, be.device(X))[0]
    values = xp.take(xp.reshape(X, (-1,)), index)
    tensor = SparseTensor.where(seen, values)
    if given is None:
        return tensor, None, 1.0
    heaviest, dtype = _power_of_two(given), be.real_dtype(xp, tensor.dtype)
    return tensor, be.from_numpy(given[seen] / heaviest, xp, tensor.device, dtype), heaviest


def _host_mask(X, mask, shape, xp):
    if mask is None:
        return np.ones(shape, bool)
    if isinstance(mask, str):
        return be.to_numpy(xp.isfinite(X))
    host = be.to_numpy(mask) if be.is_array(mask) else np.asarray(mask)
    if host.dtype != bool:
        raise TypeError(f"mask must be a boolean array, True where an entry is observed; got dtype {host.dtype}")
    if host.shape != shape:
        raise ValueError(f"mask must have the shape {shape} of X, got {host.shape}")
    return host


def _host_weights(weights, shape):
    host = be.to_numpy(weights) if be.is_array(weights) else np.asarray(weights)
    if host.shape != shape:
        raise ValueError(f"weights must have the shape {shape} of X, got {host.shape}")
    if host.dtype.kind == "c":
        raise TypeError(f"weights must be real, got dtype {host.dtype}")
    return _checked(host)


def _checked(weights):
    host = be.to_numpy(weights)
    if not (np.isfinite(host).all() and (host >= 0).all()):
        wrong = ~(np.isfinite(host) & (host >= 0))
        place = first_place(wrong)
        raise ValueError(f"weights must be finite and non-negative, got {host[place]} at {place}; take 0 to leave out")
    return host


def _power_of_two(weights):
    largest = float(weights.max(initial=0.0))
    return 2.0 ** round(math.log2(largest)) if largest > 0.0 else 1.0


def _kept(tensor, weights, host):
    """The entries of positive weight."""
    if (host > 0).all():
        return tensor, weights
    chosen = np.flatnonzero(host > 0)
    index = be.index_arrays(chosen[:, None], (host.shape[0],), tensor.xp, tensor.device)[0]
    values, weights = (tensor.xp.take(x, index) for x in (tensor.values, weights))
    return SparseTensor(tensor.coords[chosen], values, tensor.shape), weights
