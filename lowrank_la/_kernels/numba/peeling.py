"""Peeling decoder of the sparse Walsh-Hadamard transform, on groups as `_groups` describes them."""

import numpy as np

from ._groups import BITS, FIRST_BIN, LENGTH, REPEATS, START, VERIFY, WIDTH, group_signs, sign_words, stencil_signs
from ._jit import jit
from ._rows import LANES, along, left_over, may_be_one, take_out, take_out_and_look
from ._signed import below, signed
from ._vector import add_scaled, load, zeros_8
from .bch import places_of_syndrome
from .words import code_of, lowest, ones, place_of, put, tables_of


@jit(inline=True, leaf=True)
def _vote(U, at, layout, c, parts, soft, z):
    """Signs relative to the unshifted value of each repeat, by weight or by majority, as bits."""
    width, length, first = layout[c, WIDTH], layout[c, LENGTH], at + layout[c, VERIFY]
    word = np.uint64(0)
    for i in range(0, length, LANES):
        total = zeros_8(U)
        for p in range(layout[c, REPEATS]):
            told = zeros_8(U)
            for r in range(parts):
                own = first + p * (1 + length) + r * width
                told = add_scaled(told, U[own], load(told, U, own + 1 + i))
            total = add_scaled(total, 1.0, told if soft else signed(told, 1.0, below(told, zeros_8(U))))
        word |= (below(total, zeros_8(U)) & lowest(min(LANES, length - i))) << np.uint64(i & 63)
        if (i & 63) + LANES == 64:
            z[i >> 6] = word
            word = np.uint64(0)
    for w in range((length + LANES - 1) // LANES * LANES >> 6, z.size):
        z[w] = word
        word = np.uint64(0)


@jit(inline=True, leaf=True)
def _key_of(z, j, c, layout, tables, coded, check, degree, exps, logs, n, key, room):
    """The frequency with these stencil signs that falls into bin `j`, in `key`; False where there is none.

    A stencil that leaves out as many unit vectors as the bin has bits tells the other bits of the frequency, and the
    bin these. Otherwise the bin is a check.
    """
    if coded:
        if not places_of_syndrome(z, degree, exps, logs, n, key, room):
            return False
    else:
        weight = np.uint64(0)
        for w in range(key.size):
            key[w] = z[w]
        if layout[c, LENGTH] < n:
            put(key, layout[c, LENGTH], np.uint64(j ^ place_of(code_of(key, tables, c))), layout[c, BITS])
            check = False
        for w in range(key.size if degree >= 0 else 0):
            weight += ones(key[w])
        if degree >= 0 and weight > np.uint64(degree):
            return False
    return not check or place_of(code_of(key, tables, c)) == j


@jit(inline=True, leaf=True)
def _slot(key, keys, table):
    """Place in the hash table of `key`, or of the gap where it belongs."""
    h = np.uint64(0x9E3779B97F4A7C15)
    for w in range(key.size):
        h = (h ^ key[w]) * np.uint64(0xBF58476D1CE4E5B9)
        h ^= h >> np.uint64(32)
        h *= np.uint64(0x94D049BB133111EB)
        h ^= h >> np.uint64(29)
    mask = np.uint64(table.size - 1)
    at = h & mask
    while table[at] >= 0 and not _same(keys, table[at], key):
        at = (at + np.uint64(1)) & mask
    return at


@jit(inline=True, leaf=True)
def _same(keys, row, key):
    for w in range(1, key.size):
        if keys[row, w] != key[w]:
            return False
    return keys[row, 0] == key[0]


@jit(inline=True, leaf=True)
def _room_of(key, keys, values, found, table):
    """Place of a frequency, made where it is new, and how many there are; -1 where there is no room."""
    slot = _slot(key, keys, table)
    if table[slot] < 0:
        if found == keys.shape[0]:
            return np.int64(-1), found
        table[slot] = found
        values[found] = 0.0
        for w in range(key.size):
            keys[found, w] = key[w]
        found += 1
    return np.int64(table[slot]), found


@jit
def peel(
    U, layout, hashes, shifts, stencil, parts, degree, exps, logs, soft, check, zero, single, growth, budget, room,
):  # fmt: skip
    """Take single coefficients out of bins until no bin holds one.

    Parameters
    ----------
    U : float64 array
        Bins of all groups, and eight numbers more; what is not explained is left in it.
    layout, hashes, shifts, stencil
        The groups, for each and every bit of a frequency, the last one first, the bins that it flips, words of shifts
        and stencil.
    parts : int
        Two for complex values.
    degree : int
        Largest weight of a frequency, -1 for any.
    exps, logs
        The field of the code, when there is a stencil.
    soft, check : bool
        Votes by weight; whether a frequency must belong to the bin that showed it.
    zero, single, growth : arrays (groups,)
        Energy up to which a bin counts as empty, or as left by one coefficient, and its growth by a coefficient
        taken out.
    budget : int
        Bins looked at.
    room : int
        Frequencies found.

    Returns
    -------
    tuple
        Frequencies (k, words), coefficients (k, parts), bins looked at, bins of which nothing was taken, and the
        smallest modulus of a coefficient; looks pass the budget when room or patience ran out.
    """
    last, n, words = layout.shape[0] - 1, hashes.shape[1], shifts.shape[1]
    bins = layout[last, FIRST_BIN] + (1 << layout[last, BITS])
    keys, values, peeled = np.empty((room, words), np.uint64), np.empty((room, parts)), np.zeros(bins, np.int64)
    key, z, a = np.empty(words, np.uint64), np.empty(_words_of(stencil, n), np.uint64), np.empty(parts)
    found, looks = _peel(
        U, layout, tables_of(hashes, layout, shifts), n, shifts, stencil, degree, exps, logs, soft, check, zero, single,
        growth, budget, keys, values, _table_for(room), key, z, np.zeros((4, 2 * max(degree, 0) + 2), np.int64),
        sign_words(layout), a, _group_of(layout, bins), np.empty(bins, np.int64), np.zeros(bins, np.uint8), peeled,
    )  # fmt: skip
    return keys[:found].copy(), values[:found].copy(), looks, np.count_nonzero(peeled == 0), smallest_of(values, found)


@jit(leaf=True)
def _peel(
    U, layout, tables, n, shifts, stencil, degree, exps, logs, soft, check, zero, single, growth, budget,
    keys, values, table, key, z, places, signs, a, group_of, queue, waiting, peeled,
):  # fmt: skip
    """`peel` with room for all that it works on; gives how many frequencies there are, and the looks."""
    coded, bins, parts, found, pops = stencil.shape[0] > 0, queue.size, values.shape[1], 0, 0
    head, length, shown = 0, _first_queue(U, layout, parts, zero, single, queue, waiting), z if coded else key
    while length > 0 and pops <= budget:
        pops += 1
        g = queue[head]
        head, length = head + 1 if head + 1 < bins else 0, length - 1
        waiting[g] = 0
        c = np.int64(group_of[g])
        j, slack = g - layout[c, FIRST_BIN], 1.0 + growth[c] * peeled[g]
        at = layout[c, START] + j * layout[c, WIDTH] * parts
        if not may_be_one(U, at, layout[c, WIDTH], parts, zero[c] * slack, single[c] * slack):
            continue
        _vote(U, at, layout, c, parts, soft, z)
        if not _key_of(z, j, c, layout, tables, coded, check, degree, exps, logs, n, key, places):
            continue
        if coded:
            stencil_signs(key, stencil, z)
        group_signs(key, code_of(key, tables, c), shown, layout, c, shifts, signs)
        if _left_by_one(U, at, layout[c, WIDTH], parts, signs, a) > single[c] * slack:
            continue
        place, found = _room_of(key, keys, values, found, table)
        if place < 0:
            return found, budget + 1
        for r in range(parts):
            values[place, r] += a[r]
        length = _take_everywhere(
            U, key, shown, g, a, layout, tables, shifts, signs, zero, single, growth, peeled, queue, waiting, head,
            length,
        )  # fmt: skip
    return found, pops


@jit(inline=True, leaf=True)
def _left_by_one(U, at, width, parts, signs, a):
    """Energy that a single coefficient with these signs leaves; `a` is set to its parts."""
    left = 0.0
    for r in range(parts):
        a[r] = along(U, at + r * width, width, signs) / width
        left += left_over(U, at + r * width, width, signs, a[r])
    return left


@jit(inline=True, leaf=True)
def _take_everywhere(
    U, key, shown, g, a, layout, tables, shifts, signs, zero, single, growth, peeled, queue, waiting, head, length
):  # fmt: skip
    """Take a coefficient out of its bin in every group.

    Of the bins but `g` those that may hold a single coefficient are queued; gives the length of the queue.
    """
    bins, parts = queue.size, a.size
    for d in range(layout.shape[0]):
        code, width = code_of(key, tables, d), layout[d, WIDTH]
        other, start = layout[d, FIRST_BIN] + place_of(code), layout[d, START] + place_of(code) * width * parts
        peeled[other] += 1
        group_signs(key, code, shown, layout, d, shifts, signs)
        slack = 1.0 + growth[d] * peeled[other]
        if parts == 1:
            added = take_out_and_look(U, start, width, signs, a[0], zero[d] * slack, single[d] * slack)
        else:
            for r in range(parts):
                take_out(U, start + r * width, width, signs, a[r])
            added = may_be_one(U, start, width, parts, zero[d] * slack, single[d] * slack)
        added &= (other != g) & (waiting[other] == 0) & (layout[d, REPEATS] > 0)
        end = head + length
        if length < bins:
            queue[end - bins if end >= bins else end] = other
        waiting[other] |= added
        length += added
    return length


@jit
def smallest_of(values, found):
    """Smallest modulus of the first `found` coefficients."""
    smallest = np.inf
    for i in range(found):
        square = 0.0
        for r in range(values.shape[1]):
            square += values[i, r] * values[i, r]
        smallest = min(smallest, square)
    return smallest**0.5


@jit(leaf=True)
def _first_queue(U, layout, parts, zero, single, queue, waiting):
    """Bins that may hold a single coefficient, and how many they are."""
    length = 0
    for c in range(layout.shape[0]):
        at, width, g = layout[c, START], layout[c, WIDTH], layout[c, FIRST_BIN]
        for _ in range(1 << layout[c, BITS] if layout[c, REPEATS] > 0 else 0):
            may_be = may_be_one(U, at, width, parts, zero[c], single[c])
            queue[length], waiting[g] = g, may_be
            length, at, g = length + may_be, at + width * parts, g + 1
    return length


@jit(leaf=True)
def _words_of(stencil, n):
    """Words for the signs on the stencil."""
    return ((stencil.shape[0] if stencil.shape[0] else n) + 63) >> 6


@jit
def _table_for(room):
    """An empty hash table, of two to four places for each of `room` frequencies."""
    size = 16
    while size < 2 * room:
        size *= 2
    return np.full(size, -1, np.int32)


@jit
def _group_of(layout, bins):
    """Group of every bin."""
    found = np.empty(bins, np.int32)
    for c in range(layout.shape[0]):
        first = layout[c, FIRST_BIN]
        found[first : first + (1 << layout[c, BITS])] = c
    return found
