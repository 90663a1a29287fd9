"""Slabs handed to kernels: read by whoever asks, or by one thread that stays ahead."""

import queue
import threading
from contextlib import contextmanager

_WAIT, _PATIENCE = 0.05, 1.0  # seconds


@contextmanager
def feed(source, wanted=None, *, ahead):
    """A function that returns the next ``(i, start, slab)`` and None at the end; several threads may call it.

    With `ahead` one thread reads while kernels run: one slab in its hands, one on the table. Otherwise whoever calls
    reads. So at most two slabs are alive besides those that kernels work on.
    """
    blocks = source.blocks(wanted)
    if not ahead:
        yield _Direct(blocks, source, wanted).next if source.parallel_reads else _Locked(blocks).next
        return
    reader = _Ahead(blocks)
    try:
        yield reader.next
    finally:
        reader.close()


class _Locked:
    def __init__(self, blocks):
        self.blocks, self.lock = blocks, threading.Lock()

    def next(self):
        with self.lock:
            return next(self.blocks, None)


class _Direct:
    """Numbers are handed out under a lock, slabs are read outside of it."""

    def __init__(self, _blocks, source, wanted):
        self.source, self.lock = source, threading.Lock()
        self.numbers = iter([i for i in range(len(source)) if wanted is None or wanted(i)])

    def next(self):
        with self.lock:
            i = next(self.numbers, None)
        return None if i is None else (i, self.source.boundaries[i], self.source.read(i))


class _Ahead:
    def __init__(self, blocks):
        self.table = queue.Queue(maxsize=1)
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        self.over = False
        self.thread = threading.Thread(target=self._work, args=(blocks,), name="lowrank_la reader", daemon=True)
        self.thread.start()

    def _work(self, blocks):
        try:
            while not self.stopped.is_set() and self._lay(next(blocks, None)):
                pass
        except BaseException as error:  # noqa: BLE001  it is raised where the slab is asked for
            self._lay(error)

    def _lay(self, item):
        """Put `item` on the table; False when it was the last or nobody asks any more."""
        while not self.stopped.is_set():
            try:
                self.table.put(item, timeout=_WAIT)
                return item is not None
            except queue.Full:
                continue
        return False

    def next(self):
        with self.lock:
            if self.over:
                return None
            item = self.table.get()
            self.over = item is None or isinstance(item, BaseException)
        if isinstance(item, BaseException):
            raise item
        return item

    def close(self):
        """Let the reader end; one that an iterator keeps waiting is left to itself after a second."""
        self.stopped.set()
        while not self.table.empty():
            self.table.get_nowait()
        self.thread.join(_PATIENCE)
