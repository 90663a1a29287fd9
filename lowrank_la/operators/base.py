"""The protocol that every algorithm sees: products with `A` and, where the data can, a few capabilities more."""

from dataclasses import dataclass
from numbers import Number

from .. import _backend as be
from ..exceptions import CapabilityError

_CAPABILITIES = {
    "array": "a dense array",
    "fro_norm": "the Frobenius norm",
    "diag": "the diagonal",
    "take_rows": "single rows",
    "take_cols": "single columns",
    "gram": "the Gram matrix of its columns",
    "outer_gram": "the Gram matrix of its rows",
}
_ALWAYS = ("matmat", "rmatmat", "normal", "cost")
_IDENTITY = 1 << 22  # numbers of the identity that `todense` holds at a time


@dataclass(frozen=True)
class Cost:
    """Work of one product with one column: floating-point operations, and bytes read a pass."""

    flops: float
    bytes: float
    dense: bool


class LinearOperator:
    """A linear map of shape (m, n) given by its products.

    Subclasses implement ``_matmat(X)`` and ``_rmatmat(Y)`` for matrices of the operator's dtype or a wider one of the
    same kind, and may override ``_normal(X)`` and the capabilities: `array`, `fro_norm`, `diag`, `take_rows`,
    `take_cols`, `gram`, `outer_gram`, `cost`; `adjoint_by_construction` where both products come from the same data,
    `parts` where they come from other operators. An operator that centres its columns looks for hooks that need more
    than products: ``column_means()``, ``centred_normal(X, mean)``, ``centred_fro_norm(mean)`` and, where the entries
    are at hand, ``centred_gram(mean, single)`` and ``centred_outer_gram(mean, single)``.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype of `xp`
        The dtype of the products; half precision and integers have been promoted.
    device, xp
        Device and array namespace of the products.
    source_dtype : dtype of `xp`
        The dtype that the data had.
    """

    __array_ufunc__ = None  # NumPy then leaves `array @ operator` and `scalar * operator` to the operator

    def __init__(self, shape, dtype, xp, device=None, source_dtype=None):
        self.shape = (int(shape[0]), int(shape[1]))
        self.dtype = dtype
        self.xp = xp
        self.device = device
        self.source_dtype = dtype if source_dtype is None else source_dtype

    normal_reads = 2
    """Reads of `A` that `normal` takes: one where a kernel fuses the two products."""

    adjoint_by_construction = False
    """Whether `rmatmat` can't but be the adjoint of `matmat`; the decompositions try others with a dot test."""

    @property
    def parts(self):
        """The operators that this one is made of, none for data and functions."""
        return ()

    def matmat(self, X):
        """``A X`` for `X` of shape (n, b)."""
        return self._apply(self._matmat, X, self.shape[1], "matmat")

    def rmatmat(self, Y):
        """``Aᴴ Y`` for `Y` of shape (m, b)."""
        return self._apply(self._rmatmat, Y, self.shape[0], "rmatmat")

    def normal(self, X):
        """``Aᴴ (A X)`` for `X` of shape (n, b)."""
        return self._apply(self._normal, X, self.shape[1], "normal")

    def _matmat(self, X):
        raise self._missing("matmat", "products A X")

    def _rmatmat(self, Y):
        raise self._missing("rmatmat", "products Aᴴ Y")

    def _normal(self, X):
        return self._rmatmat(self._matmat(X))

    def _apply(self, product, X, rows, name):
        require_one_home(name, self, X)
        if X.ndim != 2 or X.shape[0] != rows:
            raise ValueError(
                f"{name} of a {self._size()} operator needs a matrix with {rows} rows, got shape {tuple(X.shape)}"
            )
        if X.dtype == self.dtype:
            return product(X)
        X = self.xp.astype(X, self._working_dtype(X.dtype), copy=False)
        if be.is_complex(X.dtype) and not be.is_complex(self.dtype):
            parts = product(self.xp.concat([self.xp.real(X), self.xp.imag(X)], axis=1))
            return _as_complex(self.xp, parts[:, : X.shape[1]], parts[:, X.shape[1] :])
        return product(X)

    def _working_dtype(self, dtype):
        if be.dtype_name(dtype).startswith(("int", "uint", "bool")):
            return self.dtype
        return self.xp.result_type(be.compute_dtype(self.xp, dtype, self.device), self.dtype)

    def __matmul__(self, x):
        if not be.is_array(x):
            from .algebra import ProductOperator

            return ProductOperator(self, _as_operator(x))
        return self.matmat(x[:, None])[:, 0] if x.ndim == 1 else self.matmat(x)

    def __rmatmul__(self, x):
        if not be.is_array(x):
            return _as_operator(x) @ self
        if x.ndim == 1:
            return self._conj(self.H @ self._conj(x))
        return be.mH(self.rmatmat(be.mH(x)))

    def _conj(self, x):
        return self.xp.conj(x) if be.is_complex(x.dtype) else x

    def __add__(self, other):
        from .algebra import SumOperator

        return SumOperator(self, _as_operator(other))

    def __radd__(self, other):
        return _as_operator(other) + self

    def __sub__(self, other):
        return self + (-1.0) * _as_operator(other)

    def __rsub__(self, other):
        return _as_operator(other) - self

    def __mul__(self, alpha):
        from .algebra import ScaledOperator

        return ScaledOperator(self, alpha) if is_scalar(alpha) else NotImplemented

    __rmul__ = __mul__

    def __neg__(self):
        return self * -1.0

    def todense(self):
        """The matrix as an array.

        Returns
        -------
        array, shape (m, n)
            Of `dtype`. Where the operator has an `array` that one, not a copy; else its rows, or where it has products
            alone those with the columns of the identity, a few at a time.
        """
        if self.has("array"):
            return self.array
        if self.has("take_rows"):
            return self.xp.astype(densify(self.take_rows(range(self.shape[0]))), self.dtype, copy=False)
        n = self.shape[1]
        blocks = [self.xp.zeros((self.shape[0], 0), dtype=self.dtype, device=self.device)]
        for part in be.fixed_partition(n, max(1, _IDENTITY // max(n, 1))):
            width = part.stop - part.start
            unit = self.xp.eye(n, width, k=-part.start, dtype=self.dtype, device=self.device)
            blocks.append(self.matmat(unit))
        return self.xp.concat(blocks, axis=1)

    @property
    def H(self):
        """The adjoint operator."""
        from .algebra import AdjointOperator

        return AdjointOperator(self)

    @property
    def array(self):
        """The matrix as a dense array that the caller handed in (never formed here)."""
        raise self._missing("array")

    def fro_norm(self):
        """Frobenius norm, a float."""
        raise self._missing("fro_norm")

    def scaled(self, alpha):
        """``alpha * A``, for an `alpha` that is a power of two."""
        return self * alpha

    def narrowed(self):
        """An operator whose `normal` is this one's in single precision, where that is faster; else None."""

    def diag(self):
        """The diagonal, shape (min(m, n),)."""
        raise self._missing("diag")

    def take_rows(self, indices):
        """The rows `indices`."""
        raise self._missing("take_rows")

    def take_cols(self, indices):
        """The columns `indices`."""
        raise self._missing("take_cols")

    def gram(self, single=False):
        """``AᴴA``, exactly Hermitian; with `single`, of panels rounded to single precision, added up in double."""
        raise self._missing("gram")

    def outer_gram(self, single=False):
        """``A Aᴴ``, the Gram matrix of the adjoint."""
        raise self._missing("outer_gram")

    @property
    def cost(self):
        """`Cost` of one product."""
        m, n = self.shape
        size = 2.0 * m * n
        return Cost(flops=size, bytes=size, dense=False)

    def has(self, capability):
        """Whether the operator offers `capability`: rmatmat, or one of those that `LinearOperator` names."""
        be.check_option("capability", capability, (*_CAPABILITIES, *_ALWAYS))
        return capability in _ALWAYS or getattr(type(self), capability) is not getattr(LinearOperator, capability)

    def _missing(self, capability, what=None):
        needed = what or _CAPABILITIES[capability]
        return CapabilityError(
            f"{type(self).__name__} of shape {self._size()} can't give {needed} ({capability}); "
            "pass the data as an array or sparse matrix, or choose a method that needs products alone"
        )

    def _size(self):
        return f"{self.shape[0]}×{self.shape[1]}"

    def __repr__(self):
        return f"{type(self).__name__}({self._size()}, {be.dtype_name(self.dtype)}, {be.kind(self.xp)})"


def is_scalar(alpha):
    """Whether `alpha` is a number or a zero-dimensional array."""
    return isinstance(alpha, Number) or (be.is_array(alpha) and alpha.ndim == 0)


def require_one_home(where, *parts):
    """TypeError unless the operators and arrays `parts` share one namespace and one device."""
    first = _home(parts[0], where)
    for part in parts[1:]:
        other = _home(part, where)
        if other[0] is not first[0] or other[1] != first[1]:
            raise TypeError(
                f"{where} got data of two homes, {_home_name(first)} and {_home_name(other)}; move one to the other"
            )


def densify(block):
    """A dense array from the rows or columns that an operator gave, sparse or not."""
    for method in ("toarray", "to_dense"):
        if hasattr(block, method):
            return getattr(block, method)()
    return block


def _home(part, where):
    if isinstance(part, LinearOperator):
        return part.xp, part.device
    if not be.is_array(part):
        raise TypeError(f"{where} needs an array, got {type(part).__name__}")
    return be.namespace(part), be.device(part)


def _home_name(home):
    return f"{be.kind(home[0])} on {home[1]}"


def _as_operator(other):
    from .convert import as_operator

    return as_operator(other)


def _as_complex(xp, real, imag):
    dtype = be.complex_dtype(xp, real.dtype)
    return xp.astype(real, dtype) + 1j * xp.astype(imag, dtype)
