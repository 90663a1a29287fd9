"""Worker threads: order, errors, a BLAS that is put back, and use from many threads and after a fork."""

import contextlib
import gc
import random
import signal
import sys
import threading
import time
import weakref

import numpy as np
import pytest
from backend.fresh_process import require_done

from lowrank_la import _backend as be
from lowrank_la._backend import helpers, threads


def blas_threads():
    return [library.get_num_threads() for library in threads._blas_libraries()]


@pytest.fixture(autouse=True)
def two_blas_threads():
    """Two threads in every BLAS, so that lowering them shows; the counts found are put back."""
    before = blas_threads()
    for library in threads._blas_libraries():
        threads._set_threads(library, 2)
    yield
    assert blas_threads() == [2] * len(before)
    assert not threads._state["open"]
    for library, count in zip(threads._blas_libraries(), before, strict=True):
        threads._set_threads(library, count)


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_results_come_in_the_order_of_the_blocks(workers, monkeypatch):
    monkeypatch.setattr(threads, "worker_count", lambda: workers)

    def late_first(i):
        time.sleep(0.002 * (3 - i % 4))
        return i

    assert be.map_blocks(late_first, range(20)) == list(range(20))


def test_several_threads_do_work_at_once(monkeypatch):
    monkeypatch.setattr(threads, "worker_count", lambda: 2)
    meeting = threading.Barrier(2, timeout=20)
    assert sorted(be.map_blocks(lambda i: meeting.wait() * 0 + i, range(2))) == [0, 1]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_error_is_that_of_one_thread_and_nothing_is_begun_after_it(workers, monkeypatch):
    monkeypatch.setattr(threads, "worker_count", lambda: workers)
    begun = []

    def fail_late_first(i):
        begun.append(i)
        time.sleep(0.01 * (5 - i) if i < 5 else 0.02)
        if i in (1, 3, 4):
            raise ValueError(i)

    for _ in range(5):
        with pytest.raises(ValueError, match=r"^1$"):
            be.map_blocks(fail_late_first, range(100))
        assert max(begun) < 1 + workers + 5
        begun.clear()
    assert be.map_blocks(abs, range(-9, 0)) == list(range(9, 0, -1))


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("caught", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_goes_before_errors_and_the_next_call_works(workers, caught, monkeypatch):
    monkeypatch.setattr(threads, "worker_count", lambda: workers)

    def interrupted(i):
        if i == 2:
            raise caught
        time.sleep(0.02)
        if workers > 1 and i < 2:
            raise ValueError(i)

    with pytest.raises(caught):
        be.map_blocks(interrupted, range(100))
    assert threads._state["parallel"] is False
    assert be.map_blocks(abs, range(-9, 0)) == list(range(9, 0, -1))


def test_an_interrupt_while_helpers_are_woken_stops_those_that_were(monkeypatch):
    monkeypatch.setattr(threads, "worker_count", lambda: 3)
    be.map_blocks(abs, range(3))
    wake, woken, begun = helpers.Helper.wake, [], []

    def interrupted(helper, task):
        if woken:
            raise KeyboardInterrupt
        woken.append(wake(helper, task))

    def work(i):
        begun.append(i)
        time.sleep(0.02)

    with monkeypatch.context() as patched:
        patched.setattr(helpers.Helper, "wake", interrupted)
        with pytest.raises(KeyboardInterrupt):
            be.map_blocks(work, range(1000))
    assert len(begun) <= 2
    assert threads._state["parallel"] is False
    assert be.map_blocks(abs, range(-9, 0)) == list(range(9, 0, -1))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
def test_many_interrupts_at_any_place_leave_threads_usable(monkeypatch):
    monkeypatch.setattr(threads, "worker_count", lambda: 2)
    rng, armed = random.Random(0), [False]

    def interrupt(number, frame):
        if armed[0]:
            armed[0] = False
            raise KeyboardInterrupt

    before, interrupted, end = signal.signal(signal.SIGALRM, interrupt), 0, time.monotonic() + 2.0
    try:
        while time.monotonic() < end:
            try:
                armed[0] = True
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-5, 2e-4))
                for _ in range(30):
                    be.map_blocks(abs, range(4))
            except KeyboardInterrupt:
                interrupted += 1
            armed[0] = False
            assert (threads._state["open"], threads._state["parallel"]) == (set(), False)
    finally:
        armed[0] = False
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted > 10
    assert be.map_blocks(abs, range(-9, 0)) == list(range(9, 0, -1))


def test_a_helper_whose_start_was_cut_short_by_an_error_is_replaced():
    require_done("""
        import os, signal, threading
        import numpy as np
        import lowrank_la as lr
        from lowrank_la._backend import team, threads

        def handler(*known):
            raise TimeoutError

        def start(*known):
            begun = real(*known)
            if armed:
                armed.pop()
                os.kill(os.getpid(), signal.SIGTERM)
            return begun

        signal.signal(signal.SIGTERM, handler)
        threading.excepthook = lambda error: None
        attribute = "_start_joinable_thread" if hasattr(threading, "_start_joinable_thread") else "_start_new_thread"
        real, armed = getattr(threading, attribute), [True]
        setattr(threading, attribute, start)
        threads.worker_count = lambda: 2
        x = np.ones(1 << 18)
        for call in (lambda: threads.map_blocks(abs, range(8)), lambda: lr.fwht(x)[:1].tolist()):
            armed[:] = [True]
            try:
                call()
            except TimeoutError:
                pass
            assert not armed
            assert call() in ([*range(8)], [float(1 << 18)])
        assert threads._state["helpers"][0].is_alive()
        assert team._state["team"].helpers[0].is_alive()
        print("done")
    """)


def test_blocks_are_done_alone_at_the_very_end_of_a_process():
    require_done("""
        import builtins
        from lowrank_la._backend import threads

        threads.worker_count = lambda: 2
        threads.map_blocks(abs, range(4))

        class Late:
            def __init__(self):
                self.map_blocks, self.print, self.range = threads.map_blocks, print, range

            def __del__(self):
                if self.map_blocks(abs, self.range(4)) == [0, 1, 2, 3]:
                    self.print("done", flush=True)

        builtins.late = Late()
    """)


@pytest.mark.skipif(sys.platform != "linux", reason="fork is used on Linux")
def test_a_fork_in_a_block_is_told_in_the_child():
    require_done("""
        import os, threading
        from lowrank_la._backend import threads

        threads.worker_count = lambda: 2
        meeting, forked, children = threading.Barrier(2), threading.Event(), []

        def fork(block):
            meeting.wait()
            if threading.current_thread() is threading.main_thread():
                children.append(os.fork())
                forked.set()
            else:
                forked.wait()
            return block

        try:
            found = threads.map_blocks(fork, range(2))
        except RuntimeError as error:
            os._exit(7 if children == [0] and "a thread has ended at its work" in str(error) else 8)
        assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 7
        assert found == [0, 1]
        print("done")
    """)


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no such signals here")
def test_a_handler_that_uses_blocks_while_counts_are_put_back_disturbs_nothing(monkeypatch):
    libraries, calls = threads._blas_libraries, []

    def interrupted():
        if sys._getframe(1).f_code.co_name == "_put_back" and not calls:
            calls.append(1)
            signal.raise_signal(signal.SIGALRM)
        return libraries()

    before = signal.signal(signal.SIGALRM, lambda *known: calls.append(be.map_blocks(abs, range(-4, 0))))
    try:
        monkeypatch.setattr(threads, "_blas_libraries", interrupted)
        assert be.map_blocks(abs, range(4)) == [0, 1, 2, 3]
    finally:
        signal.signal(signal.SIGALRM, before)
    assert calls == [1, [4, 3, 2, 1]]
    assert blas_threads() == [2] * len(blas_threads())


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
def test_an_interrupt_at_a_lock_that_another_thread_holds_puts_the_counts_back():
    holding, let_go = threading.Event(), threading.Event()

    def hold():
        with threads._state["lock"]:
            holding.set()
            let_go.wait(60)

    def interrupt(*known):
        let_go.set()
        raise KeyboardInterrupt

    def leave_while_it_is_held():
        with be.single_blas():
            other.start()
            holding.wait(60)
            signal.setitimer(signal.ITIMER_REAL, 0.05)

    other, before = threading.Thread(target=hold), signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            leave_while_it_is_held()
    finally:
        signal.signal(signal.SIGALRM, before)
        let_go.set()
    other.join(60)
    assert blas_threads() == [2] * len(blas_threads())


def test_an_interrupt_as_a_region_closes_puts_the_counts_back(monkeypatch):
    class Interrupted(set):
        def discard(self, region):
            super().discard(region)
            if not calls:
                calls.append(region)
                raise KeyboardInterrupt

    calls = []
    monkeypatch.setitem(threads._state, "open", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        be.map_blocks(abs, range(4))
    assert len(calls) == 1
    assert blas_threads() == [2] * len(blas_threads())


def test_errors_of_several_blocks_hold_no_memory(monkeypatch):
    monkeypatch.setattr(threads, "worker_count", lambda: 2)
    meeting = threading.Barrier(2)

    class Block:
        pass

    def fail(block):
        meeting.wait(60)
        raise ValueError

    blocks = [Block() for _ in range(4)]
    alive = [weakref.ref(block) for block in blocks]
    gc.disable()
    try:
        with contextlib.suppress(ValueError):
            be.map_blocks(fail, blocks)
        del blocks
        assert [block() for block in alive] == [None] * 4
    finally:
        gc.enable()


def test_blas_is_lowered_off_the_main_thread_too():
    inside = []

    def use():
        with be.single_blas():
            inside.extend(blas_threads())

    user = threading.Thread(target=use)
    user.start()
    user.join()
    assert set(inside) <= {1}


def test_no_blocks_no_results():
    assert be.map_blocks(lambda block: 1, []) == []


def test_blas_has_one_thread_inside_and_its_own_count_afterwards(monkeypatch):
    monkeypatch.setattr(threads, "worker_count", lambda: 2)
    inside = be.map_blocks(lambda block: blas_threads(), range(4))
    assert all(set(counts) <= {1} for counts in inside)
    with be.single_blas(), be.single_blas():
        assert set(blas_threads()) <= {1}


@pytest.mark.parametrize("failing", [0, 3])
@pytest.mark.parametrize("workers", [1, 2])
def test_errors_reach_the_caller_and_blas_is_put_back(workers, failing, monkeypatch):
    monkeypatch.setattr(threads, "worker_count", lambda: workers)

    def fails(i):
        time.sleep(0.001)
        if i == failing:
            raise ZeroDivisionError(f"block {i}")

    with pytest.raises(ZeroDivisionError, match=f"block {failing}"):
        be.map_blocks(fails, range(4))
    assert be.map_blocks(lambda i: i, range(3)) == [0, 1, 2]


def test_errors_in_worker_threads_reach_the_caller(monkeypatch):
    monkeypatch.setattr(threads, "worker_count", lambda: 2)
    meeting = threading.Barrier(2, timeout=20)

    def fails_off_the_main_thread(i):
        meeting.wait()
        if threading.current_thread() is not threading.main_thread():
            raise ZeroDivisionError("worker")

    with pytest.raises(ZeroDivisionError, match="worker"):
        be.map_blocks(fails_off_the_main_thread, range(2))


def test_nested_calls_do_not_lock_up(monkeypatch):
    monkeypatch.setattr(threads, "worker_count", lambda: 3)
    nested = be.map_blocks(lambda i: be.map_blocks(lambda j: (i, j), range(3)), range(5))
    assert nested == [[(i, j) for j in range(3)] for i in range(5)]


def test_eight_threads_at_once_agree_and_put_blas_back():
    A = np.random.default_rng(0).standard_normal((1500, 300))
    with be.single_blas():
        expected = be.matmul(A.T, A)
    answers, errors = [], []

    def use():
        try:
            for _ in range(3):
                with be.single_blas():
                    answers.append(be.matmul(A.T, A))
        except Exception as error:  # noqa: BLE001  reported by the assertion below
            errors.append(error)

    users = [threading.Thread(target=use) for _ in range(8)]
    for user in users:
        user.start()
    answers += [be.matmul(A.T, A) for _ in range(3)]
    for user in users:
        user.join(timeout=60)
    assert not errors
    assert len(answers) == 27
    assert all(np.array_equal(answer, expected) for answer in answers)


def test_the_worker_count_is_at_most_what_blas_was_allowed():
    for library in threads._blas_libraries():
        threads._set_threads(library, 1)
    assert be.worker_count() == 1
    for library in threads._blas_libraries():
        threads._set_threads(library, 2)
    with be.single_blas():
        assert be.worker_count() == min(2, threads._affinity())


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9])
def test_a_fixed_partition_covers_everything_once(n):
    parts = be.fixed_partition(n, 4)
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(n))


@pytest.mark.skipif(sys.platform != "linux", reason="fork is used on Linux")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_products_work_after_a_fork():
    code = """
        import multiprocessing, threading, time
        import numpy as np
        from lowrank_la import _backend as be
        from lowrank_la._backend import helpers, threads

        threads.worker_count = lambda: 2
        A = np.ones((2000, 300))

        def child(queue):
            total = float(be.matmul(A.T, A).sum())
            queue.put((total, len(threads._state["open"]), [x.get_num_threads() for x in threads._blas_libraries()]))

        def run(context):
            queue = context.Queue()
            process = context.Process(target=child, args=(queue,))
            process.start()
            answer = queue.get(timeout=60)
            process.join(timeout=60)
            assert process.exitcode == 0
            return answer

        be.matmul(A.T, A)
        before = [x.get_num_threads() for x in threads._blas_libraries()]
        context = multiprocessing.get_context("fork")
        assert run(context) == (2000.0 * 300 * 300, 0, before)

        ready, release = threading.Event(), threading.Event()

        def hold():
            with be.single_blas():
                ready.set()
                release.wait(60)

        holder = threading.Thread(target=hold)
        holder.start()
        ready.wait(60)
        assert run(context) == (2000.0 * 300 * 300, 0, before)
        with be.single_blas():
            assert run(context)[0] == 2000.0 * 300 * 300
        release.set()
        holder.join(60)
        assert [x.get_num_threads() for x in threads._blas_libraries()] == before
        print("done")
    """
    require_done(code)
