"""Arrays that callers hand in: named where they are refused, and moved to the library of what they meet."""

import numpy as np

from .. import _backend as be


def array_of(x, name):
    """`x` as an array of its library, nested lists as one of NumPy; TypeError or ValueError by name if it is none."""
    if isinstance(x, list | tuple):
        try:
            x = np.asarray(x)
        except ValueError:
            raise ValueError(f"{name} must be an array or lists of equal lengths, got rows that differ") from None
    return be.dense_array(x, name)


def numbers(x, name):
    """`array_of` with a TypeError by name if it holds no usable numbers."""
    x = array_of(x, name)
    try:
        be.compute_dtype(be.namespace(x), x.dtype, be.device(x))
    except TypeError:
        raise TypeError(
            f"{name} must hold numbers, integers or half, single or double precision, got dtype "
            f"{be.dtype_name(x.dtype)}; convert it"
        ) from None
    return x


def real_like(x, name, like):
    """`x` as a real array in the library, on the device and in the real precision of `like`; TypeError if complex."""
    x = numbers(x, name)
    if be.is_complex(be.compute_dtype(be.namespace(x), x.dtype, be.device(x))):
        raise TypeError(f"{name} must be real, got {be.dtype_name(x.dtype)}")
    xp, place = be.namespace(like), be.device(like)
    dtype = be.real_dtype(xp, like.dtype)
    if be.kind(be.namespace(x)) == be.kind(xp):
        return xp.astype(x, dtype, copy=False)
    be.require_untracked(x, name)
    return be.from_numpy(be.to_numpy(x), xp, place, dtype)


def first_place(wrong):
    """Indices of the first True of a boolean array."""
    host = be.to_numpy(wrong)
    return tuple(map(int, np.unravel_index(int(np.argmax(host)), host.shape)))
