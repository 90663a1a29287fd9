"""Singular value decomposition of rows that keep arriving."""

from typing import ClassVar

from .. import _backend as be
from . import incremental_result as results
from . import left_vectors, truncated, whole
from .centring import Moments, discounts, rows_to_append
from .gram_blocks import absorb_gram, decide, group_size, reconsider
from .incremental_merge import aged, join, rescaled, take_out
from .rows import by_rows, cut, densified, read_rows, require_finite_rows, scaled_rows
from .scales import block_norm, fitting_scale, room_for
from .stream import MergeableStream
from .undo import Undo

_METHODS = ("auto", "gram", "qr", "truncated")
_SHORT = 2048  # columns up to which "auto" keeps the full scatter
_PANEL = 1 << 20  # numbers of one block of the full scatter
_TALLEST = 4096
_LEAST_BLOCK = 32


@be.supports(operators=False)
class IncrementalSVD(MergeableStream):
    """Leading singular values and right vectors of a stream of rows.

    Parameters
    ----------
    rank : int
        Number of triplets, at most the number of columns.
    center : bool
        Subtract the running mean exactly (principal components).
    forget : float
        Factor in (0, 1] by which the weight of the length of a row shrinks with every later row.
    method : {"auto", "gram", "qr", "truncated"}
        "gram" keeps the full d×d scatter; "qr" its triangular factor, which does not square the condition; "truncated"
        keeps `rank` + `oversample` vectors. "auto" takes the scatter up to 2048 columns, changes to the factor when
        `accuracy` asks for it, and truncates longer rows.
    oversample : int, optional
        Vectors that "truncated" keeps beyond `rank`: by default half the rank, at least 10.
    accuracy : float
        Relative error of the smallest returned singular value by which "auto" judges whether squares of the data will
        do, and whether they may be formed in single precision.
    keep_u : bool
        Keep the left vectors, with the memory that takes; by method "truncated" only.

    Raises
    ------
    ValueError
        If an argument is out of range; in `partial_fit` if `rank` exceeds the number of columns.

    Notes
    -----
    "gram" multiplies blocks of rows that fit the cache and adds them up in double precision: products of
    single precision rows in single precision where ``(s₁/s_k)²`` times an eighth of the roundoff stays below
    `accuracy`, judged on the first block and again after 8, 64, ... blocks. "truncated" appends blocks to a factor
    [1]_ with the mean tracked exactly [2]_: by the Gram matrix of factor and block in double precision where that
    costs the smallest value kept no more than 1e-10 or the roundoff of the rows, else with projections made twice.
    Memory: 2d² numbers for "gram", whose sums are kept in two parts, d² for "qr", (rank + oversample)·d for
    "truncated", and at most one block of rows. Cost a row: d²/2 multiplications, 3d², and 4 to 8(rank + oversample)·d
    or so.

    Every update of "truncated" drops a positive semidefinite part of the scatter. The sum of what it drops, and the
    sum of the largest value that each drop had, bound what is missing: ``s_i² ≤ σ_i² ≤ s_i² + Σ dropped``, for any
    centring, positive weights and forgetting; `error_bounds` adds an allowance for rounding. It says nothing after a
    downdate. That allowance is 16 units of roundoff, times the trace, of every truncated update and of every Gram
    matrix (twice that where blocks are of 4096 rows), and one more a block with forgetting, on the squares; of a
    triangular factor 2√h units, times its norm, for every h rows, on the values. The mean is a sum of two numbers an
    entry that is never evaluated, so what it adds to the scatter is off by the roundoff of differences of means, which
    these allowances hold: bounds of rows far from the origin are as narrow as those of rows about it.

    Batches may be of any size, sparse ones are cut into blocks before anything is dense, and a batch that is refused
    changes nothing. NaN and infinite values are always looked for, at no cost of their own.

    References
    ----------
    .. [1] brand_2006
    .. [2] ross_lim_lin_yang_2008

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> A = np.outer(np.arange(1.0, 101.0), [3.0, 0.0, 4.0])
    >>> stream = lr.IncrementalSVD(1)
    >>> for batch in (A[:1], A[1:60], A[60:]):
    ...     _ = stream.partial_fit(batch)
    >>> s, Vh = stream.result()
    >>> [round(float(x), 6) for x in abs(Vh[0])]
    [0.6, 0.0, 0.8]
    """

    _parameters = ("rank", "center", "forget", "method", "oversample", "accuracy", "keep_u")
    _shapes: ClassVar = {
        **dict.fromkeys(("gram", "gram_rest"), ("columns", "columns")),
        "factor": ("factor rows", "columns"), "V": ("columns", "vectors"), "s": ("vectors",),
        **dict.fromkeys(("shift", "sums", "sums_rest", "mean", "mean_rest"), ("columns",)),
    }  # fmt: skip
    _takes_sparse = _takes_weights = _finite_inside = True

    def __init__(self, rank, *, center=False, forget=1.0, method="auto", oversample=None, accuracy=1e-6, keep_u=False):
        super().__init__()
        self.rank = be.check_count("rank", rank)
        self.center, self.keep_u = be.check_flag("center", center), be.check_flag("keep_u", keep_u)
        self.forget = be.check_positive("forget", forget)
        if self.forget > 1.0:
            raise ValueError(f"forget must lie in (0, 1], got {forget!r}")
        self.method = be.check_option("method", method, _METHODS)
        self.oversample = None if oversample is None else be.check_count("oversample", oversample, 0)
        self.accuracy = be.check_tol(accuracy, "accuracy")
        if self.keep_u and (self.forget != 1.0 or self.method in ("gram", "qr")):
            raise ValueError(
                "keep_u needs forget=1.0 and method 'auto' or 'truncated': other states have no left vectors"
            )

    def downdate(self, rows, *, weights=None, tol=1e-8):
        """Take out rows that the stream has seen.

        Parameters
        ----------
        rows : array or sparse matrix, shape (b, d)
        weights : array, shape (b,), optional
            The weights they came with.
        tol : float
            How much of a direction has to be left, and how far the rows may be from the span of a truncated state,
            relative to their size.

        Returns
        -------
        IncrementalSVD
            Itself; `error_bounds` is None from here on.

        Raises
        ------
        ValueError
            If what is left would be rounding noise, no rows would be left, or the state can't take rows out ("qr",
            forgetting, left vectors). The state is then as it was.
        """
        with self._lock, be.single_blas():
            if self.layout is None:
                raise ValueError("downdate takes out rows that were seen, and none were")
            batch, layout = read_rows(rows, self.layout, type(self).__name__)
            weights = self._checked_weights(weights, batch, layout)
            require_finite_rows(batch)
            if batch.shape[0]:
                with Undo(self):
                    take_out(self, batch, weights, be.check_tol(tol))
        return self

    def _block_rows(self):
        d = self.layout.columns
        if self._truncates():
            return max(_LEAST_BLOCK, self._kept())
        return min(_TALLEST, max(d // 2, _PANEL // d))

    def _checked_weights(self, weights, batch, layout):
        if weights is not None and self.keep_u:
            raise ValueError("keep_u knows no weights; the batch was refused")
        return super()._checked_weights(weights, batch, layout)

    def _truncates(self):
        return self.method == "truncated" or (self.method == "auto" and (self.keep_u or self.layout.columns > _SHORT))

    def _kept(self):
        extra = max(10, self.rank // 2) if self.oversample is None else self.oversample
        return min(self.layout.columns, self.rank + extra)

    def _empty_state(self):
        layout = self.layout
        if self.rank > layout.columns:
            raise ValueError(f"rank must be at most the number of columns, {layout.columns}, got {self.rank}")
        state = {"weight": 0.0, "blocks": 0, "scale": None, "single": False, "void": False, "mean": None}
        names = ("gram", "gram_rest", "shift", "sums", "sums_rest", "factor", "V", "s", "mean_rest")
        state |= dict.fromkeys(names) | {"backward": 0.0}
        if self.center:
            state |= dict.fromkeys(("mean", "mean_rest"), layout.zeros(layout.columns, dtype=layout.wide))
        if self._truncates():
            return state | truncated.empty(layout) | (left_vectors.empty(layout) if self.keep_u else {})
        if self.method == "qr":
            return state | whole.empty_factor(layout)
        return state | whole.empty(layout, self.center)

    def _absorb_run(self, rows, weights, size):
        """Whole blocks: several at a time as long as the state is a Gram matrix, otherwise one after the other."""
        start = 0
        while start < rows.shape[0]:
            state = self._state
            several = state["gram"] is not None and state["scale"] is not None
            stop = min(rows.shape[0], start + size * (group_size(state["blocks"]) if several else 1))
            parts = be.fixed_partition(stop - start, size)
            blocks = [by_rows(cut(rows, start + part.start, start + part.stop)) for part in parts]
            self._absorb_blocks(blocks, [None if weights is None else weights[start:stop][part] for part in parts])
            start = stop

    def _absorb(self, block, weights):
        self._absorb_blocks([block], [weights])

    def _absorb_blocks(self, blocks, weights):
        blocks = [room_for(weight, block, self.layout) for block, weight in zip(blocks, weights, strict=True)]
        if self._state["scale"] is None:
            self._state |= decide(blocks[0], weights[0], self)
        if self._state["gram"] is not None:
            absorb_gram(blocks, weights, self)
            reconsider(self)
            return
        for block, weight in zip(blocks, weights, strict=True):
            scale = fitting_scale(block_norm(block, weight), self._state["scale"] or 1.0, self.layout)
            if scale != (self._state["scale"] or 1.0):
                self._state = rescaled(self._state, scale)
            self._append(scaled_rows(block, scale), weight)

    def _append(self, block, weights):
        """One block below a triangular or truncated factor."""
        height, layout = block.shape[0], self.layout
        state = aged(self._state, self.forget**height)
        before = self._moments(state)
        dtype, whole_factor = (layout.wide, True) if state["V"] is None else (layout.dtype, False)
        rows, found = rows_to_append(before, block, discounts(height, weights, self.forget, layout), layout, dtype)
        together = before.joined(found)
        if whole_factor:
            changed = whole.factor_appended(state, rows)
        else:
            changed = truncated.appended(state, rows, self._kept())
            changed |= self._left(state, changed["V"], block, before, together)
        self._state = state | changed | {"blocks": state["blocks"] + 1}
        self._state["backward"] += found.rounding(height)
        self._remember(together)

    def _left(self, state, V, block, before, after):
        """Coordinates of the rows of a block, and how those of older rows change with the basis."""
        if not self.keep_u:
            return {}
        xp, offset, rows = self.layout.xp, self.layout.zeros(V.shape[1]), densified(block)
        if self.center:
            offset = (xp.astype(after.distance(before), V.dtype)[None, :] @ V)[0, :]
            rows = xp.astype(rows - after.mean[None, :], V.dtype)
        return left_vectors.extended(state, be.adjoint_matmul(state["V"], V), offset, be.matmul(rows, V))

    def _moments(self, state):
        if state["gram"] is not None:
            return whole.moments_of(state)
        return Moments(state["weight"], state["mean"], state["mean_rest"])

    def _remember(self, moments):
        self._state |= {"weight": moments.weight, "mean": moments.mean, "mean_rest": moments.rest}

    def _join(self, other):
        join(self, other)

    def _report(self):
        state, moments = self._state, self._moments(self._state)
        count = min(self.rank, self.rows_seen - self.center)
        if count == 0:
            found = results.of_nothing(self.layout)
        elif state["V"] is not None:
            found = results.of_truncated(state, count)
        elif state["factor"] is not None:
            found = results.of_factor(state, count)
        else:
            found = results.of_gram(state, moments, count)
        mean = None
        if self.center:
            mean = self.layout.xp.astype(moments.mean * (state["scale"] or 1.0), self.layout.dtype)
        return results.report(found, count, self, mean)
