"""Checkpoints: whole or not there, and only for what they were written for."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from blocks.slab_kernels import Instrumented, added, matrix, normal

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.blocks import Checkpoint, map_reduce
from lowrank_la.blocks.checkpoint import load, save

KNOWN = {"algorithm": "svd.blocks", "params": {"rank": 5, "key": 2**127 + 1, "tol": None}, "fingerprint": "abc"}
X = matrix(12, 5, seed=1)
A = matrix(400, 12)
EXPECTED = map_reduce(lr.block_source(A, rows=10), normal, added, broadcast=(X,))


def checkpoint(path, **options):
    return Checkpoint(path, **KNOWN, **options)


def test_a_state_comes_back_bit_for_bit(tmp_path):
    state = {
        "matrix": matrix(7, 3),
        "half": matrix(3, 2, "float16"),
        "complex": matrix(3, 2, "complex64"),
        "empty": np.empty((0, 4)),
        "nested": (np.float32(0.1), (1, -0.0), [float("nan"), float("inf")], {"z": 1 + 2j, "none": None}),
        "text": "ünïcode",
        "large": 2**100,
        "flag": True,
    }
    save(tmp_path / "c.npz", state, **KNOWN)
    found = load(tmp_path / "c.npz", **KNOWN)
    assert list(found) == list(state)
    for name in ("matrix", "half", "complex", "empty"):
        assert found[name].dtype == state[name].dtype
        np.testing.assert_array_equal(found[name], state[name])
    assert repr(found["nested"]) == repr(state["nested"])
    assert isinstance(found["nested"][0], np.float32)
    assert (found["text"], found["large"], found["flag"]) == ("ünïcode", 2**100, True)


def test_arrays_come_back_in_their_library(backend, tmp_path):
    x = backend.asarray(matrix(4, 3, backend.nearest("complex128")))
    save(tmp_path / "c.npz", {"x": x, "host": np.arange(3)}, **KNOWN)
    found = load(tmp_path / "c.npz", **KNOWN, xp=backend.xp, device=backend.device)
    assert backend.holds(found["x"])
    assert found["x"].dtype == x.dtype
    np.testing.assert_array_equal(backend.to_numpy(found["x"]), backend.to_numpy(x))
    assert isinstance(found["host"], np.ndarray)


def test_bfloat16_comes_back(tmp_path):
    torch = pytest.importorskip("torch")
    x = torch.arange(8, dtype=torch.bfloat16) / 3
    save(tmp_path / "c.npz", {"x": x}, **KNOWN)
    found = load(tmp_path / "c.npz", **KNOWN, xp=be.namespace(x), device=be.device(x))["x"]
    assert found.dtype == torch.bfloat16
    assert bool((found == x).all())


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"algorithm": "qb.blocks"}, "'svd.blocks', not of 'qb.blocks'"),
        ({"params": {"rank": 6, "key": 2**127 + 1, "tol": None}}, "rank=5 there, 6 here"),
        ({"params": {"rank": 5}}, "key="),
        ({"fingerprint": "abd"}, "other data"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused_with_the_difference(other, message, tmp_path):
    save(tmp_path / "c.npz", {"x": 1}, **KNOWN)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "c.npz", **{**KNOWN, **other})


def test_another_version_of_the_format_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("lowrank_la.blocks.checkpoint._FORMAT", "lowrank_la.checkpoint.0")
    save(tmp_path / "c.npz", {"x": 1}, **KNOWN)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"checkpoint\.0"):
        load(tmp_path / "c.npz", **KNOWN)


def test_what_can_not_be_saved_without_pickle_is_refused(tmp_path):
    for state in ({"x": object()}, {"x": np.array([None])}):
        with pytest.raises(TypeError):
            save(tmp_path / "c.npz", state, **KNOWN)
    with pytest.raises(TypeError, match="parameter 'A'"):
        save(tmp_path / "c.npz", {}, **{**KNOWN, "params": {"A": np.ones(3)}})
    assert not os.listdir(tmp_path)


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "c.npz"
    save(path, {"x": 1}, **KNOWN)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space"):
        save(path, {"x": 2}, **KNOWN)
    assert load(path, **KNOWN) == {"x": 1}
    assert os.listdir(tmp_path) == ["c.npz"]


def test_a_folder_is_no_checkpoint(tmp_path):
    for resume in (False, True):
        with pytest.raises(IsADirectoryError, match="is a folder; give the path of"):
            checkpoint(tmp_path, resume=resume)


def test_to_resume_there_must_be_a_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"c\.npz"):
        checkpoint(tmp_path / "c.npz", resume=True)


def interrupted(path, after, *, every, executor="serial"):
    """Run a pass that fails after some slabs, with a checkpoint."""

    def kernel(block, start):
        if start >= after:
            raise KeyboardInterrupt
        return normal(block, start, X)

    source = Instrumented(A, 10)
    source.executor = executor
    with pytest.raises(KeyboardInterrupt):
        map_reduce(source, kernel, added, checkpoint=checkpoint(path, every=every))


@pytest.mark.parametrize("executor", ["serial", "threads"])
@pytest.mark.parametrize("every", [1, 4, 7])
@pytest.mark.parametrize("after", [0, 10, 50, 170, 390])
def test_a_resumed_pass_reads_what_is_missing_and_gives_the_same_bits(after, every, executor, tmp_path):
    interrupted(tmp_path / "c.npz", after, every=every, executor=executor)
    source = Instrumented(A, 10)
    source.executor = executor
    again = checkpoint(tmp_path / "c.npz", every=every, resume=True)
    found = map_reduce(source, normal, added, broadcast=(X,), checkpoint=again)
    np.testing.assert_array_equal(found["product"], EXPECTED["product"])
    assert found["numbers"] == EXPECTED["numbers"]
    assert source.reads <= 40 - after // 10 + every + (executor == "threads")


def test_an_iterator_that_starts_anew_skips_what_is_done(tmp_path):
    interrupted(tmp_path / "c.npz", 200, every=3)
    source = lr.block_source(iter(np.array_split(A, [17, 90])), rows=10)
    again = checkpoint(tmp_path / "c.npz", resume=True)
    found = map_reduce(source, normal, added, broadcast=(X,), checkpoint=again)
    np.testing.assert_array_equal(found["product"], EXPECTED["product"])


def test_another_tree_can_not_go_on_from_a_checkpoint(tmp_path):
    interrupted(tmp_path / "c.npz", 200, every=3)
    again = checkpoint(tmp_path / "c.npz", resume=True)
    with pytest.raises(ValueError, match=r"split_every must be 4.*got 3"):
        map_reduce(Instrumented(A, 10), normal, added, broadcast=(X,), split_every=3, checkpoint=again)


def test_passes_follow_each_other(tmp_path):
    path, source = tmp_path / "c.npz", lr.block_source(A, rows=10)
    kept = checkpoint(path, every=5)
    first = map_reduce(source, normal, added, broadcast=(X,), checkpoint=kept)
    with pytest.raises(RuntimeError, match=r"complete\(state\)"):
        map_reduce(source, normal, added, broadcast=(X,), checkpoint=kept)
    kept.complete({"X": first["product"]})
    again = checkpoint(path, resume=True)
    assert (again.passes, again.nodes) == (1, None)
    np.testing.assert_array_equal(again.state["X"], first["product"])
    second = map_reduce(source, normal, added, broadcast=(again.state["X"],), checkpoint=again)
    expected = map_reduce(source, normal, added, broadcast=(first["product"],))
    np.testing.assert_array_equal(second["product"], expected["product"])


def test_without_a_number_of_slabs_the_clock_decides(tmp_path):
    for seconds, writings in ((0.0, 41), (1e9, 1)):
        kept = checkpoint(tmp_path / f"{writings}.npz", seconds=seconds)
        count, write = [1], kept._write
        kept._write = lambda count=count, write=write: (count.append(1), write())
        map_reduce(lr.block_source(A, rows=10), normal, added, broadcast=(X,), checkpoint=kept)
        assert len(count) == writings


KILLED = """
import sys, time
import numpy as np
from blocks.slab_kernels import added, matrix, normal
import lowrank_la as lr
from lowrank_la.blocks import Checkpoint, map_reduce

folder, resume = sys.argv[1], sys.argv[2] == "resume"
data = np.load(folder + "/a.npy", mmap_mode="r")
source = lr.block_source(data, rows=50)
known = {"algorithm": "power", "params": {}, "fingerprint": source.fingerprint()}
kept = Checkpoint(folder + "/c.npz", **known, every=4, resume=resume)
done = open(folder + "/done.txt", "a", buffering=1)

def kernel(block, start, X):
    state = normal(block, start, X)
    time.sleep(0 if resume else 0.01)
    print(kept.passes, start, file=done)
    return state

X = kept.state.get("X", matrix(12, 3, seed=5))
while kept.passes < 3:
    product = map_reduce(source, kernel, added, broadcast=(X,), checkpoint=kept)["product"]
    X = np.linalg.qr(product)[0]
    kept.complete({"X": X})
if not resume:
    time.sleep(600)  # somebody will come and kill it
np.save(folder + "/X.npy", X)
"""


def run_script(folder, mode):
    paths = os.pathsep.join([str(Path(lr.__file__).parents[1]), str(Path(__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.Popen([sys.executable, "-c", KILLED, str(folder), mode], env=environment)


@pytest.mark.parametrize("lines", [0, 7, 23, 41, 55])
def test_after_kill_9_a_resumed_run_gives_the_same_bits_and_redoes_one_interval_at_most(lines, tmp_path):
    np.save(tmp_path / "a.npy", matrix(1000, 12))
    X = matrix(12, 3, seed=5)
    source = lr.block_source(np.load(tmp_path / "a.npy", mmap_mode="r"), rows=50)
    for _ in range(3):
        X = np.linalg.qr(map_reduce(source, normal, added, broadcast=(X,))["product"])[0]
    log = tmp_path / "done.txt"
    process = run_script(tmp_path, "start")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (
        (tmp_path / "c.npz").exists() and log.exists() and len(log.read_text().splitlines()) >= lines
    ):
        time.sleep(1e-3)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert run_script(tmp_path, "resume").wait() == 0
    np.testing.assert_array_equal(np.load(tmp_path / "X.npy"), X)
    done = log.read_text().splitlines()
    assert len(set(done)) == 60
    workers = be.worker_count()
    assert len(done) - 60 <= 4 + workers


def test_partial_kernels_travel_through_a_checkpoint(tmp_path):
    kept = checkpoint(tmp_path / "c.npz", every=1)
    found = map_reduce(lr.block_source(A, rows=10), partial(normal, X=X), added, checkpoint=kept)
    np.testing.assert_array_equal(found["product"], EXPECTED["product"])
