"""How threads share the tasks of a job without the interpreter: a board of numbers that all of them see.

The leader writes a job on the board, opens it, takes tasks, and closes it. Helpers look at the board for a while before
they go to sleep, so that jobs that follow each other wake nobody. The leader never waits for a helper that has not
come: it waits for tasks that helpers have begun. A job has phases, one of which begins when all tasks of the one before
are done. The leader takes tasks from the front, helpers from the back, so that each finds in its own cache what it
wrote in the job before.
"""

import numpy as np

from ._atomic import fetch_add, read, relax, swap
from ._jit import jit

_GAP = 16  # numbers between words that threads write to: two cache lines
MOST_HELPERS, PHASES = 15, 2
JOB, INSIDE = 0, _GAP  # number of the open job, 0 for none, -1 for never again; helpers at it
_PHASE = 2 * _GAP
TAKEN, FRONT, BACK, DONE, _PHASE_SIZE = 0, _GAP, 2 * _GAP, 3 * _GAP, 4 * _GAP
_ASLEEP = _PHASE + PHASES * _PHASE_SIZE
_FIELDS = _ASLEEP + MOST_HELPERS * _GAP  # what only the leader writes, while no job is open
_LAST, HELPERS, PHASE_COUNT, TASKS, OWN = _FIELDS, _FIELDS + 1, _FIELDS + 2, _FIELDS + 3, _FIELDS + 3 + PHASES
_SIZE = OWN + 2 * _GAP
SLEEPS, GONE = 0, -1  # why a helper stops looking at the board
_SPINS = 1 << 12  # looks before a thread that waits goes back to the interpreter: about 0.2 ms


@jit
def new_board():
    return np.zeros(_SIZE, np.int64)


@jit
def dismiss(board):
    """No more jobs, for ever."""
    swap(board, JOB, GONE)


@jit
def is_left(board):
    """Close the job; whether no helper is at it any more."""
    if read(board, JOB) > 0:
        swap(board, JOB, 0)
    for _ in range(_SPINS):
        if read(board, INSIDE) == 0:
            return True
        relax()
    return False


@jit
def open_job(board, wakes):
    """Open the job on the board, which `is_left`; gives the helpers to be woken, one bit each, if it `wakes` them."""
    for phase in range(board[PHASE_COUNT]):
        first = _PHASE + phase * _PHASE_SIZE
        board[first + TAKEN] = board[first + FRONT] = board[first + BACK] = board[first + DONE] = 0
    board[_LAST] += 1
    sleepers = 0
    if board[HELPERS] > 0:
        swap(board, JOB, board[_LAST])
        for seat in range(board[HELPERS] if wakes else 0):
            sleepers |= read(board, _ASLEEP + seat * _GAP) << seat
    return sleepers


@jit(inline=True)
def take(board, phase, leads):
    """Number of a task of the phase that nobody else has; -1 where none is left."""
    first, count = _PHASE + phase * _PHASE_SIZE, board[TASKS + phase]
    if read(board, first + TAKEN) >= count or fetch_add(board, first + TAKEN, 1) >= count:
        return -1
    return fetch_add(board, first + FRONT, 1) if leads else count - 1 - fetch_add(board, first + BACK, 1)


@jit(inline=True)
def finish(board, phase):
    fetch_add(board, _PHASE + phase * _PHASE_SIZE + DONE, 1)


@jit
def settled(board, phase, leads):
    """Whether all tasks of the phase are done; the leader waits a while, a helper until the job is closed."""
    looks = 0
    while read(board, _PHASE + phase * _PHASE_SIZE + DONE) != board[TASKS + phase]:
        if read(board, JOB) <= 0 if not leads else looks == _SPINS:
            return False
        looks += 1
        relax()
    return True


@jit
def next_job(board, seat, known):
    """Number of an open job other than `known`, `GONE` after the last one, `SLEEPS` where none comes for a while.

    A helper says itself that it is awake again: whoever was to wake it may have been interrupted.
    """
    if read(board, _ASLEEP + seat * _GAP) != 0:
        swap(board, _ASLEEP + seat * _GAP, 0)
    for _ in range(_SPINS):
        job = read(board, JOB)
        if job != 0 and job != known:
            return job
        relax()
    swap(board, _ASLEEP + seat * _GAP, 1)
    return SLEEPS


@jit
def enter(board):
    """Come to the open job; whether there is one and room at it. Whoever came in or not has to `leave`."""
    place = fetch_add(board, INSIDE, 1)
    return read(board, JOB) > 0 and place < board[HELPERS]


@jit
def leave(board):
    fetch_add(board, INSIDE, -1)
