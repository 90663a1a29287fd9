"""A decomposition of data in slabs that is killed goes on where it was, with the same bits."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from factor.slab_data import Counting

import lowrank_la as lr
from lowrank_la import testing

OPTIONS = {
    "gram": {"method": "gram"},
    "steps": {"method": "fused", "passes": 3},
    "centred": {"method": "fused", "center": True, "orthonormal_u": True},
    "tolerance": {"method": "fused", "tol": 0.2, "rank": None},
}


def matrix():
    return testing.matrix(2000, 50, np.arange(1.0, 51) ** -1, rng=5)


class Fails(Counting):
    """Stops handing out rows after so many of them."""

    def __init__(self, array, most):
        super().__init__(array)
        self.most, self.executor, self.prefetch = most, "serial", False

    def _load(self, start, stop):
        if self.rows_read >= self.most:
            raise RuntimeError("interrupted")
        return super()._load(start, stop)


def call(source, **options):
    return lr.svd(source, **{"rank": 5} | options)


@pytest.mark.parametrize("name", list(OPTIONS))
@pytest.mark.parametrize("fraction", [0.5, 1.3, 2.6])
def test_an_interrupted_decomposition_goes_on_with_identical_bits(tmp_path, monkeypatch, name, fraction):
    from lowrank_la.blocks import checkpoint

    monkeypatch.setattr(checkpoint.Checkpoint.__init__, "__kwdefaults__", interval_of_one(checkpoint))
    A, path = matrix(), tmp_path / "state.npz"
    whole = Counting(A)
    expected = call(whole, rng=7, **OPTIONS[name])
    source = Fails(A, fraction * len(A))
    if fraction >= expected.info.passes:
        pytest.skip("the answer takes fewer reads")
    with pytest.raises(RuntimeError, match="interrupted"):
        call(source, rng=7, checkpoint=path, **OPTIONS[name])
    source.most, before = np.inf, source.rows_read
    result = call(source, checkpoint=path, resume=True, **OPTIONS[name])
    for part in ("s", "Vh"):
        assert getattr(result, part).tobytes() == getattr(expected, part).tobytes()
    assert result.U.gather().tobytes() == expected.U.gather().tobytes()
    assert result.info.passes == expected.info.passes
    assert source.rows_read - len(A) - (expected.info.passes * len(A)) <= 97 + 16, before  # and the gathering of U


def interval_of_one(checkpoint):
    return {**checkpoint.Checkpoint.__init__.__kwdefaults__, "every": 1}


SCRIPT = """
    import sys, time, numpy as np, lowrank_la as lr
    from lowrank_la.blocks import checkpoint
    checkpoint.Checkpoint.__init__.__kwdefaults__["every"] = 1
    A = np.load(sys.argv[1], mmap_mode="r")
    source = lr.block_source(A, rows=50, executor="serial", prefetch=False)
    load = source._load
    def slow(start, stop):
        time.sleep(0.02)
        return load(start, stop)
    source._load = slow
    print("begun", flush=True)
    lr.svd(source, 5, method="fused", passes=3, rng=7, checkpoint=sys.argv[2])
    print("done", flush=True)
"""


def test_a_killed_process_is_resumed_with_identical_bits(tmp_path):
    data, state = tmp_path / "a.npy", tmp_path / "state.npz"
    np.save(data, matrix())
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(data), str(state)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"})
    try:
        assert process.stdout.readline().strip() == b"begun"
        deadline = time.monotonic() + 30
        while not state.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.5)
    finally:
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0]
    assert b"done" not in rest
    source = lr.block_source(np.load(data, mmap_mode="r"), rows=50)
    result = call(source, method="fused", passes=3, checkpoint=state, resume=True)
    expected = call(lr.block_source(np.load(data), rows=50), method="fused", passes=3, rng=7)
    for part in ("s", "Vh"):
        assert getattr(result, part).tobytes() == getattr(expected, part).tobytes()
    assert result.U.gather().tobytes() == expected.U.gather().tobytes()


def test_whoever_is_interrupted_before_the_first_interval_is_over_can_resume(tmp_path):
    source, path = Fails(matrix(), 300), tmp_path / "s.npz"
    with pytest.raises(RuntimeError, match="interrupted"):
        call(source, rng=7, method="fused", passes=3, checkpoint=path)
    source.most = np.inf
    result = call(source, method="fused", passes=3, checkpoint=path, resume=True)
    assert result.s.tobytes() == call(Counting(matrix()), rng=7, method="fused", passes=3).s.tobytes()


def test_a_file_that_is_there_is_never_written_over(tmp_path):
    source, mine = Counting(matrix()), tmp_path / "mine.npz"
    np.savez(mine, x=np.arange(3))
    with pytest.raises(FileExistsError, match=r"mine\.npz exists.*resume=True, or remove it"):
        call(source, method="gram", checkpoint=mine)
    np.testing.assert_array_equal(np.load(mine)["x"], np.arange(3))
    call(source, method="gram", checkpoint=tmp_path / "s.npz")
    with pytest.raises(FileExistsError, match="resume=True"):
        call(source, method="gram", checkpoint=tmp_path / "s.npz")


@pytest.mark.parametrize(("path", "kind"), [(3, "int"), (b"c.npz", "bytes")])
def test_a_checkpoint_that_is_no_path_is_named(path, kind):
    with pytest.raises(TypeError, match=rf"checkpoint must be the path of an \.npz file, got {kind}"):
        call(Counting(matrix()), checkpoint=path)


def test_a_finished_decomposition_is_repeated_without_reading(tmp_path):
    source = Counting(matrix())
    first = call(source, method="fused", passes=3, checkpoint=tmp_path / "s.npz")
    read = source.rows_read
    again = call(source, method="fused", passes=3, checkpoint=tmp_path / "s.npz", resume=True)
    assert source.rows_read - read <= 32  # rows of the fingerprint
    assert again.s.tobytes() == first.s.tobytes()
    assert again.info.rng == first.info.rng


def test_another_problem_is_refused(tmp_path):
    path, A = tmp_path / "s.npz", matrix()
    call(Counting(A), rng=1, checkpoint=path)
    with pytest.raises(ValueError, match="rank"):
        lr.svd(Counting(A), 6, checkpoint=path, resume=True)
    with pytest.raises(ValueError, match="another rng"):
        call(Counting(A), rng=2, checkpoint=path, resume=True)
    with pytest.raises(ValueError, match="other data"):
        call(Counting(A + 1), checkpoint=path, resume=True)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="not all of"):
        call(Counting(A), checkpoint=path, resume=True)
    with pytest.raises(FileNotFoundError):
        call(Counting(A), checkpoint=tmp_path / "none.npz", resume=True)
