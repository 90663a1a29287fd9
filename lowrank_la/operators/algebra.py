"""Sums, multiples, products and adjoints of operators: nothing is formed."""

from .. import _backend as be
from .base import Cost, LinearOperator, densify, require_one_home

_PAIRS = (("take_rows", "take_cols"), ("rmatmat", "matmat"), ("gram", "outer_gram"))
_ADJOINT_OF = dict(_PAIRS) | {second: first for first, second in _PAIRS}


_SQUARABLE = (2.0**-16, 2.0**16)


class SumOperator(LinearOperator):
    """``A + B + …`` of operators of one shape; `diag`, `take_rows` and `take_cols` where every term has them."""

    def __init__(self, *terms):
        first = terms[0]
        for term in terms[1:]:
            require_one_home("a sum", first, term)
            if term.shape != first.shape:
                raise ValueError(f"a sum needs operators of one shape, got {first.shape} and {term.shape}")
        super().__init__(first.shape, joint_dtype(terms), first.xp, first.device)
        self.terms = terms

    def _matmat(self, X):
        return _total(term.matmat(X) for term in self.terms)

    def _rmatmat(self, Y):
        return _total(term.rmatmat(Y) for term in self.terms)

    @property
    def parts(self):
        """The terms."""
        return self.terms

    def diag(self):
        """The diagonal."""
        return _total(term.diag() for term in self.terms)

    def take_rows(self, indices):
        """The rows `indices`."""
        return _total(densify(term.take_rows(indices)) for term in self.terms)

    def take_cols(self, indices):
        """The columns `indices`."""
        return _total(densify(term.take_cols(indices)) for term in self.terms)

    @property
    def cost(self):
        """`Cost` of one product."""
        return add_costs(self.terms)

    def has(self, capability):
        """Whether every term offers `capability`."""
        return super().has(capability) and all(term.has(capability) for term in self.terms)


class ScaledOperator(LinearOperator):
    """``alpha A`` with a number `alpha`; a complex number makes the operator complex."""

    def __init__(self, inner, alpha):
        alpha = complex(alpha)
        is_complex = alpha.imag != 0.0
        dtype = be.complex_dtype(inner.xp, inner.dtype) if is_complex else inner.dtype
        source = inner.source_dtype if dtype == inner.dtype else None
        super().__init__(inner.shape, dtype, inner.xp, inner.device, source)
        self.inner = inner
        self.alpha = alpha if is_complex or be.is_complex(dtype) else alpha.real

    def _matmat(self, X):
        return self._scaled(self.inner.matmat(X))

    def _rmatmat(self, Y):
        return self._scaled(self.inner.rmatmat(Y), self.alpha.conjugate())

    def _normal(self, X):
        if not _SQUARABLE[0] < abs(self.alpha) < _SQUARABLE[1]:  # the unscaled square may leave the range
            return super()._normal(X)
        return self._scaled(self.inner.normal(X), abs(self.alpha) ** 2)

    def _scaled(self, M, alpha=None):
        return (self.alpha if alpha is None else alpha) * self.xp.astype(densify(M), self._wider(M.dtype), copy=False)

    def _wider(self, dtype):
        return self.xp.result_type(dtype, self.dtype)

    @property
    def parts(self):
        """The operator that is scaled."""
        return (self.inner,)

    def fro_norm(self):
        """Frobenius norm, a float."""
        return abs(self.alpha) * self.inner.fro_norm()

    def diag(self):
        """The diagonal."""
        return self._scaled(self.inner.diag())

    def take_rows(self, indices):
        """The rows `indices`."""
        return self._scaled(self.inner.take_rows(indices))

    def take_cols(self, indices):
        """The columns `indices`."""
        return self._scaled(self.inner.take_cols(indices))

    @property
    def cost(self):
        """`Cost` of one product."""
        return self.inner.cost

    def has(self, capability):
        """Whether the scaled operator offers `capability`."""
        return super().has(capability) and self.inner.has(capability)


class ProductOperator(LinearOperator):
    """``A B``; products alone."""

    def __init__(self, left, right):
        require_one_home("a product", left, right)
        if left.shape[1] != right.shape[0]:
            raise ValueError(f"a product needs inner sizes that agree, got shapes {left.shape} and {right.shape}")
        shape = (left.shape[0], right.shape[1])
        super().__init__(shape, joint_dtype((left, right)), left.xp, left.device)
        self.left, self.right = left, right

    def _matmat(self, X):
        return self.left.matmat(self.right.matmat(X))

    def _rmatmat(self, Y):
        return self.right.rmatmat(self.left.rmatmat(Y))

    def _normal(self, X):
        return self.right.rmatmat(self.left.normal(self.right.matmat(X)))

    def todense(self):
        """The product as an array (m, n); the right factor is formed only where it is no larger than that."""
        if self.left.shape[1] > self.left.shape[0]:
            return super().todense()
        return self.xp.astype(self.left.matmat(self.right.todense()), self.dtype, copy=False)

    @property
    def parts(self):
        """The factors."""
        return (self.left, self.right)

    @property
    def cost(self):
        """`Cost` of one product."""
        return add_costs((self.left, self.right))

    def has(self, capability):
        """Products with the adjoint when both factors have them; no other capability."""
        return super().has(capability) and self.left.has(capability) and self.right.has(capability)


class AdjointOperator(LinearOperator):
    """``Aᴴ``; its rows are the conjugated columns of `A`."""

    def __init__(self, inner):
        super().__init__(inner.shape[::-1], inner.dtype, inner.xp, inner.device, inner.source_dtype)
        self.inner = inner

    def _matmat(self, X):
        return self.inner.rmatmat(X)

    def _rmatmat(self, Y):
        return self.inner.matmat(Y)

    def todense(self):
        """The conjugate transpose as an array."""
        return be.mH(self.inner.todense())

    @property
    def H(self):
        """The operator itself."""
        return self.inner

    @property
    def parts(self):
        """The operator whose adjoint this is."""
        return (self.inner,)

    @property
    def array(self):
        """The conjugate transpose, a view."""
        if not self.has("array"):
            raise self._missing("array")
        return be.mH(self.inner.array)

    def fro_norm(self):
        """Frobenius norm, a float."""
        return self.inner.fro_norm()

    def diag(self):
        """The diagonal."""
        return self._conj(self.inner.diag())

    def take_rows(self, indices):
        """The rows `indices`."""
        return be.mH(densify(self.inner.take_cols(indices)))

    def take_cols(self, indices):
        """The columns `indices`."""
        return be.mH(densify(self.inner.take_rows(indices)))

    def gram(self, single=False):
        """``Aᴴ A``, with `A` the adjoint."""
        return self.inner.outer_gram(single)

    def outer_gram(self, single=False):
        """``A Aᴴ``, with `A` the adjoint."""
        return self.inner.gram(single)

    @property
    def cost(self):
        """`Cost` of one product."""
        return self.inner.cost

    def has(self, capability):
        """Whether the inner operator offers the counterpart of `capability`; an array only where it is a view."""
        if capability == "array" and be.is_complex(self.dtype) and be.kind(self.xp) != "torch":
            return False
        return super().has(capability) and self.inner.has(_ADJOINT_OF.get(capability, capability))


def joint_dtype(operators):
    """The dtype that holds products with all `operators`."""
    dtype = operators[0].dtype
    for op in operators[1:]:
        dtype = op.xp.result_type(dtype, op.dtype)
    return dtype


def add_costs(operators):
    """`Cost` of applying all `operators`; dense when the larger part of the work is."""
    costs = [op.cost for op in operators]
    flops = sum(cost.flops for cost in costs)
    dense = sum(cost.flops for cost in costs if cost.dense) > 0.5 * flops
    return Cost(flops=flops, bytes=sum(cost.bytes for cost in costs), dense=dense)


def _total(parts):
    parts = iter(parts)
    total = next(parts)
    for part in parts:
        total = total + part
    return total
