"""Top eigenvector of rows in any order: Oja's method at a ladder of rates, judged by how far each vector grew.

The ladder holds the rates 2⁻ʲ, in units of the scale of the rows, from the largest below the inverse squared length
of the longest row down to where a rate has hardly moved its vector. Smaller rates join later, as if they had been
there all the time; a larger one can't, for its growth would be missing.
"""

import math

from .. import _backend as be
from .oja_ladder import oja_ladder
from .safe_rows import scaled_number, scaled_rows, unit_vector

BLOCK_ROWS = 64
GUARANTEE = (
    "rows in any order: correlation 1 - o(1) with high probability if σ₁²/σ₂² is Ω(log n log d) (Price and Xun 2024), "
    "Ω(log² d), or Ω(log d) in random order (Kacham and Woodruff 2024), threshold 10"
)
_LEAST = 2.0**-10  # a rate times the sum of all squared lengths below which its vector counts as not moved


def empty_state(layout, key):
    """The state before the first row."""
    real = be.gaussian(
        key.child("start"), slice(0, layout.columns), slice(0, 1), layout.dtype, layout.xp, layout.device
    )
    return {
        "start": unit_vector(real[:, 0]),
        "vectors": None,
        "growth": None,
        "top": 0,
        "bottom": 0,
        "longest": None,
        "longest_square": 0.0,
        "energy": 0.0,
        "scale": 0,
        "dropped_growth": 0.0,
    }


def absorb(state, block, layout):
    """The state after the rows of `block`."""
    rows, squares, scale = scaled_rows(block, state["scale"], state["energy"])
    state = _rescaled(state, scale)
    place = int(squares.argmax())
    if not squares[place] > 0.0:
        return state
    if squares[place] > state["longest_square"]:
        longest = layout.xp.asarray(block[place, :], copy=True)
        state |= {"longest": longest, "longest_square": float(squares[place])}
    state["energy"] += float(squares.sum())
    state = _adjusted(state, layout)
    rates = _rates(state)
    if rates:
        vectors, growth = oja_ladder(rows, state["vectors"], rates, state["growth"])
        state |= {"vectors": vectors, "growth": growth}
    return state


def chosen(state, layout, threshold, fallback):
    """``(v or None, status, details)``: the vector of the smallest rate that grew enough, or the longest row.

    ``details["dominant"]`` tells whether the answer is right whatever the gap: one pass sees growth, and no gap.
    """
    growth = [] if state["growth"] is None else be.to_numpy(state["growth"]).tolist()
    needed = threshold * math.log(max(layout.columns, 2))
    grown = [j for j, value in enumerate(growth) if value >= needed]
    rates = [scaled_number(1.0, -j - 2 * state["scale"]) for j in _exponents(state)]
    details = {"rates": rates, "rate": None, "needed": needed, "guarantee": GUARANTEE}
    details["memory"] = len(growth) + BLOCK_ROWS + (1 if state["longest"] is None else 2)
    if grown:
        seen = {"rate": rates[grown[-1]], "dominant": layout.columns == 1}
        return state["vectors"][grown[-1], :], "rate", details | seen
    dominant = 2.0 * state["longest_square"] > state["energy"] or (layout.columns == 1 and state["energy"] > 0.0)
    earned = dominant or state["dropped_growth"] >= needed
    if earned or (fallback and state["energy"] > 0.0):
        row = state["longest"]
        v = unit_vector(layout.xp.conj(row) if be.is_complex(row.dtype) else row)
        return v, "max_row", details | {"forced": not earned, "dominant": dominant}
    return None, "failed", details


def _exponents(state):
    return [] if state["vectors"] is None else range(state["top"], state["bottom"] + 1)


def _rates(state):
    return [math.ldexp(1.0, -j) for j in _exponents(state)]


def _rescaled(state, scale):
    """A copy of the state in units of another scale."""
    shift = scale - state["scale"]
    state = dict(state)
    if shift:
        state |= {name: scaled_number(state[name], -2 * shift) for name in ("energy", "longest_square")}
        state |= {name: state[name] - 2 * shift for name in ("top", "bottom")} | {"scale": scale}
    return state


def _adjusted(state, layout):
    """The ladder for the rows up to here: rates too large for the longest row go, smaller ones join."""
    top = math.frexp(state["longest_square"])[1]
    bottom = math.frexp(state["energy"] / _LEAST)[1]
    xp, start = layout.xp, state["start"][None, :]
    if state["vectors"] is None:
        fresh = bottom - top + 1
        growth = xp.zeros(fresh, dtype=be.widest_real(xp, layout.device), device=layout.device)
        return state | {"vectors": xp.tile(start, (fresh, 1)), "growth": growth, "top": top, "bottom": bottom}
    top, bottom = max(top, state["top"]), max(bottom, state["bottom"])
    gone, more = top - state["top"], bottom - max(state["bottom"], top - 1)
    vectors, growth = state["vectors"], state["growth"]
    if gone:
        lost = be.to_numpy(growth)[:gone]
        state["dropped_growth"] = max(state["dropped_growth"], float(lost.max(initial=0.0)))
        vectors, growth = vectors[gone:, :], growth[gone:]
    if more:
        vectors = xp.concat([vectors, xp.tile(start, (more, 1))], axis=0)
        growth = xp.concat([growth, xp.zeros(more, dtype=growth.dtype, device=layout.device)])
    return state | {"vectors": vectors, "growth": growth, "top": top, "bottom": bottom}
