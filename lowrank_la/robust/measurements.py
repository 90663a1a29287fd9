"""Linear measurements of a matrix given by its factors, and the adjoint applied to weights."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _backend as be
from ..operators.observed import Observed
from .images import DenseImage, ProductImage

_PANEL = 1 << 19  # numbers of a row panel that both products read while it is in the cache
_PARALLEL = 1 << 20


class Measurement:
    """``A(X)_i = ⟨A_i, X⟩`` for ``X = U Vᵀ``.

    Attributes
    ----------
    shape : tuple of int
        Of X.
    count : int
        Number of measurements.
    """

    def forward(self, U, V):
        """``A(U Vᵀ)``, shape (count,)."""
        raise NotImplementedError

    def adjoint(self, z):
        """The image ``Σ z_i A_i``."""
        raise NotImplementedError

    def residual_image(self, U, V, y, weigh):
        """``z = A(U Vᵀ) - y`` and the image of ``weigh(z)``, a function of each entry for itself."""
        z = self.forward(U, V) - y
        return z, self.adjoint(weigh(z))


@dataclass(frozen=True, eq=False)
class DenseMeasurement(Measurement):
    """The matrices ``A_i`` as rows of one array (count, m n), a view of the array (count, m, n) that was given."""

    rows: Any
    shape: tuple

    @classmethod
    def of(cls, array):
        """From an array (count, m, n)."""
        count, m, n = array.shape
        return cls(be.namespace(array).reshape(array, (count, m * n)), (int(m), int(n)))

    @property
    def count(self):
        """Number of measurements."""
        return int(self.rows.shape[0])

    def _flat(self, U, V):
        xp = be.namespace(U)
        return xp.reshape(be.matmul(U, V.mT), (-1,))

    def _square(self, vector):
        return DenseImage(be.namespace(vector).reshape(vector, self.shape))

    def forward(self, U, V):
        """One read of the array."""
        x = self._flat(U, V)
        if not isinstance(x, np.ndarray):
            return be.namespace(x).matmul(self.rows, x)
        parts = self._over_panels(lambda panel: self.rows[panel] @ x)
        return np.concatenate(parts)

    def adjoint(self, z):
        """One read of the array."""
        if not isinstance(z, np.ndarray):
            return self._square(be.namespace(z).matmul(z, self.rows))
        return self._square(_total(self._over_panels(lambda panel: z[panel] @ self.rows[panel])))

    def residual_image(self, U, V, y, weigh):
        """Both products in one read of the array on the host: each panel is used twice while it is in the cache."""
        if not isinstance(y, np.ndarray):
            return super().residual_image(U, V, y, weigh)
        x = self._flat(U, V)

        def panel_image(panel):
            block = self.rows[panel]
            z = block @ x - y[panel]
            return z, weigh(z) @ block

        parts = self._over_panels(panel_image)
        return np.concatenate([z for z, _ in parts]), self._square(_total([image for _, image in parts]))

    def _over_panels(self, work):
        width = max(1, self.rows.shape[1])
        panels = be.fixed_partition(self.count, max(1, _PANEL // width))
        if self.count * width < _PARALLEL:
            return [work(panel) for panel in panels]
        return be.map_blocks(work, panels)


def _total(parts):
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total


@dataclass(frozen=True, eq=False)
class EntryMeasurement(Measurement):
    """Entries at places, each place once; weights and measurements come by rows, columns ascending."""

    observed: Observed

    @property
    def shape(self):
        """(m, n)."""
        return self.observed.shape

    @property
    def count(self):
        """Number of entries."""
        return self.observed.count

    def forward(self, U, V):
        """The entries of ``U Vᵀ`` at the places: O(count k), nothing of the size of the matrix."""
        return self.observed.dots(U, V)

    def adjoint(self, z):
        """The sparse matrix with the numbers `z` at the places, by its products."""
        observed = self.observed
        return ProductImage(
            lambda V: observed.times(z, V),
            lambda U: observed.adjoint_times(z, U),
            self.shape, z, be.fro_norm(z),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class FunctionMeasurement(Measurement):
    """A pair of functions: ``measure(X)`` of a matrix (m, n), and ``adjoint(z)``, a matrix (m, n)."""

    measure: Any
    transpose: Any
    shape: tuple
    like: Any

    @property
    def count(self):
        """Number of measurements."""
        return int(self.like.shape[0])

    def forward(self, U, V):
        """One call of `measure` with the matrix ``U Vᵀ``."""
        X = be.matmul(U, V.mT)
        return self._checked("measure", self.measure(X), (self.count,), X)

    def adjoint(self, z):
        """One call of the adjoint."""
        return DenseImage(self._checked("the adjoint", self.transpose(z), self.shape, z))

    def require_adjoint(self):
        """ValueError where the functions are not adjoint to each other, told from one random pair."""
        xp, name, device = be.namespace(self.like), be.dtype_name(self.like.dtype), be.device(self.like)
        blocks = [
            be.gaussian(be.resolve_rng(0).child(label), slice(0, size), slice(0, 1), name, xp, device)
            for label, size in (("left", self.shape[0]), ("right", self.shape[1]), ("weights", self.count))
        ]
        U, V, z = *blocks[:2], blocks[2][:, 0]
        measured, image = self.forward(U, V), self.adjoint(z)
        there, back = float(xp.sum(measured * z)), float(xp.sum(U[:, 0] * image.times(V)[:, 0]))
        size = be.fro_norm(measured) * be.fro_norm(z) + image.norm * be.fro_norm(U) * be.fro_norm(V)
        if abs(there - back) > be.eps(self.like.dtype) ** 0.5 * size:
            raise ValueError(
                "measure and its adjoint don't fit: ⟨measure(X), z⟩ must equal ⟨X, adjoint(z)⟩ with adjoint(z) = "
                f"Σ z_i A_i, but a random pair gives {there:.6g} and {back:.6g}; check sign, scale and order of axes"
            )

    def _checked(self, name, out, shape, given):
        if not be.is_array(out) or be.namespace(out) is not be.namespace(self.like):
            raise TypeError(f"{name} must return an array of the library of y, got {type(out).__name__}")
        if tuple(out.shape) != shape:
            raise ValueError(f"{name} must return shape {shape} here, got {tuple(out.shape)}")
        out = be.namespace(out).astype(out, self.like.dtype, copy=False)
        if not be.all_finite(out) and be.all_finite(given):
            raise ValueError(f"{name} returned NaN or infinite values for finite ones")
        return out


@dataclass(frozen=True, eq=False)
class ScaledMeasurement(Measurement):
    """``factor`` times a measurement, the factor a power of two."""

    inner: Any
    factor: float

    @property
    def shape(self):
        """(m, n)."""
        return self.inner.shape

    @property
    def count(self):
        """Number of measurements."""
        return self.inner.count

    def forward(self, U, V):
        """``factor * A(U Vᵀ)``."""
        return self.inner.forward(U, V) * self.factor

    def adjoint(self, z):
        """The image of ``factor * z``."""
        return self.inner.adjoint(z * self.factor)

    def residual_image(self, U, V, y, weigh):
        """As that of the inner measurement where the factor is one."""
        if self.factor == 1.0:
            return self.inner.residual_image(U, V, y, weigh)
        return super().residual_image(U, V, y, weigh)


@dataclass(frozen=True, eq=False)
class PairedMeasurement(Measurement):
    """Differences of measurements 2i and 2i + 1: what all of them have in common drops out."""

    inner: Any

    @property
    def shape(self):
        """(m, n)."""
        return self.inner.shape

    @property
    def count(self):
        """Half the number of measurements; the last of an odd number is left out."""
        return self.inner.count // 2

    def of(self, y):
        """Differences of neighbours."""
        return y[0 : 2 * self.count : 2] - y[1 : 2 * self.count : 2]

    def forward(self, U, V):
        """Differences of ``A(U Vᵀ)``."""
        return self.of(self.inner.forward(U, V))

    def adjoint(self, z):
        """The image of z and -z in turn."""
        xp = be.namespace(z)
        twice = xp.reshape(xp.stack([z, -z], axis=1), (-1,))
        spare = self.inner.count - 2 * self.count
        if spare:
            twice = xp.concat([twice, xp.zeros(spare, dtype=z.dtype, device=be.device(z))])
        return self.inner.adjoint(twice)
