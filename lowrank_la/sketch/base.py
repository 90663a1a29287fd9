"""A sketch is data: a distribution, a shape and a key."""

from collections.abc import Callable
from typing import Any

from .. import _backend as be
from ..operators import as_operator

_BLOCK_ENTRIES = 1 << 22


class Sketch:
    """Random matrix S of shape (d, n) with E[SᴴS] = I, known by its key and never stored whole.

    Parameters
    ----------
    d, n : int
        Rows of the sketch, and length of the vectors that it takes.
    rng : optional
        Seed, generator or `Key`; the same one gives the same S on every backend and for any cut into blocks.
    dtype : optional
        A complex dtype makes the entries complex. The precision is that of the data that S is applied to.
    """

    def __init__(self, d, n, rng=None, *, dtype=None):
        self.shape = (be.check_count("d", d), be.check_count("n", n))
        self.key = be.resolve_rng(rng)
        self.is_complex = dtype is not None and be.is_complex(dtype)

    def apply(self, A):
        """``S A``.

        Parameters
        ----------
        A : array, sparse matrix or operator, shape (n, p) or (n,)

        Returns
        -------
        array, shape (d, p) or (d,)
            In the namespace, precision and device of `A`.
        """
        return self._on_matrix(A, 0, self._apply)

    def rapply(self, A):
        """``A Sᴴ`` for `A` of shape (m, n) or (n,); the result has shape (m, d) or (d,)."""
        return self._on_matrix(A, 1, self._rapply)

    def block(self, cols, *, xp=None, device=None, dtype=None):
        """Columns ``S[:, cols]`` for a slice `cols`: a function of the key and the global indices alone."""
        return self._entries(slice(0, self.shape[0]), _bounded(cols, self.shape[1]), self._dtype(dtype), xp, device)

    def todense(self, xp=None, device=None, dtype=None):
        """S as an array of shape (d, n), NumPy's by default."""
        return self.block(slice(0, self.shape[1]), xp=xp, device=device, dtype=dtype)

    def _entries(self, rows, cols, dtype, xp, device):
        """``S[rows, cols]`` for slices."""
        raise NotImplementedError

    def _apply(self, A):
        """``S A`` for an operator."""
        if A.has("array"):
            return self._apply_array(A.array)
        parts = [be.mH(A.rmatmat(be.mH(self._rows_like(A, rows)))) for rows in self._row_blocks()]
        return parts[0] if len(parts) == 1 else A.xp.concat(parts, axis=0)

    def _rapply(self, A):
        """``A Sᴴ`` for an operator."""
        parts = [A.matmat(be.mH(self._rows_like(A, rows))) for rows in self._row_blocks()]
        return parts[0] if len(parts) == 1 else A.xp.concat(parts, axis=1)

    def _apply_array(self, A):
        d, n = self.shape
        xp, device = be.namespace(A), be.device(A)
        dtype = self._joint_dtype(A.dtype)
        total = None
        for cols in be.fixed_partition(n, max(1, _BLOCK_ENTRIES // d)):
            block = self.block(cols, xp=xp, device=device, dtype=dtype)
            part = be.matmul(block, A[cols, :])
            total = part if total is None else total + part
        return total

    def _row_blocks(self):
        d, n = self.shape
        return be.fixed_partition(d, max(16, _BLOCK_ENTRIES // n))

    def _rows_like(self, A, rows):
        return self._entries(rows, slice(0, self.shape[1]), self._joint_dtype(A.dtype), A.xp, A.device)

    def _on_matrix(self, A, axis, product):
        if be.is_array(A) and A.ndim == 1:
            column = A[:, None] if axis == 0 else A[None, :]
            result = self._on_matrix(column, axis, product)
            return result[:, 0] if axis == 0 else result[0, :]
        A = as_operator(A)
        if A.shape[axis] != self.shape[1]:
            side = "rows" if axis == 0 else "columns"
            raise ValueError(
                f"a sketch of shape {self.shape} needs {self.shape[1]} {side}, got a matrix of shape {A.shape}"
            )
        return product(A)

    def _joint_dtype(self, dtype):
        """Name of the dtype of the blocks to multiply data of `dtype` with (libraries refuse real times complex)."""
        name = be.dtype_name(dtype)
        if not self.is_complex:
            return name
        return "complex64" if name in ("float32", "complex64") else "complex128"

    def _dtype(self, dtype):
        if dtype is None:
            return "complex128" if self.is_complex else "float64"
        return self._joint_dtype(dtype)

    def __repr__(self):
        d, n = self.shape
        return f"{type(self).__name__}({d}, {n}, rng={self.key!r})"


class DenseSketch(Sketch):
    """A sketch whose entries are independent draws of one distribution, scaled by 1/√d."""

    _draw: Callable[..., Any]

    def _entries(self, rows, cols, dtype, xp, device):
        drawn = self._drawn(rows, cols, dtype, xp, device)
        drawn *= self.shape[0] ** -0.5
        return drawn

    def _drawn(self, rows, cols, dtype, xp, device):
        draw = type(self)._draw
        if be.is_complex(dtype) and not self.is_complex:
            real = draw(self.key, rows, cols, "float32" if dtype == "complex64" else "float64", xp, device)
            xp = be.namespace(real)
            return xp.astype(real, getattr(xp, dtype))
        return draw(self.key, rows, cols, dtype, xp, device)


def sketch_class(sketch, default):
    """`sketch` when it is a class of this room, `default` for None; TypeError for anything else."""
    if sketch is None:
        return default
    if not (isinstance(sketch, type) and issubclass(sketch, Sketch)) or sketch in (Sketch, DenseSketch):
        name = getattr(sketch, "__name__", type(sketch).__name__)
        raise TypeError(f"sketch must be a class such as lowrank_la.sketch.SRHT, got {name!r}")
    return sketch


def _bounded(cols, n):
    start, stop, step = cols.indices(n)
    if step != 1:
        raise ValueError(f"a block of columns is a contiguous slice, got {cols}")
    return slice(start, max(start, stop))
