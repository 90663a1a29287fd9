"""Peeling decoder of the sparse Walsh-Hadamard transform.

The bins of all groups lie in one flat array, the values of a bin side by side. A row of `layout` describes a group:
where its values start, the number of its first bin, the logarithm of the number of bins, verification offsets, repeats,
and its first row of `shifts`. The offsets of a group are its verification shifts, then for every repeat its shift
alone and its shift plus each vector of the stencil. Words hold the first bit at their most significant place.
"""

import numpy as np

from ._jit import jit
from .bch import places_of_syndrome
from .words import bin_of, odd_bits, sign_at, tables_of

_ONE = np.uint64(1)
START, FIRST_BIN, BITS, VERIFY, REPEATS, FIRST_SHIFT = 0, 1, 2, 3, 4, 5


@jit
def _stencil_signs(key, stencil, z):
    """Signs of a character on the stencil."""
    if stencil.shape[0]:
        for i in range(z.size):
            z[i] = sign_at(stencil[i], key)
    else:
        for q in range(z.size):
            z[q] = 1.0 - 2.0 * float((key[q >> 6] >> np.uint64(63 - (q & 63))) & np.uint64(1))


@jit(inline=True)
def _odd_row(shifts, row, key):
    """`odd` of a row of `shifts`, without a view of it."""
    x = np.uint64(0)
    for w in range(key.size):
        x ^= shifts[row, w] & key[w]
    return odd_bits(x)


@jit(inline=True)
def _group_signs(key, z, layout, shifts, c, signs):
    """Signs of a character at the offsets of group `c`; gives their number."""
    verify, repeats, row = layout[c, VERIFY], layout[c, REPEATS], layout[c, FIRST_SHIFT]
    for i in range(verify):
        signs[i] = -1.0 if _odd_row(shifts, row + i, key) else 1.0
    at = np.uint64(verify)
    for p in range(repeats):
        sign = -1.0 if _odd_row(shifts, row + verify + p, key) else 1.0
        signs[at] = sign
        at += _ONE
        for i in range(z.size):
            signs[at + np.uint64(i)] = sign * z[i]
        at += np.uint64(z.size)
    return np.int64(at)


@jit(inline=True)
def _width(layout, c, m):
    return layout[c, VERIFY] + layout[c, REPEATS] * (1 + m)


@jit(reorder=True)
def _energy(u):
    energy = 0.0
    for i in range(u.size):
        energy += u[i].real * u[i].real + u[i].imag * u[i].imag
    return energy


@jit(reorder=True)
def _along(u, signs):
    """Sum of the values of a bin with signs."""
    total = 0.0 * u[0]
    for i in range(u.size):
        total += u[i] * signs[i]
    return total


@jit(reorder=True)
def _left(u, signs, a):
    """Energy that a single coefficient of value `a` leaves."""
    energy = 0.0
    for i in range(u.size):
        x = u[i] - a * signs[i]
        energy += x.real * x.real + x.imag * x.imag
    return energy


@jit
def _subtract(u, signs, a):
    for i in range(u.size):
        u[i] -= a * signs[i]


@jit(inline=True)
def _take_out(U, at, key, z, layout, d, shifts, a):
    """Subtract a coefficient from the values of its bin in group `d`, which start at place `at`."""
    verify, row, at = layout[d, VERIFY], layout[d, FIRST_SHIFT], np.uint64(at)
    for i in range(verify):
        U[at] -= -a if _odd_row(shifts, row + i, key) else a
        at += _ONE
    for p in range(layout[d, REPEATS]):
        own = -a if _odd_row(shifts, row + verify + p, key) else a
        U[at] -= own
        at += _ONE
        for i in range(z.size):
            U[at + np.uint64(i)] -= own * z[i]
        at += np.uint64(z.size)


@jit(inline=True)
def _no_single(U, start, width, most):
    """Whether values differ too much in size for a single coefficient to leave an energy of `most`.

    Whatever it is, two values of moduli x and y leave at least ``(x - y)² / 2``.
    """
    size, limit = abs(U[start]), 2.0 * most
    for i in range(start + 1, start + min(width, 6)):
        gap = abs(U[i]) - size
        if gap * gap > limit:
            return True
    return False


@jit(inline=True)
def _vote(u, verify, repeats, soft, z):
    """Signs relative to the unshifted value of each repeat, by weight or by majority."""
    at = np.uint64(verify)
    for p in range(repeats):
        own = u[at]
        at += _ONE
        if p == 0:
            z[:] = 0.0
        for i in range(z.size):
            other = u[at + np.uint64(i)]
            told = own.real * other.real + own.imag * other.imag
            z[i] += told if soft else (-1.0 if told < 0.0 else 1.0)
        at += np.uint64(z.size)
    for i in range(z.size):
        z[i] = -1.0 if z[i] < 0.0 else 1.0


@jit(inline=True)
def _key_of(z, coded, degree, exps, logs, n, key):
    """The frequency with these stencil signs in `key`; False where there is none."""
    if coded:
        return places_of_syndrome(z, degree, exps, logs, n, key)
    weight = np.uint64(0)
    for w in range(key.size):
        part, word = z[w * 64 : min(n, w * 64 + 64)], np.uint64(0)
        for q in range(part.size):
            bit = np.uint64(part[q] < 0.0)
            weight += bit
            word |= bit << np.uint64(63 - q)
        key[w] = word
    return degree < 0 or weight <= np.uint64(degree)


@jit(inline=True)
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
    while table[at] >= 0:
        same = True
        for w in range(key.size):
            same = same and keys[table[at], w] == key[w]
        if same:
            break
        at = (at + np.uint64(1)) & mask
    return at


@jit(inline=True)
def _room_of(key, keys, values, found, table):
    """Slot of a frequency, with room made where it is new, and how many there are; -1 where there is no room."""
    slot = _slot(key, keys, table)
    if table[slot] < 0:
        if found == keys.shape[0]:
            return np.int64(-1), found
        table[slot], values[found] = found, 0.0
        for w in range(key.size):
            keys[found, w] = key[w]
        found += 1
    return np.int64(table[slot]), found


@jit(inline=True)
def _take_everywhere(U, key, z, signs, a, layout, tables, shifts, g, peeled, queue, waiting, tail, length):
    """Take a coefficient out of its bin in every group and queue those bins but `g`; gives the length of the queue."""
    bins = queue.size
    for d in range(layout.shape[0]):
        place, width = bin_of(key, tables, d), _width(layout, d, z.size)
        other, start = layout[d, FIRST_BIN] + place, layout[d, START] + place * width
        peeled[other] += 1
        if other == g:
            for i in range(width):
                U[start + i] -= a * signs[i]
            continue
        _take_out(U, start, key, z, layout, d, shifts, a)
        if not waiting[other]:
            waiting[other] = 1
            at = tail + length
            queue[at - bins if at >= bins else at] = other
            length += 1
    return length


@jit
def _widest(layout, m):
    most = 0
    for c in range(layout.shape[0]):
        most = max(most, _width(layout, c, m))
    return most


@jit
def peel(
    U, layout, group_of, hashes, shifts, stencil, degree, exps, logs, soft, check, zero, single, growth, budget,
    keys, values, table, peeled, queue, waiting,
):  # fmt: skip
    """Take single coefficients out of bins until no bin holds one.

    Parameters
    ----------
    U : array
        Bins of all groups; what is not explained is left in it.
    layout, group_of, hashes, shifts, stencil
        The groups, the group of each bin, for every group and bit the bins that it flips, words of shifts and stencil;
        an empty stencil stands for the unit vectors.
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
    keys, values, table
        Room for frequencies, coefficients and the hash table, whose entries are -1.
    peeled, queue, waiting
        Work of one number a bin; `peeled` counts coefficients taken out.

    Returns
    -------
    tuple
        Number of frequencies found, bins looked at; the budget is passed when room or patience ran out.
    """
    n, m = hashes.shape[1], stencil.shape[0] if stencil.shape[0] else hashes.shape[1]
    coded = stencil.shape[0] > 0
    bins, found, pops = group_of.size, 0, 0
    key, z, signs = np.zeros(keys.shape[1], np.uint64), np.empty(m), np.empty(_widest(layout, m))
    tables = tables_of(hashes)
    for g in range(bins):
        queue[g], waiting[g], peeled[g] = g, 1, 0
    head, length = 0, bins
    while length > 0 and pops <= budget:
        pops += 1
        g = queue[head]
        head, length = head + 1 if head + 1 < bins else 0, length - 1
        waiting[g] = 0
        c = group_of[g]
        width, j = _width(layout, c, m), g - layout[c, FIRST_BIN]
        start, slack = layout[c, START] + j * width, 1.0 + growth[c] * peeled[g]
        if layout[c, REPEATS] == 0 or _no_single(U, start, width, single[c] * slack):
            continue
        u = U[start : start + width]
        if _energy(u) <= zero[c] * slack:
            continue
        _vote(u, layout[c, VERIFY], layout[c, REPEATS], soft, z)
        if not _key_of(z, coded, degree, exps, logs, n, key) or (check and bin_of(key, tables, c) != j):
            continue
        _group_signs(key, z, layout, shifts, c, signs)
        a = _along(u, signs) / width
        if _left(u, signs, a) > single[c] * slack:
            continue
        place, found = _room_of(key, keys, values, found, table)
        if place < 0:
            return found, budget + 1
        values[place] += a
        length = _take_everywhere(U, key, z, signs, a, layout, tables, shifts, g, peeled, queue, waiting, head, length)
    return found, pops
