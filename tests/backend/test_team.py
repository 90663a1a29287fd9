"""Helpers in compiled code: the bits of one thread, whoever comes, is late, stays away, forks or interrupts."""

import math
import signal
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from backend.fresh_process import require_done

import lowrank_la as lr
from lowrank_la import _kernels
from lowrank_la._backend import butterfly, helpers, team, threads
from lowrank_la._kernels.numba import team as board_words

SHAPES = [((1 << 17,), 0), ((3, 1 << 14), 1), ((1 << 9, 100), 0), ((2, 1 << 10, 33), 1), ((1 << 15, 4), 0)]


def numbers(shape, dtype="float32", seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@pytest.fixture(autouse=True)
def small_transforms_are_shared(monkeypatch):
    monkeypatch.setattr(butterfly, "_PARALLEL_FROM", 1)
    monkeypatch.setattr(butterfly, "_TASK", 1 << 10)
    for kept in (butterfly._parts_of_rows, butterfly._parts_of_runs):
        kept.cache_clear()
    yield
    for kept in (butterfly._parts_of_rows, butterfly._parts_of_runs):
        kept.cache_clear()


def workers(monkeypatch, count):
    monkeypatch.setattr(threads, "worker_count", lambda: count)


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_number_of_threads_gives_the_same_bits(shape, axis, dtype, monkeypatch):
    x = numbers(shape, dtype)
    workers(monkeypatch, 1)
    alone = lr.fwht(x, axis)
    for count in (2, 3, 5, 40):
        workers(monkeypatch, count)
        for _ in range(20):
            np.testing.assert_array_equal(lr.fwht(x, axis), alone)


def test_thousands_of_transforms_of_both_dtypes_in_a_row_are_right(monkeypatch):
    workers(monkeypatch, 3)
    problems = [(x, lr.fwht(x)) for x in (numbers(1 << 13, dtype, seed) for seed, dtype in enumerate("fdffd"))]
    for turn in range(3000):
        x, expected = problems[turn % len(problems)]
        assert np.array_equal(lr.fwht(x), expected)
        if turn % 500 == 0:
            time.sleep(0.002)  # helpers fall asleep


def test_helpers_that_never_come_are_not_waited_for(monkeypatch):
    x = numbers(1 << 17)
    expected = lr.fwht(x)
    monkeypatch.setitem(team._state, "team", None)
    monkeypatch.setattr(team, "_help", lambda *known: None)
    workers(monkeypatch, 4)
    np.testing.assert_array_equal(lr.fwht(x), expected)
    assert [helper.is_alive() for helper in team._state["team"].helpers] == [False] * 3


def test_a_short_transform_after_a_pause_wakes_nobody_and_those_that_follow_do(monkeypatch):
    workers(monkeypatch, 2)
    x, opened, kernel, now = numbers(1 << 14), [], team._kernel, [time.perf_counter()]
    expected = lr.fwht(x)

    def opening(board, helpers, wakes, *job):
        opened.append(wakes)
        return kernel("open_transform")(board, helpers, wakes, *job)

    def after(pause, x):
        now[0] += pause
        return lr.fwht(x)

    monkeypatch.setattr(team, "_kernel", lambda name: opening if name == "open_transform" else kernel(name))
    monkeypatch.setattr(team, "time", SimpleNamespace(perf_counter=lambda: now[0], sleep=time.sleep))
    for pause in (1.0, 1e-4, 4e-4, 6e-4):
        np.testing.assert_array_equal(after(pause, x), expected)
    assert opened == [False, True, True, False]
    monkeypatch.setattr(team, "_LONG", x.nbytes)
    after(1.0, x[: x.size // 2])
    after(1.0, x)
    assert opened[4:] == [False, True]


def test_helpers_take_part(monkeypatch):
    workers(monkeypatch, 2)
    monkeypatch.setitem(team._state, "team", None)
    x = numbers(1 << 20)
    words = board_words._PHASE + board_words.BACK
    taken, deadline = 0, time.monotonic() + 60
    while taken == 0 and time.monotonic() < deadline:
        lr.fwht(x)
        taken += int(team._state["team"].board[words])
    team._state["team"].dismiss()
    assert taken > 0
    assert not team._state["team"].helpers[0].is_alive()


def test_nobody_is_at_work_and_nothing_is_held_after_a_transform(monkeypatch):
    workers(monkeypatch, 3)
    for _ in range(100):
        lr.fwht(numbers(1 << 14))
        assert team._state["team"].held == ()
        assert team._state["team"].board[board_words.JOB] == 0


@pytest.mark.parametrize("turns", [0, 1])
def test_an_interrupt_leaves_the_team_ready_for_the_next_transform(turns, monkeypatch):
    workers(monkeypatch, 2)
    x, work, calls = numbers(1 << 17), _kernels.lookup("work_on_transforms", "numpy"), []
    expected = lr.fwht(x)

    def interrupted(board, like, seat):
        calls.append(work(board, like, seat) if turns else None)
        raise KeyboardInterrupt

    kernel = team._kernel
    monkeypatch.setattr(team, "_kernel", lambda name: interrupted if name == "work_on_transforms" else kernel(name))
    with pytest.raises(KeyboardInterrupt):
        lr.fwht(x)
    assert len(calls) == 1
    assert team._state["team"].held == ()
    assert team._state["team"].board[board_words.JOB] == 0
    monkeypatch.setattr(team, "_kernel", kernel)
    np.testing.assert_array_equal(lr.fwht(x), expected)


def test_eight_threads_at_once_get_the_bits_of_one(monkeypatch):
    workers(monkeypatch, 2)
    problems = [(x, lr.fwht(x)) for x in (numbers(1 << 15, "fd"[seed % 2], seed) for seed in range(8))]
    wrong = []

    def use(x, expected):
        wrong.extend(turn for turn in range(40) if not np.array_equal(lr.fwht(x), expected))

    users = [threading.Thread(target=use, args=problem) for problem in problems]
    for user in users:
        user.start()
    use(*problems[0])
    for user in users:
        user.join(timeout=60)
    assert not any(user.is_alive() for user in users)
    assert not wrong


def test_tasks_are_handed_out_once_and_phases_wait_for_each_other():
    board, count = board_words.new_board(), 1000
    board[board_words.HELPERS], board[board_words.PHASE_COUNT] = 3, 2
    board[board_words.TASKS : board_words.TASKS + 2] = count, count
    board_words.open_job(board, True)
    taken = [[], []]

    def work(leads):
        for phase in range(2):
            while (task := board_words.take(board, phase, leads)) >= 0:
                taken[phase].append(task)
                board_words.finish(board, phase)
            while not board_words.settled(board, phase, leads):
                pass
            assert len(taken[phase]) == count

    helpers = [threading.Thread(target=work, args=(False,)) for _ in range(3)]
    for helper in helpers:
        helper.start()
    work(True)
    for helper in helpers:
        helper.join(timeout=60)
    assert [sorted(part) for part in taken] == [list(range(count))] * 2


def test_a_closed_job_takes_nobody_in_and_is_left_when_the_last_one_goes():
    board = board_words.new_board()
    board[board_words.HELPERS], board[board_words.PHASE_COUNT] = 1, 0
    board_words.open_job(board, True)
    assert board_words.enter(board)
    assert not board_words.enter(board)
    board_words.leave(board)
    assert not board_words.is_left(board)
    board_words.leave(board)
    assert board_words.is_left(board)
    assert not board_words.enter(board)


@pytest.mark.skipif(sys.platform != "linux", reason="fork is used on Linux")
def test_transforms_work_after_a_fork_and_processes_end_at_once():
    code = """
        import os
        import numpy as np
        import lowrank_la as lr
        from lowrank_la._backend import team, threads

        threads.worker_count = lambda: 3
        x = np.random.default_rng(0).standard_normal(1 << 18)
        expected = lr.fwht(x)
        for turn in range(5):
            lr.fwht(x)
            child = os.fork()
            if child == 0:
                assert team._state["team"] is None
                right = all(np.array_equal(lr.fwht(x), expected) for _ in range(20))
                os._exit(0 if right and len(team._state["team"].helpers) == 2 else 1)
            assert np.array_equal(lr.fwht(x), expected)
            assert os.waitpid(child, 0)[1] == 0
        print("done")
        lr.fwht(x)
    """
    require_done(code)


def test_an_interrupt_before_a_helper_is_woken_loses_it_only_for_that_transform(monkeypatch):
    def interrupted(helper):
        raise KeyboardInterrupt

    workers(monkeypatch, 2)
    monkeypatch.setitem(team._state, "team", None)
    monkeypatch.setattr(team, "_WHILE", math.inf)
    x = numbers(1 << 17)
    expected = lr.fwht(x)
    working, word = team._state["team"], board_words._ASLEEP
    deadline = time.monotonic() + 60
    while working.board[word] == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    with monkeypatch.context() as patched:
        patched.setattr(helpers.Helper, "is_called", interrupted)
        with pytest.raises(KeyboardInterrupt):
            lr.fwht(x)
    while working.board[word] == 1 and time.monotonic() < deadline:
        np.testing.assert_array_equal(lr.fwht(x), expected)
    assert working.board[word] == 0
    working.dismiss()


def test_threads_that_can_not_be_had_are_done_without(monkeypatch):
    def refused(helper):
        raise RuntimeError("can't start new thread")

    x = numbers(1 << 17)
    expected = lr.fwht(x)
    monkeypatch.setitem(team._state, "team", None)
    monkeypatch.setattr(threading.Thread, "start", refused)
    workers(monkeypatch, 4)
    np.testing.assert_array_equal(lr.fwht(x), expected)
    assert not any(helper.is_alive() for helper in team._state["team"].helpers)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
def test_a_signal_handler_that_transforms_disturbs_nothing(monkeypatch):
    x = numbers(1 << 14)
    expected, wrong, calls, inside = lr.fwht(x), [], [], []

    def handler(number, frame):
        if not inside:
            inside.append(1)
            calls.append(wrong.extend([1] * (not np.array_equal(lr.fwht(x), expected))))
            inside.clear()

    counts = [library.get_num_threads() for library in threads._blas_libraries()]
    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-3, 1e-3)
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            wrong.extend([2] * (not np.array_equal(lr.fwht(x), expected)))
            threads.map_blocks(np.sum, [x, x])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert calls
    assert not wrong
    assert (threads._state["open"], threads._state["parallel"]) == (set(), False)
    assert [library.get_num_threads() for library in threads._blas_libraries()] == counts
