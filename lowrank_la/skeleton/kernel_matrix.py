"""A kernel matrix that is known by its points and never formed."""

from numbers import Real

import numpy as np

from .. import _backend as be
from ..operators.base import Cost, LinearOperator

_HOST_ENTRIES, _DEVICE_ENTRIES = 1 << 18, 1 << 24
_DIAGONAL_BLOCK = 64


class KernelMatrix(LinearOperator):
    """The matrix ``kernel(x_i, x_j)`` of n points: blocks of it are computed when they are asked for.

    An operator like any other, Hermitian by assumption: `rpcholesky` reads a few of its columns, `nystrom`, `svd` and
    `eigh` multiply with it panel by panel.

    Parameters
    ----------
    X : array, shape (n, d) or (n,)
        Points. Half precision and integers are promoted.
    kernel : callable
        ``kernel(X, Y)`` for p and q points returns the (p, q) block as an array of the library, device and (real)
        dtype of `X`, or a complex one. On the host it is called from several threads at once.
    diag : callable, array (n,) or number, optional
        The diagonal: a function of the points, its entries, or the one value of a stationary kernel. When it is left
        out, small blocks along the diagonal are computed, about 64 n entries.

    Raises
    ------
    TypeError
        If `X` is not an array or `kernel` not callable.
    ValueError
        If the points are empty or not finite, or a block or the diagonal has the wrong shape.

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> def gaussian(x, y):
    ...     return np.exp(-((x[:, None] - y[None, :]) ** 2))
    >>> K = lr.KernelMatrix(np.linspace(0.0, 1.0, 1000), gaussian, diag=1.0)
    >>> K.shape, K.take_cols([3, 5]).shape
    ((1000, 1000), (1000, 2))
    """

    adjoint_by_construction = True

    def __init__(self, X, kernel, diag=None):
        self.X = checked_points(X)
        if not callable(kernel):
            raise TypeError(f"kernel must be a function of two arrays of points, got {type(kernel).__name__}")
        self.kernel = kernel
        xp, device, n = be.namespace(self.X), be.device(self.X), self.X.shape[0]
        sample = evaluated(kernel, self.X[:1, ...], self.X[:1, ...])
        super().__init__((n, n), sample.dtype, xp, device, X.dtype if be.is_array(X) else None)
        self._given = diag

    def block(self, rows, cols):
        """Entries of the rows and columns named by slices or index arrays of the library."""
        made = evaluated(self.kernel, self._pick(rows), self._pick(cols))
        return made if made.dtype == self.dtype else self.xp.astype(made, self.dtype)

    def panels(self, width):
        """Slices of rows whose blocks with `width` columns fit the cache of the host (or the memory of a device)."""
        entries = _HOST_ENTRIES if be.kind(self.xp) == "numpy" else _DEVICE_ENTRIES
        return be.fixed_partition(self.shape[0], max(64, entries // max(1, width)))

    def diag(self):
        """The diagonal, shape (n,)."""
        n, given = self.shape[0], self._given
        if given is None:
            blocks = be.fixed_partition(n, _DIAGONAL_BLOCK)
            return self.xp.concat([self.xp.linalg.diagonal(self.block(b, b)) for b in blocks])
        if isinstance(given, Real):
            return self.xp.full((n,), float(given), dtype=self.dtype, device=self.device)
        given = given(self.X) if callable(given) else given
        if not be.is_array(given) or tuple(given.shape) != (n,):
            found = tuple(given.shape) if be.is_array(given) else type(given).__name__
            raise ValueError(f"diag must be a number or give {n} entries, got {found}")
        return self.xp.astype(given, self.dtype, copy=False)

    def take_cols(self, indices):
        """The columns `indices`."""
        cols = be.index_array(indices, self.shape[1], self.xp, self.device)
        parts = mapped(lambda rows: self.block(rows, cols), self.panels(cols.shape[0]), self.xp)
        return parts[0] if len(parts) == 1 else self.xp.concat(parts, axis=0)

    def take_rows(self, indices):
        """The rows `indices`."""
        return be.mH(self.take_cols(indices))

    def _matmat(self, V):
        panels = self.panels(self.shape[1])
        parts = mapped(lambda rows: be.matmul(self.block(rows, slice(None)), V), panels, self.xp)
        return parts[0] if len(parts) == 1 else self.xp.concat(parts, axis=0)

    def _rmatmat(self, Y):
        return self._matmat(Y)

    @property
    def cost(self):
        """`Cost` of one product: the points are read, the entries computed."""
        numbers = float(self.shape[0] * self.shape[1])
        return Cost(flops=22.0 * numbers, bytes=float(be.itemsize(self.dtype) * self.X.shape[0]), dense=False)

    def _pick(self, indices):
        return self.X[indices, ...] if isinstance(indices, slice) else self.xp.take(self.X, indices, axis=0)


def evaluated(kernel, x, y):
    """``kernel(x, y)``, checked for library, device and shape."""
    made, xp, device = kernel(x, y), be.namespace(x), be.device(x)
    if not be.is_array(made) or be.namespace(made) is not xp or be.device(made) != device:
        raise TypeError(f"kernel must return an array of {be.kind(xp)} on {device}, got {type(made).__name__}")
    shape = (x.shape[0], y.shape[0])
    if tuple(made.shape) != shape:
        raise ValueError(f"kernel must return a block of shape {shape} here, got {tuple(made.shape)}")
    return made


def mapped(fn, blocks, xp):
    """``[fn(block) for block in blocks]``, on several threads on the host."""
    return be.map_blocks(fn, blocks) if be.kind(xp) == "numpy" else [fn(block) for block in blocks]


def checked_points(X):
    """`X` as an array of points in a dtype to work in, finite and not empty."""
    if isinstance(X, list | tuple):
        X = np.asarray(X)
    if not be.is_array(X) or be.kind(be.namespace(X)) == "other":
        raise TypeError(f"points X must be an array in memory, got {type(X).__name__}")
    if X.ndim == 0 or X.shape[0] == 0:
        raise ValueError(f"points X must be an array of at least one point, got shape {tuple(X.shape)}")
    xp = be.namespace(X)
    X = xp.astype(X, be.compute_dtype(xp, X.dtype, be.device(X)), copy=False)
    be.require_finite(X, "the array of points X")
    return X
