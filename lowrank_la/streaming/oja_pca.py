"""Principal components of a row stream by stochastic steps: small memory, no certificate."""

from dataclasses import dataclass
from typing import Any

from .. import _backend as be
from ..factor.signs import fix_vector_phases
from ..factor.tall_qr import orthonormalize
from ..results import Info, Result
from .oja_steps import adaptive_step, gradient, history_step
from .rows import dense_block
from .safe_rows import scaled, scaled_number, scaled_rows
from .stream import Stream

_METHODS = ("adaptive", "history")
_FIRST = 1e-5  # what the roots of the squared gradients start from, over the mean squared length of the first rows
_GUARANTEE = (
    "heuristic: no bound on the error for any stream. Convergence is known for independent rows of one distribution; "
    "an order that an adversary chose can defeat every schedule of steps"
)


@dataclass(frozen=True, eq=False, repr=False)
class OjaPCAResult(Result):
    """Estimates of the leading right singular vectors `Vh` (k, d) and singular values `s` (k,) of the rows."""

    s: Any
    Vh: Any
    info: Info
    mean: Any = None

    _unpack = ("s", "Vh")

    def __repr__(self):
        return f"OjaPCAResult(rank {self.s.shape[0]}, method {self.info.method!r})"


@be.supports(sparse=False, operators=False)
class OjaPCA(Stream):
    """Principal components of rows that arrive one after another, in memory of a few vectors a component.

    Parameters
    ----------
    rank : int
        Components, at most the length of a row.
    method : {"adaptive", "history"}
        Oja's steps with rates from the gradients so far [1]_, or power steps with a rank-`rank` memory of the rows so
        far [2]_.
    center : bool
        Subtract the mean of the rows up to and with the block at hand.
    block : int
        Rows that make one step.
    rng : optional
        Seed, generator or key of the start.

    Notes
    -----
    The result carries no certificate (``info.error`` is None), and two states can't be merged; `IncrementalSVD` and
    `FrequentDirections` do both. Singular values are running means over the later rows times their number. Rates
    don't depend on the scale of the rows: the first one is set by their lengths. The state is `rank` vectors of the
    length of a row, one more when centred, and at most `block` waiting rows; ``info.memory`` adds them up.

    References
    ----------
    .. [1] henriksen_ward_2019
    .. [2] yang_hsieh_wang_2018

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = np.random.default_rng(0).standard_normal((20000, 30)) * np.array([6.0, 4.0] + 28 * [1.0])
    >>> result = lr.OjaPCA(2, method="history", rng=0).partial_fit(A).result()
    >>> bool(np.linalg.norm(result.Vh[:, :2]) > 1.41)
    True
    """

    _parameters = ("rank", "method", "center", "block", "rng")

    def __init__(self, rank, *, method="adaptive", center=False, block=64, rng=None):
        super().__init__()
        self.rank = be.check_count("rank", rank)
        self.method = be.check_option("method", method, _METHODS)
        self.center = be.check_flag("center", center)
        self.block = be.check_count("block", block)
        self._key = be.resolve_rng(rng)
        self.rng = self._key.record

    def merge(self, other):
        """Not possible: raises TypeError."""
        raise TypeError(
            "states of OjaPCA can't be merged: each basis depends on the rows before, and a sum of two means nothing. "
            "Feed one estimator in turn, or merge states of IncrementalSVD or FrequentDirections"
        )

    def _block_rows(self):
        return self.block

    def _empty_state(self):
        layout = self.layout
        if self.rank > layout.columns:
            raise ValueError(f"rank must be at most {layout.columns}, the length of a row, got {self.rank}")
        start = be.gaussian(
            self._key.child("start"),
            slice(0, layout.columns),
            slice(0, self.rank),
            layout.dtype,
            layout.xp,
            layout.device,
        )
        zeros = layout.zeros(self.rank, dtype=layout.real)
        mean = layout.zeros(layout.columns) if self.center else None
        numbers = {"energy": 0.0, "scale": 0, "rows": 0, "nonzero_rows": 0}
        return {"Q": orthonormalize(start)[0], "sizes": zeros, "values": zeros, "mean": mean, **numbers}

    def _absorb(self, block, weights):
        rows, squares, scale = scaled_rows(dense_block(block), self._state["scale"], self._state["energy"])
        state = _rescaled(self._state, scale)
        state["rows"] += rows.shape[0]
        if self.center:
            fresh = self.layout.xp.mean(rows, axis=0)
            state["mean"] = state["mean"] + (fresh - state["mean"]) * (rows.shape[0] / state["rows"])
            rows = rows - state["mean"][None, :]
        first = state["energy"] == 0.0
        state["energy"] += float(squares.sum())
        if state["energy"] > 0.0:
            self._step(state, rows, float(squares.sum()) / rows.shape[0] if first else None)
        self._state = state

    def _step(self, state, rows, first):
        state["nonzero_rows"] += rows.shape[0]
        share = rows.shape[0] / state["nonzero_rows"]
        if self.method == "history":
            state["Q"], state["values"] = history_step(rows, state["Q"], state["values"], share)
            return
        G, power = gradient(rows, state["Q"])
        sizes = state["sizes"] if first is None else state["sizes"] + _FIRST * first
        state["values"] = state["values"] + (power - state["values"]) * min(1.0, 2.0 * share)
        state["Q"], state["sizes"] = adaptive_step(G, state["Q"], sizes)

    def _report(self):
        xp, layout, state = self.layout.xp, self.layout, self._state
        order = be.order_of(state["values"], descending=True)
        V = fix_vector_phases(xp.take(state["Q"], order, axis=1))
        s = xp.sqrt(xp.take(state["values"], order) * state["nonzero_rows"])
        Vh = xp.astype(be.mH(V), getattr(xp, layout.source), copy=False)
        mean = scaled(state["mean"], state["scale"]) if self.center else None
        info = Info(
            converged=None if state["energy"] > 0.0 else False,
            reason="one pass" if state["energy"] > 0.0 else "all rows are zero",
            error_kind="estimate",
            passes=1,
            method="ada_oja" if self.method == "adaptive" else "history_pca",
            rng=self.rng,
            details={"guarantee": _GUARANTEE, "memory": self.rank + self.center + self.block},
        )
        return OjaPCAResult(scaled(s, state["scale"]), Vh, info, mean)


def _rescaled(state, scale):
    """A copy of the state in units of another scale."""
    shift, state = scale - state["scale"], dict(state)
    if shift:
        half = max(-500, -shift)
        state |= {name: scaled(scaled(state[name], half), half) for name in ("sizes", "values")}
        state["energy"] = scaled_number(state["energy"], -2 * shift)
        state["mean"] = None if state["mean"] is None else scaled(state["mean"], half)
    return state | {"scale": scale}
