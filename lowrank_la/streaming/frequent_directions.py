"""Frequent Directions: a short matrix whose Gram matrix is below that of the stream, by at most a known amount."""

from dataclasses import dataclass

import numpy as np

from .. import _backend as be
from ..factor.signs import fix_vector_phases
from ..results import Info, Result
from .centring import weighted
from .rows import densified, scaled_rows
from .scales import block_norm, common_scale, fitting_scale, safe_scale
from .shrinking import shrunk
from .stream import MergeableStream


@dataclass(frozen=True, eq=False, repr=False)
class FrequentDirectionsResult(Result):
    """A sketch ``B`` with ``0 ⪯ AᴴA - BᴴB ⪯ delta · I``, the zero up to ``info.rounding``.

    Attributes
    ----------
    B : array, shape (k, d)
        Orthogonal rows, the longest first; k is at most the size asked for. Of half precision rows it is in single
        precision, since it overflows otherwise; `Vh` is in half.
    delta : float
        Largest amount by which ``‖A x‖²`` exceeds ``‖B x‖²`` for a unit vector x.
    shift : float
        What is to be added to the Gram matrix: ``‖AᴴA - BᴴB - shift · I‖ ≤ delta / 2`` with shift ``delta / 2`` for a
        robust sketch; 0 otherwise.
    s, Vh : array, shape (k,) and (k, d)
        Singular values and right vectors of the sketch, with the shift in the values.
    error_bounds : array, shape (2, k)
        Lower and upper bounds of the true singular values.
    info : Info
        ``info.error`` is the bound ``delta / ‖A‖_F²`` of the relative error of the Gram matrix.
    """

    B: object
    delta: float
    info: Info
    s: object = None
    Vh: object = None
    error_bounds: object = None
    shift: float = 0.0

    _unpack = ("B", "delta")


@be.supports(operators=False)
class FrequentDirections(MergeableStream):
    """Deterministic sketch of a stream of rows with a certificate for every direction.

    Parameters
    ----------
    size : int
        Rows ℓ of the sketch.
    buffer : int, optional
        Rows held before they are shrunk to `size`, at least ``size + 1``; ``2 · size`` by default. A larger buffer is
        faster and gives a smaller `delta`; its rows are memory only while they arrive in smaller batches.
    robust : bool
        Report the Gram matrix as ``BᴴB + (delta/2) I``, which halves the largest error.

    Raises
    ------
    ValueError
        If `size` or `buffer` is out of range; in `partial_fit` if `size` exceeds the number of columns.

    Notes
    -----
    Liberty's sketch in blocks [1]_ [2]_: the buffer is replaced by its ℓ leading singular directions with
    ``s_{ℓ+1}²`` taken off every square, and `delta` adds up what was taken. For every k ≤ ℓ and the best
    approximation A_k, ``delta ≤ ‖A - A_k‖_F² / (ℓ + 1 - k)``, and projecting on the k leading rows costs at most ``k
    · delta`` more than the best projection, in squares. The robust form is that of [3]_. Merging stacks two sketches
    and shrinks once more; both bounds stay [2]_. The decomposition is that of the smaller Gram matrix, formed in
    single precision for single precision rows, in double precision where the next to last square asks for that, and
    replaced by a decomposition of the rows where even this is too coarse; the rounding is added to `delta`.

    Memory: ℓ·d numbers, min(buffer, d)² for a moment, and at most ``buffer - size`` rows. Cost a row: about
    ``d · min(buffer, d)`` multiplications and a share of one small eigenvalue decomposition.

    References
    ----------
    .. [1] liberty_2013
    .. [2] ghashami_liberty_phillips_woodruff_2016
    .. [3] luo_chen_zhang_li_zhang_2019

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = np.random.default_rng(0).standard_normal((500, 20))
    >>> B, delta = lr.FrequentDirections(10).partial_fit(A).result()
    >>> w = np.linalg.eigvalsh(A.T @ A - B.T @ B)
    >>> bool(w[0] > -1e-9), bool(w[-1] <= delta)
    (True, True)
    """

    _parameters = ("size", "buffer", "robust")
    _takes_sparse = _takes_weights = True

    def __init__(self, size, *, buffer=None, robust=False):
        super().__init__()
        self.size = be.check_count("size", size)
        self.buffer = 2 * self.size if buffer is None else be.check_count("buffer", buffer, self.size + 1)
        self.robust = be.check_flag("robust", robust)

    def _block_rows(self):
        return self.buffer - self.size

    def _empty_state(self):
        layout = self.layout
        if self.size > layout.columns:
            raise ValueError(f"size must be at most the number of columns, {layout.columns}, got {self.size}")
        return {
            "B": layout.zeros(0, layout.columns, dtype=layout.wide),
            "delta": 0.0,
            "noise": 0.0,
            "energy": 0.0,
            "scale": None,
            "level": "single" if layout.dtype != layout.wide else "double",
        }

    def _absorb(self, block, weights):
        norm, scale = block_norm(block, weights), self._state["scale"]
        if norm:
            scale = safe_scale(norm, self.layout) if scale is None else fitting_scale(norm, scale, self.layout)
        if scale != self._state["scale"]:
            self._state = _rescaled(self._state, scale)
        block = densified(block)
        if weights is not None:  # their roots round, which no allowance holds, and may overflow
            block = self.layout.xp.astype(block, self.layout.wide, copy=False)
        block = weighted(scaled_rows(block, scale), weights, block.dtype)
        self._shrink(block, be.fro_norm(block) ** 2)

    def _shrink(self, rows, energy):
        state = self._state
        B, delta, noise, level = shrunk(state["B"], rows, self.size, state["level"], self.layout)
        self._state = state | {
            "B": B,
            "delta": state["delta"] + delta,
            "noise": state["noise"] + noise,
            "energy": state["energy"] + energy,
            "level": level,
        }

    def _join(self, other):
        scale = common_scale(self._state, other._state)
        mine, theirs = (_rescaled(stream._state, scale) for stream in (self, other))
        self._state = mine | {name: mine[name] + theirs[name] for name in ("delta", "noise")}
        self._shrink(theirs["B"], theirs["energy"])

    def _report(self):
        state, layout = self._state, self.layout
        xp, scale = layout.xp, state["scale"] or 1.0
        lengths = [float(x) for x in be.to_numpy(xp.linalg.vector_norm(state["B"], axis=1)).astype(np.float64)]
        rounding = state["noise"]
        if layout.dtype != layout.wide:  # the rows are handed out in less than they are kept in
            rounding += be.eps(layout.dtype) * sum(x * x for x in lengths) ** 0.5 * max(lengths, default=0.0)
        delta = state["delta"] + rounding
        shift = delta / 2 if self.robust else 0.0
        s = self._column([(x * x + shift) ** 0.5 * scale for x in lengths])
        lower = self._column([max(0.0, x * x - state["noise"]) ** 0.5 * scale for x in lengths])
        upper = self._column([(x * x + delta) ** 0.5 * scale for x in lengths])
        V = be.mH(state["B"]) / xp.astype(self._column([x or 1.0 for x in lengths]), layout.wide)[None, :]
        V = fix_vector_phases(V) if lengths else V
        B = xp.astype(self._column(lengths), layout.wide)[:, None] * be.mH(V) * scale
        B, Vh = xp.astype(B, layout.dtype), xp.astype(be.mH(V), getattr(xp, layout.source))
        rounding = rounding * scale * scale
        error = min(1.0, delta / state["energy"]) if state["energy"] > 0 else 0.0
        info = Info(
            error=error, error_kind="bound", converged=True, reason="all rows taken", passes=1, method=state["level"],
            details={"rows": self.rows_seen, "energy": state["energy"] * scale * scale, "rounding": rounding},
        )  # fmt: skip
        bounds = xp.stack([lower, upper])
        delta, shift = delta * scale * scale, shift * scale * scale
        return FrequentDirectionsResult(B, delta, info, xp.astype(s, layout.real), Vh, bounds, shift)

    def _column(self, values):
        wide = be.widest_real(self.layout.xp, self.layout.device)
        return self.layout.xp.asarray(values, dtype=wide, device=self.layout.device)


def _rescaled(state, scale):
    """The state with its rows in units of `scale`."""
    ratio = 1.0 if state["scale"] is None else state["scale"] / scale
    squares = {name: state[name] * ratio * ratio for name in ("delta", "noise", "energy")}
    return state | squares | {"B": state["B"] * ratio, "scale": scale}
