"""NumPy twins of the peeling kernels: the same answers by plain bit matrices, for tests and as their description.

Arguments are those of `_kernels.numba.peeling`.
"""

from collections import deque
from itertools import combinations

import numpy as np
import scipy.linalg

from .. import _kernels


def bits_of(words, n):
    """Bits (rows, n) of words, the last one least significant."""
    whole = np.ascontiguousarray(words[:, ::-1]).astype(">u8").view(np.uint8)
    return np.unpackbits(whole, axis=1)[:, whole.shape[1] * 8 - n :].astype(np.int64)


def words_of(bits):
    """Words of one row of bits."""
    whole = np.packbits(np.pad(bits, (-bits.size % 64, 0)).astype(np.uint8))
    return whole.view(">u8")[::-1].astype(np.uint64)


def fill_queries(columns, offsets, start, stop, out):
    """Points [start, stop) of a group."""
    base = np.zeros((1, offsets.shape[1]), np.uint64)
    for column in columns:
        base = np.concatenate([base, base ^ column])
    out[:] = (base[:, None, :] ^ offsets).reshape(-1, offsets.shape[1])[start:stop]


def gather_points(x, columns, offsets, first, out):
    """Numbers of the vector `x` at the points of a group from combination `first` on."""
    words, start = np.empty((out.size, 1), np.uint64), first * offsets.shape[0]
    fill_queries(columns, offsets, start, start + out.size, words)
    out[:] = x[words[:, 0].astype(np.int64)]


def fill_offsets(layout, c, shifts, stencil, out):
    """Offsets of group `c`."""
    _, _, _, verify, repeats, row, length, _ = (int(x) for x in layout[c])
    around = stencil if stencil.shape[0] else _units(length, shifts.shape[1])
    own = shifts[row : row + verify + repeats]
    parts = [np.concatenate([shift[None], shift ^ around]) for shift in own[verify:]]
    out[:] = np.concatenate([own[:verify], *parts])


def _units(length, words):
    """Words of the last unit vectors, the last one first."""
    units = np.zeros((length, words), np.uint64)
    for i in range(length):
        units[i, i // 64] = np.uint64(1 << (i % 64))
    return units


def gather_groups(x, layout, columns, shifts, stencil, out):
    """`gather_points` of all groups."""
    start = last = 0
    for c, row in enumerate(layout):
        first, last = last, last + int(row[2])
        offsets = np.empty((int(row[7]), 1), np.uint64)
        fill_offsets(layout, c, shifts, stencil, offsets)
        stop = start + (int(row[7]) << int(row[2]))
        gather_points(x, columns[first:last], offsets, 0, out[start:stop])
        start = stop


def gather_places(x, words, out):
    """Numbers of the vector `x` at places, and zeros behind them."""
    out[: words.shape[0]], out[words.shape[0] :] = x[words[:, 0].astype(np.int64)], 0.0


def sorted_rows(keys, n, order, bits):
    """The order in which rows of words ascend, and their bits in that order."""
    order[:] = np.lexsort(keys.T)
    bits[:] = bits_of(keys[order], n)


def read_groups(x, key, number, layout, stencil, least, most, columns, hashes, shifts, out):
    """Numbers of the vector `x` in the groups that the kernel `draw_groups` gives, times Sylvester matrices."""
    _kernels.lookup("draw_groups", "numpy")(
        key, number, layout[:, 2].copy(), int(layout[0, 3] + layout[0, 4]), hashes.shape[1], columns, hashes, shifts
    )
    samples = int(np.sum(layout[:, 7] << layout[:, 2]))
    gather_groups(x, layout, columns, shifts, stencil, out)
    out[samples:] = 0.0
    squares = float(np.sum(out**2))
    for start, _, bits, *_, width in layout.tolist() if least < squares < most else ():
        part = out[start : start + (width << bits)].reshape(1 << bits, width)
        part[:] = scipy.linalg.hadamard(1 << bits) @ part / (1 << bits)
    return squares


class _Groups:
    """The groups of `peel`, with signs and bins of a frequency given by its bits."""

    def __init__(self, layout, hashes, shifts, stencil, parts):
        self.layout, self.n, self.parts, self.coded = layout, hashes.shape[1], parts, stencil.shape[0] > 0
        self.masks = bits_of(stencil, self.n) if self.coded else np.eye(self.n, dtype=np.int64)[::-1]
        self.shifts, self.hashes = bits_of(shifts, self.n), hashes[:, ::-1]
        self.widths, self.lengths = layout[:, 7].tolist(), layout[:, 6].tolist()

    def signs(self, c, k):
        verify, repeats, row = (int(x) for x in self.layout[c, 3:6])
        own = 1.0 - 2.0 * (self.shifts[row : row + verify + repeats] @ k % 2)
        around = np.concatenate([[1.0], 1.0 - 2.0 * (self.masks[: self.lengths[c]] @ k % 2)])
        return np.concatenate([own[:verify], np.outer(own[verify:], around).reshape(-1)])

    def bin(self, c, k):
        return int(np.bitwise_xor.reduce(self.hashes[c][k == 1], initial=np.uint64(0)))

    def part(self, U, c, place):
        """Values of a bin, real and imaginary parts in rows."""
        start, size = int(self.layout[c, 0]) + place * self.widths[c] * self.parts, self.widths[c] * self.parts
        return U[start : start + size].reshape(self.parts, -1)

    def take_out(self, U, k, a):
        for c in range(len(self.widths)):
            self.part(U, c, self.bin(c, k))[:] -= np.outer(a, self.signs(c, k))

    def vote(self, u, c, soft):
        """Bits on the stencil."""
        repeats = u[:, int(self.layout[c, 3]) :].reshape(self.parts, int(self.layout[c, 4]), -1)
        products = np.sum(repeats[:, :, :1] * repeats[:, :, 1:], axis=0)
        return ((products if soft else np.where(products < 0.0, -1.0, 1.0)).sum(axis=0) < 0.0).astype(np.int64)

    def frequency(self, z, c, place, degree, check):
        """Bits of the frequency that shows `z` on the stencil of group `c`, None where there is none."""
        if self.coded:
            k = self.coded_frequency(z, degree)
            return k if k is None or not check or self.bin(c, k) == place else None
        k, left = np.zeros(self.n, np.int64), self.n - self.lengths[c]
        k[left:] = z[::-1]
        if left:
            told = place ^ self.bin(c, k)
            k[:left] = (told >> np.arange(left - 1, -1, -1)) & 1
        elif check and self.bin(c, k) != place:
            return None
        return None if 0 <= degree < k.sum() else k

    def coded_frequency(self, z, degree):
        for weight in range(degree + 1):
            for places in combinations(range(self.n), weight):
                if np.array_equal(self.masks[:, list(places)].sum(axis=1) % 2, z):
                    return np.isin(np.arange(self.n), places).astype(np.int64)
        return None


def peel(
    U, layout, hashes, shifts, stencil, parts, degree, exps, logs, soft, check, zero, single, growth, budget, room,
):  # fmt: skip
    """Take single coefficients out of bins until no bin holds one."""
    groups, known, keys, values, pops = _Groups(layout, hashes, shifts, stencil, parts), {}, [], [], 0
    group_of = np.repeat(np.arange(len(layout)), 1 << layout[:, 2])
    peeled = np.zeros(group_of.size, np.int64)

    def may_be_single(g):
        c = group_of[g]
        u, slack = groups.part(U, c, g - int(layout[c, 1])), 1.0 + growth[c] * peeled[g]
        alike = parts > 1 or np.all((np.abs(u) - np.abs(u[:, :1])) ** 2 <= 2.0 * single[c] * slack)
        return layout[c, 4] > 0 and alike and np.sum(u * u) > zero[c] * slack

    order = deque(filter(may_be_single, range(group_of.size)))
    while order and pops <= budget:
        pops += 1
        g = order.popleft()
        c = int(group_of[g])
        place = g - int(layout[c, 1])
        u, slack = groups.part(U, c, place), 1.0 + growth[c] * peeled[g]
        if not may_be_single(g):
            continue
        k = groups.frequency(groups.vote(u, c, soft), c, place, degree, check)
        if k is None:
            continue
        signs = groups.signs(c, k)
        a = u @ signs / signs.size
        if np.linalg.norm(u - np.outer(a, signs)) ** 2 > single[c] * slack:
            continue
        if (name := tuple(k)) not in known:
            if len(known) == room:
                pops = budget + 1
                break
            known[name] = len(known)
            keys.append(words_of(k))
            values.append(np.zeros(parts))
        values[known[name]] += a
        groups.take_out(U, k, a)
        for d in range(layout.shape[0]):
            other = int(layout[d, 1]) + groups.bin(d, k)
            peeled[other] += 1
            if other != g and other not in order and may_be_single(other):
                order.append(other)
    keys, values = np.array(keys, np.uint64).reshape(-1, shifts.shape[1]), np.array(values).reshape(-1, parts)
    smallest = float(np.min(np.linalg.norm(values, axis=1), initial=np.inf))
    return keys, values, pops, int(np.sum(peeled == 0)), smallest


def refit(U, layout, hashes, shifts, stencil, weights, quiet, keys, values, sweeps, tol):
    """Weighted least squares on all frequencies, by a dense solver."""
    parts, each = values.shape[1], []
    groups = _Groups(layout, hashes, shifts, stencil, parts)
    frequencies = bits_of(keys, groups.n)
    for r in range(parts):
        columns, unit = np.zeros((U.size, keys.shape[0])), np.eye(parts)[r]
        for i, k in enumerate(frequencies):
            groups.take_out(columns[:, i], k, -unit)
        each.append(columns)
    scale = np.ones(U.size)
    for c, row in enumerate(layout):
        stop = int(row[0]) + (int(row[7]) * parts << int(row[2]))
        scale[int(row[0]) : stop] = weights[c] ** 0.5
    for r, columns in enumerate(each):
        steps = np.linalg.lstsq(scale[:, None] * columns, scale * U, rcond=None)[0]
        values[:, r] += steps
        U -= columns @ steps
    return 1


def put_back(U, layout, hashes, shifts, stencil, keys, values):
    """Add coefficients to what is left."""
    groups = _Groups(layout, hashes, shifts, stencil, values.shape[1])
    for k, a in zip(bits_of(keys, groups.n), values, strict=True):
        groups.take_out(U, k, -a)


def lay_out_subspaces(drawn, dimension, points, tables):
    """Points of subspaces, and tables that tell where a frequency falls in all of them."""
    length, size = 1 + dimension, 1 << dimension
    for t, part in enumerate(drawn.reshape(-1, length, drawn.shape[1])):
        fill_queries(part[1:], part[:1], 0, size, points[t * size : (t + 1) * size])
    side, bits = 64 // length * length, bits_of(drawn, 4 * tables.shape[0])[:, ::-1]
    fours = (np.arange(16)[:, None] >> np.arange(4)) & 1
    products = (bits.reshape(drawn.shape[0], -1, 4) @ fours.T % 2).astype(np.uint64)
    tables[:] = 0
    for r, product in enumerate(products):
        tables[:, :, r // side] |= product << np.uint64(r % side)


def leave_on_subspaces(keys, values, tables, dimension, seen, limit):
    """How many differences of values at the points of subspaces from an expansion are large, and all their squares."""
    length, size = 1 + dimension, 1 << dimension
    fours = bits_of(keys, 4 * tables.shape[0])[:, ::-1].reshape(keys.shape[0], -1, 4) @ [1, 2, 4, 8]
    codes = np.bitwise_xor.reduce(tables[np.arange(tables.shape[0]), fours], axis=1)
    places, parts = (np.arange(size)[:, None] >> np.arange(dimension)) & 1, []
    for t in range(-(-seen.size // size)):
        code = codes[:, t // (64 // length)] >> np.uint64(t % (64 // length) * length)
        bits = (code[:, None] >> np.arange(length, dtype=np.uint64)).astype(np.int64) & 1
        signs = 1.0 - 2.0 * ((bits[:, 0] + places @ bits[:, 1:].T) % 2)
        parts.append(signs @ values)
    squares = np.abs(seen - np.concatenate(parts)[: seen.size]) ** 2
    return int(np.sum(squares > limit)), float(np.sum(squares))


def bin_energies(U, layout, parts, limits, out):
    """Energy of every bin; the largest one over the values, their weighted sum, and how many are above the limits."""
    largest, weighted, above = 0.0, 0.0, 0
    for (start, first, bits, *_, width), limit in zip(layout.tolist(), limits, strict=True):
        rows = U[start : start + (parts * width << bits)].reshape(1 << bits, -1)
        energies = out[first : first + (1 << bits)] = np.sum(rows**2, axis=1)
        largest = max(largest, float(np.max(energies)) / max(width, 1))
        weighted, above = weighted + (1 << bits) * float(np.sum(energies)), above + int(np.sum(energies > limit))
    return largest, weighted, above
