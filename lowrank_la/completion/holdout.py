"""Entries kept back to judge the answer by."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _backend as be

_SHARE = 100  # one entry in so many is kept back
_MOST = 1000
_FEWEST = 8
_ENOUGH = 1.5  # entries, in units of the rank, that a line needs to spare one


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Entries that the fit does not see."""

    rows: Any
    columns: Any
    values: Any

    def error(self, U, V):
        """``‖y - ŷ‖ / ‖y‖`` over these entries, a float."""
        size = be.fro_norm(self.values)
        missed = be.fro_norm(self.values - entries_at(U, V, self.rows, self.columns))
        return missed / size if size > 0.0 else missed


def entries_at(U, V, rows, columns):
    """``U[i]·conj(V[j])`` for places (i, j), a fixed number of them at a time."""
    xp = be.namespace(U)
    conjugate = xp.conj(V) if be.is_complex(V.dtype) else V
    step = max(1, (1 << 20) // max(1, U.shape[1]))
    parts = [
        xp.sum(xp.take(U, rows[part], axis=0) * xp.take(conjugate, columns[part], axis=0), axis=1)
        for part in be.fixed_partition(int(rows.shape[0]), step)
    ]
    return xp.concat(parts) if parts else xp.zeros(0, dtype=U.dtype, device=be.device(U))


def hold_out(entries, weights, rank, share, key, shared):
    """``(entries, weights, held)``: about one entry in `share` kept back, none where lines can't spare any.

    At most one entry a row and one a column is taken, from lines with half as many entries again as unknowns. Arrays
    of the entries that are not `shared` with the caller are used up.
    """
    share = _SHARE if share is None else share
    places = _chosen(entries, rank, share, key) if share else np.zeros(0, np.int64)
    if places.shape[0] < _FEWEST:
        return entries, weights, None
    xp = entries.xp
    place = be.index_array(places, entries.count, xp, entries.device)
    lines = np.searchsorted(be.to_numpy(entries.row_pointers), places, side="right") - 1
    held = HeldOut(
        be.index_array(lines, entries.shape[0], xp, entries.device),
        xp.take(entries.columns, place),
        xp.take(entries.values, place),
    )
    if weights is not None:
        weights = xp.take(weights, be.places_without(places, entries.count, xp, entries.device))
    return (
        entries.without(places, ("rows", "order") if shared else ("values", "columns", "rows", "order")),
        weights,
        held,
    )


def _chosen(entries, rank, share, key):
    """Positions of the entries kept back, ascending."""
    pointers, columns = be.to_numpy(entries.row_pointers).astype(np.int64), entries.columns
    counts, column_counts = np.diff(pointers), be.to_numpy(entries.column_counts)
    needed = _ENOUGH * rank + 2
    m = counts.shape[0]
    numbers = be.uniform(key.child("held out"), slice(0, m), slice(0, 2))
    rows = np.argsort(numbers[:, 0], kind="stable")
    rows = rows[counts[rows] >= needed][: min(_MOST, entries.count // share)]
    places = pointers[rows] + np.minimum((numbers[rows, 1] * counts[rows]).astype(np.int64), counts[rows] - 1)
    chosen = be.to_numpy(entries.xp.take(columns, be.index_array(places, entries.count, entries.xp, entries.device)))
    first = np.unique(chosen, return_index=True)[1]
    first = first[column_counts[chosen[first]] >= needed]
    return np.sort(places[first])
