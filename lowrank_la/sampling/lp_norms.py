"""Sums of p-th powers over the rows of a matrix, with their derivatives, for many vectors at once."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .. import _backend as be

_HOST_ROWS, _DEVICE_ENTRIES = 256, 1 << 22
_FLATTEST = 0.02  # least curvature, relative to that of the majorising parabola


@dataclass(frozen=True)
class NormProblem:
    """``Σ_j counts_j |sizes_j v_j x|^p`` of rows ``u_j = sizes_j v_j``; `counts` None stands for ones.

    Worked on as ``Σ_j μ_j |v_j x|^p`` with masses ``μ = counts · sizes^p``, `sizes_j` what is usual for row j: then
    squares of the residuals of tiny rows do not vanish, and rows of all sizes are smoothed alike.
    """

    V: Any
    counts: Any
    p: float
    sizes: Any

    @property
    def xp(self):
        """Namespace of the rows."""
        return be.namespace(self.V)

    @cached_property
    def masses(self):
        """``counts · sizes^p``."""
        usual = power(self.sizes, self.p)
        return usual if self.counts is None else self.counts * usual

    @cached_property
    def total(self):
        """Sum of the masses: the value of a vector whose residuals are the sizes."""
        return float(self.xp.sum(self.masses))

    def panels(self, width):
        """Rows of `V`, masses and sizes, few enough for the cache next to `width` columns."""
        host = be.kind(self.xp) == "numpy"
        step = _HOST_ROWS if host else max(64, _DEVICE_ENTRIES // max(1, width))
        for rows in be.fixed_partition(self.V.shape[0], step):
            yield self.V[rows, :], self.masses[rows][:, None], self.sizes[rows][:, None]

    def norms(self, X):
        """``Σ counts |U x|^p`` of each column of `X`."""
        total = 0.0
        for u, masses, _ in self.panels(X.shape[1]):
            total = total + self.xp.sum(masses * power(squares(u @ X), self.p / 2), axis=0)
        return total

    def weights(self, r, eps):
        """Squared smooth sizes, gradient weights and curvatures of residuals `r`, for unit masses."""
        a = squares(r)
        base = a + eps * eps
        omega = power(base, self.p / 2 - 1)
        if be.is_complex(r.dtype) or self.p < 1:
            return base, omega, max(1.0, self.p - 1.0) * omega
        bend = 1.0 + (self.p - 2.0) * (a / base)
        return base, omega, omega * (bend if self.p > 1.5 else self.xp.where(bend > _FLATTEST, bend, _FLATTEST))

    def derivatives(self, X, eps):
        """Smoothed values (b,), half gradients (d, b) and curvature matrices (b, d, d) at the columns of `X`."""
        value, gradient, packed = 0.0, 0.0, 0.0
        for u, masses, _ in self.panels(X.shape[1]):
            r = u @ X
            base, omega, bend = self.weights(r, eps)
            omega = masses * omega
            value = value + self.xp.sum(omega * base, axis=0)
            gradient = gradient + be.mH(u) @ (omega * r)
            packed = packed + self.xp.astype(masses * bend, u.dtype).mT @ self._products(u)
        return value, gradient, self._unpacked(packed)

    def duals(self, X, step, eps):
        """``‖y‖_q``, ``Uᴴ y`` and ``‖U (x + δ)‖_p^p`` of a Newton `step`, without its factor 1/λ; for no counts."""
        xp, p = self.xp, self.p
        size, image, value = 0.0, 0.0, 0.0
        for u, masses, sizes in self.panels(X.shape[1]):
            r, v = u @ X, u @ step.delta
            _, omega, bend = self.weights(r, eps)
            y = power(sizes, p - 1) * (omega * r + bend * v) + sizes * step.ridge * v
            y2 = squares(y)
            if p == 1:
                largest = xp.max(y2, axis=0)
                size = largest if isinstance(size, float) else xp.where(largest > size, largest, size)
            else:
                size = size + xp.sum(power(y2, p / (p - 1) / 2), axis=0)
            image = image + be.mH(u) @ (sizes * y)
            value = value + xp.sum(masses * power(squares(r + v), p / 2), axis=0)
        return power(size, 0.5) if p == 1 else size ** ((p - 1) / p), image, value

    @cached_property
    def _pairs(self):
        d, xp = self.V.shape[1], self.xp
        pairs = [(i, j) for i in range(d) for j in (range(d) if be.is_complex(self.V.dtype) else range(i + 1))]
        place = {pair: k for k, pair in enumerate(pairs)}
        back = [place.get((i, j), place.get((j, i))) for i in range(d) for j in range(d)]
        lists = [i for i, _ in pairs], [j for _, j in pairs], back
        return tuple(be.index_array(part, max(len(pairs), d), xp, be.device(self.V)) for part in lists)

    def _products(self, u):
        first, second, _ = self._pairs
        left = self.xp.take(u, first, axis=1)
        return (self.xp.conj(left) if be.is_complex(u.dtype) else left) * self.xp.take(u, second, axis=1)

    def _unpacked(self, packed):
        d = self.V.shape[1]
        return self.xp.reshape(self.xp.take(packed, self._pairs[2], axis=1), (packed.shape[0], d, d))


def squares(x):
    """Squared moduli."""
    xp = be.namespace(x)
    return xp.real(x) ** 2 + xp.imag(x) ** 2 if be.is_complex(x.dtype) else x * x


def power(x, exponent):
    """``x ** exponent`` for x ≥ 0, by roots and products where those do."""
    xp = be.namespace(x)
    plain = {0.0: xp.ones_like, 0.5: xp.sqrt, 1.0: lambda x: x, 2.0: lambda x: x * x}
    if exponent in plain:
        return plain[exponent](x)
    if exponent in (0.25, 0.75):
        root = xp.sqrt(x)
        return xp.sqrt(root) if exponent == 0.25 else root * xp.sqrt(root)
    if exponent == -0.5:
        return 1.0 / xp.sqrt(x)
    return x * xp.sqrt(x) if exponent == 1.5 else x**exponent
