"""Rank-one measurements: quadratic and bilinear forms."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _backend as be
from .images import ProductImage
from .measurements import Measurement


@dataclass(frozen=True, eq=False, repr=False)
class RankOne:
    """Measurements ``xᵢᵀ X wᵢ``, the rows of two arrays; quadratic forms ``xᵢᵀ X xᵢ`` where there is one.

    Parameters
    ----------
    x : array, shape (count, m)
    w : array, shape (count, n), optional

    Notes
    -----
    What `lowrank_la.recover` takes as `measure`: products cost O(count (m + n) k), and nothing of size count × m × n is
    formed.

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> generator = np.random.default_rng(0)
    >>> u, v = generator.standard_normal((2, 10, 1))
    >>> x, w = generator.standard_normal((2, 300, 10))
    >>> y = ((x @ u) * (w @ v))[:, 0]
    >>> result = lr.recover(lr.RankOne(x, w), y, (10, 10), 1, rng=0)
    >>> bool(np.linalg.norm(result.U @ result.V.T - u @ v.T) < 1e-5 * np.linalg.norm(u @ v.T))
    True
    """

    x: Any
    w: Any = None

    def __repr__(self):
        shapes = (f"{name}: {tuple(np.shape(part))}" for name, part in vars(self).items() if part is not None)
        return f"RankOne({', '.join(shapes)})"


@dataclass(frozen=True, eq=False)
class RankOneMeasurement(Measurement):
    """`RankOne` checked, in one dtype; `w` is `x` itself for quadratic forms."""

    x: Any
    w: Any

    @property
    def shape(self):
        """(m, n)."""
        return int(self.x.shape[1]), int(self.w.shape[1])

    @property
    def count(self):
        """Number of measurements."""
        return int(self.x.shape[0])

    @property
    def quadratic(self):
        """Whether both sides are the same vectors."""
        return self.x is self.w

    def forward(self, U, V):
        """Two tall products and a sum along rows."""
        left = be.matmul(self.x, U)
        right = left if self.quadratic and V is U else be.matmul(self.w, V)
        return be.namespace(U).sum(left * right, axis=1)

    def adjoint(self, z):
        """``xᵀ diag(z) w`` by its products."""

        def times(V):
            return be.adjoint_matmul(self.x, z[:, None] * be.matmul(self.w, V))

        def adjoint_times(U):
            return be.adjoint_matmul(self.w, z[:, None] * be.matmul(self.x, U))

        return ProductImage(times, adjoint_times, self.shape, z)
