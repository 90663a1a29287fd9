"""NumPy twins of the peeling kernels: the same answers by plain bit matrices, for tests and as their description.

Arguments are those of `_kernels.numba.peeling`.
"""

from collections import deque
from itertools import combinations

import numpy as np


def bits_of(words, n):
    """Bits (rows, n) of words, the first one most significant."""
    return np.unpackbits(np.ascontiguousarray(words).astype(">u8").view(np.uint8), axis=1, count=n).astype(np.int64)


def choose_columns(candidates, n, columns, hashes):
    """First rows of `candidates` that are independent over GF(2), and the hash that they make."""
    found, span, width = 0, {0}, candidates.shape[1]
    hashes[:] = 0
    for row in candidates:
        value = int.from_bytes(row.astype(">u8").tobytes(), "big")
        if found < columns.shape[0] and value not in span:
            span |= {value ^ other for other in span}
            columns[found] = row
            hashes |= bits_of(row.reshape(1, width), n)[0].astype(np.uint64) << np.uint64(found)
            found += 1
    return found


def fill_queries(columns, offsets, start, stop, out):
    """Points [start, stop) of a group."""
    base = np.zeros((1, offsets.shape[1]), np.uint64)
    for column in columns:
        base = np.concatenate([base, base ^ column])
    out[:] = (base[:, None, :] ^ offsets).reshape(-1, offsets.shape[1])[start:stop]


def gather_points(x, shift, columns, offsets, first, out):
    """Numbers of the vector `x` at the points of a group from combination `first` on."""
    words, start = np.empty((out.size, 1), np.uint64), first * offsets.shape[0]
    fill_queries(columns, offsets, start, start + out.size, words)
    out[:] = x[(words[:, 0] >> shift).astype(np.int64)]


def choose_groups(candidates, sizes, n, columns, hashes):
    """`choose_columns` for a row of `candidates` after the other; whether all were found."""
    parts = np.split(columns, np.cumsum(sizes)[:-1])
    asked = zip(candidates, parts, hashes, strict=True)
    return [choose_columns(rows, n, part, own) for rows, part, own in asked] == list(sizes)


class _Groups:
    """The groups of `peel`, with signs and bins of a frequency given by its bits."""

    def __init__(self, layout, hashes, shifts, stencil):
        self.layout, self.n = layout, hashes.shape[1]
        self.masks = bits_of(stencil, self.n) if stencil.shape[0] else np.eye(self.n, dtype=np.int64)
        self.shifts, self.hashes = bits_of(shifts, self.n), hashes
        self.widths = [int(g[3] + g[4] * (1 + self.masks.shape[0])) for g in layout]

    def signs(self, c, k):
        verify, repeats, row = (int(x) for x in self.layout[c, 3:6])
        own = 1.0 - 2.0 * (self.shifts[row : row + verify + repeats] @ k % 2)
        around = np.concatenate([[1.0], 1.0 - 2.0 * (self.masks @ k % 2)])
        return np.concatenate([own[:verify], np.outer(own[verify:], around).reshape(-1)])

    def bin(self, c, k):
        return int(np.bitwise_xor.reduce(self.hashes[c][k == 1], initial=np.uint64(0)))

    def part(self, U, c, place):
        start = int(self.layout[c, 0]) + place * self.widths[c]
        return U[start : start + self.widths[c]]

    def take_out(self, U, k, a):
        for c in range(len(self.widths)):
            self.part(U, c, self.bin(c, k))[:] -= a * self.signs(c, k)

    def vote(self, u, c, soft):
        """Bits on the stencil."""
        repeats = u[int(self.layout[c, 3]) :].reshape(int(self.layout[c, 4]), -1)
        products = (repeats[:, :1].conj() * repeats[:, 1:]).real
        return ((products if soft else np.where(products < 0.0, -1.0, 1.0)).sum(axis=0) < 0.0).astype(np.int64)

    def frequency(self, z, coded, degree):
        """Bits of the frequency that shows `z` on the stencil, None where there is none."""
        if not coded:
            return None if 0 <= degree < z.sum() else z
        for weight in range(degree + 1):
            for places in combinations(range(self.n), weight):
                if np.array_equal(self.masks[:, list(places)].sum(axis=1) % 2, z):
                    return np.isin(np.arange(self.n), places).astype(np.int64)
        return None


def peel(
    U, layout, group_of, hashes, shifts, stencil, degree, exps, logs, soft, check, zero, single, growth, budget,
    keys, values, table, peeled, queue, waiting,
):  # fmt: skip
    """Take single coefficients out of bins until no bin holds one."""
    groups, known, pops = _Groups(layout, hashes, shifts, stencil), {}, 0
    peeled[:] = 0
    order = deque(range(group_of.size))
    while order and pops <= budget:
        pops += 1
        g = order.popleft()
        c = int(group_of[g])
        u, slack = groups.part(U, c, g - int(layout[c, 1])), 1.0 + growth[c] * peeled[g]
        if layout[c, 4] == 0 or np.vdot(u, u).real <= zero[c] * slack:
            continue
        k = groups.frequency(groups.vote(u, c, soft), stencil.shape[0] > 0, degree)
        if k is None or (check and groups.bin(c, k) != g - layout[c, 1]):
            continue
        signs = groups.signs(c, k)
        a = (u @ signs) / u.size
        if np.linalg.norm(u - a * signs) ** 2 > single[c] * slack:
            continue
        if (name := tuple(k)) not in known:
            if len(known) == keys.shape[0]:
                return len(known), budget + 1
            keys[len(known)] = np.packbits(np.pad(k, (0, -k.size % 64))).view(">u8")
            values[len(known)], known[name] = 0.0, len(known)
        values[known[name]] += a
        groups.take_out(U, k, a)
        for d in range(layout.shape[0]):
            other = int(layout[d, 1]) + groups.bin(d, k)
            peeled[other] += 1
            if other != g and other not in order:
                order.append(other)
    return len(known), pops


def refit(U, layout, hashes, shifts, stencil, weights, quiet, keys, values, sweeps, tol):
    """Weighted least squares on all frequencies, by a dense solver."""
    groups = _Groups(layout, hashes, shifts, stencil)
    columns = np.zeros((U.size, keys.shape[0]), U.dtype)
    for i, k in enumerate(bits_of(keys, groups.n)):
        groups.take_out(columns[:, i], k, -1.0)
    scale = np.repeat(weights**0.5, [(1 << int(g[2])) * w for g, w in zip(layout, groups.widths, strict=True)])
    steps = np.linalg.lstsq(scale[:, None] * columns, scale * U, rcond=None)[0]
    values += steps
    U -= columns @ steps
    return 1


def put_back(U, layout, hashes, shifts, stencil, keys, values):
    """Add coefficients to what is left."""
    groups = _Groups(layout, hashes, shifts, stencil)
    for k, a in zip(bits_of(keys, groups.n), values, strict=True):
        groups.take_out(U, k, -a)


def lay_out_subspaces(drawn, dimension, points, tables):
    """Points of subspaces, and tables that tell where a frequency falls in all of them."""
    length, size = 1 + dimension, 1 << dimension
    for t, part in enumerate(drawn.reshape(-1, length, drawn.shape[1])):
        fill_queries(part[1:], part[:1], 0, size, points[t * size : (t + 1) * size])
    side, bits = 64 // length * length, bits_of(drawn, 4 * tables.shape[0])
    fours = (np.arange(16)[:, None] >> np.arange(3, -1, -1)) & 1
    products = (bits.reshape(drawn.shape[0], -1, 4) @ fours.T % 2).astype(np.uint64)
    tables[:] = 0
    for r, product in enumerate(products):
        tables[:, :, r // side] |= product << np.uint64(r % side)


def take_from_subspaces(keys, values, tables, dimension, cubes, left):
    """Subtract an expansion from values at the points of subspaces."""
    length, size = 1 + dimension, 1 << dimension
    fours = bits_of(keys, 4 * tables.shape[0]).reshape(keys.shape[0], -1, 4) @ [8, 4, 2, 1]
    codes = np.bitwise_xor.reduce(tables[np.arange(tables.shape[0]), fours], axis=1)
    places = (np.arange(size)[:, None] >> np.arange(dimension)) & 1
    for t in range(cubes.size // size):
        code = codes[:, t // (64 // length)] >> np.uint64(t % (64 // length) * length)
        bits = (code[:, None] >> np.arange(length, dtype=np.uint64)).astype(np.int64) & 1
        signs = 1.0 - 2.0 * ((bits[:, 0] + places @ bits[:, 1:].T) % 2)
        cubes[t * size : (t + 1) * size] = signs @ values
    left -= cubes[: left.size]


def bin_energies(U, layout, group_of, m, out):
    """Energy of every bin."""
    for g, c in enumerate(group_of):
        width = int(layout[c, 3] + layout[c, 4] * (1 + m))
        start = int(layout[c, 0]) + (g - int(layout[c, 1])) * width
        out[g] = np.linalg.norm(U[start : start + width]) ** 2
