"""Places at which a function is observed: independent, volume-rescaled and repeated determinantal designs.

Each gives ``(draws, size)`` host places of `RowProposals` or `PointProposals`, in random order; draw `label` depends on
the key and on `label` alone. Marginally every place is drawn in proportion to leverage.
"""

import numpy as np

from .. import _backend as be
from .rejection import draw_sets

_SPARSE = 8  # a subset below an eighth of the whole is drawn number by number
_SPARE = 8
_FETCHED = 1 << 22


def independent(proposals, size, key, labels):
    """Independent places."""
    u = _uniform(key.child("independent"), labels, size)
    return np.stack([proposals.places(row) for row in u]) if len(labels) else np.empty((0, size), np.int64)


def volume_rescaled(proposals, size, key, labels):
    """One set of the projection process and ``size - k`` independent places, shuffled."""
    chosen = draw_sets(proposals, key.child("projection"), labels)[0]
    more = independent(proposals, size - proposals.count, key, labels)
    order = np.argsort(_uniform(key.child("order"), labels, size), axis=1)
    return np.take_along_axis(np.concatenate([chosen, more], axis=1), order, axis=1)


def repeated(proposals, size, key, labels):
    """Independent sets of the projection process one after another, the last one cut to what is left."""
    sets = -(-size // proposals.count)
    labels = np.asarray(labels, np.int64)
    each = draw_sets(proposals, key.child("projection"), (labels[:, None] * sets + np.arange(sets)).ravel())[0]
    return each.reshape(len(labels), sets * proposals.count)[:, :size]


def volume(proposals, size, key, labels):
    """One set of the projection process and a uniform subset of the other rows."""
    chosen = draw_sets(proposals, key.child("projection"), labels)[0]
    n, count = proposals.size, size - proposals.count
    subsets = _by_order if count * _SPARSE >= n else _by_number
    blocks = be.fixed_partition(len(labels), max(1, _FETCHED // n))
    others = [subsets(key.child("others"), labels[block], n, count, chosen[block]) for block in blocks]
    return np.concatenate([chosen, np.concatenate(others or [np.empty((0, count), np.int64)])], axis=1)


def _by_order(key, labels, n, count, taken):
    """Uniform subsets of `count` numbers below `n` without those `taken`: the first ones of a random order."""
    order = _uniform(key, labels, n)
    np.put_along_axis(order, taken, 2.0, axis=1)
    return np.argsort(order, axis=1)[:, :count]


def _by_number(key, labels, n, count, taken):
    """The same, number by number without repeats."""
    block = count + _SPARE
    found = np.empty((len(labels), count), np.int64)
    drawn = _numbers(key, labels, slice(0, block), n)
    for row, label, numbers, first in zip(found, labels, drawn, taken, strict=True):
        known, seen = dict.fromkeys(first.tolist()), block
        known.update(dict.fromkeys(numbers.tolist()))
        while len(known) < first.size + count:
            known.update(dict.fromkeys(_numbers(key, [label], slice(seen, seen + block), n)[0].tolist()))
            seen += block
        row[:] = list(known)[first.size : first.size + count]
    return found


def _numbers(key, labels, cols, n):
    return np.minimum(np.ceil(_uniform(key, labels, cols) * n).astype(np.int64) - 1, n - 1)


def _uniform(key, labels, cols):
    cols = slice(0, cols) if isinstance(cols, int) else cols
    return be.to_numpy(be.uniform(key, labels, cols))
