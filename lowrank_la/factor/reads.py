"""Reads of a matrix in slabs: counted, at a safe scale, kept in a checkpoint and replayed when it is resumed."""

import hashlib
import math
from functools import partial

from .. import _backend as be
from ..blocks import Checkpoint, map_reduce, map_rows
from ..operators.base import LinearOperator
from . import slabs
from .scaling import not_finite

_REACH = {"float32": 1e15, "float64": 1e140}  # norms whose squares neither overflow nor vanish
_LARGEST_POWER = {"float32": 120, "float64": 1000}


class Reads(LinearOperator):
    """The matrix of a `BlockOperator`, centred or not, as something that is read a counted number of times.

    Its dtype is the widest of the device, which is what the sums of a read are in; the products are made in the dtype
    of the data. What each read found is kept, and written to the checkpoint, so that a computation that is started
    again with the same parameters runs through the finished reads without reading and goes on from there.

    Attributes
    ----------
    op : BlockOperator
    passes, products : int
        Reads so far, the replayed ones included, and what they count as.
    scale : float
        What the entries are multiplied with, so that their squares are safe.
    norm : float or None
        ‖A‖_F times `scale`, of the centred matrix; None before the first read.
    mean : array or None
        Column means, where `centre` asked for them.
    """

    normal_reads = 1

    def __init__(self, op, *, centre=False, check_finite=True, checkpoint=None):
        wide = be.widest_like(op.xp, op.dtype, op.device)
        super().__init__(tuple(side or 0 for side in op.shape), wide, op.xp, op.device, op.source_dtype)
        self.shape = op.shape
        self.op, self.source, self.centre = op, op.source, centre
        self.passes, self.products, self.scale = 0, 0, 1.0
        self.norm, self.mean, self.rows = None, None, op.shape[0]
        self._check_finite, self._checkpoint = check_finite, checkpoint

    @property
    def cost(self):
        """`Cost` of one product."""
        return self.op.cost

    @property
    def once(self):
        """Whether the source can be read a single time."""
        return self.source.reads_allowed == 1

    def _normal(self, X):
        return self.fused(X)["Z"]

    def fused(self, W, probes=0, triangle=False):
        """State of one read: ``Z``, and with `triangle` the factor ``R`` of ``A W``; the last columns are probes."""
        columns = W.shape[1] - probes
        if self.norm == 0.0:
            empty = self.xp.zeros((W.shape[1], W.shape[1]), dtype=self.dtype, device=self.device)
            return {"Z": self.xp.zeros_like(W[:, :columns]), "R": empty}
        W = self.xp.astype(W, self.op.dtype, copy=False)

        def kernel():
            work = slabs.Work(columns, self.scale, self.centre, triangle, self.norm is None)
            return partial(slabs.fused_kernel, work=work)

        return self.measured(kernel, slabs.merge_fused, (W,), 2 * columns + probes, lambda state: state["squares"])

    def rounded_gram(self, probes):
        """State of one read with ``G = AᴴA`` and the rounding ``gap`` on the columns `probes`."""

        def kernel():
            return partial(slabs.gram_kernel, scale=self.scale, centre=self.centre)

        def square(state):
            return float(self.xp.sum(self.xp.real(self.xp.linalg.diagonal(state["G"]))))

        return self.measured(kernel, slabs.merge_gram, (probes,), self.shape[1], square)

    def triangle(self):
        """State of one read with the triangular factor ``R`` of `A`."""

        def kernel():
            return partial(slabs.triangle_kernel, scale=self.scale, centre=self.centre)

        return self.measured(kernel, slabs.merge_triangles, (), self.shape[1], lambda state: be.vdot_real(state["R"]))

    def image(self, T):
        """Rows of ``A T`` as a lazy block source; `T` is the one for the matrix at its scale."""
        T = self.xp.astype(T * self.scale, self.op.dtype, copy=False)
        broadcast = (T,) if self.mean is None else (T, self.mean)
        return map_rows(self.source, slabs.image_kernel, broadcast)

    def measured(self, kernel, merge, broadcast, products, square):
        """State of one read; the first tells norm and mean, and is repeated at another scale where squares aren't safe.

        ``kernel()`` makes the kernel for the scale at that time, ``square(state)`` gives ‖A‖².
        """
        state = self.run(kernel(), merge, broadcast, products)
        if self.norm is None:
            norm = self._safe_norm(square(state))
            if norm is None:
                state = self.run(kernel(), merge, broadcast, products)
                norm = math.sqrt(max(square(state), 0.0))
            self.norm, self.rows = norm, int(state["rows"])
            self.mean = state["mean"] / self.scale if self.centre else None
        return state

    def _safe_norm(self, square):
        """The norm, or None where the read has to be repeated at the scale that was set."""
        name = be.dtype_name(be.real_dtype(self.xp, self.op.dtype))
        if math.isfinite(square) and 1 / _REACH[name] < max(square, 0.0) ** 0.5 < _REACH[name]:
            return math.sqrt(square)
        if self.once:
            if math.isfinite(square):
                return math.sqrt(max(square, 0.0))
            raise ValueError(f"{not_finite(self.op)}, or their squares overflow, and the source can be read once only")
        found = self.run(slabs.size_kernel, slabs.merge_sizes, (), 0)
        if not found["finite"]:
            if self._check_finite:
                raise ValueError(not_finite(self.op))
            return math.nan
        size_is_safe = 1 / _REACH[name] < found["size"] < _REACH[name]
        if found["size"] == 0.0 or (size_is_safe and math.isfinite(square)):
            return math.sqrt(max(square, 0.0))
        limit = _LARGEST_POWER[name]
        self.scale = 2.0 ** -max(-limit, min(limit, math.frexp(found["size"])[1]))
        return None

    def run(self, kernel, merge, broadcast, products):
        """State of one read, replayed where the checkpoint holds it."""
        kept, number = self._checkpoint, self.passes
        if kept is not None and number < kept.passes:
            state = _unpacked(kept.state, number)
        else:
            state = map_reduce(self.source, kernel, merge, broadcast=broadcast, checkpoint=kept)
            self.op.reads += 1
            if kept is not None:
                kept.complete({**kept.state, **_packed(state, number)})
        self.passes += 1
        self.products += products
        return state


def opened(path, op, key, *, chosen, resume, algorithm, params):
    """``(Checkpoint or None, key)``; a resumed computation draws from the key of the one that was interrupted.

    `chosen` says whether the caller gave `key`, which then has to be that one.
    """
    if path is None:
        if be.check_flag("resume", resume):
            raise ValueError("resume=True needs checkpoint=, the path of the file to go on from")
        return None, key
    if key.record is None:
        raise ValueError("a checkpoint needs numbers drawn on the host: pass rng=None, a seed or a NumPy generator")
    known = {
        "algorithm": algorithm, "params": params, "fingerprint": op.source.fingerprint(), "resume": resume,
        "xp": op.xp, "device": op.device, "state": {"key": key.record},
    }  # fmt: skip
    kept = Checkpoint(path, **known)
    if resume:
        stored = kept.state["key"]
        if chosen and stored != key.record:
            raise ValueError(f"{path} was written with another rng; pass rng=None to go on with the one it holds")
        return kept, be.Key(stored)
    return kept, key


def digest(array):
    """Short text that tells arrays apart, "" for None."""
    if array is None:
        return ""
    return hashlib.sha256(be.to_numpy(array).tobytes()).hexdigest()


def _packed(state, number):
    return {f"{number}.{name}": value for name, value in state.items()}


def _unpacked(kept, number):
    prefix = f"{number}."
    return {name.removeprefix(prefix): value for name, value in kept.items() if name.startswith(prefix)}
