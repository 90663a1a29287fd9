"""Right-hand sides: checked, in the dtype of the matrix, each at a scale where squares are safe."""

import numpy as np

from .. import _backend as be
from ..operators.base import require_one_home
from .columns import column_norms, largest_moduli, powers_of_two, times_powers


class RightSide:
    """Columns of `b` for the operator `A`, each multiplied by a power of two so that its entries are about one.

    Real matrices see real columns: the real and imaginary parts of a complex `b` become columns of their own.

    Attributes
    ----------
    columns : array, shape (m, k)
    norms : NumPy array, shape (k,)
        Norms of the columns.
    scales : NumPy array, shape (k,)
        What the columns were divided by.
    """

    def __init__(self, A, b, check_finite):
        b = np.asarray(b) if isinstance(b, list | tuple) else b
        be.require_untracked(b, "lstsq")
        require_one_home("lstsq", A, b)
        check_shape(b.shape, A)
        self.flat, xp = b.ndim == 1, A.xp
        columns = _as_columns(A, b[:, None] if self.flat else b)
        self.split = be.is_complex(columns.dtype) and not be.is_complex(A.dtype)
        if self.split:
            columns = xp.concat([xp.real(columns), xp.imag(columns)], axis=1)
        largest = largest_moduli(columns)
        if check_finite and not np.all(np.isfinite(largest)):
            raise ValueError("b holds NaN or infinite values; clean them first")
        self.scales = powers_of_two(largest)
        self.columns = times_powers(columns, 1.0 / self.scales)
        self.norms = column_norms(self.columns)

    def restored(self, X, factor, dtype):
        """Solutions for the columns of a matrix `factor` times smaller, as solutions for `b` in the shape of `b`."""
        found = X
        with np.errstate(over="ignore"):  # refused below
            X = times_powers(X, self.scales / factor)
        xp = be.namespace(X)
        if self.split:
            half = X.shape[1] // 2
            dtype = be.complex_dtype(xp, X.dtype)
            X = xp.astype(X[:, :half], dtype) + 1j * xp.astype(X[:, half:], dtype)
        X = xp.astype(X, dtype, copy=False)
        if be.all_finite(found) and not be.all_finite(X):
            name = be.dtype_name(dtype)
            raise ValueError(f"entries of the solution exceed the largest number of {name}: scale A up or b down")
        return X[:, 0] if self.flat else X

    def joined(self, sizes):
        """Norms, one for each column of `b`, of columns at the scale of `b` from their norms at our scale."""
        sizes = sizes * self.scales
        return np.hypot(*np.split(sizes, 2)) if self.split else sizes


def check_shape(shape, A):
    """ValueError unless right-hand sides of that shape are some for `A`."""
    m, n = A.shape
    if len(shape) not in (1, 2) or shape[0] != m or 0 in shape:
        found = f"got shape {tuple(shape)}"
        raise ValueError(f"b must have shape ({m},) or ({m}, k) for a matrix of shape {m}×{n}, {found}")


def _as_columns(A, b):
    xp = A.xp
    complex_wanted = be.is_complex(be.compute_dtype(xp, b.dtype, A.device)) or be.is_complex(A.dtype)
    wanted = be.complex_dtype(xp, be.real_dtype(xp, A.dtype)) if complex_wanted else A.dtype
    return xp.astype(b, wanted, copy=False)
