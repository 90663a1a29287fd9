"""Rejection sampling of projection determinantal point processes, and Bernoulli draws until their count is right.

State of one draw: the rows ``Z[t:]`` are an orthonormal basis of the directions that the `t` rows accepted so far leave
free. A Householder reflection of these rows after each acceptance turns the accepted direction into ``Z[t]``.
"""

import math

import numpy as np

from ._jit import jit
from .philox import philox_uniform

_LANES = 32


@jit
def _into_free_directions(Z, t, lanes, W):
    """``W[t:] = Z[t:] lanes`` for `lanes` (k, 32)."""
    k = Z.shape[0]
    whole = k - k % 4
    for j in range(t, k):
        for p in range(_LANES):
            W[j, p] = 0.0
        for l in range(0, whole, 4):
            z0, z1, z2, z3 = Z[j, l], Z[j, l + 1], Z[j, l + 2], Z[j, l + 3]
            for p in range(_LANES):
                W[j, p] += z0 * lanes[l, p] + z1 * lanes[l + 1, p] + (z2 * lanes[l + 2, p] + z3 * lanes[l + 3, p])
        for l in range(whole, k):
            z0 = Z[j, l]
            for p in range(_LANES):
                W[j, p] += z0 * lanes[l, p]


@jit
def _left_over(W, t, left):
    """Squared lengths of the columns of ``W[t:]``."""
    for p in range(_LANES):
        left[p] = 0.0
    for j in range(t, W.shape[0]):
        for p in range(_LANES):
            left[p] += W[j, p].real * W[j, p].real + W[j, p].imag * W[j, p].imag


@jit
def _reflect(M, width, t, h, tau, products):
    """``M[t:, :width] -= tau h (hᴴ M[t:, :width])``."""
    for p in range(width):
        products[p] = 0.0
    for j in range(t, M.shape[0]):
        turned = np.conj(h[j])
        for p in range(width):
            products[p] += turned * M[j, p]
    for j in range(t, M.shape[0]):
        step = tau * h[j]
        for p in range(width):
            M[j, p] -= step * products[p]


@jit
def _take_direction(Z, W, t, p, left, h, products):
    """Reflect ``Z[t:]`` and ``W[t:]`` so that column `p` of `W` points along row `t`."""
    size = math.sqrt(left)
    for j in range(t, Z.shape[0]):
        h[j] = W[j, p]
    first = abs(h[t])
    phase = h[t] / first if first > 0.0 else h[t] + 1.0
    h[t] += phase * size
    tau = 1.0 / (size * (size + first))
    _reflect(W, _LANES, t, h, tau, products)
    _reflect(Z, Z.shape[0], t, h, tau, products)


@jit
def _known(chosen, t, place):
    for s in range(t):  # noqa: SIM110  a generator does not compile
        if chosen[s] == place:
            return True
    return False


@jit
def scan_proposals(rows, places, leverages, levels, chosen, t, Z):
    """Accept or reject proposals in order until ``k`` are chosen.

    Parameters
    ----------
    rows : array (b, k), float64 or complex128
    places : int64 array (b,)
        What an accepted proposal writes to `chosen`; no place is chosen twice.
    leverages, levels : float64 arrays (b,)
        Squared lengths of the rows, and uniform numbers in (0, 1].
    chosen : int64 array (k,)
        The first `t` are taken.
    Z : array (k, k)
        Orthonormal rows; those from `t` on are reflected in place.

    Returns
    -------
    t, used : int
        Number chosen now, and number of proposals looked at.
    """
    k = Z.shape[0]
    lanes, W = np.empty((k, _LANES), Z.dtype), np.empty((k, _LANES), Z.dtype)
    left, h = np.empty(_LANES), np.empty(k, Z.dtype)
    products = np.empty(max(k, _LANES), Z.dtype)
    for start in range(0, rows.shape[0], _LANES):
        count = min(_LANES, rows.shape[0] - start)
        for l in range(k):
            for p in range(count):
                lanes[l, p] = rows[start + p, l]
            for p in range(count, _LANES):
                lanes[l, p] = 0.0
        _into_free_directions(Z, t, lanes, W)
        _left_over(W, t, left)
        for p in range(count):
            at = start + p
            if levels[at] * leverages[at] < left[p] and not _known(chosen, t, places[at]):
                _take_direction(Z, W, t, p, left[p], h, products)
                chosen[t] = places[at]
                t += 1
                if t == k:
                    return t, at + 1
                _left_over(W, t, left)
    return t, rows.shape[0]


@jit
def _place_of(cumulative, guide, u):
    """First place whose cumulative sum reaches the share `u` of the last one.

    `guide` holds the place for each of the shares 0, 1/g, …, 1, with g a power of two, so that ``u g`` is exact.
    """
    shares = guide.shape[0] - 1
    share = min(int(u * shares), shares - 1)
    low, length = np.int64(guide[share]), np.int64(guide[share + 1]) - np.int64(guide[share]) + 1
    x = u * cumulative[-1]
    while length > 1:
        half = length >> 1
        low += half if cumulative[low + half - 1] < x else 0
        length -= half
    return low


@jit
def projection_draws(V, leverages, cumulative, guide, words, labels, limit, Z, chosen, used, start, stop):
    """Draws ``[start, stop)`` of a projection process on the rows of `V` (n, k).

    Proposal p of a draw takes the uniform numbers 2p and 2p + 1 of row ``labels[draw]``. A draw that has not ended
    after `limit` proposals leaves -1 in `used`, which otherwise counts proposals. `Z` (k, k) is overwritten.
    """
    k = V.shape[1]
    rows = np.empty((_LANES, k), Z.dtype)
    places, levels, weights = np.empty(_LANES, np.int64), np.empty(_LANES), np.empty(_LANES)
    uniforms = np.empty((1, 2 * _LANES))
    for draw in range(start, stop):
        Z[:] = 0.0
        for j in range(k):
            Z[j, j] = 1.0
        t, seen = 0, 0
        while t < k and seen < limit:
            philox_uniform(uniforms, words, labels[draw : draw + 1], 2 * seen, 0, 1)
            for p in range(_LANES):
                places[p] = _place_of(cumulative, guide, uniforms[0, 2 * p])
                levels[p] = uniforms[0, 2 * p + 1]
            for p in range(_LANES):
                weights[p] = leverages[places[p]]
            for p in range(_LANES):
                place = places[p]
                for l in range(k):
                    rows[p, l] = V[place, l]
            t, looked_at = scan_proposals(rows, places, weights, levels, chosen[draw], t, Z)
            seen += looked_at
        used[draw] = seen if t == k else -1


@jit
def bernoulli_until(words, label, first, probabilities, wanted, tries, chosen):
    """Independent Bernoulli draws, repeated until `wanted` succeed; gives the tries taken, or -1.

    Try a takes the uniform numbers a·r … a·r + r - 1 from `first` on of row `label` for the r `probabilities`.
    """
    r = probabilities.shape[0]
    uniforms = np.empty((1, r))
    for attempt in range(tries):
        philox_uniform(uniforms, words, label, first + attempt * r, 0, 1)
        count = 0
        for j in range(r):
            if uniforms[0, j] <= probabilities[j]:
                if count < wanted:
                    chosen[count] = j
                count += 1
        if count == wanted:
            return attempt + 1
    return -1
