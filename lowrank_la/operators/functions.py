"""Operators whose products are somebody else's code."""

import numpy as np

from .. import _backend as be
from ..exceptions import CapabilityError
from .base import LinearOperator


class FunctionOperator(LinearOperator):
    """Products by two functions; `lowrank_la.operator` makes one.

    What the functions return is checked for kind, shape, dtype and device. They are given matrices of exactly the
    declared dtype.
    """

    def __init__(self, matmat, rmatmat, shape, dtype, *, device=None, xp=None):
        xp = be.named_namespace(dtype, device) if xp is None else xp
        name = be.dtype_name(_host_dtype(dtype) if be.kind(xp) in ("numpy", "cupy", "jax") else dtype)
        if name not in ("float32", "float64", "complex64", "complex128"):
            raise TypeError(f"products need dtype float32, float64, complex64 or complex128, got {name}")
        dtype = getattr(xp, name)
        device = be.device(xp.empty((0,), dtype=dtype, device=device))
        super().__init__(_checked_shape(shape), dtype, xp, device)
        for label, function in (("matmat", matmat), ("rmatmat", rmatmat)):
            if not callable(function) and (label == "matmat" or function is not None):
                raise TypeError(f"{label} must be a function of a matrix, got {type(function).__name__}")
        self._products = {"matmat": matmat, "rmatmat": rmatmat}

    def _matmat(self, X):
        return self._call("matmat", X, self.shape[0])

    def _rmatmat(self, Y):
        if self._products["rmatmat"] is None:
            raise CapabilityError(
                f"products with the adjoint (rmatmat) of this {self._size()} operator are needed; "
                "give rmatmat to lowrank_la.operator"
            )
        return self._call("rmatmat", Y, self.shape[1])

    def _call(self, name, X, rows):
        out = self._products[name](self.xp.astype(X, self.dtype, copy=False))
        if not be.is_array(out) or be.namespace(out) is not self.xp or be.device(out) != self.device:
            declared = f"{be.kind(self.xp)} on {self.device}"
            raise TypeError(f"{name} must return an array of {declared}, got {_described(out)}")
        if tuple(out.shape) != (rows, X.shape[1]):
            raise ValueError(f"{name} must return shape {(rows, X.shape[1])} here, got {tuple(out.shape)}")
        if out.dtype != self.dtype:
            raise TypeError(f"{name} returned {be.dtype_name(out.dtype)}, declared is {be.dtype_name(self.dtype)}")
        return out

    def has(self, capability):
        """Whether the operator offers `capability`; products with the adjoint when `rmatmat` was given."""
        one_sided = self._products["rmatmat"] is None
        return super().has(capability) and not (one_sided and capability in ("rmatmat", "normal"))


def operator(matmat, rmatmat, shape, dtype, *, device=None):
    """Matrix given by its products.

    Parameters
    ----------
    matmat : callable
        ``matmat(X) = A @ X`` for an array `X` of shape (n, b).
    rmatmat : callable or None
        ``rmatmat(Y) = Aᴴ @ Y`` for `Y` of shape (m, b), the conjugate transpose. None where it is not known: methods
        that need it then raise `lowrank_la.CapabilityError`.
    shape : tuple of int
        ``(m, n)``.
    dtype : dtype
        float32, float64, complex64 or complex128 of the library whose arrays the functions take: ``numpy.float64``,
        ``torch.float32`` and so on.
    device : optional
        Device of those arrays; a CuPy device means that they are CuPy arrays.

    Returns
    -------
    LinearOperator

    Raises
    ------
    TypeError
        If the functions are not callable, or the dtype is none of the four. Products raise it when a function
        returns another dtype, library or device than declared.
    ValueError
        If the shape is not two positive integers; when a product has the wrong shape. `svd`, `eigh` and `qb` raise it
        when the two products are not adjoint to each other: one column on either side tells.

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> shift = lr.operator(lambda X: np.roll(X, 1, axis=0), lambda Y: np.roll(Y, -1, axis=0), (4, 4), np.float64)
    >>> shift @ np.array([1.0, 2.0, 3.0, 4.0])
    array([4., 1., 2., 3.])
    """
    return FunctionOperator(matmat, rmatmat, shape, dtype, device=device)


class ScipyOperator(LinearOperator):
    """A SciPy `LinearOperator`, or anything else with `shape`, `matmat` and `rmatmat`."""

    def __init__(self, A):
        xp = be.named_namespace(getattr(A, "dtype", None), owner=A)
        shape = _checked_shape(A.shape)
        device = be.device(xp.empty((0,)))
        dtype = getattr(A, "dtype", None)
        source = xp.asarray(A.matmat(xp.zeros((shape[1], 1)))).dtype if dtype is None else dtype
        super().__init__(shape, be.compute_dtype(xp, source, device), xp, device)
        self._inner = A

    def _matmat(self, X):
        return self._call("matmat", X, self.shape[0])

    def _rmatmat(self, Y):
        return self._call("rmatmat", Y, self.shape[1])

    def _call(self, name, X, rows):
        if X.shape[1] == 0:
            return self.xp.zeros((rows, 0), dtype=X.dtype, device=self.device)
        try:
            out = self.xp.asarray(getattr(self._inner, name)(X))
        except (NotImplementedError, TypeError) as error:
            if isinstance(error, TypeError) and "'NoneType' object is not callable" not in str(error):
                raise  # SciPy calls a missing rmatvec as if it were there
            raise CapabilityError(
                f"{name} of this {self._size()} {type(self._inner).__name__} is needed and not implemented"
            ) from error
        if tuple(out.shape) != (rows, X.shape[1]):
            raise ValueError(f"{name} must return shape {(rows, X.shape[1])} here, got {tuple(out.shape)}")
        if be.is_complex(out.dtype) and not be.is_complex(X.dtype):
            raise TypeError(f"{name} returned {be.dtype_name(out.dtype)}, declared is {be.dtype_name(self.dtype)}")
        return self.xp.astype(out, X.dtype, copy=False)


def _checked_shape(shape):
    if len(tuple(shape)) != 2:
        raise ValueError(f"shape must be (m, n), got {tuple(shape)}")
    return tuple(be.check_count(name, size) for name, size in zip(("m", "n"), shape, strict=True))


def _host_dtype(dtype):
    return np.dtype(dtype).newbyteorder("=")


def _described(out):
    return f"{be.kind(be.namespace(out))} on {be.device(out)}" if be.is_array(out) else type(out).__name__
