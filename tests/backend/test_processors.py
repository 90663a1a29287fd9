"""A helper wakes away from its leader's processor, and may run on all of them afterwards."""

import os
import threading
import time

import numpy as np
import pytest

import lowrank_la as lr
from lowrank_la._backend import processors, team, threads

moved = pytest.mark.skipif(processors._own_processor() is None, reason="the system does not tell where threads run")
several = pytest.mark.skipif(threads._affinity() < 2, reason="one processor")


class Sleeper(threading.Thread):
    """Sleeps until it is let out; then notes its processors before and after `may_run_on`."""

    def __init__(self):
        super().__init__(daemon=True)
        self.door, self.allowed, self.noted = threading.Event(), None, []

    def run(self):
        self.door.wait()
        self.noted.append(os.sched_getaffinity(0))
        processors.may_run_on(self.allowed)
        self.noted.append(os.sched_getaffinity(0))

    def let_out(self, allowed):
        self.allowed = allowed
        self.door.set()
        self.join()
        return self.noted


@pytest.fixture
def sleeper():
    thread = Sleeper()
    thread.start()
    yield thread
    thread.let_out(None)


@moved
@several
def test_a_thread_wakes_elsewhere_and_may_then_run_everywhere(sleeper):
    everywhere = os.sched_getaffinity(0)
    here = min(everywhere)
    os.sched_setaffinity(0, {here})
    try:
        assert processors.keep_away([sleeper.native_id]) is None  # its leader has one processor, so it has none else
    finally:
        os.sched_setaffinity(0, everywhere)
    allowed = processors.keep_away([sleeper.native_id])
    assert allowed == everywhere
    before, after = sleeper.let_out(allowed)
    assert len(before) == len(everywhere) - 1
    assert after == everywhere


@moved
def test_a_system_that_forbids_it_or_does_not_tell_changes_nothing(sleeper, monkeypatch):
    def forbid(thread, allowed):
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", forbid)
    assert processors.keep_away([sleeper.native_id]) is None
    processors.may_run_on({0})
    monkeypatch.setattr(processors, "_own_processor", lambda: None)
    assert processors.keep_away([sleeper.native_id]) is None
    monkeypatch.undo()
    before, after = sleeper.let_out(None)
    assert before == after == os.sched_getaffinity(0)


def test_only_systems_that_move_threads_are_asked(monkeypatch):
    processors._own_processor.cache_clear()
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    assert processors._own_processor() is None
    processors._own_processor.cache_clear()


@moved
@several
def test_helpers_that_slept_may_run_everywhere_once_awake(monkeypatch):
    monkeypatch.setattr(threads, "worker_count", lambda: 3)
    monkeypatch.setattr(team, "_LONG", 1)
    asked, keep_away = [], processors.keep_away
    monkeypatch.setattr(team, "keep_away", lambda known: asked.extend(known) or keep_away(known))
    x, everywhere, deadline = np.ones(1 << 18, np.float32), os.sched_getaffinity(0), time.monotonic() + 60
    lr.fwht(x)
    helpers = [helper.native_id for helper in team._state["team"].threads[:2]]
    while not set(helpers) <= set(asked) and time.monotonic() < deadline:
        time.sleep(0.01)  # helpers fall asleep
        lr.fwht(x)
    assert set(helpers) <= set(asked)
    while any(os.sched_getaffinity(helper) != everywhere for helper in helpers) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [os.sched_getaffinity(helper) for helper in helpers] == [everywhere] * 2


@moved
@several
def test_threads_of_the_pool_may_run_everywhere_at_work(monkeypatch):
    monkeypatch.setattr(threads, "worker_count", lambda: 3)
    everywhere, meeting = os.sched_getaffinity(0), threading.Barrier(3)

    def at_work(block):
        meeting.wait(60)  # all three are at work
        return os.sched_getaffinity(0)

    for _ in range(5):
        assert threads.map_blocks(at_work, range(3)) == [everywhere] * 3
    assert len(threads._state["pool_threads"]) >= 2
