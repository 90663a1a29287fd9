"""One door: anything with a matrix inside becomes a `LinearOperator`."""

import numpy as np

from .. import _backend as be
from .base import LinearOperator
from .dense import DenseOperator


def as_operator(A):
    """The operator of `A`.

    Parameters
    ----------
    A : array, sparse matrix, SciPy `LinearOperator`, operator, result, or nested lists
        Two-dimensional. Arrays keep their namespace, dtype and device; nested lists become NumPy arrays.

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
    if isinstance(A, np.ndarray):
        A = np.asarray(A)
    if be.is_array(A) and be.kind(be.namespace(A)) != "other":
        return DenseOperator(_two_dimensional(A))
    if isinstance(A, list | tuple):
        return DenseOperator(_two_dimensional(_from_lists(A)))
    if hasattr(A, "matmat") and hasattr(A, "rmatmat") and hasattr(A, "shape"):
        from .functions import ScipyOperator

        return ScipyOperator(A)
    raise TypeError(
        f"a matrix was expected (array, sparse matrix, LinearOperator or nested lists), got {type(A).__name__}; "
        "wrap other data with lowrank_la.operator(matmat, rmatmat, shape, dtype)"
    )


def _two_dimensional(A):
    if A.ndim != 2:
        raise ValueError(f"a two-dimensional array was expected, got {A.ndim} dimension(s) with shape {tuple(A.shape)}")
    return A


def _from_lists(rows):
    try:
        return np.asarray(rows, dtype=None)
    except ValueError as error:
        raise ValueError(f"nested lists must have rows of equal length: {error}") from None
