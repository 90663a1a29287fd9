"""The function that a sparse transform sees: a callable on bits, or a stored vector."""

import math

import numpy as np

from .. import _backend as be
from .. import _kernels
from .._backend.sparse import writable_view
from .sparse_groups import SPARE, unpacked

_BYTES = 1 << 26  # of bits handed to a callable at once
_SAFE = 2.0**300
_PLAIN = 2.0**-500, 2.0**500  # sums of squares of numbers of which none is far from one
_NONE = math.inf, -math.inf
_EPS = 2.0**-52
_LARGEST_INTEGER = 2.0**53
_TOO_WIDE = ("float128", "float96", "complex256", "complex192")
_PARALLEL_FROM = 1 << 18  # points of a stored vector
_ONE_CALL = 1 << 17  # values that one call reads and transforms
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
        Power of two by which values are divided, so that their squares stay in range; known after the first look that
        finds anything.
    precision : float
        Relative precision of the values.
    noise : float
        Standard deviation that is to stay in range as well.
    """

    def __init__(self, read, n, stored=None):
        self.read, self.n, self.stored = read, n, stored
        self.samples, self.scale, self.precision = 0, None, 0.0 if stored is None else be.eps(stored.dtype)
        self.dtype, self.noise = None, 0.0

    def ask(self, drawn, stencil):
        """Values of all groups, one combination of columns after the other, and the sum of their squares.

        `SPARE` zeros follow behind the values.
        """
        if self.stored is not None:
            return self._gathered(drawn, stencil)
        starts, queries = _queries_of(drawn, stencil)
        step = max(_BYTES // max(self.n, 8), 1)
        if starts[-1] <= step:
            words = _points_of(drawn, stencil)
            return self._checked(self._doubles(self.read(words), starts[-1]), lambda place: words[place])
        out = None
        for query, first, last in _ranges(queries, starts):
            for start in range(first, last, step):
                words = query(start - first, min(start + step, last) - first)
                part, exact = self._doubles(self.read(words), words.shape[0])
                self._checked((part, exact), lambda place, words=words: words[place])
                out = np.zeros(starts[-1] + SPARE, part.dtype) if out is None else out
                out[start : start + words.shape[0]] = part[:-SPARE]
        return out, _squares(out)

    def _gathered(self, drawn, stencil):
        """Values read from the stored vector, on several threads where there are many."""
        given = np.empty(drawn.samples + SPARE, "D" if self.stored.dtype.kind == "c" else "d")
        arguments = self.stored, drawn.layout, drawn.columns, drawn.shifts, stencil
        if drawn.samples < _PARALLEL_FROM:
            _kernels.lookup("gather_groups", "numpy")(*arguments, given)
        else:
            self._gather_in_parts(drawn, stencil, given)
        given[-SPARE:] = 0.0
        return self._checked((given, False), lambda place: _points_of(drawn, stencil)[place])

    def is_short(self, drawn):
        """Whether one call reads and transforms the groups: real numbers of a stored vector, too few for threads."""
        return self.stored is not None and self.stored.dtype.kind == "f" and drawn.samples < _ONE_CALL

    def fill(self, drawn, stencil, key):
        """Draw groups that are short, and read them; gives whether they are transformed too.

        They are where no value is far from one or has to be looked at for another reason.
        """
        settled = self.scale == 1.0 or (self.scale is None and not self.noise)
        least, most = _PLAIN if settled else _NONE
        drawn.values = np.empty(drawn.samples + SPARE)
        squares = _kernels.lookup("read_groups", "numpy")(
            self.stored, key, drawn.numbers[0], drawn.layout, stencil, least, most, drawn.columns, drawn.hashes,
            drawn.shifts, drawn.values,
        )  # fmt: skip
        if least < squares < most:
            self.samples, self.dtype, self.scale = self.samples + drawn.samples, drawn.values.dtype, 1.0
            drawn.squares = squares
            return True
        _, drawn.squares = self._checked((drawn.values, False), lambda place: _points_of(drawn, stencil)[place])
        return False

    def _gather_in_parts(self, drawn, stencil, given):
        kernel, parts = _kernels.lookup("gather_points", "numpy"), []
        for c, (start, size, width) in enumerate(zip(drawn.starts, drawn.sizes, drawn.widths, strict=True)):
            offsets, columns = offsets_of(drawn, c, stencil)
            parts += [
                (columns, offsets, cut.start, given[start + cut.start * width : start + cut.stop * width])
                for cut in be.fixed_partition(size, max(_TASK // width, 1))
            ]
        be.map_blocks(lambda part: kernel(self.stored, *part), parts)

    def values(self, words):
        """Checked host values at the points, divided by `scale`, in double precision; `SPARE` zeros behind them."""
        if self.stored is not None:
            given = np.empty(words.shape[0] + SPARE, "D" if self.stored.dtype.kind == "c" else "d")
            _kernels.lookup("gather_places", "numpy")(self.stored, words, given)
            return self._checked((given, False), lambda place: words[place])[0]
        cuts, parts = be.fixed_partition(words.shape[0], max(_BYTES // max(self.n, 8), 1)), []
        for cut in cuts:
            given = self._doubles(self.read(words[cut]), cut.stop - cut.start)
            parts.append(self._checked(given, lambda place, c=cut: words[c][place])[0])
        return parts[0] if len(parts) == 1 else np.concatenate([*(part[:-SPARE] for part in parts), np.zeros(SPARE)])

    def _checked(self, given, word_of):
        """Values of finite size, and the sum of their squares."""
        values, exact = given
        self.samples += values.size - SPARE
        if self.dtype is not None and self.dtype != values.dtype:  # a dtype equals None where it is float64
            raise ValueError("f returned real and complex values: return one of the two throughout")
        self.dtype, squares = values.dtype, _squares(values)
        if not exact and _PLAIN[0] < squares < _PLAIN[1] and (self.scale == 1.0 or not self.noise):
            self.scale = self.scale or 1.0
            if self.scale == 1.0:
                return values, squares
        largest = _largest(values)
        if not math.isfinite(largest):
            self._refuse(values, word_of)
        if exact and largest > _LARGEST_INTEGER:
            raise OverflowError(
                f"f has integers as large as {largest:.3g}, above 2**53, which double precision does not hold: "
                "take out a constant or a common factor"
            )
        if self.scale is None and max(largest, self.noise) > 0.0:
            largest = max(largest, self.noise)
            outside = largest > _SAFE or 0.0 < largest < 1.0 / _SAFE
            self.scale = 2.0 ** min(math.frexp(largest)[1], 1000) if outside else 1.0
        if self.scale not in (None, 1.0):
            values.view(np.float64)[:] /= self.scale  # complex division would leave the range on the way
            squares = _squares(values)
        if not math.isfinite(squares):
            raise ValueError(
                f"f has values as large as {largest:.1e} after values near {self.scale:.1e}: squares of both together "
                "leave the range of double precision; take out what is large, or set what is small to zero"
            )
        return values, squares

    def _doubles(self, given, count):
        """Values in double precision with `SPARE` zeros, and whether they are integers."""
        name = be.dtype_name(given.dtype)
        exact = name.startswith(("int", "uint", "bool"))
        self.precision = max(self.precision, 0.5 * _EPS if exact else be.eps(given.dtype))
        host = be.to_numpy(given.float() if name == "bfloat16" else given)
        values = np.zeros(count + SPARE, "D" if np.iscomplexobj(host) else "d")
        values[:count] = host
        return values, exact

    def _refuse(self, values, word_of):
        place = int(np.flatnonzero(~np.isfinite(values))[0])
        bits = "".join(map(str, unpacked(word_of(slice(place, place + 1)), self.n)[0]))
        raise ValueError(f"f must be finite, got {values[place]} at the bits {bits or '(none)'}")


def _squares(values):
    """Sum of the squares of moduli of numbers, behind which there are `SPARE` zeros."""
    flat = values.view(np.float64)
    return _kernels.lookup("energy_of", "numpy")(flat, 0, flat.size - SPARE)


def _largest(values):
    """Largest size of a real or imaginary part, NaN where a value is."""
    parts = values.view(np.float64)
    return max(float(parts.max()), -float(parts.min()))


def offsets_of(drawn, c, stencil):
    """Offsets and columns of group `c`."""
    out = np.empty((drawn.widths[c], stencil.shape[1]), np.uint64)
    _kernels.lookup("fill_offsets", "numpy")(drawn.layout, c, drawn.shifts, stencil, out)
    last = sum(bits for bits, *_ in drawn.shapes[: c + 1])
    return out, drawn.columns[last - drawn.shapes[c][0] : last]


def _queries_of(drawn, stencil):
    """Where the values of each group start, and functions that give its points [start, stop)."""
    starts, queries = [0], []
    for c in range(len(drawn)):
        offsets, columns = offsets_of(drawn, c, stencil)

        def query(start, stop, offsets=offsets, columns=columns):
            words = np.empty((stop - start, offsets.shape[1]), np.uint64)
            _kernels.lookup("fill_queries", "numpy")(columns, offsets, start, stop, words)
            return words

        queries.append(query)
        starts.append(starts[-1] + (offsets.shape[0] << columns.shape[0]))
    return starts, queries


def _points_of(drawn, stencil):
    """Words of all points of the groups."""
    starts, queries = _queries_of(drawn, stencil)
    return np.concatenate([query(0, stop - start) for query, start, stop in _ranges(queries, starts)])


def _ranges(queries, starts):
    return zip(queries, starts, starts[1:], strict=False)


def oracle_of(f, n):
    """``oracle, xp, device, dtype`` for a vector of length ``2**n``, or for a callable, where the others are None."""
    if type(f) is np.ndarray:
        return _stored(f, n)
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
        if values is None:
            raise TypeError("f must return numbers, got None")
        if isinstance(values, np.ma.MaskedArray):
            raise TypeError("f must not return a masked array: fill the missing values first")
        values = values if be.is_array(values) else np.asarray(values)
        if tuple(values.shape) != (words.shape[0],):
            raise ValueError(
                f"f must return one value for each row of bits, shape ({words.shape[0]},), got {tuple(values.shape)}"
            )
        be.require_untracked(values, "sparse_wht", "values")
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
    be.require_untracked(x, "sparse_wht", "f")
    _require_numbers(x, "f must hold numbers")
    host, device = be.kind(xp) == "numpy", be.device(x)

    def read(words):
        places = words[:, 0].view(np.int64)
        return x[places] if host else xp.take(x, be.index_array(places, length, xp, device), axis=0)

    direct = host and bits and x.flags.c_contiguous and x.dtype.isnative and be.dtype_name(x.dtype) in _DIRECT
    return Oracle(read, bits, writable_view(np.asarray(x)) if direct else None), xp, device, x.dtype


def _require_numbers(values, text):
    name = be.dtype_name(values.dtype)
    if not name.startswith(("float", "bfloat", "complex", "int", "uint", "bool")):
        raise TypeError(f"{text}, got dtype {name}")
    if name in _TOO_WIDE:
        raise TypeError(f"{text} of at most double precision, got dtype {name}: convert them to float64 or complex128")
