"""One door: anything with a matrix inside becomes a `LinearOperator`."""

from pathlib import Path, PurePath

import numpy as np

from .. import _backend as be
from ..blocks import BlockSource, block_source
from ..blocks.sources import NotInBlocks
from .base import LinearOperator
from .blocks import BlockOperator
from .dense import DenseOperator
from .mapped import MappedOperator


def as_operator(A):
    """The operator of `A`.

    Parameters
    ----------
    A : array, sparse matrix, SciPy `LinearOperator`, operator, result, nested lists, or data in blocks
        Two-dimensional. Arrays keep their namespace, dtype and device; nested lists become NumPy arrays. Dask arrays
        and whatever else `block_source` takes become a `BlockOperator`; so do memory maps, which stay arrays to
        functions that need one.

    Returns
    -------
    LinearOperator

    Raises
    ------
    TypeError
        If `A` is none of these or a torch tensor with dense dimensions inside sparse ones, or its dtype can't be
        factored.
    ValueError
        If `A` is not two-dimensional.

    Examples
    --------
    >>> import lowrank_la as lr
    >>> lr.as_operator([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).shape
    (3, 2)
    """
    if isinstance(A, LinearOperator):
        return A
    if hasattr(A, "__lowrank_operator__"):
        return A.__lowrank_operator__()
    if be.is_sparse(A):
        from .sparse import SparseOperator

        return SparseOperator(A)
    if isinstance(A, np.ma.MaskedArray):
        raise TypeError("a masked array can't be factored; fill the missing entries first")
    if isinstance(A, BlockSource):
        return BlockOperator(A)
    if _is_mapped(A):
        return MappedOperator(A)
    if isinstance(A, np.ndarray):
        A = np.asarray(A)
    if be.is_array(A) and be.kind(be.namespace(A)) != "other":
        return DenseOperator(_two_dimensional(A))
    if isinstance(A, list | tuple) and not any(isinstance(part, str | PurePath) for part in A):
        return DenseOperator(_two_dimensional(_from_lists(A)))
    if hasattr(A, "matmat") and hasattr(A, "rmatmat") and hasattr(A, "shape"):
        from .functions import ScipyOperator

        return ScipyOperator(A)
    return BlockOperator(_source_of(A))


def _is_mapped(A):
    """Whether `A` is a memory map, and not what NumPy made of one in memory."""
    return isinstance(A, np.memmap) and getattr(A, "_mmap", None) is not None


def _source_of(A):
    try:
        if isinstance(A, str) and not (PurePath(A).suffix or Path(A).exists()):
            raise TypeError(f"there is no file or folder {A!r}")
        return block_source(A)
    except TypeError as error:
        reason = "" if isinstance(error, NotInBlocks) else f": {error}"
        raise TypeError(
            "a matrix was expected (array, sparse matrix, LinearOperator, nested lists or data in blocks), got "
            f"{type(A).__name__}; wrap other data with lowrank_la.operator(matmat, rmatmat, shape, dtype){reason}"
        ) from error


def _two_dimensional(A):
    if A.ndim != 2:
        raise ValueError(f"a two-dimensional array was expected, got {A.ndim} dimension(s) with shape {tuple(A.shape)}")
    return A


def _from_lists(rows):
    try:
        return np.asarray(rows, dtype=None)
    except ValueError as error:
        if any(getattr(row, "ndim", 0) == 2 for row in rows):
            raise ValueError(
                "a list of matrices is no matrix; lowrank_la.block_source reads them one below the other"
            ) from None
        raise ValueError(f"nested lists must have rows of equal length: {error}") from None
