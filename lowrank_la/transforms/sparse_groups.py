"""Groups of bins: random subspaces of GF(2)^n, their offsets, and the values of a function on them."""

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
    degree : int
        Largest weight of a frequency, -1 for any.
    exps, logs : int64 arrays
    """

    n: int
    stencil: np.ndarray
    reach: np.ndarray
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
    return Code(n, stencil, reach, limit, exps, logs)


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
        self.mask = packed(np.ones((1, code.n), np.uint8))[0]
        self.count = 0

    def cost(self, bits, repeats):
        """Values that a group takes."""
        return (self.verify + repeats * self.code.length) << bits

    def points(self, count):
        """Words of independent uniform points, of a stream that no group draws from."""
        return self._draw(_POINTS, 0, count)

    def groups(self, sizes, repeats, verify=None):
        """New groups with values; `sizes` holds the logarithms of their numbers of bins."""
        verify = self.verify if verify is None else verify
        drawn = [self._group(bits, repeats, verify) for bits in sizes]
        return self._filled(drawn, [self._offsets(group.shifts, verify) for group in drawn])

    def repeated(self, groups, repeats):
        """The same groups with more repeats."""
        grown, offsets = [], []
        for group in groups:
            more = self._draw(group.number, _LANE + group.shifts.shape[0], repeats)
            grown.append(replace(group, shifts=np.concatenate([group.shifts, more])))
            offsets.append(self._offsets(more, 0))
        return self._filled(grown, offsets)

    def _filled(self, groups, offsets):
        values = self.oracle.ask([(group.columns, rows) for group, rows in zip(groups, offsets, strict=True)])
        filled = []
        for group, part in zip(groups, values, strict=True):
            new = be.walsh(part.reshape(1, group.size, -1), 1.0 / group.size, overwrite=True)[0]
            bins = new if group.bins is None else np.concatenate([group.bins, new], axis=1)
            flat = bins.reshape(-1).view(np.float64)
            energy = float(np.einsum("i,i->", flat, flat))
            filled.append(Group(group.number, group.columns, group.hashes, group.shifts, group.verify, bins, energy))
        return filled

    def _group(self, bits, repeats, verify):
        number, rows = self.count, bits + _SPARE
        self.count += 1
        columns = np.empty((bits, self.mask.size), np.uint64)
        hashes = np.empty(self.code.n, np.uint64)
        choose = _kernels.lookup("choose_columns", "numpy")
        while True:
            drawn = self._draw(number, 0, rows + verify + repeats)
            if choose(drawn[:rows], self.code.n, columns, hashes) == bits:
                return Group(number, columns, hashes, drawn[rows:], verify)
            rows += bits + _SPARE

    def _draw(self, number, first, rows):
        """Random rows of words, of stream `number` from place `first` on."""
        width = self.mask.size
        blocks = -(-rows * width // 2)
        counters = np.empty((4, blocks), np.uint64)
        counters[0] = np.arange(blocks)
        counters[1], counters[2], counters[3] = number, self.words[2] ^ np.uint64(first), self.words[3]
        _kernels.lookup("philox_words", "numpy")(counters, self.words[0], self.words[1], blocks)
        drawn = counters[:2].T.reshape(-1)[: rows * width].reshape(rows, width)
        drawn &= self.mask
        return drawn

    def _offsets(self, shifts, verify):
        """Every offset of shifts: the first `verify` alone, the others with the stencil."""
        width = self.mask.size
        around = (shifts[verify:, None, :] ^ self.code.reach[None, :, :]).reshape(-1, width)
        return np.concatenate([shifts[:verify], around])
