"""Groups of bins: random subspaces of GF(2)^n, their offsets, and the values of a function on them."""

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .. import _backend as be
from .. import _kernels
from .sparse_codes import LARGEST_LENGTH, checks, field

WORD = 64
SPARE = 8  # numbers behind the values of all bins, where kernels that take eight at a time may read
_LANE = 1 << 20  # stream numbers between one group and the next
_POINTS = 1 << 40  # number of the stream of single points


def packed(bits):
    """Rows of bits as integers in words, the least significant word first; the last bit is the lowest."""
    rows, n = bits.shape
    whole = np.zeros((rows, -(-max(n, 1) // WORD) * WORD), np.uint8)
    whole[:, whole.shape[1] - n :] = bits
    return np.ascontiguousarray(np.packbits(whole, axis=1).view(">u8")[:, ::-1]).astype(np.uint64)


def in_order(keys, n):
    """The order in which rows of words ascend as numbers, and their bits (rows, n) in that order."""
    order, bits = np.empty(keys.shape[0], np.int64), np.empty((keys.shape[0], n), np.uint8)
    _kernels.lookup("sorted_rows", "numpy")(keys, n, order, bits)
    return order, bits


def unpacked(words, n):
    """Bits (rows, n) of words."""
    if words.shape[1] == 1:
        return np.unpackbits((words << np.uint64(WORD - max(n, 1))).astype(">u8").view(np.uint8), axis=1, count=n)
    whole = np.ascontiguousarray(words[:, ::-1]).astype(">u8").view(np.uint8)
    return np.ascontiguousarray(np.unpackbits(whole, axis=1)[:, whole.shape[1] * 8 - n :])


@dataclass(frozen=True, eq=False)
class Code:
    """How a frequency is read off the values of a bin.

    Attributes
    ----------
    n : int
    stencil : uint64 array (m, words)
        Offsets beside the unshifted one, no rows for unit vectors.
    whole : bool
        Whether there are unit vectors for all bits, so that the bin is a check, or only for those that the bin leaves
        open.
    degree : int
        Largest weight of a frequency, -1 for any.
    exps, logs : int64 arrays
    """

    n: int
    stencil: np.ndarray
    whole: bool
    degree: int
    exps: np.ndarray
    logs: np.ndarray

    def length(self, bits):
        """Vectors of the stencil of a group with ``2**bits`` bins."""
        return self.stencil.shape[0] or (self.n if self.whole else self.n - bits)


@lru_cache(maxsize=64)
def code_of(n, degree, told):
    """The shorter one of unit vectors and parity checks, which there are for moderate `n`.

    Parameters
    ----------
    n : int
    degree : int or None
        None for any.
    told : int or None
        Bits of a frequency that a bin tells, as far as that is known; None where it is to be a check instead.
    """
    none, limit = np.zeros(1, np.int64), -1 if degree is None else degree
    if n <= LARGEST_LENGTH and 0 < limit * n.bit_length() < n - (told or 0):
        return Code(n, packed(checks(n, limit)), True, limit, *field(n.bit_length()))
    return Code(n, np.empty((0, -(-max(n, 1) // WORD)), np.uint64), told is None, limit, none, none)


class Groups:
    """Hashes of the frequencies to powers of two of bins, and the values of those.

    Parameters
    ----------
    numbers : list of int
        The random numbers of a group are those of this stream.
    shapes : list of tuple
        Logarithm of the bins, verification offsets, repeats and vectors of the stencil of each group.
    columns : uint64 array (sum of the bits, words)
        Bases of the subspaces on which the function is seen.
    hashes : uint64 array (groups, n)
        Bit i of entry q is the q-th last bit of column i.
    shifts : uint64 array (rows, words)
        Of each group the offsets that verify, then those of the repeats.
    values : float64 array
        Of all bins, side by side, and `SPARE` zeros.
    parts : int
        Two for complex values: real parts of a bin, then the imaginary ones.
    squares : float
        Sum of the squares of the values of the function.

    Attributes
    ----------
    layout : int64 array (groups, 8)
        As the kernels describe it.
    starts : list of int
        Where the values of each group start.
    sizes, widths : lists of int
        Bins of each group, and values of one.
    bins, samples : int
        Number of all bins and of all values.
    """

    def __init__(self, numbers, shapes, columns, hashes, shifts, values=None, parts=1, squares=0.0):
        self.numbers, self.shapes, self.columns, self.hashes, self.shifts = numbers, shapes, columns, hashes, shifts
        self.values, self.parts, self.squares = values, parts, squares
        self.starts, self.sizes, self.widths, rows = [], [], [], []
        self.bins = self.samples = shift = 0
        for bits, verify, repeats, length in shapes:
            size, width = 1 << bits, verify + repeats * (1 + length)
            rows.append((parts * self.samples, self.bins, bits, verify, repeats, shift, length, width))
            self.starts.append(parts * self.samples)
            self.sizes.append(size)
            self.widths.append(width)
            self.bins, self.samples, shift = self.bins + size, self.samples + size * width, shift + verify + repeats
        self.layout = np.array(rows)

    def __len__(self):
        return len(self.numbers)

    @property
    def repeats(self):
        """Offsets with the stencil, of each group."""
        return [repeats for _, _, repeats, _ in self.shapes]

    @property
    def group_of(self):
        """Group of every bin."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def energies(self, limits=None):
        """``energies, largest, weighted, above`` of the bins as they were read, see the kernel `bin_energies`."""
        return energies_of(self.values, self, np.zeros(len(self)) if limits is None else limits)

    def joined(self, other):
        """These groups, then the `other` ones."""
        return Groups(
            self.numbers + other.numbers,
            self.shapes + other.shapes,
            np.concatenate([self.columns, other.columns]),
            np.concatenate([self.hashes, other.hashes]),
            np.concatenate([self.shifts, other.shifts]),
            np.concatenate([self.values[:-SPARE], other.values]),
            self.parts,
            self.squares + other.squares,
        )

    def bins_of(self, c):
        """Values of group `c`, shape (bins, parts, width)."""
        shape = self.sizes[c], self.parts, self.widths[c]
        return self.values[self.starts[c] :][: shape[0] * shape[1] * shape[2]].reshape(shape)


def energies_of(U, groups, limits):
    """Energy of every bin of `U`, which is laid out as `groups`, and what the kernel `bin_energies` gives."""
    energies = np.empty(groups.bins)
    return energies, *_kernels.lookup("bin_energies", "numpy")(U, groups.layout, groups.parts, limits, energies)


class Sampler:
    """Draws groups and asks an oracle for their values.

    Parameters
    ----------
    oracle : Oracle
    code : Code
    key : Key
    verify : int
        Verification offsets of a group.
    """

    def __init__(self, oracle, code, key, verify):
        self.oracle, self.code, self.verify = oracle, code, verify
        self.key = be.kernel_words(key, "sparse_wht")
        self.words = code.stencil.shape[1]
        self.count = 0

    def cost(self, bits, repeats):
        """Values that a group takes."""
        return (self.verify + repeats * (1 + self.code.length(bits))) << bits

    def points(self, count):
        """Words of independent uniform points, of a stream that no group draws from."""
        return self._random(_POINTS, 0, count)

    def groups(self, sizes, repeats, verify=None):
        """New groups with values; `sizes` holds the logarithms of their numbers of bins."""
        verify, n = self.verify if verify is None else verify, self.code.n
        columns, hashes = np.empty((sum(sizes), self.words), np.uint64), np.empty((len(sizes), n), np.uint64)
        shifts = np.empty((len(sizes) * (verify + repeats), self.words), np.uint64)
        numbers = list(range(self.count, self.count + len(sizes)))
        self.count += len(sizes)
        shapes = [(bits, verify, repeats, self.code.length(bits)) for bits in sizes]
        groups = Groups(numbers, shapes, columns, hashes, shifts)
        if self.oracle.is_short(groups):
            return groups if self.oracle.fill(groups, self.code.stencil, self.key) else _transformed(groups)
        _kernels.lookup("draw_groups", "numpy")(
            self.key, numbers[0], np.array(sizes), verify + repeats, n, columns, hashes, shifts
        )
        return self.seen(groups)

    def repeated(self, groups, repeats):
        """The same groups with more repeats."""
        used = [verify + own for _, verify, own, _ in groups.shapes]
        drawn = [self._random(number, _LANE + own, repeats) for number, own in zip(groups.numbers, used, strict=True)]
        shapes = [(bits, 0, repeats, length) for bits, _, _, length in groups.shapes]
        more = self.seen(Groups(groups.numbers, shapes, groups.columns, groups.hashes, np.concatenate(drawn)))
        old = np.split(groups.shifts, np.cumsum(used)[:-1])
        shifts = np.concatenate([part for pair in zip(old, drawn, strict=True) for part in pair])
        both = [np.concatenate([groups.bins_of(c), more.bins_of(c)], axis=2).reshape(-1) for c in range(len(groups))]
        values, squares = np.concatenate([*both, np.zeros(SPARE)]), groups.squares + more.squares
        shapes = [(bits, verify, own + repeats, length) for bits, verify, own, length in groups.shapes]
        return Groups(groups.numbers, shapes, groups.columns, groups.hashes, shifts, values, groups.parts, squares)

    def seen(self, drawn):
        """The groups that were drawn, with the values of their bins."""
        values, squares = self.oracle.ask(drawn, self.code.stencil)
        groups = drawn
        if values.dtype.kind == "c":
            values = _real_first(values, drawn)
            groups = Groups(drawn.numbers, drawn.shapes, drawn.columns, drawn.hashes, drawn.shifts, parts=2)
        groups.values, groups.squares = values, squares
        return _transformed(groups)

    def _random(self, stream, first, rows):
        """Random rows of words from place `first` on of a stream."""
        drawn = np.empty((rows, self.words), np.uint64)
        _kernels.lookup("random_rows", "numpy")(self.key, stream, first, self.code.n, drawn)
        return drawn


def _transformed(groups):
    """The groups, whose values are transformed into those of their bins."""
    start = 0
    for (size, width), equal in itertools.groupby(zip(groups.sizes, groups.widths, strict=True)):
        shape = len(list(equal)), size, groups.parts * width
        stop = start + shape[0] * shape[1] * shape[2]
        if size > 1 and stop > start:
            be.walsh_plain(groups.values[start:stop], shape, 1.0 / size, overwrite=True)
        start = stop
    return groups


def _real_first(values, drawn):
    """Complex values as real numbers, bin by bin the real parts first."""
    out, start = np.zeros(2 * values.size - SPARE), 0
    for size, width in zip(drawn.sizes, drawn.widths, strict=True):
        stop = start + size * width
        part, into = values[start:stop].reshape(size, width), out[2 * start : 2 * stop].reshape(size, 2, width)
        into[:, 0], into[:, 1] = part.real, part.imag
        start = stop
    return out
