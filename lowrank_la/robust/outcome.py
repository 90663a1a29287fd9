"""What the methods of robust principal component analysis are asked for, and what they hand back."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .. import _backend as be


@dataclass(frozen=True)
class Settings:
    """How far a method goes.

    Attributes
    ----------
    tol : float
        Relative residual at which it stops.
    key : Key
        Where random numbers come from.
    factor : float
        The data as given over the data as worked on.
    sparsity : float or None
        The most that outliers make up, for the methods that heed it.
    incoherence : float or None
        What rows of the factors are trimmed to, for the method that does it.
    once : bool
        Leave it at one attempt.
    """

    tol: float
    key: Any
    factor: float = 1.0
    sparsity: float | None = None
    incoherence: float | None = None
    once: bool = False


@dataclass(frozen=True, eq=False)
class Outcome:
    """Factors and a threshold that a method found.

    Attributes
    ----------
    U, s, V : arrays, shapes (m, k), (k,) and (n, k)
        The low-rank part ``U diag(s) Vᴴ``.
    limit : float or array
        What is left of the data counts as an outlier where its modulus is above this.
    residual : float
        ‖M - L - S‖_F / ‖M‖_F.
    reason : str
    history : list of float
        The residual after each iteration.
    share : float
        Outliers over known entries.
    denied : int
        Rows and columns of which most entries were taken for outliers.
    spread : float
        Median modulus of what L leaves of the known entries.
    suspect : int
        Rows and columns of which more entries were taken for outliers than chance explains.
    kind : str
        Of the error: "exact" or "estimate".
    places : tuple, optional
        Row numbers, column numbers and values of S, where no threshold tells it.
    """

    U: Any
    s: Any
    V: Any
    limit: Any
    residual: float
    reason: str
    history: list
    share: float
    denied: int
    spread: float
    suspect: int = 0
    kind: str = "exact"
    places: Any = None
    details: dict = field(default_factory=dict)

    @property
    def met(self):
        """Whether the tolerance was met."""
        return self.reason == "tolerance met"

    @property
    def contradicted(self):
        """Whether more was taken for outliers than a sparse part can hold."""
        return self.denied > 0 or self.share > 0.5

    @property
    def sound(self):
        """Whether nothing speaks against the fit, so that another attempt could hardly do better."""
        return self.suspect == 0 and not self.contradicted

    def numbers(self, data):
        """How many numbers the two parts hold: those that determine the low-rank one, and the outliers."""
        (m, k), n = self.U.shape, self.V.shape[0]
        return k * (m + n - k) + self.share * data.count

    def simpler_than(self, other):
        """Whether this outcome, of a smaller rank, has hardly more outliers than the other.

        Up to a quarter of the numbers that the directions left out are made of.
        """
        (m, k), (n, more) = self.U.shape, other.V.shape
        saved = (more - k) * (m + n) / (m * n)
        return self.met and not self.contradicted and self.share <= other.share + saved / 4

    @property
    def spectrum(self):
        """Singular values on the host."""
        return np.asarray(be.to_numpy(self.s), np.float64)

    def better_than(self, other):
        """Whether this outcome is to be preferred: fewer contradictions, then the smaller residual."""
        return self._doubts < other._doubts

    @property
    def _doubts(self):
        return self.denied, not self.met, self.suspect, self.residual

    def joined(self, other):
        """The outcome with the history of the attempt before it or after it."""
        return replace(self, history=[*other.history, *self.history])
