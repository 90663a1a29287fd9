"""What is asked of a completion method, and what it hands back."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .. import _backend as be
from ..operators.observed import Observed


@dataclass(frozen=True, eq=False)
class Problem:
    """Find `U` (m, k) and `V` (n, k) that minimise ``Σ w |y - (U Vᴴ)|² + λ (‖U‖² + ‖V‖²)`` over the observed entries.

    Attributes
    ----------
    observed : Observed
        At a safe scale: the squares of the values neither overflow nor vanish.
    rank : int
        k.
    weights : array (N,), optional
        Positive, real, in the order of the values; None for ones.
    regularization : tuple of two, each a float or an array
        λ of the rows (m,) and of the columns (n,).
    form : {"factors", "biases", "implicit", "nonnegative"}
        What the unknowns are, and what is summed over: see the modules `factors`, `biased`, `implicit`, `nonnegative`.
    """

    observed: Observed
    rank: int
    weights: Any = None
    regularization: tuple = (0.0, 0.0)
    form: str = "factors"

    @property
    def xp(self):
        """Namespace of the values."""
        return self.observed.xp

    @property
    def shape(self):
        """(m, n)."""
        return self.observed.shape

    @property
    def dtype(self):
        """Dtype of the values and factors."""
        return self.observed.dtype

    @property
    def oversampling(self):
        """Entries over the number of parameters: r (m + n - r) for a matrix of this rank, biases counted."""
        (m, n), r = self.shape, self.rank
        if self.form == "biases":
            return self.observed.count / (r * max(m + n - 2 - r, 0) + m + n - 1)
        return self.observed.count / (r * (m + n - r))

    @property
    def plain(self):
        """Whether there are two factors without weights and regularization: least squares on the entries."""
        return self.form == "factors" and self.weights is None and not self.regularized

    @property
    def regularized(self):
        """Whether any λ is positive."""
        return any(not isinstance(part, float) or part > 0.0 for part in self.regularization)

    @cached_property
    def norm(self):
        """Norm of the values, weighted."""
        return self.size(self.observed.values)

    @cached_property
    def mean(self):
        """Mean of the values, weighted."""
        xp, values = self.xp, self.observed.values
        if self.weights is None:
            total, count = xp.sum(values), self.observed.count
        else:
            total, count = xp.sum(values * xp.astype(self.weights, self.dtype)), float(xp.sum(self.weights))
        return (complex if be.is_complex(self.dtype) else float)(total) / count

    def size(self, z):
        """Norm of the vector `z` of N numbers, each weighted with the root of its weight."""
        return be.fro_norm(z if self.weights is None else z * self.xp.sqrt(self.weights))

    def penalty_roots(self):
        """Roots of the λ of rows and columns, to multiply the factors with: numbers or arrays (size, 1)."""
        return tuple(
            part**0.5 if isinstance(part, float) else self.xp.astype(self.xp.sqrt(part), self.dtype)[:, None]
            for part in self.regularization
        )

    def penalised(self, square, U, V):
        """The objective where the weighted squared residual is `square`."""
        return square + sum(be.fro_norm(X * root) ** 2 for X, root in zip((U, V), self.penalty_roots(), strict=True))

    def misfit(self, U, V):
        """Relative residual of the factors on the observed entries, a float; 0 for a problem of zeros."""
        return self.size(self.observed.residual(U, V)) / self.norm if self.norm > 0.0 else 0.0

    def error_of(self, outcome):
        """`misfit` of an outcome, without a vector of N numbers where its method knows it."""
        return self.misfit(outcome.U, outcome.V) if outcome.error is None else outcome.error


@dataclass(frozen=True)
class Settings:
    """How far a method goes.

    Attributes
    ----------
    tol : float
        Relative residual on the observed entries at which it stops.
    solver : str
        Of the rows, for alternating minimisation: "auto", "cholesky", "cg" or "sketch".
    key : Key
        Where random numbers come from.
    stalled : float
        Relative fall of the residual below which a sweep of alternating minimisation counts as no progress.
    warm : bool
        Whether the factors to start from were given.
    """

    tol: float
    solver: str = "auto"
    key: Any = None
    stalled: float = 1e-4
    warm: bool = False


@dataclass(frozen=True, eq=False)
class Outcome:
    """Factors that a method found.

    Attributes
    ----------
    U, V : arrays (m, k) and (n, k)
        ``A ≈ U Vᴴ``; k may be smaller than the rank asked for.
    converged : bool
        Whether the method met its own criterion.
    reason : str
    history : list of float
        Relative residual on the entries after each iteration.
    details : dict
        Figures of the method for `info.details`: numbers, strings and arrays.
    error : float, optional
        The last relative residual, where it is known exactly.
    """

    U: Any
    V: Any
    converged: bool
    reason: str
    history: list
    details: dict = field(default_factory=dict)
    error: float | None = None
