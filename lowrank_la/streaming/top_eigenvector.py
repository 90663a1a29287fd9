"""Top eigenvector of AᴴA from one pass over the rows of A."""

from dataclasses import dataclass
from typing import Any, ClassVar

from .. import _backend as be
from ..factor.signs import fix_vector_phases
from ..results import Info, Result
from . import kacham_woodruff, price_xun
from .rows import dense_block
from .stream import Stream

_ORDERS = ("random", "arbitrary")
_THRESHOLD = 2.0
_NO_GAP = ", and another direction is about as large: info.gap"
_REASONS = {
    "rate": "the vector of the smallest rate that grew enough: right if the gap is what the guarantee asks for",
    "max_row": "the longest row: all vectors that grew belong to rates too large for it, or it outweighs the others",
    "failed": "no vector grew enough: the top eigenvalue does not stand out, or there are too few rows",
    "light": "the light rows have the larger Rayleigh quotient",
    "heavy": "the heavy rows have the larger Rayleigh quotient",
    "both": "light and heavy rows agree, and one vector was computed for both",
    "overflow": "more rows are heavy than are kept, and the guarantee is void; raise heavy",
}


@dataclass(frozen=True, eq=False, repr=False)
class TopEigenvectorResult(Result):
    """Estimate of the top eigenvector of AᴴA, the top right singular vector of A.

    Attributes
    ----------
    v : array, shape (d,), or None
        Unit vector; None when the method failed.
    status : str
        For "arbitrary" order ``"rate"``, ``"max_row"`` or ``"failed"``; for "random" order ``"light"``, ``"heavy"``,
        ``"both"``, ``"overflow"`` or ``"failed"``.
    growth : array or None
        For "arbitrary" order the logarithm by which the vector of each rate grew, largest rate first.
    info : Info
        ``info.guarantee`` says what holds for which order of rows, ``info.memory`` the state in numbers of d-vectors;
        ``info.converged`` is False for "failed", "overflow" and for a longest row that was asked for by `fallback`
        alone, and None for "rate" and a longest row that does not outweigh the others: they are right if the gap is
        what the guarantee asks for, which one pass can't see. Rows without a gap give such a vector too. For "random"
        order ``info.gap`` estimates σ₁²/σ₂² from rows that the vectors have not seen, and ``info.converged`` is None
        where it is below 1.5.
    """

    v: Any
    status: str
    growth: Any
    info: Info

    _unpack = ("v", "status", "growth")

    def __repr__(self):
        return f"TopEigenvectorResult(status={self.status!r}, method {self.info.method!r})"


@be.supports(sparse=False, operators=False)
class TopEigenvector(Stream):
    """Top eigenvector of AᴴA for rows that arrive one after another, in memory of O(log n) or O(log d) rows.

    Parameters
    ----------
    order : {"random", "arbitrary"}
        What is known about the order of the rows; there is no default, since it decides what is guaranteed. "random"
        rests on a uniformly random order and can be arbitrarily wrong in any other; "arbitrary" rests on nothing but
        a larger gap.
    threshold : float, optional
        For "arbitrary" alone: a vector counts when it grew by more than ``threshold log d`` in the exponent. Theory
        asks for 10; 2, the default, has been enough on every stream with a gap that was tried, and smaller rates forget
        less.
    fallback : bool
        For "arbitrary" alone: answer with the longest row instead of None when no vector grew enough;
        ``info.converged`` stays False.
    heavy : int, optional
        For "random" alone: rows that are kept at most, by default 64.
    rng : optional
        Seed, generator or key of the start vectors.

    Raises
    ------
    ValueError
        If an argument is out of range, or is one that the other order takes.

    Notes
    -----
    "arbitrary" runs Oja's method at rates 2⁻ʲ, all from one random vector [1]_. A rate is trusted when its vector
    grew by more than a power of d; of these the smallest is taken. Ladder and growth are kept on line: rates that
    exceed the inverse squared length of the longest row answer with that row and are dropped, smaller ones join when
    the sum of all squared lengths makes them matter. Growth
    alone is no certificate: on many rows without any gap a vector grows as well, only to no particular direction, and
    ``info.converged`` is None. At most log₂(1024 n) + 1 vectors are held, and 64 rows that wait
    to be taken together; the cost is four operations an entry and rate.

    "random" keeps rows with ``‖a‖² ≥ ‖A‖_F²/(d log₂ d)`` and runs a block power iteration of log₂ d + 2 columns over
    the light ones, in blocks that no other step has seen [2]_; the part with the larger Rayleigh quotient is the
    answer, and one vector for both where they agree. When more rows are heavy than are kept, the shortest join the
    light ones and the status is "overflow", unless the rows that follow make them light.

    Neither state can be merged with another one: a sketch that can needs a gap of √d and d²/R² numbers [1]_. Half
    precision is worked in float32. Rows of any scale are taken.

    References
    ----------
    .. [1] price_xun_2024
    .. [2] kacham_woodruff_2024

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = np.random.default_rng(0).standard_normal((5000, 20)) * np.array([8.0] + 19 * [1.0])
    >>> result = lr.TopEigenvector("arbitrary", rng=0).partial_fit(A).result()
    >>> result.status, bool(abs(result.v[0]) > 0.98)
    ('rate', True)
    """

    _parameters = ("order", "threshold", "fallback", "heavy", "rng")
    _shapes: ClassVar = {
        "vectors": ("rates", "columns"), "growth": ("rates",), "longest": ("columns",),
        "Z": ("columns", "width"), "W": ("columns", "width"), "M": ("width", "width"), "sum": ("columns",),
        "heavy": ("heavy rows", "columns"), "heavy_squares": ("heavy rows",),
    }  # fmt: skip

    def __init__(self, order, *, threshold=None, fallback=False, heavy=None, rng=None):
        super().__init__()
        self.order = be.check_option("order", order, _ORDERS)
        self.fallback = be.check_flag("fallback", fallback)
        given = {"threshold": threshold is not None, "fallback": self.fallback, "heavy": heavy is not None}
        for name in ("heavy",) if order == "arbitrary" else ("threshold", "fallback"):
            if given[name]:
                raise ValueError(f"{name} must not be given for order {order!r}, which makes no use of it")
        self.threshold = None if threshold is None else be.check_positive("threshold", threshold)
        self.heavy = None if heavy is None else be.check_count("heavy", heavy)
        self._key = be.resolve_rng(rng)
        self.rng = self._key.record

    def merge(self, other):
        """Not possible: raises TypeError."""
        raise TypeError(
            "states of TopEigenvector can't be merged: each vector depends on the rows before, and a mergeable summary "
            "needs a gap σ₁²/σ₂² of √d or more (Price and Xun 2024). Feed one estimator in turn, or merge states of "
            "FrequentDirections or IncrementalSVD"
        )

    def _block_rows(self):
        return price_xun.BLOCK_ROWS

    @property
    def _capacity(self):
        return 64 if self.heavy is None else self.heavy

    def _empty_state(self):
        core = kacham_woodruff if self.order == "random" else price_xun
        return core.empty_state(self.layout, self._key)

    def _absorb(self, block, weights):
        block = dense_block(block)
        if self.order == "random":
            self._state = kacham_woodruff.absorb(self._state, block, self.layout, self._capacity)
        else:
            self._state = price_xun.absorb(self._state, block, self.layout)

    def _report(self):
        if self.order == "random":
            v, status, details = kacham_woodruff.chosen(self._state, self.layout, self._capacity)
            growth, method = None, "kacham_woodruff"
        else:
            threshold = _THRESHOLD if self.threshold is None else self.threshold
            v, status, details = price_xun.chosen(self._state, self.layout, threshold, self.fallback)
            growth, method = self._state["growth"], "price_xun"
        forced, dominant = details.pop("forced", False), details.pop("dominant", True)
        if v is not None:
            v = fix_vector_phases(v[:, None])[:, 0]
            v = self.layout.xp.astype(v, getattr(self.layout.xp, self.layout.source), copy=False)
        info = Info(
            converged=(True if dominant else None) if status not in ("failed", "overflow") and not forced else False,
            reason=_REASONS["failed" if forced else status] + ("" if dominant or growth is not None else _NO_GAP),
            passes=1,
            method=method,
            rng=self.rng,
            details=details,
        )
        return TopEigenvectorResult(v, status, growth, info)
