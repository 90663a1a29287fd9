"""The function that a sparse transform sees: a callable on bits, or a stored vector."""

import math

import numpy as np

from .. import _backend as be
from .. import _kernels
from .._backend.sparse import writable_view
from .sparse_groups import WORD, unpacked

_BYTES = 1 << 26  # of bits handed to a callable at once
_SAFE = 2.0**300
_EPS = 2.0**-52
_LARGEST_INTEGER = 2.0**53
_TOO_WIDE = ("float128", "float96", "complex256", "complex192")
_PARALLEL_FROM = 1 << 18  # points of a stored vector
_TASK = 1 << 13  # of them that one thread reads at once
_DIRECT = ("float32", "float64", "complex64", "complex128")


class Oracle:
    """Values of a function on points given by words.

    Parameters
    ----------
    read : callable
        Takes words (m, width), returns a one-dimensional array of m values in any library.
    n : int
    stored : array, optional
        A vector on the host that may be read directly.

    Attributes
    ----------
    samples : int
        Values seen so far.
    scale : float
        Power of two by which values are divided, so that their squares stay in range; known after the first look.
    precision : float
        Relative precision of the values.
    noise : float
        Standard deviation that is to stay in range as well.
    """

    def __init__(self, read, n, stored=None):
        self.read, self.n, self.stored = read, n, stored
        self.samples, self.scale, self.precision = 0, None, 0.0
        self.dtype, self.noise = None, 0.0

    def ask(self, requests):
        """Values of all requests, one after the other: of a pair (columns, offsets) there are 2**bits * offsets."""
        counts = [offsets.shape[0] << columns.shape[0] for columns, offsets in requests]
        limit = max(_BYTES // max(self.n, 8), 1)
        if self.stored is not None:
            return self._gathered(requests, counts)
        if sum(counts) <= limit:
            return self.values(_all_queries(requests, counts))
        return self._in_parts(requests, counts, limit)

    def _gathered(self, requests, counts):
        """Values read from the stored vector, on several threads where there are many."""
        shift, kernel = np.uint64(WORD - self.n), _kernels.lookup("gather_points", "numpy")
        given, parts, start = np.empty(sum(counts), self.stored.dtype), [], 0
        for (columns, offsets), count in zip(requests, counts, strict=True):
            width = offsets.shape[0]
            for cut in be.fixed_partition(1 << columns.shape[0], max(_TASK // width, 1)):
                out = given[start + cut.start * width : start + cut.stop * width]
                parts.append((columns, offsets, cut.start, out))
            start += count
        if start >= _PARALLEL_FROM:
            be.map_blocks(lambda part: kernel(self.stored, shift, *part), parts)
        else:
            for part in parts:
                kernel(self.stored, shift, *part)
        return self._checked(given, lambda: _all_queries(requests, counts))

    def _in_parts(self, requests, counts, limit):
        """Values of more points than a callable should get at once."""
        out, first = None, 0
        for request, count in zip(requests, counts, strict=True):
            for start in range(0, count, limit):
                stop = min(start + limit, count)
                part = self.values(_queries(request, start, stop))
                out = np.empty(sum(counts), part.dtype) if out is None else out
                out[first + start : first + stop] = part
            first += count
        return out

    def values(self, words):
        """Checked host values at the points, divided by `scale`, in double precision."""
        cuts = be.fixed_partition(words.shape[0], max(_BYTES // max(self.n, 8), 1))
        return np.concatenate([self._checked(self.read(words[cut]), lambda c=cut: words[c]) for cut in cuts])

    def _checked(self, given, words):
        self.samples += given.shape[0]
        values, exact = self._doubles(given)
        if self.dtype is not None and self.dtype != values.dtype:  # a dtype equals None where it is float64
            raise ValueError("f returned real and complex values: return one of the two throughout")
        self.dtype = values.dtype
        largest = _largest(values)
        if not math.isfinite(largest):
            self._refuse(values, words())
        if exact and largest > _LARGEST_INTEGER:
            raise OverflowError(
                f"f has integers as large as {largest:.3g}, above 2**53, which double precision does not hold: "
                "take out a constant or a common factor"
            )
        if self.scale is None:
            largest = max(largest, self.noise)
            outside = largest > _SAFE or 0.0 < largest < 1.0 / _SAFE
            self.scale = 2.0 ** min(math.frexp(largest)[1], 1000) if outside else 1.0
        if self.scale != 1.0:
            values /= self.scale
        return values

    def _doubles(self, given):
        """Values in double precision, not those of the caller, and whether they are integers."""
        if type(given) is np.ndarray and given.dtype.char in "dD" and given.dtype.isnative:
            self.precision = max(self.precision, _EPS)
            return given if self.stored is not None else given.copy(), False
        name = be.dtype_name(given.dtype)
        exact = name.startswith(("int", "uint", "bool"))
        self.precision = max(self.precision, 0.5 * _EPS if exact else be.eps(given.dtype))
        values = be.to_numpy(given.float() if name == "bfloat16" else given)
        return values.astype(np.complex128 if np.iscomplexobj(values) else np.float64), exact

    def _refuse(self, values, words):
        place = int(np.flatnonzero(~np.isfinite(values))[0])
        bits = "".join(map(str, unpacked(words[place : place + 1], self.n)[0]))
        raise ValueError(f"f must be finite, got {values[place]} at the bits {bits or '(none)'}")


def _largest(values):
    """Largest modulus, NaN where a value is."""
    if values.size == 0:
        return 0.0
    if values.dtype.kind == "c":
        return float(np.max(np.abs(values)))
    return max(float(values.max()), -float(values.min()))


def _all_queries(requests, counts):
    words, start = np.empty((sum(counts), requests[0][1].shape[1]), np.uint64), 0
    for (columns, offsets), count in zip(requests, counts, strict=True):
        _kernels.lookup("fill_queries", "numpy")(columns, offsets, 0, count, words[start : start + count])
        start += count
    return words


def _queries(request, start, stop):
    columns, offsets = request
    words = np.empty((stop - start, offsets.shape[1]), np.uint64)
    _kernels.lookup("fill_queries", "numpy")(columns, offsets, start, stop, words)
    return words


def oracle_of(f, n):
    """``oracle, xp, device, dtype`` for a vector of length ``2**n``, or for a callable, where the others are None."""
    f = np.asarray(f) if isinstance(f, list | tuple) else f
    if isinstance(f, np.ma.MaskedArray):
        raise TypeError("f must not be a masked array: fill the missing values first")
    if be.is_array(f) and not be.is_sparse(f):
        return _stored(f, n)
    if not callable(f):
        raise TypeError(
            f"f must be a function of bits (m, n) or an array of length 2**n, got an object of type {type(f).__name__}"
        )
    if n is None:
        raise ValueError("n must be given when f is a function: the number of its bits")
    n = be.check_count("n", n, 0)

    def read(words):
        values = f(unpacked(words, n))
        values = values if be.is_array(values) else np.asarray(values)
        if tuple(values.shape) != (words.shape[0],):
            raise ValueError(
                f"f must return one value for each row of bits, shape ({words.shape[0]},), got {tuple(values.shape)}"
            )
        be.require_untracked(values, "what f returns to sparse_wht")
        _require_numbers(values, "f must return numbers")
        return values

    return Oracle(read, n), None, None, None


def _stored(x, n):
    xp = be.namespace(x)
    if x.ndim != 1:
        raise ValueError(f"a stored f must have one axis of length 2**n, got shape {tuple(x.shape)}: flatten it first")
    length = int(x.shape[0])
    if length == 0 or length & (length - 1):
        raise ValueError(f"a stored f must have a length that is a power of two, got {length}")
    bits = length.bit_length() - 1
    if n is not None and be.check_count("n", n, 0) != bits:
        raise ValueError(f"n must be {bits} for a stored f of length 2**{bits} = {length}, got {n}")
    be.require_untracked(x, "sparse_wht")
    _require_numbers(x, "f must hold numbers")
    host = be.kind(xp) == "numpy"

    def read(words):
        places = (words[:, 0] >> np.uint64(WORD - bits)).view(np.int64) if bits else np.zeros(words.shape[0], np.int64)
        return x[places] if host else xp.take(x, be.index_array(places, length, xp, be.device(x)), axis=0)

    direct = host and bits and x.flags.c_contiguous and x.dtype.isnative and be.dtype_name(x.dtype) in _DIRECT
    return Oracle(read, bits, writable_view(np.asarray(x)) if direct else None), xp, be.device(x), x.dtype


def _require_numbers(values, text):
    name = be.dtype_name(values.dtype)
    if not name.startswith(("float", "bfloat", "complex", "int", "uint", "bool")):
        raise TypeError(f"{text}, got dtype {name}")
    if name in _TOO_WIDE:
        raise TypeError(f"{text} of at most double precision, got dtype {name}: convert them to float64 or complex128")
