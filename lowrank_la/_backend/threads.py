"""Two or more Python threads over a fixed list of blocks, each with single-threaded BLAS.

The partition is the caller's and never depends on the number of workers, so results are the same bits for any of
them. BLAS thread counts are process-wide: the first region that opens lowers them, the last one that closes puts
them back, under one lock, also when regions of several threads overlap.
"""

import contextlib
import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor

from .processors import keep_away, may_run_on

_state: dict = {"libraries": None, "depth": 0, "saved": (), "parallel": False}
_state |= {"pool": None, "pool_size": 0, "pool_threads": []}
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
    _state["saved"] = tuple(library.get_num_threads() for library in libraries)
    for library in libraries:
        _set_threads(library, 1)


def _restore():
    with _state["lock"]:
        if _state["depth"] == 0:  # a region that was open when the process forked: the child has put the counts back
            return
        _state["depth"] -= 1
        if _state["depth"] == 0:
            saved, _state["saved"] = _state["saved"], ()  # nothing, where an interrupt came before they were known
            for library, threads in zip(_blas_libraries(), saved, strict=False):
                _set_threads(library, threads)


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
        if entered:
            _restore()


def _affinity():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_count():
    """Threads to use at most: what BLAS was allowed, and no more than the processors of this process."""
    libraries = _blas_libraries()
    with _state["lock"]:
        counts = _state["saved"] if _state["depth"] else [library.get_num_threads() for library in libraries]
    processors = _affinity()
    return max(1, min(processors, *counts)) if counts else processors


def _enrol(known):
    known.append(threading.get_native_id())


def _pool(size):
    if _state["pool"] is None or _state["pool_size"] < size:
        if _state["pool"] is not None:
            _state["pool"].shutdown(wait=False)
        known = _state["pool_threads"] = []
        _state["pool"], _state["pool_size"] = ThreadPoolExecutor(size, "lowrank_la", _enrol, (known,)), size
    return _state["pool"]


def shared_by(tasks):
    """Region for the threads that may work on so many tasks: one off the main thread, and while others already do."""
    alone = tasks <= 1 or _state["parallel"] or threading.current_thread() is not threading.main_thread()
    return _ALONE if alone else _Region(min(worker_count(), tasks))


class _Region:
    """Gives the number of its threads; one that has several holds off all others."""

    def __init__(self, workers):
        self.workers = workers

    def __enter__(self):
        _state["parallel"] = _state["parallel"] or self.workers > 1
        return self.workers

    def __exit__(self, *error):
        if self.workers > 1:
            _state["parallel"] = False


_ALONE = _Region(1)


def map_blocks(fn, blocks):
    """``[fn(block) for block in blocks]``, on several threads when called from the main thread.

    The order of the results is that of `blocks`. BLAS runs on one thread inside, with any number of workers.
    """
    blocks = list(blocks)
    with single_blas(), shared_by(len(blocks)) as workers:
        return [fn(block) for block in blocks] if workers == 1 else _map_parallel(fn, blocks, workers)


def _map_parallel(fn, blocks, workers):
    results = [None] * len(blocks)
    queue = itertools.count()

    def work():
        while (i := next(queue)) < len(blocks):
            results[i] = fn(blocks[i])

    def help_out():
        may_run_on(allowed)
        work()

    pool = _pool(workers - 1)
    allowed = keep_away(_state["pool_threads"])
    helpers = [pool.submit(help_out) for _ in range(workers - 1)]
    try:
        work()
    finally:
        errors = [helper.exception() for helper in helpers]
    for error in errors:
        if error is not None:
            raise error
    return results


def fixed_partition(n, block):
    """Slices of `block` consecutive indices that cover ``range(n)``."""
    return [slice(start, min(start + block, n)) for start in range(0, n, block)]


def _after_fork_in_child():
    _state.update(lock=threading.RLock(), pool=None, pool_size=0, pool_threads=[], parallel=False)
    if _state["depth"]:
        for library, threads in zip(_state["libraries"], _state["saved"], strict=False):
            _set_threads(library, threads)
        _state["depth"] = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
