"""Where threads run: schedulers may wake one on the processor of who wakes it, to wait there while others idle."""

import contextlib
import ctypes
import os
from functools import cache


def keep_away(threads):
    """Let sleeping threads wake on other processors than the caller's; gives those they `may_run_on` once awake.

    Nothing happens, and None is returned, where the system does not tell, there is one processor, or it is forbidden.
    """
    own = _own_processor()
    if own is None:
        return None
    allowed = os.sched_getaffinity(0)
    others = allowed - {own()}
    if others:
        with contextlib.suppress(OSError):
            for thread in threads:
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
