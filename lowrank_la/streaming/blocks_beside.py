"""Matrices that belong side by side: one namespace, device and dtype, a common number of rows, and their norms."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _backend as be
from .safe_rows import scaled

_LARGEST_POWER = {"float32": 120, "float64": 1000}


@dataclass(frozen=True)
class Beside:
    """The blocks as read: `blocks` (m, n_j) of one dtype, and their Frobenius norms.

    `source` is half precision when all blocks came in it, else the dtype.
    """

    blocks: list
    norms: list
    rows: int
    xp: Any
    device: Any
    dtype: Any
    source: Any

    @property
    def largest(self):
        """The largest norm of a block."""
        return max(self.norms)

    def power(self, j):
        """Exponent of two by which a cluster that starts with block j is divided, so that squares stay in range."""
        limit = _LARGEST_POWER[be.dtype_name(be.real_dtype(self.xp, self.dtype))]
        return max(-limit, min(limit, math.frexp(self.norms[j])[1]))

    def scaled(self, j, power):
        """Block j over ``2**power``."""
        return scaled(self.blocks[j], -power)


def read_blocks(blocks, axis, check_finite):
    """The blocks, transposed for ``axis=0``, in one dtype."""
    be.check_option("axis", axis, (0, 1))
    check_finite = be.check_flag("check_finite", check_finite)
    if isinstance(blocks, str | bytes) or not hasattr(blocks, "__iter__"):
        raise TypeError(f"blocks must be a sequence of matrices, got {type(blocks).__name__}")
    blocks = list(blocks)
    found = [one_block(block, place, axis) for place, block in enumerate(blocks)]
    if not found:
        raise ValueError("blocks is empty; give at least one matrix")
    xp, device = be.namespace(found[0]), be.device(found[0])
    for place, block in enumerate(found):
        if be.kind(be.namespace(block)) != be.kind(xp) or be.device(block) != device:
            raise TypeError(
                f"block {place} is of {be.kind(be.namespace(block))}, block 0 of {be.kind(xp)}; move one of them"
            )
        if block.shape[0] != found[0].shape[0]:
            side = "rows" if axis == 1 else "columns"
            raise ValueError(
                f"block {place} has {block.shape[0]} {side}, block 0 has {found[0].shape[0]}; they must agree"
            )
    dtype = found[0].dtype
    for block in found[1:]:
        dtype = xp.result_type(dtype, block.dtype)
    found = [xp.astype(block, dtype, copy=False) for block in found]
    norms = [be.fro_norm(block) for block in found]
    if check_finite:
        require_finite_norms(norms)
    sources = [source_dtype(block, worked) for block, worked in zip(blocks, found, strict=True)]
    source = sources[0] if all(each == sources[0] for each in sources) else dtype
    return Beside(found, norms, int(found[0].shape[0]), xp, device, dtype, source)


def one_block(block, place, axis):
    """A block as an array in the dtype that it is worked in."""
    be.require_untracked(block, "a decomposition of blocks")
    if isinstance(block, np.ma.MaskedArray):
        raise TypeError(f"block {place} is a masked array; fill the missing entries first")
    block = np.asarray(block) if isinstance(block, np.ndarray | list | tuple) else block
    if be.is_sparse(block) or not be.is_array(block) or be.kind(be.namespace(block)) == "other":
        raise TypeError(f"block {place} must be a dense array, got {type(block).__name__}")
    if block.ndim != 2 or 0 in block.shape:
        raise ValueError(f"block {place} must be a matrix with at least one entry, got shape {tuple(block.shape)}")
    xp = be.namespace(block)
    block = xp.astype(block, be.compute_dtype(xp, block.dtype, be.device(block)), copy=False)
    return block if axis == 1 else block.mT


def source_dtype(block, worked):
    """The half precision that a block came in, else the dtype that it is worked in."""
    return block.dtype if be.is_array(block) and be.is_half(block.dtype) else worked.dtype


def require_finite_norms(norms, first=0):
    """ValueError that names the block whose norm is not finite."""
    for place, norm in enumerate(norms):
        if not math.isfinite(norm):
            raise ValueError(
                f"block {first + place} holds NaN or infinite values, or its norm overflows; clean or rescale it"
            )
