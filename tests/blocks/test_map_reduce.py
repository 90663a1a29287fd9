"""One pass: every slab once, merged in an order that nobody's speed decides."""

import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import threadpoolctl
from blocks.slab_kernels import Instrumented, added, matrix, nested, normal, numbered

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.blocks import map_reduce
from lowrank_la.blocks.tree import MergeTree

EXECUTORS = ("serial", "threads")
X = matrix(12, 5, seed=1)


@pytest.fixture(autouse=True)
def _two_workers(monkeypatch):
    """BLAS may have been allowed one thread only; the parallel path is what these tests are about."""
    monkeypatch.setattr(be.threads, "worker_count", lambda: 2)
    monkeypatch.setattr(be, "worker_count", lambda: 2)


def expected_tree(leaves, split_every):
    while len(leaves) > 1:
        groups = [leaves[k : k + split_every] for k in range(0, len(leaves), split_every)]
        leaves = []
        for group in groups:
            node = group[0]
            for other in group[1:]:
                node = (node, other)
            leaves.append(node)
    return leaves[0]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_state_is_that_of_the_whole(executor):
    A = matrix(1000, 12)
    state = map_reduce(lr.block_source(A, rows=77, executor=executor), normal, added, broadcast=(X,))
    np.testing.assert_allclose(state["product"], A.T @ (A @ X), rtol=0, atol=1e3 * np.finfo(float).eps * 1000)
    assert (state["rows"], state["numbers"]) == (1000, 999 * 1000 // 2)


@pytest.mark.parametrize("split_every", [2, 3, 4, 7])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 9, 16, 17, 21, 64, 65])
@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_tree_follows_from_slab_numbers_alone(count, split_every, executor):
    def dawdling(block, start):
        time.sleep(random.random() * 1e-4)
        return numbered(block, start)

    leaves = [(k, k + 1) for k in range(count)]
    for data in (np.ones((count, 1)), iter(np.ones((count, 1, 1)))):
        source = lr.block_source(data, rows=1, executor=executor)
        assert map_reduce(source, dawdling, nested, split_every=split_every) == expected_tree(leaves, split_every)


@pytest.mark.parametrize("order", range(20))
def test_a_tree_is_the_same_for_every_order_of_arrival(order):
    slabs = list(range(23))
    random.Random(order).shuffle(slabs)
    tree = MergeTree(nested, 4)
    for i in slabs:
        assert not tree.covers(i)
        tree.add(i, i)
        assert tree.covers(i)
    assert tree.result(23) == expected_tree(list(range(23)), 4)


def test_merging_in_the_order_of_arrival_would_be_noticed():
    class ByArrival(MergeTree):
        def add(self, index, state):
            self.nodes[0, 0] = state if not self.nodes else self.merge(self.nodes[0, 0], state)

    slabs = list(range(23))
    random.Random(1).shuffle(slabs)
    tree = ByArrival(nested, 4)
    for i in slabs:
        tree.add(i, i)
    assert tree.result(1) != expected_tree(list(range(23)), 4)


def test_every_executor_gives_the_same_bits():
    A = matrix(3000, 40, "float32")
    W = matrix(40, 9, "float32", seed=2)
    found = [
        map_reduce(lr.block_source(data(), rows=100, executor=executor), normal, added, broadcast=(W,))["product"]
        for executor in EXECUTORS
        for data in (lambda: A, lambda: iter(np.array_split(A, [1, 500])), lambda: np.array_split(A, 7))
        for _ in range(3)
    ]
    for product in found:
        np.testing.assert_array_equal(product, found[0])


@pytest.mark.parametrize("executor", EXECUTORS)
def test_each_slab_is_read_once_and_at_most_two_wait(executor):
    for reading, working in ((0.0, 2e-3), (2e-3, 0.0), (1e-3, 1e-3)):
        source = Instrumented(matrix(400, 12), 10, delay=reading)
        source.executor = executor

        def kernel(block, start, working=working):
            time.sleep(working)
            return normal(block, start, X)

        assert map_reduce(source, kernel, added)["rows"] == 400
        assert source.reads == 40
        assert source.most <= (2 if executor == "threads" else 1) + 2
        assert source.alive == 0


def test_the_reader_works_while_kernels_do():
    source = Instrumented(matrix(400, 12), 10)
    source.executor = "serial"
    begun, load = [threading.Event() for _ in range(40)], source._load

    def watched(start, stop):
        begun[start // 10].set()
        return load(start, stop)

    def kernel(block, start):
        assert begun[min(start // 10 + 1, 39)].wait(timeout=60)
        return normal(block, start, X)

    source._load = watched
    assert map_reduce(source, kernel, added)["rows"] == 400


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("prefetch", [True, False])
def test_what_a_kernel_raises_ends_the_pass_and_the_reader(executor, prefetch):
    source = Instrumented(matrix(4000, 12), 10)
    source.executor, source.prefetch = executor, prefetch

    def kernel(block, start):
        if start == 100:
            raise ArithmeticError("slab ten is cursed")
        return normal(block, start, X)

    before = threading.active_count()
    with pytest.raises(ArithmeticError, match="cursed"):
        map_reduce(source, kernel, added)
    assert source.reads < 40
    assert not [thread for thread in threading.enumerate() if thread.name == "lowrank_la reader"]
    assert threading.active_count() <= before + 1


@pytest.mark.parametrize("executor", EXECUTORS)
def test_what_a_read_raises_comes_out_of_the_pass(executor):
    source = Instrumented(matrix(400, 12), 10)
    source.executor = executor
    load = source._load

    def failing(start, stop):
        if start == 200:
            raise OSError("bad sector")
        return load(start, stop)

    source._load = failing
    with pytest.raises(OSError, match="bad sector"):
        map_reduce(source, partial(normal, X=X), added)


def test_merging_that_fails_comes_out_of_the_pass():
    def merge(a, b):
        raise FloatingPointError("no")

    with pytest.raises(FloatingPointError):
        map_reduce(lr.block_source(matrix(400, 12), rows=10), normal, merge, broadcast=(X,))


@pytest.mark.parametrize("executor", EXECUTORS)
def test_blas_runs_on_one_thread_inside_of_kernels_and_merges(executor):
    controller = threadpoolctl.ThreadpoolController().select(user_api="blas")
    seen = set()

    def kernel(block, start):
        seen.update(library.get_num_threads() for library in controller.lib_controllers)
        return normal(block, start, X)

    def merge(a, b):
        seen.update(library.get_num_threads() for library in controller.lib_controllers)
        return added(a, b)

    before = [library.get_num_threads() for library in controller.lib_controllers]
    map_reduce(lr.block_source(matrix(400, 12), rows=30, executor=executor), kernel, merge)
    assert seen == {1}
    assert [library.get_num_threads() for library in controller.lib_controllers] == before


def test_eight_threads_may_run_passes_at_once():
    A = matrix(2000, 12)
    expected = map_reduce(lr.block_source(A, rows=33), normal, added, broadcast=(X,))

    def task(_):
        return map_reduce(lr.block_source(A, rows=33), normal, added, broadcast=(X,))

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(task, range(16)):
            np.testing.assert_array_equal(found["product"], expected["product"])


def test_states_may_be_arrays_numbers_and_tuples():
    source = lr.block_source(matrix(100, 3), rows=9)
    assert map_reduce(source, lambda block, start: block.shape[0], lambda a, b: a + b) == 100
    total = map_reduce(source, lambda block, start: block.sum(axis=0), lambda a, b: a + b)
    assert total.shape == (3,)
    pair = map_reduce(source, lambda block, start: (1, block.max()), lambda a, b: (a[0] + b[0], max(a[1], b[1])))
    assert pair == (12, matrix(100, 3).max())


def test_data_of_every_library_keep_their_namespace(backend):
    A = matrix(300, 12, backend.nearest("float64"))
    W = backend.asarray(matrix(12, 4, backend.nearest("float64"), seed=3))
    source = lr.block_source(backend.asarray(A), rows=40)
    found = map_reduce(source, lambda block, start, W: block.T @ (block @ W), lambda a, b: a + b, broadcast=(W,))
    assert backend.holds(found)
    wide = A.astype("float64")
    exact = wide.T @ (wide @ backend.to_numpy(W).astype("float64"))
    assert np.abs(backend.to_numpy(found) - exact).max() <= 100 * be.eps(A.dtype) * np.linalg.norm(A) ** 2


def anonymous_bytes():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) << 10


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the system has no /proc")
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_pass_over_a_memory_map_takes_no_memory_of_its_size(executor, tmp_path):
    size, most = 256 << 20, [0]
    np.lib.format.open_memmap(tmp_path / "a.npy", mode="w+", dtype="float32", shape=(size // 1024, 256)).flush()

    def kernel(block, start):
        most[0] = max(most[0], anonymous_bytes())
        return normal(block, start, np.ones((256, 4), dtype="float32"))

    before = anonymous_bytes()
    source = lr.block_source(np.load(tmp_path / "a.npy", mmap_mode="r"), executor=executor)
    assert map_reduce(source, kernel, added)["rows"] == size // 1024
    assert most[0] - before < size / 8


def test_split_every_is_checked():
    with pytest.raises(ValueError, match="split_every must be at least 2"):
        map_reduce(lr.block_source(np.ones((3, 2))), numbered, nested, split_every=1)
