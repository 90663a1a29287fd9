"""Top eigenvector of rows in random order: heavy rows are kept, the light ones take part in a block power iteration.

Each light block is one step ``Z ← orth(Bᴴ B Z)`` with rows that the iteration has not seen; blocks grow by a factor
of 1 + 1/p, so that the last p of them make up most of the stream however long it is. The first column of Z is the
estimate: a sum of ``Bᴴ B z`` over the blocks, older ones fading, of which the next block gives a Rayleigh quotient
without bias.
"""

import math

import numpy as np

from .. import _backend as be
from ..factor.tall_qr import orthonormalize
from .safe_rows import row_squares, scaled, scaled_number, scaled_rows, unit_vector

BLOCK_ROWS = 64
GUARANTEE = (
    "rows in uniformly random order only: correlation 1 - O(1/√R) for R = σ₁²/σ₂² = Ω(1), while all rows of squared "
    "length ‖A‖_F²/(d log d) or more are kept (Kacham and Woodruff 2024)"
)
_SEEN = 1.5  # estimated gap from which an answer is vouched for: that of rows without any is 1, and a few tenths
_SHARED = 0.5  # squared correlation of the two parts from which one vector for both is computed


def empty_state(layout, key):
    """The state before the first row."""
    d = layout.columns
    Z = be.gaussian(key.child("start"), slice(0, d), slice(0, _width(d)), layout.dtype, layout.xp, layout.device)
    return {
        "Z": orthonormalize(Z)[0],
        "W": None,
        "M": None,
        "count": 0,
        "length": BLOCK_ROWS,
        "blocks": 0,
        "sum": None,
        "row_quotient": 0.0,
        "row_rival": 0.0,
        "light_rows": 0,
        "heavy": None,
        "heavy_squares": None,
        "forced": 0.0,
        "energy": 0.0,
        "scale": 0,
    }


def absorb(state, block, layout, capacity):
    """The state after the rows of `block`, at most `capacity` heavy ones kept."""
    rows, squares, scale = scaled_rows(block, state["scale"], state["energy"])
    state = _rescaled(state, scale)
    state["energy"] += float(squares.sum())
    light = _sorted_out(state, rows, squares, layout, capacity)
    if light is not None:
        _take_light(state, light)
        if state["count"] >= state["length"]:
            _end_block(state, layout)
    return state


def chosen(state, layout, capacity):
    """``(v or None, status, details)``: the better of the two parts, one vector for both where they agree.

    ``details["gap"]`` estimates σ₁²/σ₂² by the largest quotient of another direction of either part.
    """
    light, quotient, rival = _light_part(state, layout)
    heavy, square, second = _heavy_part(state)
    held = 0 if state["heavy"] is None else int(state["heavy"].shape[0])
    details = {"heavy_rows": held, "light_quotient": quotient, "heavy_quotient": square, "blocks": state["blocks"]}
    details |= {"guarantee": GUARANTEE, "memory": capacity + 2 * _width(layout.columns) + 1 + BLOCK_ROWS}
    for name in ("light_quotient", "heavy_quotient"):
        details[name] = scaled_number(details[name], 2 * state["scale"])
    if state["energy"] == 0.0 or (light is None and heavy is None):
        return None, "failed", details
    status = "light" if heavy is None or (light is not None and quotient > square) else "heavy"
    v, best, less = (light, quotient, square) if status == "light" else (heavy, square, quotient)
    if light is not None and heavy is not None and _correlation(light, heavy) >= _SHARED:
        xp = layout.xp
        stacked = xp.concat([state["heavy"], math.sqrt(max(quotient, 0.0)) * _conj(light)[None, :]], axis=0)
        v, status, best, less = _conj(be.small_svd(stacked)[2][0, :]), "both", best + less, 0.0
    rivals = max(rival, second, less)
    details["gap"] = best / rivals if rivals > 0.0 else math.inf
    details["dominant"] = details["gap"] >= _SEEN
    overflow = state["forced"] > 0.0 and state["forced"] >= _threshold(state["energy"], layout.columns)
    return v, "overflow" if overflow else status, details


def _width(d):
    """Columns of the power iteration, O(log d)."""
    return min(d, math.ceil(math.log2(max(d, 2))) + 2)


def _rounds(d):
    """Blocks over which the iteration forgets, O(log d)."""
    return max(2, math.ceil(math.log2(max(d, 2))))


def _threshold(energy, d):
    """Squared length from which a row is heavy."""
    return energy / (d * math.log2(max(d, 2)))


def _sorted_out(state, rows, squares, layout, capacity):
    """Keep the heavy rows among those held and the new ones; return the light ones, None when there are none."""
    xp, threshold = layout.xp, _threshold(state["energy"], layout.columns)
    held = state["heavy"]
    if held is not None:
        rows = xp.concat([held, rows], axis=0)
        squares = np.concatenate([be.to_numpy(state["heavy_squares"]).astype("float64"), squares])
    keep = (squares >= threshold) & (squares > 0.0)
    if keep.sum() > capacity:
        order = np.argsort(np.where(keep, -squares, np.inf), kind="stable")
        state["forced"] = max(state["forced"], float(squares[order[capacity]]))
        keep[order[capacity:]] = False
    light = ~keep & (squares > 0.0)
    if keep.any():
        state["heavy"] = xp.take(rows, be.index_array(np.flatnonzero(keep), len(squares), xp, layout.device), axis=0)
        kept = squares[keep].astype(be.dtype_name(be.widest_real(xp, layout.device)))
        state["heavy_squares"] = be.from_numpy(kept, xp, layout.device)
    else:
        state["heavy"] = state["heavy_squares"] = None
    if light.all():
        return rows
    if not light.any():
        return None
    return xp.take(rows, be.index_array(np.flatnonzero(light), len(squares), xp, layout.device), axis=0)


def _take_light(state, rows):
    """Add rows to the products of the block under way."""
    images = rows @ state["Z"]
    W, M = be.adjoint_matmul(rows, images), be.gram(images)
    first = state["W"] is None
    state |= {"W": W if first else state["W"] + W, "M": M if first else state["M"] + M}
    state["count"] += int(rows.shape[0])
    state["light_rows"] += int(rows.shape[0])


def _ritz(state):
    """Ritz vectors of the block under way, largest first, times its Gram matrix, and the sum with the older blocks."""
    xp = be.namespace(state["W"])
    order = be.small_eigh(state["M"])[1]
    turned = state["W"] @ xp.flip(order, axis=1)
    first = turned[:, 0]
    if state["sum"] is not None:
        inner = xp.sum(xp.conj(first) * state["sum"]) if be.is_complex(first.dtype) else xp.sum(first * state["sum"])
        size = float(xp.abs(inner))
        first = first * (inner / size if size > 0.0 else 1.0)
        first = first + (1.0 - 1.0 / _rounds(first.shape[0])) * state["sum"]
    return turned, first


def _end_block(state, layout):
    """One step of the power iteration, and longer blocks from now on."""
    turned, total = _ritz(state)
    xp = layout.xp
    state |= {
        "sum": total,
        "row_quotient": float(xp.real(state["M"][0, 0])) / state["count"],
        "row_rival": _rival(state),
    }
    state["Z"] = orthonormalize(xp.concat([total[:, None], turned[:, 1:]], axis=1))[0]
    state["length"] += max(1, state["length"] // _rounds(layout.columns))
    state |= {"W": None, "M": None, "count": 0, "blocks": state["blocks"] + 1}


def _rival(state):
    """Second Rayleigh-Ritz value of the block under way, a row."""
    w = be.small_eigh(state["M"])[0]
    return float(w[-2]) / state["count"] if w.shape[0] > 1 else 0.0


def _light_part(state, layout):
    """Estimate from the light rows, its Rayleigh quotient scaled to all of them, and the largest of another direction.

    Before the first block has ended no quotient is one of rows that the iteration has not seen, and the rival is as
    large as the answer.
    """
    if state["light_rows"] == 0:
        return None, 0.0, 0.0
    if state["count"] == 0:
        return state["Z"][:, 0], state["row_quotient"] * state["light_rows"], state["row_rival"] * state["light_rows"]
    total, rival = _ritz(state)[1], state["row_rival"]
    if state["blocks"] == 0:
        quotient = float(be.small_eigh(state["M"])[0][-1]) / state["count"]
        rival = quotient if layout.columns > 1 else 0.0
    elif 2 * state["count"] >= state["length"]:
        quotient, rival = float(layout.xp.real(state["M"][0, 0])) / state["count"], _rival(state)
    else:
        quotient = state["row_quotient"]
    return unit_vector(total), quotient * state["light_rows"], rival * state["light_rows"]


def _heavy_part(state):
    """Top right singular vector of the heavy rows, and the squares of the first two singular values."""
    if state["heavy"] is None:
        return None, 0.0, 0.0
    _, s, Vh = be.small_svd(state["heavy"])
    return _conj(Vh[0, :]), float(s[0]) ** 2, float(s[1]) ** 2 if s.shape[0] > 1 else 0.0


def _conj(v):
    return be.namespace(v).conj(v) if be.is_complex(v.dtype) else v


def _correlation(u, v):
    """``|uᴴ v|²``."""
    xp = be.namespace(u)
    return float(xp.abs(xp.sum(_conj(u) * v))) ** 2


def _rescaled(state, scale):
    """A copy of the state in units of another scale."""
    shift = scale - state["scale"]
    state = dict(state)
    if not shift:
        return state
    state |= {
        name: scaled_number(state[name], -2 * shift) for name in ("energy", "forced", "row_quotient", "row_rival")
    }
    for name in ("W", "M", "sum"):
        state[name] = None if state[name] is None else scaled(scaled(state[name], max(-500, -shift)), max(-500, -shift))
    if state["heavy"] is not None:
        state["heavy"] = scaled(state["heavy"], max(-1000, -shift))
        kept = row_squares(state["heavy"]).astype(be.dtype_name(state["heavy_squares"].dtype))
        state["heavy_squares"] = be.from_numpy(kept, be.namespace(state["heavy"]), be.device(state["heavy"]))
    return state | {"scale": scale}
