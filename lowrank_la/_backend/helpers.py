"""Threads that sleep until they are handed a task, and wake where their caller does not run.

Schedulers may wake a thread on the processor of who wakes it, to wait there while others idle: a sleeper is kept off
the caller's processor, where the system allows it, until it has woken.
"""

import contextlib
import ctypes
import os
import threading
from functools import cache
from queue import SimpleQueue


class Helper(threading.Thread):
    """Lives ``life(helper, seat, *known)`` once started, and sleeps there in `wait`, if it is still at its seat."""

    def __init__(self, helpers, seat, name, life, known):
        super().__init__(target=life, args=(self, seat, *known), name=f"{name}_{seat}", daemon=True)
        self._helpers, self._seat, self._tasks = helpers, seat, SimpleQueue()
        self._begun = self._ended = False

    def start(self):
        super().start()
        self._begun = True

    def run(self):
        self._begun = True
        try:
            if self._helpers[self._seat] is self:
                super().run()
        finally:
            self._ended = True

    def lives(self):
        """`is_alive` for use where interrupts come, of which one in there would end a thread in the eyes of Python."""
        return self._begun and not self._ended

    def wake(self, task=None):
        self._tasks.put((keep_away(self.native_id), task))

    def is_called(self):
        """Whether a task lies ready that it has not taken."""
        return not self._tasks.empty()

    def wait(self):
        """Sleep until woken, then run on any processor; gives the task."""
        processors, task = self._tasks.get()
        may_run_on(processors)
        return task


def hire(helpers, count, name, life, *known):
    """Let the list have so many started helpers, each of which lives ``life(helper, seat, *known)``.

    Gives how many there are: fewer where no thread can be had. Others take the seats of those that have ended, or have
    not begun because their start was interrupted.
    """
    for seat in range(count):
        if seat < len(helpers) and helpers[seat].lives():
            continue
        helpers[seat : seat + 1] = [Helper(helpers, seat, name, life, known)]
        try:
            helpers[seat].start()
        except RuntimeError:
            return seat
    return count


def keep_away(thread):
    """Let a sleeping thread wake on other processors than the caller's; gives those it `may_run_on` once awake.

    Nothing happens, and None is returned, where the system does not tell, there is one processor, or it is forbidden.
    """
    own = _own_processor()
    if own is None:
        return None
    allowed = os.sched_getaffinity(0)
    others = allowed - {own()}
    if others:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(thread, others)
            return allowed
    return None


def may_run_on(processors):
    """Let the calling thread run on these, on all of them that the system still allows; None changes nothing."""
    if processors is not None:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, processors)


@cache
def _own_processor():
    """A function that gives the number of the processor on which it is called; None where there is none."""
    return getattr(ctypes.CDLL(None), "sched_getcpu", None) if hasattr(os, "sched_setaffinity") else None
