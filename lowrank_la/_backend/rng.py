"""Random numbers addressed by (key, row, column), so that a sketch never depends on how it is cut into blocks.

`resolve_rng` turns whatever the caller gave into a `Key`. A key is a value, not a state: drawing from it changes
nothing, and independent numbers come from its children. Host draws are Philox4x32-10 and equal to the last bit for any
chunking, thread count and backend. A `NativeKey` draws with the generator of torch or CuPy on its own device.
"""

import hashlib
import operator
import secrets
import sys
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .. import _kernels
from . import native, philox
from ._names import dtype_name
from .dtypes import is_complex
from .threads import fixed_partition, map_blocks

_LIMIT = 1 << 128
_COLD_LIMIT = 1 << 21  # entries that the NumPy twin draws sooner than Numba is imported
_WARM_LIMIT = 1 << 15  # the same where Numba is there already
_HOT_LIMIT = 1 << 10  # and where the kernel has drawn before
_BATCH = 1 << 16  # entries of a block: what one thread draws at a time
_PARALLEL_FROM = 1 << 15


@dataclass(frozen=True)
class Key:
    """A 128-bit value that names one infinite matrix of random numbers a distribution.

    Attributes
    ----------
    value : int
        Below 2**128. ``rng=key.value`` repeats what ``rng=key`` drew.
    """

    value: int

    def child(self, label):
        """Key of an independent stream, the same for the same `label` (str or int)."""
        if not isinstance(label, (str, int, np.integer)):
            raise TypeError(f"the label of a child key must be a str or an int, got {label!r}")
        text = f"{'s' if isinstance(label, str) else 'i'}:{label}".encode()
        return self._with(_digest(self.value, b"child:" + text))

    @property
    def record(self):
        """What repeats the draw when it is given as `rng`."""
        return self.value

    def _with(self, value):
        return Key(value)

    def __int__(self):
        return self.value

    def __repr__(self):
        return f"{type(self).__name__}(0x{self.value:032x})"


@dataclass(frozen=True, repr=False)
class NativeKey(Key):
    """A key whose numbers are drawn by torch or CuPy on the device of the generator it came from.

    Attributes
    ----------
    library : str
        ``"torch"`` or ``"cupy"``.
    device : object
        Device of that library. The numbers are those of its generator for this device and version.
    """

    library: str
    device: object

    @property
    def record(self):
        """None: only the generator in the state that it had repeats the draw."""
        return None

    def _with(self, value):
        return NativeKey(value, self.library, self.device)


def resolve_rng(rng):
    """Key for the `rng` argument of a public function.

    Parameters
    ----------
    rng : None, int, numpy.random.Generator, numpy.random.SeedSequence, Key, torch.Generator or cupy.random.Generator
        None takes fresh entropy from the operating system. A generator contributes 128 bits, which advances it.

    Returns
    -------
    Key
    """
    if rng is None:
        return Key(secrets.randbits(128))
    if isinstance(rng, Key):
        return rng
    if isinstance(rng, np.random.Generator):
        return Key(_join(rng.integers(0, 1 << 64, size=2, dtype=np.uint64), 64))
    if isinstance(rng, np.random.SeedSequence):
        return Key(_join(rng.generate_state(2, np.uint64), 64))
    if (found := native.identify(rng)) is not None:
        library, device = found
        return NativeKey(native.draw_key(rng, library), library, device)
    return Key(_seed(rng))


def _seed(rng):
    try:
        seed = None if isinstance(rng, (bool, np.bool_)) else operator.index(rng)
    except TypeError:
        seed = None
    if seed is None:
        raise TypeError(
            "rng must be None, an int, a numpy.random.Generator, a numpy.random.SeedSequence, a torch.Generator, "
            f"a cupy.random.Generator or a Key, got {rng!r}"
        )
    if not 0 <= seed < _LIMIT:
        raise ValueError(f"rng as an integer must lie in [0, 2**128), got {seed}")
    return seed


def _join(words, bits):
    return sum(int(word) << (bits * place) for place, word in enumerate(words))


def _digest(value, text):
    data = value.to_bytes(16, "little") + text
    return int.from_bytes(hashlib.blake2b(data, digest_size=16).digest(), "little")


@lru_cache(maxsize=1024)
def _words(value, distribution):
    """Four 32-bit words for Philox: streams of two distributions share no block."""
    mixed = _digest(value, b"words:" + distribution.encode())
    return tuple((mixed >> (32 * place)) & 0xFFFFFFFF for place in range(4))


def kernel_words(key, distribution):
    """Words of `key` for a kernel that draws numbers of `distribution` itself, such as ``"philox_uniform"``."""
    return np.asarray(_words(key.value, distribution), np.uint64)


def _row_indices(rows):
    if isinstance(rows, slice):
        return np.arange(rows.start or 0, rows.stop, rows.step or 1, dtype=np.uint64)
    return np.ascontiguousarray(rows, dtype=np.uint64)


_drawn = set()  # names of the kernels that are compiled: the bits don't depend on it, the time does


def _kernel(name, size):
    limit = _HOT_LIMIT if name in _drawn else _WARM_LIMIT if "numba" in sys.modules else _COLD_LIMIT
    if size < limit:
        return getattr(philox, name)
    _drawn.add(name)
    return _kernels.lookup(name, "numpy")


def _fill(name, key, rows, cols, dtype, *options):
    rows = _row_indices(rows)
    first = cols.start or 0
    out = np.empty((rows.shape[0], cols.stop - first), dtype)
    if out.size == 0:
        return out
    words = np.asarray(_words(key.value, name), np.uint64)
    draw = _kernel(name, out.size)
    blocks = fixed_partition(rows.shape[0], max(1, _BATCH // out.shape[1]))

    def fill(block):
        draw(out, words, rows, first, *options, block.start, block.stop)

    if out.size < _PARALLEL_FROM:
        for block in blocks:
            fill(block)
    else:
        map_blocks(fill, blocks)
    return out


def _draw(name, key, rows, cols, dtype, xp, device, *options):
    dtype = dtype_name(dtype)
    if is_complex(dtype):
        real = "float32" if dtype == "complex64" else "float64"
        pairs = slice(2 * (cols.start or 0), 2 * cols.stop)
        parts = _draw(name, key, rows, pairs, real, None, None)
        drawn = native.join_complex(parts)
    elif isinstance(key, NativeKey):
        drawn = native.draw(name, key, rows, cols, dtype, *options)
    else:
        drawn = _fill(name, key, rows, cols, dtype, *options)
    return drawn if xp is None else native.move(drawn, xp, device)


def gaussian(key, rows, cols, dtype="float64", xp=None, device=None):
    """Entries of a standard normal matrix; complex ones are (g₁ + i g₂) / √2.

    Parameters
    ----------
    key : Key
    rows : slice or sequence of int
        Global row indices.
    cols : slice
        Global column indices.
    dtype : dtype or str
        Single precision is the rounding of double precision.
    xp, device : optional
        Namespace and device of the result. By default a NumPy array, or an array on the device of a `NativeKey`.

    Returns
    -------
    array, shape (len(rows), len(cols))
        Entry (i, j) depends on `key`, the row and the column alone.
    """
    return _draw("philox_gaussian", key, rows, cols, dtype, xp, device)


def rademacher(key, rows, cols, dtype="float64", xp=None, device=None):
    """Random signs, for complex dtypes (±1 ± i) / √2. Parameters as in `gaussian`."""
    return _draw("philox_signs", key, rows, cols, dtype, xp, device)


def uniform(key, rows, cols, dtype="float64", xp=None, device=None):
    """Uniform numbers in (0, 1]. Parameters as in `gaussian`, real dtypes only."""
    return _draw("philox_uniform", key, rows, cols, dtype, xp, device)


def integers(key, rows, cols, high, xp=None, device=None):
    """Uniform int64 in [0, high), high ≤ 2**32. Parameters as in `gaussian`."""
    return _draw("philox_integers", key, rows, cols, "int64", xp, device, np.uint64(high))
