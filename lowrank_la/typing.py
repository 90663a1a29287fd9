"""Names for what flows through the library, for annotations and for readers.

Arrays of different libraries share no base class, and the array API standard has no runtime type, so `Array` and its
kin are aliases of `typing.Any` that say what is meant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np

Array: TypeAlias = Any
"""A NumPy, CuPy, torch or other array that follows the array API standard."""

Namespace: TypeAlias = Any
"""The module of array functions that belongs to an array, usually called ``xp``."""

DType: TypeAlias = Any
"""A data type object of one namespace."""

Device: TypeAlias = Any
"""A device object of one namespace, ``"cpu"`` for NumPy."""

MatrixLike: TypeAlias = Any
"""Whatever `lowrank_la.as_operator` accepts: array, sparse matrix, operator, nested list."""

Shape: TypeAlias = tuple[int, int]
"""Rows and columns."""

RandomSource: TypeAlias = "int | np.random.Generator | np.random.SeedSequence | Any | None"
"""A seed, a NumPy generator or seed sequence, a native generator of a device, or None for a fresh key."""

ErrorKind: TypeAlias = Literal["exact", "bound", "estimate"]
"""How far `info.error` can be trusted."""

OnFailure: TypeAlias = Literal["warn", "raise"]
"""What to do with a result that falls short of what was asked."""

Callback: TypeAlias = Callable[[Any], "bool | None"]
"""Called once an iteration with the state; a true answer stops the iteration."""


@runtime_checkable
class SupportsOperator(Protocol):
    """Anything that can turn itself into a `lowrank_la.operators.base.LinearOperator`."""

    def __lowrank_operator__(self) -> Any:
        """Return the operator."""
