"""What an `IncrementalSVD` has found: singular values with bounds, right vectors, the mean."""

from dataclasses import dataclass

import numpy as np

from .. import _backend as be
from ..factor.iteration import settle
from ..factor.signs import fix_vector_phases
from ..results import Info, Result
from . import left_vectors, whole
from .rows import densified, read_rows

_EXACT = 1e4  # times its rounding: what a sum of squares has to be to be called exact
_MARGIN = 2.0  # by which the rounding of the whole stream may exceed what its beginning promised


@dataclass(frozen=True, eq=False, repr=False)
class IncrementalSVDResult(Result):
    """Leading singular values and right vectors of the rows of a stream.

    Attributes
    ----------
    s : array, shape (k,)
        Singular values, descending; k is the rank asked for, or the number of rows where that is smaller. A value that
        is too large for the dtype of the rows is infinite.
    Vh : array, shape (k, d)
    error_bounds : array, shape (2, k), or None
        Lower and upper bounds of the true singular values; None after a downdate.
    mean : array, shape (d,), or None
        Weighted mean of the rows when they are centred.
    U : array, shape (rows, k), or None
        Left vectors where they were kept.
    info : Info
        ``info.error`` is ‖A - A V Vᴴ‖_F / ‖A‖_F of the (centred, weighted) rows, "exact", a "bound", or after a
        downdate an "estimate"; ``info.angle_bound`` bounds the sine of the largest angle between the span of `Vh` and
        the true one (None where the bounds leave no gap), ``info.discarded`` is the sum of squares that truncation
        has dropped.
    """

    s: object
    Vh: object
    info: Info
    error_bounds: object = None
    mean: object = None
    U: object = None

    _unpack = ("s", "Vh")

    def transform(self, rows):
        """Coordinates (b, k) of rows, less the mean where there is one, along the right vectors.

        Raises
        ------
        TypeError
            If `rows` are of another namespace or on another device than the vectors.
        ValueError
            If `rows` are not of shape (b, d).
        """
        rows, layout = read_rows(rows, None, "transform")
        _require_rows_of(self.Vh, layout)
        rows = densified(rows)
        V = be.namespace(rows).astype(be.mH(self.Vh), rows.dtype, copy=False)
        if self.mean is None:
            return be.matmul(rows, V)
        return be.matmul(rows - be.namespace(rows).astype(self.mean, rows.dtype)[None, :], V)


def _require_rows_of(Vh, layout):
    """TypeError or ValueError unless rows of `layout` have coordinates along the vectors `Vh`."""
    xp, device = be.namespace(Vh), be.device(Vh)
    if be.kind(layout.xp) != be.kind(xp) or layout.device != device:
        raise TypeError(
            f"rows are of {be.kind(layout.xp)} on {layout.device}, the right vectors of {be.kind(xp)} on {device}; "
            "move the rows"
        )
    if layout.columns != Vh.shape[1]:
        raise ValueError(f"rows must have {Vh.shape[1]} columns, as the stream had, got {layout.columns}")


@dataclass(frozen=True)
class Spectrum:
    """All that a state knows: values and vectors (one more than asked where there is one), and how far they are off.

    Squares of true singular values lie between ``s² - noise`` and ``s² + spectral + noise``, widened by `backward` on
    the values themselves. `tail` is the energy beyond the values that are returned.
    """

    s: object
    V: object
    tail: float
    noise: float = 0.0
    spectral: float = 0.0
    backward: float = 0.0
    discarded: float = 0.0


def of_nothing(layout):
    """`Spectrum` of a single centred row."""
    return Spectrum(layout.zeros(0, dtype=layout.real), layout.zeros(layout.columns, 0), 0.0)


def of_gram(state, moments, count):
    """`Spectrum` of a Gram state."""
    S, noise = whole.scatter(state, moments)
    xp = be.namespace(S)
    w, V = be.top_eigh(S, min(S.shape[0], count + 1))
    w, V = xp.flip(w), xp.flip(V, axis=1)
    w = xp.where(w > 0, w, xp.zeros_like(w))
    tail = max(0.0, whole.energy(S) - float(xp.sum(w[: min(count, w.shape[0])])))
    return Spectrum(xp.sqrt(w), V, tail, noise=noise, backward=state["backward"])


def of_factor(state, count):
    """`Spectrum` of a triangular factor."""
    _, s, Vh = be.small_svd(state["factor"])
    tail = be.vdot_real(s[count:]) if s.shape[0] > count else 0.0
    largest = float(s[0]) if s.shape[0] else 0.0
    backward = 16.0 * be.eps(s.dtype) * largest + state["backward"]
    known = min(count + 1, s.shape[0])
    return Spectrum(s[:known], be.mH(Vh)[:, :known], tail, noise=state["noise"], backward=backward)


def of_truncated(state, count):
    """`Spectrum` of a factor of bounded rank."""
    s = state["s"]
    tail = state["dropped"] + (be.vdot_real(s[count:]) if s.shape[0] > count else 0.0)
    dropped = {name: state[name] for name in ("noise", "spectral", "backward")}
    known = min(count + 1, s.shape[0])
    return Spectrum(s[:known], state["V"][:, :known], tail, discarded=state["dropped"], **dropped)


def report(found, count, stream, mean):
    """The result of `stream` from its `Spectrum`."""
    layout, state = stream.layout, stream._state
    xp, scale = layout.xp, state["scale"] or 1.0
    count = min(count, found.s.shape[0])
    s, V = found.s[:count], xp.astype(found.V[:, :count], layout.dtype)
    V = fix_vector_phases(V) if count else V
    wide = be.widest_real(xp, layout.device)
    lower, upper = _bounds(found, count)
    with np.errstate(over="ignore"):
        bounds = xp.reshape(xp.asarray(lower + upper, dtype=wide, device=layout.device), (2, count)) * scale
    info = _info(found, count, stream, scale)
    settle(info, "warn", _advice(stream))
    U = _left(V, s, state) if "coordinates" in state else None
    half = be.is_half(layout.source)
    V, U, mean = (xp.astype(x, getattr(xp, layout.source)) if half and x is not None else x for x in (V, U, mean))
    bounds = None if state["void"] else bounds
    with np.errstate(over="ignore"):  # a value that is too large for the dtype is infinite; its bounds tell more
        s = xp.astype(s, layout.real) * scale
    return IncrementalSVDResult(s, be.mH(V), info, bounds, mean, U)


def _bounds(found, count):
    """Lists of lower and upper bounds of the singular values."""
    values = [float(x) for x in be.to_numpy(found.s[:count]).astype(np.float64)]
    lower = [max(0.0, max(0.0, x - found.backward) ** 2 - found.noise) ** 0.5 for x in values]
    upper = [(x * x + found.noise + found.spectral) ** 0.5 + found.backward for x in values]
    return lower, upper


def _angle_bound(found, count):
    """Bound of the sine of the largest angle, None where nothing is known."""
    squares = [float(x) ** 2 for x in be.to_numpy(found.s).astype(np.float64)]
    largest = squares[0] ** 0.5 if squares else 0.0
    off = 2.0 * found.noise + (4.0 * largest + 2.0 * found.backward) * found.backward
    below = squares[count] if len(squares) > count else 0.0
    gap = squares[count - 1] - below - found.spectral - off if count else 0.0
    return min(1.0, (found.spectral + off) / gap) if gap > 0 else None


def _info(found, count, stream, scale):
    state = stream._state
    kept = be.vdot_real(found.s[:count]) if count else 0.0
    total, tail = kept + found.tail, found.tail
    hidden = (count + 1) * found.noise
    exact = state["V"] is None and (hidden == 0.0 or tail > _EXACT * hidden)
    tail = tail if exact else tail + hidden
    kind = "estimate" if state["void"] else "exact" if exact else "bound"
    method = "truncated" if state["V"] is not None else "gram" if state["factor"] is None else "qr"
    converged, reason = _judged(found, count, stream, method)
    details = {
        "angle_bound": None if state["void"] else _angle_bound(found, count),
        "discarded": found.discarded * scale * scale,
        "precision": "single" if state["single"] else "double" if be.is_double(stream.layout.wide) else "single",
        "weight": state["weight"],
        "rows": stream.rows_seen,
    }
    error = (min(1.0, tail / total)) ** 0.5 if total > 0 else 0.0
    return Info(
        error=error, error_kind=kind, converged=converged, reason=reason, passes=1, method=method, details=details,
    )  # fmt: skip


def _judged(found, count, stream, method):
    """Whether the smallest value that is returned is resolved to ``stream.accuracy``, and why."""
    if method == "truncated":
        return None, "rank bounded: error_bounds tells what truncation may hide"
    if count == 0 or float(found.s[0]) == 0.0:
        return True, "all rows taken"
    first, last = float(found.s[0]) ** 2, float(found.s[count - 1]) ** 2
    share = first / (be.vdot_real(found.s[:count]) + found.tail)
    typical = found.noise / whole.ROUNDING / whole.TYPICAL / whole.tallness(stream._block_rows()) * share
    if typical <= _MARGIN * stream.accuracy * last or (method == "qr" and typical == 0.0):
        return True, "all rows taken"
    return False, (
        f"rounding of the Gram matrix hides singular values below {(typical / stream.accuracy) ** 0.5:.1e} at accuracy "
        f"{stream.accuracy:.0e}, and the smallest returned is {last**0.5:.1e}"
    )


def _advice(stream):
    """What to do where the rounding of a Gram matrix hides something: it may be that of one which is a factor now."""
    now = "" if stream._state["factor"] is None else " from the first row on: this factor was a Gram matrix once"
    double = be.is_double(stream.layout.dtype)
    return f"take method='qr'{now}" + ("" if double else ", or pass the rows in double precision")


def _left(V, s, state):
    """Left vectors: coordinates along the vectors of the state, brought to those returned, over the values."""
    y = left_vectors.current(state)
    xp = be.namespace(V)
    turned = be.matmul(y, be.adjoint_matmul(state["V"], V))
    safe = xp.where(s > 0, s, xp.ones_like(s))
    return xp.where((s > 0)[None, :], turned / xp.astype(safe, V.dtype)[None, :], xp.zeros_like(turned))
