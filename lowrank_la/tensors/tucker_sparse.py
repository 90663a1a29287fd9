"""Tucker decomposition of a sparse tensor: products with all factors but one are added up entry by entry."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import _backend as be
from ..factor.choose import choose
from ..factor.engines import run
from ..factor.prologue import underway, validated
from ..operators import as_operator
from .modes import contract, left_out
from .norms import safe_scale
from .rank_choice import cut_to, least_ranks
from .sparse_tensor import as_sparse_tensor
from .st_hosvd import Parts
from .subspace import filled, leading
from .tucker_answer import assembled
from .tucker_arguments import checked_modes, checked_ranks

_CHUNK = 1 << 20
_DENSE = 1 << 24  # entries up to which a small residual is formed
_ROUNDING, _BOUND = 4.0, 64.0
_LOOSE = 1e-4
_OVERSAMPLE = 10  # columns that are carried beyond a rank


def tucker_of_sparse(X, rank, tol, method, modes, watch, check_finite, change):
    """`TuckerResult` of a sparse array.

    Bases are the leading left singular vectors of the sparse unfoldings. To ranks they are improved by orthogonal
    iteration; to an error the core in these bases is cut to the ranks that are needed.
    """
    if method not in ("auto", "hooi"):
        raise ValueError(f"sparse tensors are decomposed with method 'auto' or 'hooi', got {method!r}; see toarray()")
    tensor = as_sparse_tensor(X, check_finite=check_finite)
    scale = safe_scale(tensor.norm, tensor.dtype)
    tensor = tensor if scale == 1.0 else tensor.with_values(tensor.values / scale)
    modes = checked_modes(modes, len(tensor.shape))
    ranks = checked_ranks(rank, tensor.shape, modes)
    data = Entries(tensor, tensor.norm)
    done: dict = {"converged": True, "reason": "tolerance met" if tol is not None else "ranks reached"}
    parts, name = _started(data, ranks, modes, tol, rank is not None), "hosvd"
    if tensor.norm > 0.0 and (method == "hooi" or tol is None) and any(U is not None for U in parts.factors):
        parts, converged, history = _iterated(data, parts, watch, change or (_LOOSE if method == "auto" else 1e-8))
        reason = "the core changes no more" if converged else watch.reason
        done, name = {"converged": converged, "reason": reason, "details": {"history": history}}, "hooi"
    info = done | {
        "method": name,
        "rng": None,
        "iterations": parts.sweeps,
        "short": "the error at these ranks is above tol",
    }
    return assembled(data, parts, modes, scale, tensor.given_dtype, tol, info)


@dataclass(frozen=True)
class Entries:
    """A sparse tensor and its norm; small residuals of large shapes are known up to a bound."""

    tensor: Any
    norm: float

    @property
    def fine(self):
        """Whether residuals are formed entry by entry."""
        return math.prod(self.tensor.shape) <= _DENSE

    def left_out(self, core, factors):
        """Norm of the residual, or what it is at most."""
        if self.fine:
            return left_out(self.dense(), core, factors)
        square = self.norm**2 - be.fro_norm(be.namespace(core).reshape(core, (-1,))) ** 2
        return math.sqrt(max(square, 0.0) + _BOUND * be.eps(core.dtype) * self.norm**2)

    def dense(self):
        """The tensor with its zeros."""
        tensor = self.tensor
        size = math.prod(tensor.shape)
        strides = np.append(np.cumprod(tensor.shape[:0:-1])[::-1], 1).astype(np.int64)
        index = be.index_arrays((tensor.coords @ strides)[:, None], (size,), tensor.xp, tensor.device)[0]
        return tensor.xp.reshape(be.segment_sum(tensor.values, index, size, tensor.xp), tensor.shape)

    def times_others(self, k, factors):
        """The tensor times the adjoints of all factors but the `k`-th, None being identities.

        Entries in the order of mode `k` are multiplied by their rows of the factors, a chunk at a time.
        """
        tensor, xp = self.tensor, self.tensor.xp
        others = [j for j in range(len(tensor.shape)) if j != k]
        maps = {j: _conjugated(self._factor(j, factors[j])) for j in others}
        width, lines = math.prod(int(U.shape[1]) for U in maps.values()), tensor.coords[:, k]
        Y = xp.zeros((tensor.shape[k], width), dtype=tensor.dtype, device=tensor.device)
        order = np.argsort(lines, kind="stable")
        for part in be.fixed_partition(len(order), max(1, _CHUNK // width)):
            chosen = order[part]
            low, high = int(lines[chosen[0]]), int(lines[chosen[-1]]) + 1
            places = be.index_arrays(tensor.coords[chosen], tensor.shape, xp, tensor.device)
            taken = be.index_arrays(chosen[:, None], (len(order),), xp, tensor.device)[0]
            T = xp.take(tensor.values, taken)[:, None]
            for j in others:
                rows = xp.take(maps[j], places[j], axis=0)
                T = xp.reshape(T[:, :, None] * rows[:, None, :], (T.shape[0], -1))
            local = be.index_arrays((lines[chosen] - low)[:, None], (high - low,), xp, tensor.device)[0]
            Y[low:high, :] += be.segment_sum(T, local, high - low, xp)
        shape = tuple(tensor.shape[k] if j == k else int(maps[j].shape[1]) for j in range(len(tensor.shape)))
        return xp.moveaxis(xp.reshape(Y, (tensor.shape[k], *(n for j, n in enumerate(shape) if j != k))), 0, k)

    def _factor(self, k, U):
        n, tensor = self.tensor.shape[k], self.tensor
        return tensor.xp.eye(n, dtype=tensor.dtype, device=tensor.device) if U is None else U


def _conjugated(U):
    return be.namespace(U).conj(U) if be.is_complex(U.dtype) else U


def _started(data, ranks, modes, tol, limited):
    """`Parts` in the bases of the unfoldings' singular vectors."""
    tensor = data.tensor
    factors = [None] * len(tensor.shape)
    for k in modes:
        if tensor.norm == 0.0:
            kept = ranks[k] if limited else 1
            factors[k] = tensor.xp.eye(tensor.shape[k], kept, dtype=tensor.dtype, device=tensor.device)
        elif tol is not None or ranks[k] < tensor.shape[k]:
            factors[k] = _basis(tensor, k, ranks[k], None if tol is None else tol / math.sqrt(len(modes)))
    last = max(range(len(tensor.shape)), key=lambda k: tensor.shape[k])
    core = data.times_others(last, factors)
    core = core if factors[last] is None else contract(core, last, factors[last])
    if tol is not None and tensor.norm > 0.0:
        size, allowed = be.fro_norm(be.namespace(core).reshape(core, (-1,))), (tol * data.norm) ** 2
        missed = max(0.0, data.norm**2 - size**2)
        core, factors = cut_to(
            core, factors, least_ranks(core, max(0.0, allowed - missed), missed, modes), tensor.shape
        )
    return Parts(core, factors, len(modes) + 1)


def _basis(tensor, k, rank, tol):
    """Leading left singular vectors of an unfolding, columns that it lacks filled up unless a tolerance is given.

    Where they fall short, of the tolerance because of the rank or of rounding, the error of the whole tells.
    """
    op = as_operator(tensor.unfolding(k))
    request = validated("svd", op, min(rank, *op.shape), tol, rng=0, callback=None, progress=False, on_failure="warn",
                        oversample=_OVERSAMPLE)  # fmt: skip
    with underway(op, request, False) as (metered, _, request):
        name, request = choose(metered, request)
        U = tensor.xp.astype(run(name, metered, request).U, tensor.dtype, copy=False)
    return filled(U, rank) if tol is None else U


def _iterated(data, parts, watch, change):
    """``(Parts, converged, history)`` of orthogonal iteration."""
    factors, core, history, converged = list(parts.factors), parts.core, [], False
    smallest = max(change, _ROUNDING * be.eps(core.dtype)) * data.norm
    size = be.fro_norm(be.namespace(core).reshape(core, (-1,)))
    while not converged and not watch.over:
        for k in (k for k, U in enumerate(factors) if U is not None):
            Y = data.times_others(k, factors)
            factors[k] = leading(Y, k, factors[k].shape[1])
            core = contract(Y, k, factors[k])
        known, size = size, be.fro_norm(be.namespace(core).reshape(core, (-1,)))
        history.append(math.sqrt(max(0.0, data.norm**2 - size**2)) / data.norm)
        converged = abs(size - known) <= smallest
        watch.tick(error=history[-1])
    reads = len(history) * sum(U is not None for U in factors)
    return (
        replace(parts, core=core, factors=factors, reads=parts.reads + reads, sweeps=len(history)),
        converged,
        history,
    )
