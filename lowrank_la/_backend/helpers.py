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
    """Lives ``life(helper, *known)`` once started, and sleeps there in `wait`."""

    def __init__(self, name, life, known):
        super().__init__(target=life, args=(self, *known), name=name, daemon=True)
        self._tasks = SimpleQueue()

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

    Gives how many there are: fewer where no thread can be had. One whose start was interrupted starts with the next
    call.
    """
    for seat in range(count):
        if seat == len(helpers):
            helpers.append(Helper(f"{name}_{seat}", life, (seat, *known)))
        if helpers[seat].ident is None:
            try:
                helpers[seat].start()
            except RuntimeError:
                del helpers[seat:]
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
