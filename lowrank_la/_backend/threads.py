"""Two or more Python threads over a fixed list of blocks, each with single-threaded BLAS.

The partition is the caller's and never depends on the number of workers, so results are the same bits for any of
them. BLAS thread counts are process-wide: the first region that opens lowers them, the last one that closes puts
them back, under one lock, also when regions of several threads overlap.
"""

import contextlib
import itertools
import os
import sys
import threading
from queue import Empty, SimpleQueue

from .helpers import hire

_state: dict = {"libraries": None, "open": set(), "saved": (), "lowered": False, "parallel": False, "helpers": []}
_state["lock"] = threading.RLock()  # of the counts; a signal handler may come in the middle
_PATIENCE = 1.0  # seconds after which helpers that have not come back are looked at


def _blas_libraries():
    if _state["libraries"] is None:
        import scipy.linalg  # noqa: F401  SciPy may carry a BLAS of its own: it has to be loaded before the scan
        from threadpoolctl import ThreadpoolController

        found = ThreadpoolController().select(user_api="blas")
        _state["libraries"] = tuple(found.lib_controllers)
    return _state["libraries"]


def _set_threads(library, count):
    # threadpoolctl lets a single Python thread set OpenBLAS's count and ignores all others; the open regions,
    # under one lock, are what keeps several threads apart.
    getattr(library, "_real_set_num_threads", library.set_num_threads)(count)


def _lower():
    libraries = _blas_libraries()
    found = tuple(library.get_num_threads() for library in libraries)
    if not _state["saved"]:  # else an interrupt came while they were put back: those are the counts that were found
        _state["saved"] = found
    for library in libraries:
        _set_threads(library, 1)
    _state["lowered"] = True


def _settle():
    """Put the counts back where no region is open."""
    with _state["lock"]:
        if not _state["open"]:
            _put_back()


def _put_back():
    saved, _state["lowered"] = _state["saved"], False
    if saved:  # none, where an interrupt came before they were known
        for library, threads in zip(_blas_libraries(), saved, strict=True):
            _set_threads(library, threads)
        _state["saved"] = ()


@contextlib.contextmanager
def single_blas():
    """Run the body with one BLAS thread; the counts found are put back afterwards."""
    region = object()
    try:
        _state["open"].add(region)
        with _state["lock"]:
            if not _state["lowered"]:
                _lower()
        yield
    finally:  # interrupts come after calls: whatever they cut short, this region is closed
        try:
            _state["open"].discard(region)
            _settle()
        except BaseException:
            _state["open"].discard(region)
            _settle()
            raise


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
    """Threads that may work on so many tasks: one off the main thread, while others already do, and at the very end."""
    alone = tasks <= 1 or _state["parallel"] or threading.current_thread() is not threading.main_thread()
    return 1 if alone or sys.is_finalizing() else min(worker_count(), tasks)


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
        left.put(threading.current_thread())

    helpers, woken = _state["helpers"], []
    try:
        for seat in range(hire(helpers, workers - 1, "lowrank_la", _help)):
            helpers[seat].wake(help_out)
            woken.append(helpers[seat])
        work()
    except BaseException:
        failed[-1] = None  # nobody begins another block
        raise
    finally:
        _wait_for(left, woken)
    if failed:
        try:
            raise failed.pop(min(failed))
        finally:
            failed.clear()  # what errors hold would hold them
    return results


def _wait_for(left, helpers):
    """Wait until each has left itself there; RuntimeError where one is gone."""
    missing = set(helpers)
    while missing:
        try:
            missing.discard(left.get(timeout=_PATIENCE))
        except Empty:
            if left.empty() and not all(helper.is_alive() for helper in missing):
                raise RuntimeError("a thread has ended at its work, as it does where a process forks there") from None


def _help(helper, seat):
    """Life of a helper."""
    while True:
        helper.wait()()


def fixed_partition(n, block):
    """Slices of `block` consecutive indices that cover ``range(n)``."""
    return [slice(start, min(start + block, n)) for start in range(0, n, block)]


def _after_fork_in_child():
    _state.update(lock=threading.RLock(), helpers=[], parallel=False, open=set())
    _put_back()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
