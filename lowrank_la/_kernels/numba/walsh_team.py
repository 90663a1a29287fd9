"""A Walsh-Hadamard transform by a team of threads: contiguous ranges first, then what lies further apart."""

import numba
import numpy as np

from ._atomic import pointer_to
from ._butterflies import past_line
from ._jit import jit
from .team import (
    HELPERS,
    MOST_HELPERS,
    OWN,
    PHASE_COUNT,
    PHASES,
    SLEEPS,
    TASKS,
    enter,
    finish,
    leave,
    next_job,
    open_job,
    settled,
    take,
)
from .walsh import walsh_rows, walsh_runs

_KERNEL, _INNER, _STAGES, _LENGTH, _STEP, _COLUMNS, _PART = 0, 1, 2, 3, 4, 5, 6  # of a phase
_ROWS, _HIGH = 0, 2  # kernels; any other number is `walsh_runs` from the source
_TARGET = OWN + PHASES * _PART
_SOURCE, _TOTAL, _BITS, _SCALE = _TARGET + 1, _TARGET + 2, _TARGET + 3, _TARGET + 4
_SHIFT = 32  # tasks after which the leader looks at the interpreter


@jit
def open_transform(board, helpers, wakes, parts, target, source, scale):
    """Open a job for at most so many helpers; gives those that sleep, one bit each, if the job `wakes` them.

    Parameters
    ----------
    board : int64 array
        Of `new_board`; has been left.
    helpers : int
    wakes : bool
    parts : int64 array (phases, 6)
        Of each phase the kernel (0 for `walsh_rows`, 1 for `walsh_runs`, 2 for `walsh_runs` in the target alone), how
        many numbers lie behind the axis (for `walsh_rows` the logarithm), the stages, and what its tasks cut: a length,
        the step, and whether it is that of the columns instead of the array.
    target, source : 1-D contiguous arrays of one real dtype
        Stay alive until `is_left`. May be the same array.
    scale : float
    """
    board[HELPERS], board[PHASE_COUNT] = min(helpers, MOST_HELPERS), parts.shape[0]
    for phase in range(parts.shape[0]):
        for i in range(_PART):
            board[OWN + phase * _PART + i] = parts[phase, i]
        board[TASKS + phase] = -(-parts[phase, _LENGTH] // parts[phase, _STEP])
    board[_TARGET], board[_SOURCE], board[_TOTAL] = target.ctypes.data, source.ctypes.data, source.size
    board[_BITS] = 8 * target.itemsize
    board.view(np.float64)[_SCALE] = scale
    return open_job(board, wakes)


@jit
def work_on_transforms(board, like, seat):
    """Take tasks of a job; one function for the leader and its helpers, since compiling it takes seconds.

    A negative seat is the leader's, who comes back after a number of tasks: gives whether all are done. Helpers help
    with one job after the other, until there is none for a while (gives `SLEEPS`) or for ever (`GONE`), or one of
    another dtype than that of the array `like`: gives the bits of a number of it.
    """
    known, leads, own = 0, seat < 0, 8 * like.itemsize
    while True:
        job, inside, bits, done = 0, True, own, False
        if not leads:
            job = next_job(board, seat, known)
            if job <= SLEEPS:
                return job
            inside = enter(board)
            bits = board[_BITS] if inside else own
        if inside and bits == own:
            done = _share(board, like, leads)
        if leads:
            return int(done)
        leave(board)
        if bits != own:
            return bits
        known = job


@jit(inline=True)
def _share(board, like, leads):
    """Tasks of one phase after the other; whether all are done. The leader leaves after a number of them."""
    target = numba.carray(pointer_to(board[_TARGET], like), (board[_TOTAL],))
    source = numba.carray(pointer_to(board[_SOURCE], like), (board[_TOTAL],))
    scale, left, phase, whole = like.dtype.type(board.view(np.float64)[_SCALE]), _SHIFT, 0, True
    while whole and phase < board[PHASE_COUNT]:
        while left > 0:
            task = take(board, phase, leads)
            if task < 0:
                break
            _do(board, OWN + phase * _PART, task, target, source, scale)
            finish(board, phase)
            left -= leads
        whole = left > 0 and settled(board, phase, leads)
        phase += 1
    return whole


@jit(inline=True)
def _do(board, part, task, target, source, scale):
    """One task of a phase: a range of the array, or of the columns."""
    inner, stages, length = board[part + _INNER], board[part + _STAGES], board[part + _LENGTH]
    start = task * board[part + _STEP]
    stop = min(start + board[part + _STEP], length)
    if board[part + _KERNEL] == _ROWS:
        walsh_rows(target, source, inner, stages, start, stop, scale)
    else:
        first, last = 0, inner
        if board[part + _COLUMNS]:
            first, last = _cut(target, start, inner), _cut(target, stop, inner)
            start, stop = 0, source.size
        if board[part + _KERNEL] == _HIGH:
            source, scale = target, target.dtype.type(1)
        walsh_runs(target, source, inner, stages, first, last, start, stop, scale)


@jit(inline=True)
def _cut(array, column, inner):
    """Where tasks on columns are cut: at the end of a cache line, which no two threads then write to."""
    return column if column == inner else max(0, column - past_line(array, column))
