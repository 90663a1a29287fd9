"""A helper wakes away from its caller's processor, may run on all of them then, and survives interrupts of others."""

import os
import threading
import time

import numpy as np
import pytest

import lowrank_la as lr
from lowrank_la._backend import helpers, team, threads

moved = pytest.mark.skipif(helpers._own_processor() is None, reason="the system does not tell where threads run")
several = pytest.mark.skipif(threads._affinity() < 2, reason="one processor")


def live(helper, seat, noted):
    """Note task after task, until it is None."""
    while (task := helper.wait()) is not None:
        noted.append((seat, task, os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None))


@pytest.fixture
def staff():
    found, noted = [], []
    yield found, noted
    for helper in found:
        if helper.ident is not None:
            helper.wake()
            helper.join(timeout=60)
    assert not any(helper.is_alive() for helper in found)


def wait_for(noted, count):
    deadline = time.monotonic() + 60
    while len(noted) < count and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(noted) == count


def test_helpers_are_hired_once_and_take_all_their_tasks(staff):
    found, noted = staff
    assert helpers.hire(found, 2, "test", live, noted) == 2
    first = list(found)
    assert helpers.hire(found, 3, "test", live, noted) == 3
    assert found[:2] == first
    assert helpers.hire(found, 1, "test", live, noted) == 1
    assert len(found) == 3
    for task in range(5):
        found[1].wake(task)
    wait_for(noted, 5)
    assert [(seat, task) for seat, task, _ in noted] == [(1, task) for task in range(5)]
    assert not found[1].is_called()


def test_threads_that_can_not_be_had_are_asked_for_again(staff, monkeypatch):
    found, noted = staff
    assert helpers.hire(found, 1, "test", live, noted) == 1

    def refused(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        assert helpers.hire(found, 3, "test", live, noted) == 1
    assert helpers.hire(found, 3, "test", live, noted) == 3


def test_a_start_that_is_interrupted_comes_with_the_next_call(staff, monkeypatch):
    found, noted = staff

    def interrupted(thread):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            helpers.hire(found, 2, "test", live, noted)
    assert helpers.hire(found, 2, "test", live, noted) == 2
    for helper in found:
        helper.wake("task")
    wait_for(noted, 2)


@moved
@several
def test_a_helper_is_kept_off_its_callers_processor_only_until_it_wakes(staff):
    found, noted = staff
    helpers.hire(found, 1, "test", live, noted)
    everywhere = os.sched_getaffinity(0)
    here = min(everywhere)
    os.sched_setaffinity(0, {here})
    try:
        assert helpers.keep_away(found[0].native_id) is None  # its caller has one processor, so it has none else
    finally:
        os.sched_setaffinity(0, everywhere)
    assert helpers.keep_away(found[0].native_id) == everywhere
    assert len(os.sched_getaffinity(found[0].native_id)) == len(everywhere) - 1
    found[0].wake("task")
    wait_for(noted, 1)
    assert noted == [(0, "task", everywhere)]


@moved
def test_a_system_that_forbids_it_or_does_not_tell_changes_nothing(staff, monkeypatch):
    found, noted = staff
    helpers.hire(found, 1, "test", live, noted)

    def forbid(thread, allowed):
        raise PermissionError

    with monkeypatch.context() as patched:
        patched.setattr(os, "sched_setaffinity", forbid)
        assert helpers.keep_away(found[0].native_id) is None
        helpers.may_run_on({0})
        patched.setattr(helpers, "_own_processor", lambda: None)
        assert helpers.keep_away(found[0].native_id) is None
    assert os.sched_getaffinity(found[0].native_id) == os.sched_getaffinity(0)


def test_only_systems_that_move_threads_are_asked(monkeypatch):
    helpers._own_processor.cache_clear()
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    assert helpers._own_processor() is None
    helpers._own_processor.cache_clear()


@pytest.fixture
def kept_away(monkeypatch):
    """Those that were kept off their caller's processor, in order."""
    asked, keep_away = [], helpers.keep_away
    monkeypatch.setattr(helpers, "keep_away", lambda thread: asked.append(thread) or keep_away(thread))
    return asked


def anywhere(known):
    """Whether they all come to run on every processor of this process."""
    everywhere, deadline = os.sched_getaffinity(0), time.monotonic() + 60
    while any(os.sched_getaffinity(thread) != everywhere for thread in known) and time.monotonic() < deadline:
        time.sleep(0.01)
    return [os.sched_getaffinity(thread) for thread in known] == [everywhere] * len(known)


@moved
@several
def test_those_of_transforms_may_run_everywhere_once_awake(kept_away, monkeypatch):
    monkeypatch.setattr(threads, "worker_count", lambda: 3)
    monkeypatch.setattr(team, "_LONG", 1)
    x, deadline = np.ones(1 << 18, np.float32), time.monotonic() + 60
    lr.fwht(x)
    known = [helper.native_id for helper in team._state["team"].helpers[:2]]
    while not set(known) <= set(kept_away) and time.monotonic() < deadline:
        time.sleep(0.01)  # helpers fall asleep
        lr.fwht(x)
    assert set(known) <= set(kept_away)
    assert anywhere(known)


@moved
@several
def test_those_of_blocks_are_woken_elsewhere_and_only_as_many_as_there_is_work_for(kept_away, monkeypatch):
    monkeypatch.setattr(threads, "worker_count", lambda: 3)
    everywhere, meeting = os.sched_getaffinity(0), threading.Barrier(3)

    def at_work(block):
        meeting.wait(60)  # all three are at work
        return os.sched_getaffinity(0)

    for _ in range(5):
        kept_away.clear()
        assert threads.map_blocks(at_work, range(3)) == [everywhere] * 3
        known = [helper.native_id for helper in threads._state["helpers"]]
        assert kept_away == known[:2]
    kept_away.clear()
    threads.map_blocks(str, range(2))
    assert kept_away == known[:1]
    assert anywhere(known)
