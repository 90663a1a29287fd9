"""Transforms that several threads share in compiled code.

Helpers look for work for a fraction of a millisecond after each transform before they sleep. A transform wakes those
that sleep and begins without them, unless it is short and the first one for a while: it would be over before they
came. Its parts are fixed by its size, so that results don't depend on who comes. Only the main thread calls helpers,
one transform at a time; others do all parts themselves by the same code.
"""

import atexit
import os
import time
from functools import cache

import numpy as np

from .. import _kernels
from .helpers import hire
from .threads import shared, sharers

_LIKES = {32: np.empty(0, np.float32), 64: np.empty(0, np.float64)}
_MOST = 16  # threads
_LEADER = -1  # the seat of the thread that opens a transform
_LONG = 1 << 21  # bytes of a transform for which helpers are always woken
_WHILE = 5e-4  # seconds since the last one, below which they are woken for shorter ones
_state: dict = {"team": None}


class _Team:
    """The helpers of this process, the board on which they find their work, and what they are working on."""

    def __init__(self):
        self.board = _kernel("new_board")()
        self.helpers, self.held, self.left = [], (), -1.0

    def call(self, count, like):
        """Have so many helpers, new ones for work of the dtype of `like` at first; gives how many could be had."""
        return hire(self.helpers, count, "lowrank_la_team", _help, self.board, like)

    def wake(self, seat):
        if not self.helpers[seat].is_called():
            self.helpers[seat].wake()

    def dismiss(self):
        """Send the helpers home, so that none is in compiled code when the interpreter is taken down."""
        _kernel("dismiss")(self.board)
        for helper in self.helpers:
            if helper.ident is not None:
                helper.wake()
                helper.join(timeout=1.0)


def _help(helper, seat, board, like):
    """Life of a helper."""
    work = _kernel("work_on_transforms")
    while (outcome := work(board, like, seat)) >= 0:
        if outcome in _LIKES:
            like = _LIKES[outcome]
        else:
            helper.wait()


def transform(target, source, scale, parts, parallel):
    """Do the `parts` of a transform, as `open_transform` describes them, with threads that help if it is `parallel`.

    Parameters
    ----------
    target, source : 1-D contiguous arrays of one real dtype
    scale : float
    parts : int64 array (phases, 6)
    parallel : bool
    """
    job, workers = (target, source, scale), sharers(_MOST if parallel else 1)
    if workers == 1:
        _led(_kernel("new_board")(), 0, None, job, parts)
    else:
        shared(_with_helpers, workers - 1, job, parts)


def _with_helpers(helpers, job, parts):
    if _state["team"] is None:
        _state["team"] = _Team()
    team, bits = _state["team"], 8 * job[0].itemsize
    _compile(bits)
    helpers = team.call(helpers, _LIKES[bits])
    if team.held:  # somebody is still at a transform that was interrupted
        _wait_until_left(team.board)
    team.held = job
    wakes = job[1].nbytes >= _LONG or time.perf_counter() - team.left < _WHILE
    try:
        _led(team.board, helpers, team.wake if wakes else None, job, parts)
        team.held = ()
    finally:
        team.left = time.perf_counter()
        if team.held and _kernel("is_left")(team.board):
            team.held = ()


def _led(board, helpers, wake, job, parts):
    """One transform on the board; it has been left when this returns, unless interrupted twice."""
    like, work = _LIKES[8 * job[0].itemsize], _kernel("work_on_transforms")
    try:
        sleepers = _kernel("open_transform")(board, helpers, wake is not None, parts, *job)
        for seat in range(helpers if sleepers else 0):
            if sleepers >> seat & 1:
                wake(seat)
        while not work(board, like, _LEADER):
            time.sleep(0)
    finally:
        _wait_until_left(board)


def _wait_until_left(board):
    while not _kernel("is_left")(board):
        time.sleep(0)


@cache
def _compile(bits):
    """Compile in the main thread what helpers call: a process that forks while they do could never compile again."""
    board = _kernel("new_board")()
    _kernel("dismiss")(board)
    _kernel("work_on_transforms")(board, _LIKES[bits], 0)


def _kernel(name):
    return _kernels.lookup(name, "numpy")


def _after_fork_in_child():
    _state["team"] = None


def _at_exit():
    if _state["team"] is not None:
        _state["team"].dismiss()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
