"""Two threads at one transform beside two threads at a half each, which have nothing to say to each other.

What the halves gain over one thread is what the processors give at that moment: 2 where they are two whole cores, less
where they are two threads of one core, or others work on the machine. All are timed in one round of a few hundredths of
a second, so that they meet the same machine, each as often as the others; the halves are kept on a processor each.
"""

import contextlib
import os
import threading
from functools import partial

import numpy as np
import threadpoolctl

import lowrank_la as lr
from benchmarks import harness

WORK = 1 << 22  # numbers transformed in one timed run
RUNS = 5  # of each in a round, of which the fastest counts
WHOLE = 1.8  # what two halves gain at least where the processors are two whole cores


def measure(loop, dtype, stages, rounds):
    """Medians of what two threads gain over one, of what halves gain, and of the first where the second is `WHOLE`.

    Parameters
    ----------
    loop : function (x, stages, repeats)
        Compiled, runs without the interpreter's lock.
    dtype : str
    stages, rounds : int
    """
    x, halves = np.zeros(1 << stages, dtype), [np.zeros(1 << (stages - 1), dtype) for _ in range(2)]
    calls, found = partial(call_often, partial(lr.fwht, x, overwrite=True), WORK >> stages), []
    for _ in range(rounds):
        with threadpoolctl.threadpool_limits(1):
            one = _fastest(calls)
        two = _fastest(calls)
        found.append((one / two, _apart(loop, halves, stages - 1)))
    gain, apart = np.array(found).T
    whole = apart >= WHOLE
    return {
        "gain": float(np.median(gain)),
        "gain_of_halves": float(np.median(apart)),
        "gain_on_whole_cores": float(np.median(gain[whole])) if whole.any() else None,
        "rounds_on_whole_cores": int(whole.sum()),
        "rounds": rounds,
    }


def gain_after_a_pause(call, rounds, bystanders):
    """Median of what two threads gain over one in single calls after pauses, in which processors fall asleep."""
    gain = []
    for _ in range(rounds):
        two = bystanders.undisturbed(call)
        with threadpoolctl.threadpool_limits(1):
            gain.append(bystanders.undisturbed(call) / two)
    return float(np.median(gain))


def call_often(run, turns):
    for _ in range(turns):
        run()


def _fastest(run):
    return min(harness.seconds(run)[1] for _ in range(RUNS))


def _apart(loop, halves, stages):
    """What two threads gain over one where each works on a half of its own."""
    runs, meeting = [partial(loop, half, stages, WORK >> stages + 1) for half in halves], threading.Barrier(2)
    times = np.empty((2, RUNS))

    def work(place):
        with _on_processor(place):
            for turn in range(RUNS):
                meeting.wait()
                times[place, turn] = harness.seconds(runs[place])[1]

    with _on_processor(0):
        one = sum(map(_fastest, runs))
    other = threading.Thread(target=work, args=(1,))
    other.start()
    work(0)
    other.join()
    return one / float(times.max(axis=0).min())


@contextlib.contextmanager
def _on_processor(place):
    """Keep the calling thread on one of its processors, where the system lets it."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(allowed)[place]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
