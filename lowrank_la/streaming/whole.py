"""The full scatter of a stream of short rows: its Gram matrix, or the triangular factor where that is too coarse."""

import numpy as np

from .. import _backend as be
from ..factor.slabs import triangle
from .centring import Moments, in_two_parts, weighted
from .rows import cut, densified, is_csr

_HALVES = 2  # parts of a block that two threads can share; their sum is part of the block's bits
ROUNDING = 16.0  # units of roundoff, times the trace: allowance for the rounding of a Gram matrix
TYPICAL = 8.0  # by which the error of a Gram matrix stays below the roundoff of its products
_TALL = 2.0  # units of roundoff, times the root of the rows and the norm: rounding of a triangular factor
_SPARSE = 0.1  # density below which a sparse product is formed
_CHAIN = 1024  # rows whose squares may be added up one after another before their rounding needs a larger allowance
_STRIP = 64  # rows whose sum is found in one go
_TOGETHER = 16  # blocks that are added up before they join the sum of all others
_NO_GRAM = dict.fromkeys(("gram", "gram_rest", "sums", "sums_rest", "shift"))


def empty(layout, center):
    """The state before the first row."""
    d = layout.columns
    return {
        "gram": layout.zeros(d, d, dtype=layout.wide),
        "gram_rest": layout.zeros(d, d, dtype=layout.wide),
        "shift": layout.zeros(d, dtype=layout.wide) if center else None,
        "sums": layout.zeros(d, dtype=layout.wide) if center else None,
        "sums_rest": layout.zeros(d, dtype=layout.wide) if center else None,
        "noise": 0.0,
    }


def empty_factor(layout):
    """What a state without rows holds when it is to be a triangular factor."""
    return {
        **_NO_GRAM,
        "factor": layout.zeros(0, layout.columns, dtype=layout.wide),
        "noise": 0.0,
    }


def grams_of(blocks, weights, shift, dtype, layout):
    """For each block its Gram matrix about `shift` in `dtype`, and the weighted sum of its rows about it (or None)."""

    @np.errstate(over="ignore", invalid="ignore")  # the caller looks at the trace
    def half(job):
        block, weight, part = job
        weight = None if weight is None else weight[part]
        return _product(block, weight, part, shift, dtype)

    jobs = [
        (block, weight, part)
        for block, weight in zip(blocks, weights, strict=True)
        for part in be.fixed_partition(block.shape[0], max(1, -(-block.shape[0] // _HALVES)))
    ]
    host = be.kind(layout.xp) == "numpy"
    products = iter(be.map_blocks(half, jobs) if host else [half(job) for job in jobs])
    counts = [-(-block.shape[0] // max(1, -(-block.shape[0] // _HALVES))) for block in blocks]
    return [_summed([next(products) for _ in range(count)]) for count in counts]


def _summed(parts):
    G, sums = parts[0]
    for more, further in parts[1:]:
        G = G + more
        sums = None if sums is None else sums + further
    return G, sums


def _product(block, weights, part, shift, dtype):
    if is_csr(block):
        return _sparse_product(block, weights, part, shift, dtype)
    rows = block[part, :]
    xp = be.namespace(rows)
    if shift is None:
        return be.panel_gram(weighted(rows, weights, dtype)), None
    rows = _shifted(rows, shift, dtype)
    roots = weighted(rows, weights, dtype)
    if weights is None:
        line = xp.ones((rows.shape[0],), dtype=dtype, device=be.device(rows))
    else:
        line = xp.astype(weights, dtype)
    return be.panel_gram(roots), _weighted_sum(line, rows)


def _weighted_sum(line, rows):
    """``line @ rows`` in two steps: the rounding of one long sum of like terms all points one way."""
    xp, (height, columns) = be.namespace(rows), rows.shape
    whole = height // _STRIP * _STRIP
    strips = xp.reshape(rows[:whole, :], (-1, _STRIP, columns))
    sums = xp.sum(xp.reshape(line[:whole], (-1, 1, _STRIP)) @ strips, axis=0)
    return (sums + line[None, whole:] @ rows[whole:, :])[0, :]


def _shifted(rows, shift, dtype):
    """Rows about `shift`, which is wider than they may be: subtracted in its dtype only where rounding would show."""
    xp = be.namespace(rows)
    if rows.dtype == dtype == shift.dtype:
        return rows - shift[None, :]
    if rows.dtype == dtype:
        coarse = xp.astype(shift, dtype)
        fine = xp.astype(shift - xp.astype(coarse, shift.dtype), dtype)
        return (rows - coarse[None, :]) - fine[None, :]
    return xp.astype(rows, dtype) - xp.astype(shift, dtype)[None, :]


def _sparse_product(block, weights, part, shift, dtype):
    """As `_product` of sparse rows; what they have in common with `shift` is taken off afterwards."""
    rows = cut(block, part.start, part.stop)
    dense = rows.nnz > _SPARSE * rows.shape[0] * rows.shape[1] or be.kind(rows.xp) == "torch" or weights is not None
    if dense or shift is not None:
        return _product(densified(rows), weights, slice(0, rows.shape[0]), shift, dtype)
    native = rows.native.astype(be.dtype_name(dtype))
    return (native.conj().T @ native).toarray(), None


def energy(G):
    """Trace of a Hermitian matrix as a Python float."""
    xp = be.namespace(G)
    return float(xp.sum(xp.real(xp.linalg.diagonal(G)))) if be.is_complex(G.dtype) else float(xp.linalg.trace(G))


def rounding(trace, dtype):
    """Allowance for the rounding of a Gram matrix of that trace, multiplied in `dtype`."""
    return ROUNDING * be.eps(dtype) * trace


def tallness(rows):
    """By how much the rounding of the Gram matrix of a block of so many rows exceeds that of short ones.

    Where rows are alike it all points one way, and grows with the number of terms of a sum.
    """
    return max(1.0, -(-rows // _HALVES) / _CHAIN)


class Sums:
    """The Gram matrix of a stream and the sums of its rows, each in two parts that are never added up.

    Sums of many blocks in one number would be off by half a unit of roundoff a block, and all the same way where rows
    are alike. Blocks join the rest, and at every 16th block of the stream the rest joins the whole.
    """

    def __init__(self, state):
        self.gram, self.rest = state["gram"], state["gram_rest"] * 1.0
        self.sums, self.sums_rest = state["sums"], state["sums_rest"]

    def age(self, factor):
        """Multiply all by `factor`; what that may add to the rounding of the Gram matrix."""
        if factor == 1.0:
            return 0.0
        self.gram, self.rest = self.gram * factor, self.rest * factor
        if self.sums is not None:
            self.sums, self.sums_rest = self.sums * factor, self.sums_rest * factor
        return be.eps(self.gram.dtype) * energy(self.gram)

    def add(self, gram, line, number):
        """Add the products of block `number`, counted from 1."""
        self.rest += gram
        if number % _TOGETHER == 0:
            self._settle()
        if line is not None:
            self.sums, self.sums_rest = in_two_parts(self.sums, self.sums_rest + line)

    def _settle(self):
        """As `in_two_parts` of the two, with little memory."""
        total = self.gram + self.rest
        share = total - self.gram
        self.rest -= share
        share -= total
        share += self.gram
        self.rest += share
        self.gram = total

    def entries(self):
        """What a state keeps of it."""
        return {"gram": self.gram, "gram_rest": self.rest, "sums": self.sums, "sums_rest": self.sums_rest}


def scatter(state, moments):
    """``(S, noise)``: the scatter about the mean, and how far rounding may have moved its eigenvalues."""
    if state["factor"] is not None:
        R = state["factor"]
        return be.gram(R), 0.0
    if state["shift"] is None or moments.weight == 0.0:
        return state["gram"] + state["gram_rest"], state["noise"]
    between = (state["sums"] + state["sums_rest"]) / moments.weight**0.5
    S = (state["gram"] - _outer(between)) + state["gram_rest"]
    return (S + be.mH(S)) / 2, state["noise"] + rounding(be.vdot_real(between), S.dtype)


def moments_of(state):
    """`Moments` of a Gram state: the mean is what the sums about the shift give."""
    weight, shift = state["weight"], state["shift"]
    if shift is None:
        return Moments(weight, None)
    sums = state["sums"] + state["sums_rest"]
    return Moments(weight, *in_two_parts(shift, sums / weight if weight > 0.0 else sums))


def _outer(line):
    """Gram matrix of a single row."""
    return (be.namespace(line).conj(line) if be.is_complex(line.dtype) else line)[:, None] * line[None, :]


def with_scatter(state, S, noise, moments):
    """The Gram state of rows with these moments and this scatter: about the mean, where rows are centred."""
    xp = be.namespace(S)
    state = state | {"gram_rest": xp.zeros_like(S), "noise": noise}
    if state["shift"] is None or moments.weight == 0.0:
        return state | {"gram": S}
    gram, sums = S + _outer(moments.weight**0.5 * moments.rest), moments.weight * moments.rest
    return state | {"gram": gram, "shift": moments.mean, "sums": sums, "sums_rest": xp.zeros_like(sums)}


def about_mean(state, moments):
    """The same Gram state with its mean as the shift."""
    S, noise = scatter(state, moments)
    return with_scatter(state, S, noise, moments)


def as_factor(state, moments):
    """The state with a triangular factor in place of the Gram matrix."""
    if state["factor"] is not None:
        return state
    S, noise = scatter(state, moments)
    xp = be.namespace(S)
    w, V = be.small_eigh(S)
    roots = xp.sqrt(xp.where(w > 0, w, xp.zeros_like(w)))
    R = triangle(xp.astype(roots, S.dtype)[:, None] * be.mH(V))
    means = {"mean": moments.mean, "mean_rest": moments.rest}
    return state | _NO_GRAM | {"factor": R, "noise": noise} | means


def factor_appended(state, rows):
    """The factor of a state with `rows` below it, in its dtype, and what rounding adds to its distance from the truth.

    Roundoff of a sum of h products grows like its root, also where rows are alike and all of it points one way.
    """
    R = state["factor"]
    xp = be.namespace(R)
    rows = xp.astype(densified(rows), R.dtype, copy=False)
    if rows.shape[0] == 0:
        return {}
    R = triangle(xp.concat([R, rows], axis=0) if R.shape[0] else rows)
    off = _TALL * rows.shape[0] ** 0.5 * be.eps(R.dtype) * be.fro_norm(R)
    return {"factor": R, "backward": state["backward"] + off}


def joined(state, other, mine, theirs):
    """Sum of two Gram states with moments `mine` and `theirs`."""
    (S, noise), (more, further) = scatter(state, mine), scatter(other, theirs)
    S, noise = S + more, noise + further
    if state["shift"] is not None and mine.weight > 0.0 and theirs.weight > 0.0:
        between = mine.between(theirs)
        S, noise = S + _outer(between), noise + rounding(be.vdot_real(between), S.dtype)
    return with_scatter(state, S, noise, mine.joined(theirs))
