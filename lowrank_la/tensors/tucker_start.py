"""Bases to start orthogonal iteration from: two reads of the tensor with thin matrices."""

import math
from dataclasses import dataclass
from typing import Any

from .. import _backend as be
from ..factor.tall_qr import orthonormalize
from ..sketch import Gaussian
from .hooi import halves
from .modes import contract, contract_all, contract_and_measure, contract_in_single, contract_side, unfolded
from .subspace import leading

_LARGE = 1 << 21  # entries from which on single precision saves more than it loses
_OVERSAMPLE = 10  # of the products with the tensor, at least: few columns weigh singular values of one mode unevenly
_MORE = 6  # the same of a second mode and those after it, whose columns multiply with those of the first
_BESIDE = 4  # columns carried beside a rank by iterations, at least
_LANES = 8  # widths are multiples of it, which vectors of numbers fill
_SMALL_SIDE = 4  # rows over width from which on iteration beats a complete decomposition
_LEFT_ROUNDS, _RIGHT_ROUNDS = 3, 2  # a round costs little beside a read, and a better start saves one


@dataclass(frozen=True)
class FirstRead:
    """Product of a tensor with Gaussian matrices in the modes `right`, the tensor's squared norm if that was told."""

    left: list
    right: list
    product: Any
    square: float | None


def first_read(X, ranks, key, *, measure=False):
    """`FirstRead` of the modes that are truncated, which are dealt out to the left and the right half.

    Parameters
    ----------
    X : array
    ranks : list of int or None
    key : Key
    measure : bool
        Tell the norm.
    """
    left, right = halves([k for k, rank in enumerate(ranks) if rank is not None and rank < X.shape[k]])
    drawn = [None] * X.ndim
    for k in right:
        drawn[k] = _gaussian(X, k, _columns(X.shape, ranks, left, right, k), key.child(k))
    if measure:
        return FirstRead(left, right, *contract_and_measure(X, drawn, right))
    return FirstRead(left, right, _product(X, drawn, right), None)


def random_bases(X, ranks, first, key):
    """Bases of all modes, and the squared norm of the core in them.

    The product with Gaussian matrices shows the ranges of the left modes; the tensor in these bases shows those of the
    right ones. All bases have more columns than they are to have until the last one is known: columns of a random
    product don't tell which of two near singular values is the larger one, and sweeps never go back on it.
    """
    xp = be.namespace(X)
    factors = _alternately(first.product, ranks, first.left, key.child("left"), _LEFT_ROUNDS)
    Y = _product(X, factors, first.left)
    others = _alternately(Y, ranks, first.right, key.child("right"), _RIGHT_ROUNDS)
    factors = [U if V is None else V for U, V in zip(factors, others, strict=True)]
    Y = contract_all(Y, others)
    for k in [*first.right, *first.left]:
        turn = leading(Y, k, ranks[k], precise=False)
        factors[k] = be.matmul(factors[k], turn)
        Y = contract(Y, k, turn)
    factors = [None if U is None else orthonormalize(xp.astype(U, X.dtype, copy=False))[0] for U in factors]
    return factors, be.vdot_real(Y)


def _product(X, factors, modes):
    """``X ×_k factors[k]ᴴ``; for large tensors whose products take longer than a read in single precision."""
    if math.prod(X.shape) < _LARGE or be.contracts_fast(X):
        return contract_side(X, factors, modes)
    first, *more = modes
    T = contract_in_single(X, first, factors[first])
    return contract_all(T, factors, skip=[k for k in range(X.ndim) if k not in more])


def _alternately(T, ranks, modes, key, rounds):
    """Bases of `modes` from `T`, wider than the ranks, each in the product of `T` with those of the others.

    In the first round that is Gaussian matrices for the modes after it.
    """
    factors = [None] * T.ndim
    for k in modes:
        factors[k] = _gaussian(T, k, _width(T, ranks, k), key.child(k))
    for k in rounds * modes:
        Y = contract_all(T, factors, skip=[j for j in range(T.ndim) if j not in modes or j == k])
        factors[k] = _dominant(Y, k, factors[k])
    return factors


def _dominant(Y, k, start):
    """As many leading left singular vectors of ``Y_(k)`` as there are columns in `start`.

    Where those are few beside the rows, a step of orthogonal iteration from them in place of a decomposition.
    """
    n, width = start.shape
    if n < _SMALL_SIDE * width or math.prod(Y.shape) < n * width:
        return leading(Y, k, width, precise=False)
    M = unfolded(Y, k)
    return orthonormalize(be.matmul(M, be.adjoint_matmul(M, start)))[0]


def _width(Y, ranks, k):
    return min(Y.shape[k], _filled(ranks[k] + _BESIDE))


def _filled(columns):
    return -(-columns // _LANES) * _LANES


def _columns(shape, ranks, left, right, k):
    """Columns of the Gaussian matrix of mode `k`: enough for the ranks of all left modes."""
    wide = {i: _filled(ranks[i] + (_OVERSAMPLE if i == right[0] else _MORE)) for i in right}
    most = wide[k]
    for j in left:
        columns = math.prod(wide.get(i, n) for i, n in enumerate(shape) if i != j)
        others = max(1, columns // wide[k])
        most = max(most, -(-2 * (ranks[j] + _OVERSAMPLE) // others))
    return min(shape[k], most)


def _gaussian(X, k, width, key):
    """A Gaussian matrix (n_k, width) in the dtype of `X`."""
    xp, name = be.namespace(X), be.dtype_name(X.dtype)
    draw = Gaussian(width, X.shape[k], key, dtype=name)
    return be.mH(draw.todense(xp=xp, device=be.device(X), dtype=name))
