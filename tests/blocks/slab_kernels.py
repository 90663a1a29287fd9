"""Kernels, merges and sources for the tests of blocks; here, so that workers in other processes can import them."""

import os
import signal
import threading
import time
import weakref

import array_api_compat.numpy as xp_numpy
import numpy as np

from lowrank_la.blocks import BlockSource
from lowrank_la.blocks.source import boundaries_of


def normal(block, start, X):
    """``Aᵀ(A X)`` of a slab, its rows and the sum of its row numbers."""
    return {"product": block.T @ (block @ X), "rows": block.shape[0], "numbers": sum(range(start, start + len(block)))}


def added(a, b):
    return {name: a[name] + b[name] for name in a}


def numbered(block, start):
    """The row numbers of a slab, as one leaf of a tree."""
    return (start, start + block.shape[0])


def nested(a, b):
    return (a, b)


def times(block, start, X):
    return block @ X


def row_norms(block, start):
    return (block**2).sum(axis=1)


def whereabouts(block, start):
    """The worker that runs this kernel, as a tuple of names without repetition."""
    from distributed import get_worker

    time.sleep(0.03)
    return (get_worker().address,)


def united(a, b):
    return tuple(sorted({*a, *b}))


def slow_normal(block, start, X, *, seconds):
    time.sleep(seconds)
    return normal(block, start, X)


def first_time(folder, name):
    """Whether `name` was never asked for in `folder`, on any process."""
    try:
        os.close(os.open(os.path.join(folder, name), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def deadly_normal(block, start, X, *, folder, at):
    """`normal` whose process is killed the first time that the slab at row `at` is asked for."""
    if start == at and first_time(folder, "killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    return normal(block, start, X)


def deadly_chunk(chunk, block_info=None, *, folder, at):
    """The chunk, in a process that is killed the first time that the chunk at row `at` is asked for."""
    if block_info and block_info[0]["array-location"][0][0] == at and first_time(folder, "killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    return chunk


def failing_normal(block, start, X, *, folder, at, failures):
    """`normal` that fails the first times that the slab at row `at` is asked for."""
    if start == at:
        for k in range(failures):
            if first_time(folder, f"failed{k}"):
                raise OSError("the disk is away for a moment")
    return normal(block, start, X)


class Instrumented(BlockSource):
    """Slabs of an array, copied; it counts reads and the slabs that are alive."""

    parallel_reads = False

    def __init__(self, array, rows, *, delay=0.0):
        super().__init__(array.shape, array.dtype, xp_numpy, "cpu", boundaries=boundaries_of(len(array), rows))
        self.array, self.delay = array, delay
        self.reads, self.alive, self.most = 0, 0, 0
        self.lock = threading.Lock()

    def _load(self, start, stop):
        with self.lock:
            self.reads += 1
            self.alive += 1
            self.most = max(self.most, self.alive)
        time.sleep(self.delay)
        block = self.array[start:stop].copy()
        weakref.finalize(block, self._gone)
        return block

    def _gone(self):
        with self.lock:
            self.alive -= 1


def matrix(m=1000, n=12, dtype="float64", seed=0):
    generator = np.random.default_rng(seed)
    a = generator.standard_normal((m, n))
    return (a + 1j * generator.standard_normal((m, n)) if np.dtype(dtype).kind == "c" else 5 * a).astype(dtype)
