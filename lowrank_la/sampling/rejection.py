"""Draws of a projection process by rejection: the compiled loop where rows lie on the host, its twin elsewhere."""

import math
import sys

import numpy as np

from .. import _backend as be
from .. import _kernels

_COLD_WORK = 1 << 15  # numbers of work in all that the twins do before Numba is imported
_work_done = [0]
_SCAN = 32
_FETCHED = 1 << 21  # numbers of rows fetched at once
_BLOCK_WORK = 1 << 22  # flops of one block of draws, what one thread takes at a time
_PATIENCE = 64.0  # the next proposal fails with probability below 1 - 1/k: more than 64 k of them in a row never happen


def draw_sets(proposals, key, labels):
    """``chosen, used``: places (draws, k) in the order of acceptance, and proposals looked at (draws,), on the host.

    Draw `label` takes the uniform numbers of its row of `key`, two a proposal, and does not depend on the others.
    """
    k, draws = proposals.count, len(labels)
    chosen, used = np.empty((draws, k), np.int64), np.empty(draws, np.int64)
    if draws == 0:
        return chosen, used
    limit = math.ceil(k * (_harmonic(k) + _PATIENCE))
    compiled = kernels_pay(draws * k * k)
    if compiled and proposals.on_host and not isinstance(key, be.NativeKey):
        _draw_compiled(proposals, key, labels, limit, chosen, used)
    else:
        scan = _kernels.lookup("scan_proposals", "numpy") if compiled else scan_proposals
        for block in be.fixed_partition(draws, max(1, _FETCHED // (_first_fetch(k) * k))):
            _draw_portable(proposals, key, labels[block], limit, chosen[block], used[block], scan)
    if (used < 0).any():
        raise ArithmeticError(f"no set of {k} rows was accepted within {limit} proposals: the basis is not orthonormal")
    return chosen, used


def kernels_pay(work):
    """Whether Numba is loaded, or `work` and what came before are worth loading it for; the draws are the same."""
    _work_done[0] += work
    return "numba" in sys.modules or _work_done[0] > _COLD_WORK


def _harmonic(k):
    return sum(1.0 / j for j in range(1, k + 1))


def _draw_compiled(proposals, key, labels, limit, chosen, used):
    k, draws = proposals.count, len(labels)
    kernel = _kernels.lookup("projection_draws", "numpy")
    arrays, words = proposals.kernel_arrays(), be.kernel_words(key, "philox_uniform")
    labels = np.asarray(labels, np.uint64)

    def run(block):
        Z = np.empty((k, k), proposals.work_dtype)
        kernel(*arrays, words, labels, limit, Z, chosen, used, block.start, block.stop)

    blocks = be.fixed_partition(draws, max(1, _BLOCK_WORK // (4 * k**3 + 1000)))
    if len(blocks) == 1:
        run(blocks[0])
    else:
        be.map_blocks(run, blocks)


def _draw_portable(proposals, key, labels, limit, chosen, used, scan):
    """As `_draw_compiled`; what most draws need is proposed at once, one trip to the device for all of them."""
    k, many = proposals.count, _first_fetch(proposals.count)
    fetched = _fetch(proposals, key, labels, 0, many)
    for draw, label in enumerate(labels):
        Z = np.eye(k, dtype=proposals.work_dtype)
        t, seen = scan(*(part[draw] for part in fetched), chosen[draw], 0, Z)
        while t < k and seen < limit:
            more = _fetch(proposals, key, [label], seen, max(_SCAN, math.ceil(k * _harmonic(k - t))))
            t, looked_at = scan(*(part[0] for part in more), chosen[draw], t, Z)
            seen += looked_at
        used[draw] = seen if t == k else -1


def _first_fetch(k):
    """Proposals that most draws don't exceed: their mean and a standard deviation."""
    return math.ceil(k * (_harmonic(k) + 1.3))


def _fetch(proposals, key, labels, first, count):
    """``rows, places, leverages, levels`` of proposals ``[first, first + count)`` of each draw."""
    u = be.to_numpy(be.uniform(key, labels, slice(2 * first, 2 * (first + count))))
    places, rows, leverages = proposals.propose(u[:, ::2].ravel())
    shape = (len(labels), count)
    return rows.reshape(*shape, -1), places.reshape(shape), leverages.reshape(shape), np.ascontiguousarray(u[:, 1::2])


def scan_proposals(rows, places, leverages, levels, chosen, t, Z):
    """Twin of the kernel `scan_proposals`, on NumPy arrays: accept or reject in order until k are chosen."""
    k = Z.shape[0]
    for start in range(0, rows.shape[0], _SCAN):
        stop = min(start + _SCAN, rows.shape[0])
        W = Z[t:] @ rows[start:stop].T
        at = start
        while True:
            left = np.sum(W.real**2 + W.imag**2, axis=0)
            fits = levels[at:stop] * leverages[at:stop] < left[at - start :]
            fresh = [at + j for j in np.flatnonzero(fits) if places[at + j] not in chosen[:t]]
            if not fresh:
                break
            at = fresh[0]
            h, tau = _reflector(W[:, at - start], left[at - start])
            W = (W - np.multiply.outer(tau * h, h.conj() @ W))[1:]
            Z[t:] -= np.multiply.outer(tau * h, h.conj() @ Z[t:])
            chosen[t] = places[at]
            t, at = t + 1, at + 1
            if t == k:
                return t, at
    return t, rows.shape[0]


def _reflector(w, left):
    """``h, tau`` such that ``w - tau h (hᴴ w)`` is zero but for its first entry; `left` is ‖w‖²."""
    h, size = w.copy(), math.sqrt(left)
    first = abs(h[0])
    h[0] += size * (h[0] / first if first > 0.0 else 1.0)
    return h, 1.0 / (size * (size + first))
