"""Groups of bins: random subspaces of GF(2)^n, their offsets, and the values of a function on them."""

import itertools
import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from .. import _backend as be
from .. import _kernels
from .sparse_codes import LARGEST_LENGTH, checks, field

WORD = 64
_SPARE = 16  # candidates drawn beyond the columns that are wanted
_LANE = 1 << 20  # stream numbers between one group and the next
_POINTS = 1 << 40  # number of the stream of single points


def packed(bits):
    """Words of rows of bits, the first bit at the most significant place."""
    rows, n = bits.shape
    whole = np.zeros((rows, -(-max(n, 1) // WORD) * WORD), np.uint8)
    whole[:, :n] = bits
    return np.packbits(whole, axis=1).view(">u8").astype(np.uint64)


def unpacked(words, n):
    """Bits (rows, n) of words."""
    return np.unpackbits(words.astype(">u8").view(np.uint8), axis=1, count=n)


@dataclass(frozen=True, eq=False)
class Code:
    """How a frequency is read off the values of a bin.

    Attributes
    ----------
    n : int
    stencil : uint64 array (m, words)
        Offsets beside the unshifted one, no rows for the n unit vectors.
    reach : uint64 array (1 + m, words)
        Zero and the stencil.
    mask : uint64 array (words,)
        All n bits.
    degree : int
        Largest weight of a frequency, -1 for any.
    exps, logs : int64 arrays
    """

    n: int
    stencil: np.ndarray
    reach: np.ndarray
    mask: np.ndarray
    degree: int
    exps: np.ndarray
    logs: np.ndarray

    @property
    def length(self):
        """Values of one repeat."""
        return self.reach.shape[0]


@lru_cache(maxsize=64)
def code_of(n, degree):
    """The shorter one of unit vectors and parity checks, which there are for moderate `n`; `degree` None for any."""
    none, units = np.zeros(1, np.int64), packed(np.eye(n, dtype=np.uint8))
    limit = -1 if degree is None else degree
    if n <= LARGEST_LENGTH and 0 < limit * n.bit_length() < n:
        stencil = packed(checks(n, limit))
        return _code(n, stencil, stencil, limit, *field(n.bit_length()))
    return _code(n, units[:0], units, limit, none, none)


def _code(n, stencil, rows, limit, exps, logs):
    reach = np.concatenate([np.zeros((1, rows.shape[1]), np.uint64), rows])
    return Code(n, stencil, reach, packed(np.ones((1, n), np.uint8))[0], limit, exps, logs)


@dataclass(frozen=True, eq=False)
class Group:
    """One hash of the frequencies to ``2**bits`` bins, and the values of its bins.

    Attributes
    ----------
    number : int
        Its random numbers are those of this stream.
    columns : uint64 array (bits, words)
        Basis of the subspace on which the function is seen.
    hashes : uint64 array (n,)
        Bit i of entry q is bit q of column i.
    shifts : uint64 array (verify + repeats, words)
        Offsets that verify, then those of the repeats.
    verify : int
    bins : array (2**bits, offsets)
        Values of each bin, one an offset.
    energy : float
        Sum of the squares of all values.
    """

    number: int
    columns: np.ndarray
    hashes: np.ndarray
    shifts: np.ndarray
    verify: int
    bins: object = None
    energy: float = 0.0

    @property
    def size(self):
        """Number of bins."""
        return 1 << self.columns.shape[0]

    @property
    def repeats(self):
        """Offsets with the stencil."""
        return self.shifts.shape[0] - self.verify


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
        self.words = be.kernel_words(key, "sparse_wht")
        self.mask = code.mask
        self.count = 0

    def cost(self, bits, repeats):
        """Values that a group takes."""
        return (self.verify + repeats * self.code.length) << bits

    def points(self, count):
        """Words of independent uniform points, of a stream that no group draws from."""
        return self._draw([_POINTS], 0, count)[0]

    def groups(self, sizes, repeats, verify=None):
        """New groups with values; `sizes` holds the logarithms of their numbers of bins."""
        verify = self.verify if verify is None else verify
        columns, hashes, shifts = self._drawn(sizes, verify + repeats)
        bins = self._bins(columns, self._offsets(shifts, verify))
        first = self.count
        self.count += len(sizes)
        return [
            Group(first + c, columns[c], hashes[c], shifts[c], verify, part, _energy(part))
            for c, part in enumerate(bins)
        ]

    def repeated(self, groups, repeats):
        """The same groups with more repeats."""
        more = [self._draw([group.number], _LANE + group.shifts.shape[0], repeats)[0] for group in groups]
        bins = self._bins([group.columns for group in groups], self._offsets(np.stack(more), 0))
        grown = []
        for group, shifts, part in zip(groups, more, bins, strict=True):
            whole = np.concatenate([group.bins, part], axis=1)
            shifts = np.concatenate([group.shifts, shifts])
            grown.append(replace(group, shifts=shifts, bins=whole, energy=_energy(whole)))
        return grown

    def _bins(self, columns, offsets):
        """Bins (size, offsets) of each subspace, after one transform for all that follow each other and are equal."""
        values = self.oracle.ask(list(zip(columns, offsets, strict=True)))
        width, start, bins = offsets.shape[1], 0, []
        for bits, equal in itertools.groupby(len(part) for part in columns):
            shape = len(list(equal)), 1 << bits, width
            stop = start + math.prod(shape)
            bins.extend(be.walsh(values[start:stop].reshape(shape), 2.0**-bits, overwrite=True))
            start = stop
        return bins

    def _drawn(self, sizes, shifts):
        """Columns, hashes, and rows that are left for shifts, of new groups."""
        rows, lasts = max(sizes) + _SPARE, list(itertools.accumulate(sizes))
        columns = np.empty((lasts[-1], self.mask.size), np.uint64)
        hashes = np.empty((len(sizes), self.code.n), np.uint64)
        numbers, choose = range(self.count, self.count + len(sizes)), _kernels.lookup("choose_groups", "numpy")
        while True:
            drawn = self._draw(numbers, 0, rows + shifts)
            if choose(drawn[:, :rows], np.asarray(sizes), self.code.n, columns, hashes):
                parts = [columns[last - bits : last] for bits, last in zip(sizes, lasts, strict=True)]
                return parts, hashes, drawn[:, rows:]
            rows += _SPARE

    def _draw(self, numbers, first, rows):
        """Random rows of words from place `first` on, of every stream in `numbers`."""
        width, streams = self.mask.size, len(numbers)
        blocks = -(-rows * width // 2)
        counters = np.empty((4, streams, blocks), np.uint64)
        counters[0] = np.arange(blocks)
        counters[1] = np.asarray(numbers, np.uint64)[:, None]
        counters[2], counters[3] = self.words[2] ^ np.uint64(first), self.words[3]
        flat = counters.reshape(4, -1)
        _kernels.lookup("philox_words", "numpy")(flat, self.words[0], self.words[1], flat.shape[1])
        drawn = flat[:2].T.reshape(streams, -1)[:, : rows * width].reshape(streams, rows, width)
        return drawn & self.mask

    def _offsets(self, shifts, verify):
        """Every offset of the shifts (groups, shifts, words): the first `verify` alone, the others with the stencil."""
        around = shifts[:, verify:, None, :] ^ self.code.reach
        around = around.reshape(shifts.shape[0], -1, self.mask.size)
        return np.concatenate([shifts[:, :verify], around], axis=1)


def _energy(bins):
    flat = bins.reshape(-1).view(bins.real.dtype)
    return float(np.einsum("i,i->", flat, flat))
