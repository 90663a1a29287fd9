"""Low-rank approximation of a matrix that is seen once, as updates in any order."""

import math

import numpy as np

from .. import _backend as be
from ..sketch import Gaussian
from .rows import Layout, cut, densified, read_rows, require_finite_rows, scaled_rows
from .scales import block_norm, common_scale, fitting_scale, safe_scale
from .single_pass_result import approximation
from .stream import MergeableStream
from .undo import Undo

_BLOCK = 1 << 20
_TALLEST = 2048
_PROBES = 10
_SKETCHES = ("rows", "columns", "core", "probe")


@be.supports(operators=False)
class SinglePassSketch(MergeableStream):
    """Sketch of an m×n matrix that is the sum of updates by rows, columns or factors, from which it is approximated.

    Parameters
    ----------
    shape : tuple of int
        ``(m, n)``.
    rank : int
        Rank of the approximation.
    size : int, optional
        Width k of the two range sketches: ``4 · rank + 1`` by default, at least ``rank``, at most min(m, n). The core
        sketch is ``2k + 1`` wide.
    probes : int
        Rows of the sketch that the error is estimated from.
    start : int
        Row of the matrix that the first row of `partial_fit` is added to. The next ones follow, whatever was merged or
        added by other updates in between.
    rng : int, numpy Generator, SeedSequence, torch or CuPy generator, optional
        Where the key comes from; a generator contributes a key alone. Sketches merge when their keys are equal.

    Raises
    ------
    ValueError
        If an argument is out of range; in updates if they don't fit the shape.

    Notes
    -----
    The three sketches ``ΥA``, ``AΩᴴ`` and ``ΦAΨᴴ`` and the reconstruction ``Q C Pᴴ`` of [1]_, with
    Gaussian matrices that are drawn again from the key where they are needed. They are linear in A: updates of the
    same rows or columns add up, and so do merged sketches. A further sketch ``ΘA`` of `probes` rows gives ``‖ΘA -
    ΘÂ‖_F²``, which has the expectation ``‖A - Â‖_F²`` because the approximation does not depend on Θ; with 10 probes
    its root is within 25 % of the truth in most draws. Columns that are as good as the best possible rank need a
    spectrum that decays: the error is a constant times that of the best approximation of rank ``size / 2`` or so.

    Memory: ``k(m + n) + (2k + 1)² + probes · n`` numbers, and as much for the matrices that multiply rows.

    References
    ----------
    .. [1] tropp_yurtsever_udell_cevher_2019

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = np.outer(np.arange(1.0, 7.0), np.ones(5))
    >>> sketch = lr.SinglePassSketch(A.shape, 1, rng=0).partial_fit(A[:4]).update_rows(A[4:], 4)
    >>> bool(np.linalg.norm(lr.as_operator(sketch.result()) @ np.eye(5) - A) < 1e-12)
    True
    """

    _parameters = ("shape", "rank", "size", "probes", "start", "rng")
    _takes_sparse = True

    def __init__(self, shape, rank, *, size=None, probes=_PROBES, start=0, rng=None):
        super().__init__()
        if not isinstance(shape, tuple | list) or len(shape) != 2:
            raise ValueError(f"shape must be a pair (m, n), got {shape!r}")
        self.shape = tuple(be.check_count("shape", side) for side in shape)
        self.rank = be.check_rank(rank, self.shape)
        most = min(self.shape)
        self.size = min(most, 4 * self.rank + 1) if size is None else be.check_count("size", size, self.rank, most)
        self.probes = be.check_count("probes", probes)
        self.start = be.check_count("start", start, 0, self.shape[0])
        self.rng = be.resolve_rng(rng).value
        self._drawn = {}

    def copy(self):
        """An independent sketch in the same state."""
        other = super().copy()
        other._drawn = self._drawn
        return other

    def update_rows(self, rows, start):
        """Add `rows` (b, n) to rows ``start … start + b - 1`` of the matrix."""
        return self._update(rows, start, 0)

    def update_columns(self, columns, start):
        """Add `columns` (m, b) to columns ``start … start + b - 1`` of the matrix."""
        return self._update(columns, start, 1)

    def update_rank_one(self, u, v):
        """Add ``u vᴴ``: vectors (m,) and (n,), or matrices (m, r) and (n, r)."""
        u, v = (np.asarray(x) if isinstance(x, list | tuple) else x for x in (u, v))
        u, v = (x[:, None] if be.is_array(x) and x.ndim == 1 else x for x in (u, v))
        with self._lock, be.single_blas():
            first, layout = read_rows(u, None, type(self).__name__, sparse=False)
            second, other = read_rows(v, None, type(self).__name__, sparse=False)
            if (first.shape[0], second.shape[0]) != self.shape or first.shape[1] != second.shape[1]:
                raise ValueError(
                    f"a rank-one update of a {self.shape} sketch takes vectors of these lengths, got shapes "
                    f"{tuple(u.shape)} and {tuple(v.shape)}"
                )
            self._require_layout(layout, other)
            for part in (first, second):
                require_finite_rows(part)
            with Undo(self):
                self._begin(self._layout_of(layout))
                self._add_factors(first, second)
        return self

    def _update(self, data, start, axis):
        with self._lock, be.single_blas():
            batch, layout = read_rows(data, None, type(self).__name__)
            start = be.check_count("start", start, 0)
            fits = batch.shape[1 - axis] == self.shape[1 - axis] and start + batch.shape[axis] <= self.shape[axis]
            if not fits:
                what = ("rows", "columns")[axis]
                raise ValueError(
                    f"{what} from {start} on of shape {tuple(batch.shape)} don't fit a matrix of shape {self.shape}"
                )
            self._require_layout(layout)
            require_finite_rows(batch)
            with Undo(self):
                self._begin(self._layout_of(layout))
                for part in be.fixed_partition(batch.shape[axis], self._block_rows()):
                    piece = densified(batch) if axis else densified(cut(batch, part.start, part.stop))
                    (self._add_columns if axis else self._add_rows)(
                        piece[:, part] if axis else piece, start + part.start
                    )
        return self

    def _require_layout(self, *layouts):
        for layout in layouts:
            held = self.layout or layouts[0]
            same = be.kind(layout.xp) == be.kind(held.xp) and layout.device == held.device
            if not same or layout.source != held.source:
                raise TypeError(
                    f"SinglePassSketch holds {be.kind(held.xp)} {held.source}, this update is {be.kind(layout.xp)} "
                    f"{layout.source}; convert it"
                )

    def _layout_of(self, layout):
        return Layout(self.shape[1], layout.dtype, layout.source, layout.xp, layout.device)

    def _block_rows(self):
        return max(64, min(_TALLEST, _BLOCK // self.shape[1]))

    def _begin(self, layout):
        if layout.columns != self.shape[1]:
            raise ValueError(f"the matrix has {self.shape[1]} columns, this batch has {layout.columns}")
        super()._begin(layout)

    def _take(self, batch, weights, check_finite):
        following = self._state["cursor"] + self._waiting
        if following + batch.shape[0] > self.shape[0]:
            raise ValueError(
                f"the matrix has {self.shape[0]} rows; {batch.shape[0]} more from row {following} on don't fit"
            )
        super()._take(batch, weights, check_finite)

    def _empty_state(self):
        (m, n), k, core, zeros = self.shape, self.size, 2 * self.size + 1, self.layout.zeros
        return {
            "rows": zeros(k, n),
            "columns": zeros(m, k),
            "core": zeros(core, core),
            "probe": zeros(self.probes, n),
            "cursor": self.start,
            "scale": None,
        }

    def _absorb(self, block, weights):
        self._add_rows(densified(block), self._state["cursor"])
        self._state["cursor"] += block.shape[0]

    def _in_units(self, norm):
        """Units in which an update of that norm is added, after the sketches were brought to them."""
        held = self._state["scale"]
        if norm == 0.0:
            return held
        scale = safe_scale(norm, self.layout) if held is None else fitting_scale(norm, held, self.layout)
        self._state = _rescaled(self._state, scale)
        return scale

    def _add_rows(self, rows, start):
        rows = scaled_rows(rows, self._in_units(block_norm(rows)))
        state, part = self._state, slice(start, start + rows.shape[0])
        left = self._left(part)
        columns = self.layout.xp.asarray(state["columns"], copy=True)
        columns[part, :] += be.matmul(rows, be.mH(self._right("columns")))
        core = be.matmul(left["core"], be.matmul(rows, be.mH(self._right("core right"))))
        self._state = state | {
            "rows": state["rows"] + be.matmul(left["rows"], rows),
            "columns": columns,
            "core": state["core"] + core,
            "probe": state["probe"] + be.matmul(left["probe"], rows),
        }

    def _add_columns(self, columns, start):
        columns = scaled_rows(columns, self._in_units(block_norm(columns)))
        state, part = self._state, slice(start, start + columns.shape[1])
        xp = self.layout.xp
        rows, probe = (xp.asarray(state[name], copy=True) for name in ("rows", "probe"))
        rows[:, part] += self._applied("rows", columns)
        probe[:, part] += self._applied("probe", columns)
        right = {name: self._right(name)[:, part] for name in ("columns", "core right")}
        self._state = state | {
            "rows": rows,
            "probe": probe,
            "columns": state["columns"] + be.matmul(columns, be.mH(right["columns"])),
            "core": state["core"] + be.matmul(self._applied("core", columns), be.mH(right["core right"])),
        }

    def _add_factors(self, u, v):
        norms = block_norm(u), block_norm(v)
        if norms[0] * norms[1] == math.inf:
            raise ValueError(f"u vᴴ overflows: u and v have norms {norms[0]:.1e} and {norms[1]:.1e}; it was not added")
        scale = self._in_units(norms[0] * norms[1])
        u, v = (scaled_rows(u, scale), v) if norms[0] > norms[1] else (u, scaled_rows(v, scale))
        state, vh = self._state, be.mH(v)
        sides = {name: be.matmul(self._right(name), v) for name in ("columns", "core right")}
        self._state = state | {
            "rows": state["rows"] + be.matmul(self._applied("rows", u), vh),
            "probe": state["probe"] + be.matmul(self._applied("probe", u), vh),
            "columns": state["columns"] + be.matmul(u, be.mH(sides["columns"])),
            "core": state["core"] + be.matmul(self._applied("core", u), be.mH(sides["core right"])),
        }

    def _sketch(self, name):
        height = {"rows": self.size, "columns": self.size, "probe": self.probes}.get(name, 2 * self.size + 1)
        width = self.shape[1] if name in ("columns", "core right") else self.shape[0]
        key = be.Key(self.rng).child(f"single pass {name}")
        return Gaussian(height, width, key, dtype=be.dtype_name(self.layout.dtype))

    def _left(self, part):
        """Columns `part` of the matrices that multiply from the left."""
        layout, dtype = self.layout, be.dtype_name(self.layout.dtype)
        names = ("rows", "core", "probe")
        return {name: self._sketch(name).block(part, xp=layout.xp, device=layout.device, dtype=dtype) for name in names}

    def _applied(self, name, columns):
        return self._sketch(name).apply(columns)

    def _right(self, name):
        """A matrix that multiplies from the right, drawn once; it is as large as the state."""
        layout = self.layout
        if name not in self._drawn:
            dtype = be.dtype_name(layout.dtype)
            drawn = self._sketch(name).todense(xp=layout.xp, device=layout.device, dtype=dtype)
            self._drawn = self._drawn | {name: drawn}
        return self._drawn[name]

    def _mergeable_parameters(self):
        return {name: value for name, value in self._arguments().items() if name != "start"}

    def _adopt(self, other):
        super()._adopt(other)
        self._state["cursor"] = self.start

    def _join(self, other):
        scale = common_scale(self._state, other._state)
        mine, theirs = (_rescaled(state, scale) for state in (self._state, other._state))
        self._state = mine | {name: mine[name] + theirs[name] for name in _SKETCHES}

    def _report(self):
        right = self._right("core right")
        return approximation(self._state, self._applied, right, self)


def _rescaled(state, scale):
    """The state with its sketches in units of `scale`."""
    ratio = 1.0 if state["scale"] is None or scale is None else state["scale"] / scale
    sketches = {} if ratio == 1.0 else {name: state[name] * ratio for name in _SKETCHES}
    return state | sketches | {"scale": scale}
