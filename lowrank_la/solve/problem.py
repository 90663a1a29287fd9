"""Minimise ``‖A x - b‖² + λ ‖x‖²`` as the solvers see it."""

from functools import cached_property

import numpy as np

from .. import _backend as be
from ..operators import DiagonalOperator, StackedOperator
from .columns import column_norms, on_host
from .conditioning import conditioning
from .sample import sampled_triangle
from .sweeps import gradient_sweep, normal_sweep, whitened_sweep


class Problem:
    """A least squares problem at a safe scale.

    Attributes
    ----------
    A : MeteredOperator, shape (m, n)
    B : array, shape (m, k)
        Right-hand sides in the dtype of `A`.
    ridge : float
        λ ≥ 0.
    norms : NumPy array, shape (k,)
        Norms of the right-hand sides.
    sketch : class or None
        What the rows are sketched by; sparse signs for None.
    """

    sketch = None

    def __init__(self, A, B, ridge, norms):
        self.A, self.B, self.ridge, self.norms = A, B, ridge, norms
        self.xp, self.device = A.xp, A.device

    def gradient(self, X):
        """``Aᴴ(b - A x) - λ x`` for each column, and the norms of the residuals (of ``[b - A x; -√λ x]``)."""
        if self.dense:
            self.A.read(2 * X.shape[1])
            G, squares = gradient_sweep(self.A.array, self.B, X)
            sizes = np.sqrt(on_host(squares))
        else:
            R = self.B - self.A.matmat(X)
            G, sizes = self.A.rmatmat(R), column_norms(R)
        if not self.ridge:
            return G, sizes
        return G - self.ridge * X, np.hypot(sizes, self.ridge**0.5 * column_norms(X))

    def normal(self, X):
        """``(AᴴA + λ) X``."""
        if self.dense:
            self.A.read(2 * X.shape[1])
            image = normal_sweep(self.A.array, X)
        else:
            image = self.A.normal(X)
        return image + self.ridge * X if self.ridge else image

    def whitened(self, base):
        """``Qᴴ Q`` and ``Qᴴ B`` for ``Q = [A; √λ I] P``, one read; `base` is a preconditioner P or None for I."""
        array = self.A.array
        self.A.read(array.shape[1] + self.B.shape[1])
        G, C = whitened_sweep(array, self.B, (lambda panel: panel) if base is None else base.right)
        if not self.ridge:
            return G, C
        eye = self.identity(G.shape[0])
        T = eye if base is None else base.apply(eye)
        return G + self.ridge * (be.mH(T) @ T), C

    def regularized_rows(self):
        """``√λ I``, shape (n, n); no rows where λ = 0."""
        eye = self.identity(self.A.shape[1])
        return eye * self.ridge**0.5 if self.ridge else eye[:0, :]

    def identity(self, n):
        """Identity matrix of the dtype and device of `A`."""
        return self.xp.eye(n, dtype=self.A.dtype, device=self.device)

    def stacked(self):
        """The operator ``[A; √λ I]``."""
        if not self.ridge:
            return self.A
        diagonal = self.xp.full((self.A.shape[1],), self.ridge**0.5, dtype=self.A.dtype, device=self.device)
        return StackedOperator((self.A, DiagonalOperator(diagonal)))

    @cached_property
    def sample(self):
        """Triangular factor that a sample of rows gives for ``[A; √λ I]``, and its `Conditioning`, or None twice."""
        R = sampled_triangle(self.A.array, self.regularized_rows())
        return R, None if R is None else conditioning(R)

    @property
    def dense(self):
        """Whether `A` is an array."""
        return self.A.has("array")
