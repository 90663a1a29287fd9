"""Tucker decomposition of data in slabs along the first mode: one read for each mode that is truncated."""

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from .. import _backend as be
from ..blocks import map_reduce
from .block_demand import demand_of_tucker
from .modes import contract, contract_all, expand_all, gram, triangle
from .norms import safe_scale
from .rank_choice import allowed_square, cut_to, least_ranks
from .st_hosvd import Parts, coarsest_gram
from .subspace import by_gram, by_triangle, filled, of_gram, of_triangle
from .tucker_answer import assembled
from .tucker_arguments import checked_modes, checked_ranks


def tucker_of_blocks(source, rank, tol, method, modes, check_finite):
    """`TuckerResult` of a `BlockSource` of two dimensions or more.

    The first mode, along which the slabs lie, is truncated last: of all others the Gram matrix is added up slab by
    slab, of slabs that are already multiplied by the factors found before. The last read collects these products,
    which then fit memory.
    """
    shape, modes, ranks = _asked(source, rank, method, modes)
    done = {"converged": True, "reason": "tolerance met" if tol is not None else "ranks reached", "iterations": 0}
    tensor, parts = _parts(source, shape, ranks, modes, tol, check_finite)
    info = done | {"method": "st_hosvd", "rng": None, "short": "the error at these ranks is above tol"}
    return assembled(tensor, parts, modes, tensor.scale, source.dtype, tol, info)


def demand(source, rank, tol, method, modes):
    """`Demand` of `tucker_of_blocks`."""
    shape, modes, ranks = _asked(source, rank, method, modes)
    return demand_of_tucker(source, ranks, _turns(shape, ranks, modes, tol)[0])


def _asked(source, rank, method, modes):
    """``(shape, modes, ranks)`` of the arguments, checked."""
    if method not in ("auto", "st_hosvd"):
        raise ValueError(f"data in blocks are decomposed with method='st_hosvd', got {method!r}; read them into memory")
    if source.reads_allowed == 1 or source.shape[0] is None:
        raise ValueError(
            "these data can be read once, and a Tucker decomposition takes a read for each mode: store them, or take "
            "TuckerSketch"
        )
    shape = tuple(source.shape)
    if len(shape) < 2 or 0 in shape:
        raise ValueError(f"X must have two or more modes, none of length zero; got shape {shape}")
    modes = checked_modes(modes, len(shape))
    return shape, modes, checked_ranks(rank, shape, modes)


def _turns(shape, ranks, modes, tol):
    """Modes that are truncated by a read of their own, the shortest first; and the first mode where it is, too."""
    cut = [k for k in modes if tol is not None or ranks[k] < shape[k]]
    return sorted((k for k in cut if k > 0), key=lambda k: shape[k]), [0] if 0 in cut else []


def _parts(source, shape, ranks, modes, tol, check_finite):
    """``(Slabs, Parts)``: all modes but the first, one read each, and the first from what they leave."""
    xp, dtype = source.xp, be.compute_dtype(source.xp, source.dtype, source.device)
    tensor, core, spent, reads = Slabs(source, dtype), None, 0.0, 0
    factors: list = [None] * len(shape)
    turns, last = _turns(shape, ranks, modes, tol)
    for done, k in enumerate([*turns, *last]):
        if k == 0:
            tensor, core = tensor.safely(Slabs.contracted, factors, check_finite)
            found = (by_gram if tensor.is_coarse(tol) else by_triangle)(core, 0)
        else:
            tensor, found = tensor.safely(Slabs.spectrum, factors, check_finite, k, tensor.is_coarse(tol))
        reads += 1
        share = None
        if tol is not None:
            allowed = allowed_square(tensor.norm, tol, dtype)
            share = max(0.0, allowed - spent) / (len(turns) + len(last) - done)
        kept = _kept(found, ranks[k], share)
        spent += float(found.tails[kept]) if kept < len(found.tails) else 0.0
        factors[k] = xp.astype(filled(found.U, kept), dtype, copy=False)
    if not last:
        tensor, core = tensor.safely(Slabs.contracted, factors, check_finite)
        reads += 1
    core = contract(core, 0, factors[0]) if last else core
    if tol is not None:
        allowed = allowed_square(tensor.norm, tol, dtype)
        core, factors = cut_to(core, factors, least_ranks(core, max(0.0, allowed - spent), spent, modes), shape)
    return tensor, Parts(core, factors, reads + (tensor.scale != 1.0))


def _kept(found, rank, share):
    """Columns that are kept: those within `rank`, and as few as leave out no more than `share`."""
    most = min(len(found.energies), rank) if share is not None else rank
    return most if share is None else next(r for r in range(1, most + 1) if r == most or found.tails[r] <= share)


@dataclass(frozen=True)
class Slabs:
    """A block source as the decomposition reads it: in `dtype`, divided by `scale`, of Frobenius norm `norm` then."""

    source: Any
    dtype: Any
    norm: float | None = None
    scale: float = 1.0

    fine = True

    def is_coarse(self, tol):
        """Whether Gram matrices tell the tails apart that the tolerance asks for."""
        like = self.source.xp.empty((0,), dtype=self.dtype, device=self.source.device)
        return tol is None or tol > coarsest_gram(like)

    def safely(self, read, factors, check_finite, *options):
        """``(Slabs, what `read` found)``: the first read tells the norm, and is repeated if that asks for a scale.

        Nothing is made of what was read before its norm is known to be safe.
        """
        finish, norm = read(self, factors, *options)
        if self.norm is not None:
            return self, finish()
        if not math.isfinite(norm) and (check_finite or norm == math.inf):
            raise ValueError("X holds NaN or infinite values, or its norm leaves the range of its dtype; take them out")
        scale = safe_scale(norm, self.dtype) if math.isfinite(norm) else 1.0
        other = replace(self, norm=norm / scale, scale=scale)
        return (other, finish()) if scale == 1.0 else (other, read(other, factors, *options)[0]())

    def spectrum(self, factors, k, coarse):
        """What gives the `Spectrum` of mode `k` of the tensor times the factors found so far, and ‖X‖, in one read."""
        kernel = partial(_gram_of_slab if coarse else _triangle_of_slab, k=k, dtype=self.dtype, scale=self.scale)
        found, norm = map_reduce(self.source, kernel, _added if coarse else _stacked, broadcast=(list(factors),))
        return partial(of_gram if coarse else of_triangle, found), norm

    def contracted(self, factors):
        """What gives the tensor times all factors but the first, and ‖X‖, in one read."""
        kernel = partial(_contracted_slab, dtype=self.dtype, scale=self.scale)
        *pieces, norm = map_reduce(self.source, kernel, _joined, broadcast=(list(factors),))
        return partial(self.source.xp.concat, pieces, axis=0), norm

    def left_out(self, core, factors):
        """Norm of the residual, in one read."""
        kernel = partial(_residual_of_slab, dtype=self.dtype, scale=self.scale)
        return map_reduce(self.source, kernel, math.hypot, broadcast=(core, list(factors)))


def _taken(block, dtype, scale):
    xp = be.namespace(block)
    block = xp.astype(block, dtype, copy=False)
    return block if scale == 1.0 else block / scale


def _gram_of_slab(block, _start, factors, *, k, dtype, scale):
    block = _taken(block, dtype, scale)
    wide = be.widest_like(be.namespace(block), dtype, be.device(block))
    with np.errstate(over="ignore", invalid="ignore"):  # the norm tells whether the block was too large
        return gram(contract_all(block, factors, skip=(0,)), k, wide), be.fro_norm(block)


def _triangle_of_slab(block, _start, factors, *, k, dtype, scale):
    block = _taken(block, dtype, scale)
    return triangle(contract_all(block, factors, skip=(0,)), k), be.fro_norm(block)


def _contracted_slab(block, _start, factors, *, dtype, scale):
    block = _taken(block, dtype, scale)
    return contract_all(block, factors, skip=(0,)), be.fro_norm(block)


def _residual_of_slab(block, start, core, factors, *, dtype, scale):
    block = _taken(block, dtype, scale)
    rows = slice(start, start + block.shape[0])
    cut = [None if U is None else U[rows, :] if k == 0 else U for k, U in enumerate(factors)]
    return be.fro_norm(block - expand_all(core if factors[0] is not None else core[rows, ...], cut))


@np.errstate(over="ignore", invalid="ignore")  # the norm tells whether the blocks were too large
def _added(a, b):
    return a[0] + b[0], math.hypot(a[1], b[1])


def _stacked(a, b):
    stacked = be.namespace(a[0]).concat([a[0], b[0]], axis=0)
    return be.householder_triangle(stacked), math.hypot(a[1], b[1])


def _joined(a, b):
    return (*a[:-1], *b[:-1], math.hypot(a[-1], b[-1]))
