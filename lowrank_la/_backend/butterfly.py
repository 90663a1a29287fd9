"""Walsh-Hadamard transform of the middle axis of a three-dimensional array.

On the host (NumPy arrays, and torch tensors on the CPU, whose memory is shared) a compiled butterfly does it, several
threads over fixed ranges from 1 MiB on. Elsewhere small Hadamard matrices are multiplied with. Every number is
the sum of the same pairs in the same order whatever the partition, so results never depend on the number of threads.
"""

import sys
from functools import lru_cache, reduce

import numpy as np

from .. import _kernels
from . import team
from .autograd import is_traced, is_tracked, is_wrapped
from .namespace import device, from_numpy, kind, namespace, on_accelerator, to_numpy
from .sparse import writable_view
from .threads import fixed_partition, map_blocks

_PARALLEL_FROM = 1 << 20  # bytes
_ROW_STAGES = 16  # of a row that one task transforms as a whole: 256 or 512 KiB
_LONGEST_ROW = 1 << _ROW_STAGES  # numbers
_TASK = 1 << 16  # numbers, at least, of a task
_SAMPLED = 1 << 18  # numbers of which one task takes some rows of the transform
_NARROWEST = 768  # bytes of a row that a task on columns takes
_ROWS, _RUNS, _HIGH = 0, 1, 2  # kernels of a part
_FACTOR = 6  # stages of a matrix that is multiplied with


def walsh(x, scale=1.0, *, overwrite=False):
    """``scale`` times the transform of `x` of shape (outer, 2**stages, inner) along its middle axis.

    Parameters
    ----------
    x : array in single or double precision, real or complex
    scale : float
    overwrite : bool
        Allow the memory of `x`, which may be written to, to be used for the result: it is where `x` is contiguous.

    Returns
    -------
    array like `x`
    """
    xp = namespace(x)
    library = kind(xp)
    if library == "numpy":
        return walsh_host(x, scale, overwrite)
    if library == "torch" and not on_accelerator(xp, x.device) and not is_traced(x):
        return xp.asarray(walsh_host(to_numpy(x), scale, overwrite))
    return walsh_twin(x, scale)


def is_plain(x):
    """Whether `x` is a contiguous NumPy array in single or double precision, bytes in the order of the host."""
    if type(x) is not np.ndarray:
        return False
    dtype = x.dtype
    return dtype.char in "fd" and dtype.isnative and x.flags.c_contiguous


def plain_view(x):
    """`x` as an array that `is_plain`, in its own memory; None where that can't be, or where gradients flow."""
    if type(x) is np.ndarray:
        return x if is_plain(x) else None
    torch = sys.modules.get("torch")
    if torch is None or type(x) is not torch.Tensor or x.layout is not torch.strided or is_wrapped(x):
        return None
    if x.dtype not in (torch.float32, torch.float64) or x.device.type != "cpu" or not x.is_contiguous():
        return None
    return None if x.requires_grad or x.is_neg() or is_tracked(x) or is_traced(x) else x.numpy()


def same_library(y, x):
    """The NumPy array `y`, in its own memory, as an array of the library of `x`, of which there is a `plain_view`."""
    return y if type(x) is np.ndarray else sys.modules["torch"].from_numpy(y)


def takes_pieces(x):
    """Whether new arrays like `x` can be filled piece by piece."""
    return kind(namespace(x)) != "jax" and not is_traced(x)


def walsh_plain(x, view, scale, overwrite):
    """`walsh` of an array that `is_plain`, looked at in the shape `view`; in its own shape, for the least overhead."""
    _, n, inner = view
    size = x.size
    if n == 1 or size == 0 or not x.flags.writeable:
        return x if overwrite else walsh_host(x.reshape(view), scale, False).reshape(x.shape)
    dtype = x.dtype
    result = x if overwrite else np.empty(x.shape, dtype)
    flat, source = (result, x) if x.ndim == 1 else (result.reshape(-1), x.reshape(-1))
    if inner > 1 or n > _LONGEST_ROW or x.nbytes >= _PARALLEL_FROM:
        _host(flat, source, n.bit_length() - 1, inner, dtype.type(scale))
    else:
        _kernels.lookup("walsh_rows", "numpy")(flat, source, 0, n.bit_length() - 1, 0, size, dtype.type(scale))
    return result


def is_in_one_piece(x):
    """Whether `walsh` can work in the memory of the array `x`: on the host, contiguous."""
    library = kind(namespace(x))
    if library == "torch":
        return not on_accelerator(namespace(x), x.device) and x.is_contiguous() and not (x.is_conj() or x.is_neg())
    return library == "numpy" and x.flags.c_contiguous


def require_writable(x, name):
    """ValueError where the array `x` can't be written to."""
    library = kind(namespace(x))
    if library == "numpy" and not x.flags.writeable:
        raise ValueError(f"{name} is read-only and can't be overwritten: leave overwrite out, or pass a copy")
    if library == "torch" and is_tracked(x):
        raise ValueError(f"{name} has gradients recorded and can't be overwritten: leave overwrite out")
    if library == "torch" and is_wrapped(x):
        raise ValueError(f"{name} is inside a transform of torch.func and can't be overwritten: leave overwrite out")
    if library == "jax":
        raise ValueError(f"{name} is an array that can't be changed: leave overwrite out")
    steps = x.strides if library == "numpy" else x.stride() if library == "torch" else ()
    if 0 not in x.shape and _overlaps(steps, x.shape, x.itemsize if library == "numpy" else 1):
        raise ValueError(f"{name} shows one number at many places and can't be overwritten: pass a copy of it")


def _overlaps(steps, shape, size):
    """Whether numbers of an array may share memory: an axis steps over less than those of smaller steps span."""
    for step, length in sorted((abs(step), length) for step, length in zip(steps, shape, strict=False) if length > 1):
        if step < size:
            return True
        size += step * (length - 1)
    return False


def walsh_host(x, scale, overwrite):
    """`walsh` of a NumPy array."""
    if not x.flags.c_contiguous:
        x, overwrite = np.array(x, order="C"), True
    result = x if overwrite else np.empty_like(x)
    real = x.real.dtype
    _, n, inner = x.shape
    if n == 1 or x.size == 0:
        return np.multiply(x, real.type(scale), out=result)
    inner *= x.itemsize // real.itemsize
    source = x if overwrite else writable_view(x)
    _host(result.reshape(-1).view(real), source.reshape(-1).view(real), n.bit_length() - 1, inner, real.type(scale))
    return result


def _host(target, source, stages, inner, scale):
    """Choose the kernel and its parts, from sizes alone."""
    total, skip, parallel = source.size, inner.bit_length() - 1, source.nbytes >= _PARALLEL_FROM
    if inner <= 8 and inner == 1 << skip:
        if not parallel and stages + skip <= _ROW_STAGES:
            return _kernels.lookup("walsh_rows", "numpy")(target, source, skip, stages + skip, 0, total, scale)
        parts = _parts_of_rows(total, skip, stages + skip)
    elif not parallel:
        return _kernels.lookup("walsh_runs", "numpy")(target, source, inner, stages, 0, inner, 0, total, scale)
    else:
        parts = _parts_of_runs(total, inner, stages, _NARROWEST // source.itemsize)
    return team.transform(target, source, scale, parts, parallel)


@lru_cache(maxsize=64)
def _parts_of_rows(total, skip, stages):
    low = stages if stages <= _ROW_STAGES else _ROW_STAGES - (stages <= _ROW_STAGES + 2)  # one or two left are too few
    parts = [(_ROWS, skip, low, total, _step(total, 1 << low), 0)]
    return np.array(parts + _high_part(total, 1 << low, stages - low))


@lru_cache(maxsize=64)
def _parts_of_runs(total, inner, stages, narrowest):
    low = stages if total >= 8 * max(inner << stages, _TASK) else _low_stages(inner, stages, narrowest)
    if total > inner << low:
        part = _RUNS, inner, low, total, _step(total, inner << low), 0
    else:
        part = _RUNS, inner, low, inner, _width(inner, narrowest), 1
    return np.array([part, *_high_part(total, inner << low, stages - low)])


def _high_part(total, inner, stages):
    """The stages that are left; no part where there are none."""
    if stages == 0:
        return []
    if total > inner << stages:
        return [(_HIGH, inner, stages, total, _step(total, inner << stages), 0)]
    return [(_HIGH, inner, stages, inner, _step(inner, 64, inner // 8), 1)]


def _low_stages(inner, stages, narrowest):
    """Stages that tasks on contiguous ranges do; all of them where columns make tasks, or there are few such ranges."""
    low = max(6, (_TASK // inner).bit_length() - 1)
    return low if stages - low >= 3 and inner < 5 * narrowest else stages


def _width(inner, narrowest):
    """Columns of a task: of equal width, at most 16 tasks."""
    tasks = min(16, max(1, inner // narrowest))
    return -(-inner // (16 * tasks)) * 16


def _step(total, unit, least=_TASK):
    """Length of a task: a multiple of `unit`, about `least` or more, of which there are at most about 64."""
    step = max(unit, least // unit * unit)
    return max(step, -(-total // 64) // unit * unit)


def walsh_sampled(x, signs, rows, size):
    """Those `rows` of the transform of each line of ``x signs``, put together from transforms of blocks.

    Parameters
    ----------
    x : array (lines, n) that `is_plain`
    signs : int8 array (n,)
    rows : int64 array (count,)
    size : int
        Length of a block, a power of two. Zeros follow behind the n numbers.

    Returns
    -------
    array (lines, count)
    """
    lines, n = x.shape
    kernel, stages, one = _kernels.lookup("walsh_sampled", "numpy"), size.bit_length() - 1, x.dtype.type(1)
    places, blocks = (rows % size).astype(np.uint64), (rows // size).astype(np.uint64)
    x = writable_view(x)
    parts = fixed_partition(-(-n // size), max(1, _SAMPLED // size))

    def of_part(line, part):
        out, block = np.zeros(rows.size, x.dtype), np.empty(size, x.dtype)
        kernel(x[line], signs, places, blocks, stages, block, out, part.start, part.stop, one)
        return out

    def of_line(line):
        return reduce(np.add, [of_part(line, part) for part in parts])

    if x.nbytes < _PARALLEL_FROM:
        return np.stack([of_line(line) for line in range(lines)])
    if lines > 1:
        return np.stack(map_blocks(of_line, range(lines)))
    return reduce(np.add, map_blocks(lambda part: of_part(0, part), parts))[None, :]


def walsh_exact(x):
    """`walsh` of int64 numbers, which the caller has seen to be small enough; contiguous ones are used up."""
    if kind(namespace(x)) != "numpy":
        return walsh_twin(x, None)
    x = np.ascontiguousarray(x)
    _, n, inner = x.shape
    if x.size:
        _kernels.lookup("walsh_exact", "numpy")(x.reshape(-1), inner, n.bit_length() - 1, 0, x.size)
    return x


def walsh_twin(x, scale):
    """`walsh` from array-API operations alone: products with matrices of order at most 64."""
    xp = namespace(x)
    outer, n, inner = map(int, x.shape)
    low, stages = inner, n.bit_length() - 1 if outer and inner else 0
    while stages > 0:
        bits = min(stages, _FACTOR)
        matrix = xp.astype(from_numpy(_sylvester(bits), xp, device(x)), x.dtype)
        x = xp.matmul(matrix, xp.reshape(x, (-1, 1 << bits, low)))
        low, stages = low << bits, stages - bits
    x = xp.reshape(x, (outer, n, inner))
    return x if scale is None or scale == 1.0 else x * scale


def _sylvester(stages):
    matrix = np.ones((1, 1), np.float32)
    for _ in range(stages):
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix
