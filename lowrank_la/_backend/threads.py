"""Two or more Python threads over a fixed list of blocks, each with single-threaded BLAS.

The partition is the caller's and never depends on the number of workers, so results are the same bits for any of
them. BLAS thread counts are process-wide: the first region that opens lowers them, the last one that closes puts
them back, under one lock, also when regions of several threads overlap.
"""

import contextlib
import itertools
import os
import threading
from queue import SimpleQueue

from .helpers import hire

_state: dict = {"libraries": None, "depth": 0, "saved": (), "parallel": False, "helpers": []}
_state["lock"] = threading.RLock()  # of the depth and the counts; a signal handler may come in the middle


def _blas_libraries():
    if _state["libraries"] is None:
        import scipy.linalg  # noqa: F401  SciPy may carry a BLAS of its own: it has to be loaded before the scan
        from threadpoolctl import ThreadpoolController

        found = ThreadpoolController().select(user_api="blas")
        _state["libraries"] = tuple(found.lib_controllers)
    return _state["libraries"]


def _set_threads(library, count):
    # threadpoolctl lets a single Python thread set OpenBLAS's count and ignores all others; the depth counted here,
    # under one lock, is what keeps several threads apart.
    getattr(library, "_real_set_num_threads", library.set_num_threads)(count)


def _lower():
    libraries = _blas_libraries()
    if not _state["saved"]:  # else an interrupt came while they were put back: these are the counts that were found
        _state["saved"] = tuple(library.get_num_threads() for library in libraries)
    for library in libraries:
        _set_threads(library, 1)


def _put_back():
    if _state["saved"]:  # nothing, where an interrupt came before they were known
        for library, threads in zip(_blas_libraries(), _state["saved"], strict=True):
            _set_threads(library, threads)
        _state["saved"] = ()


@contextlib.contextmanager
def single_blas():
    """Run the body with one BLAS thread; the counts found are put back afterwards."""
    entered = False
    try:
        with _state["lock"]:
            _state["depth"] += 1
            entered = True
            if _state["depth"] == 1:
                _lower()
        yield
    finally:
        # No function is called before the depth is told: interrupts come with calls, and would leave it for ever. It
        # is zero where a region was open when the process forked: the child has put the counts back.
        if entered:
            with _state["lock"]:
                if _state["depth"]:
                    _state["depth"] -= 1
                    if not _state["depth"]:
                        _put_back()


def _affinity():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_count():
    """Threads to use at most: what BLAS was allowed, and no more than the processors of this process."""
    libraries = _blas_libraries()
    with _state["lock"]:
        counts = _state["saved"] or [library.get_num_threads() for library in libraries]
    processors = _affinity()
    return max(1, min(processors, *counts)) if counts else processors


def sharers(tasks):
    """Threads that may work on so many tasks: one off the main thread, and while others already do."""
    alone = tasks <= 1 or _state["parallel"] or threading.current_thread() is not threading.main_thread()
    return 1 if alone else min(worker_count(), tasks)


def shared(work, *args):
    """``work(*args)``, which several threads do: `sharers` gives one to all others meanwhile."""
    try:  # as a context manager, an interrupt on the way out would leave the mark for ever
        _state["parallel"] = True
        return work(*args)
    finally:
        _state["parallel"] = False


def map_blocks(fn, blocks):
    """``[fn(block) for block in blocks]``, on several threads when called from the main thread.

    The order of the results is that of `blocks`; so is the order in which they are begun, and none is begun after one
    that failed, so that the error is that of one thread. BLAS runs on one thread inside, with any number of workers.
    """
    blocks = list(blocks)
    with single_blas():
        workers = sharers(len(blocks))
        return [fn(block) for block in blocks] if workers == 1 else shared(_map_shared, fn, blocks, workers)


def _map_shared(fn, blocks, workers):
    results, failed = [None] * len(blocks), {}
    queue, left = itertools.count(), SimpleQueue()

    def work():
        i = -1
        try:
            while not failed and (i := next(queue)) < len(blocks):
                results[i] = fn(blocks[i])
        except BaseException as error:  # noqa: BLE001 (raised below, an interrupt before all errors)
            failed[i if isinstance(error, Exception) else -1] = error

    def help_out():
        work()
        left.put(None)

    helpers, woken = _state["helpers"], 0
    try:
        for seat in range(hire(helpers, workers - 1, "lowrank_la", _help)):
            helpers[seat].wake(help_out)
            woken += 1
        work()
    except BaseException:
        failed[-1] = None  # nobody begins another block
        raise
    finally:
        for _ in range(woken):
            left.get()
    if failed:
        raise failed.pop(min(failed))
    return results


def _help(helper, seat):
    """Life of a helper."""
    while True:
        helper.wait()()


def fixed_partition(n, block):
    """Slices of `block` consecutive indices that cover ``range(n)``."""
    return [slice(start, min(start + block, n)) for start in range(0, n, block)]


def _after_fork_in_child():
    _state.update(lock=threading.RLock(), helpers=[], parallel=False, depth=0)
    _put_back()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
