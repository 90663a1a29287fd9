"""A real cluster on loopback: workers come, fail and are killed; the bits stay."""

import threading
from functools import partial

import dask.array
import numpy as np
import pytest
from blocks.slab_kernels import (
    added,
    deadly_chunk,
    deadly_normal,
    failing_normal,
    matrix,
    normal,
    slow_normal,
    times,
    united,
    whereabouts,
)
from distributed import Client, LocalCluster

import lowrank_la as lr
from lowrank_la.blocks import map_reduce, map_rows

A = matrix(2000, 24, "float32")
X = matrix(24, 5, "float32", seed=1)
EXPECTED = map_reduce(lr.block_source(A, rows=100), normal, added, broadcast=(X,))


@pytest.fixture(scope="module")
def client():
    options = {"host": "127.0.0.1", "dashboard_address": None, "threads_per_worker": 1, "memory_limit": 0}
    with LocalCluster(n_workers=4, **options) as cluster, Client(cluster) as client:
        yield client


def sources(folder):
    np.save(folder / "a.npy", A)
    yield lr.block_source(dask.array.from_array(A, chunks=(100, 24)), rows=100)
    yield lr.block_source(dask.array.from_array(A, chunks=(130, 7)), rows=100)
    yield lr.block_source(np.load(folder / "a.npy", mmap_mode="r"), rows=100, executor="dask")


@pytest.mark.parametrize("workers", [4, 2, 1])
def test_one_two_and_four_workers_give_the_same_bits(workers, client, tmp_path):
    names = list(client.scheduler_info(n_workers=-1)["workers"])[:workers]
    for source in sources(tmp_path):
        with dask.annotate(workers=names, allow_other_workers=False):
            found = map_reduce(source, normal, added, broadcast=(X,))
            used = map_reduce(source, whereabouts, united)
        np.testing.assert_array_equal(found["product"], EXPECTED["product"])
        assert found["numbers"] == EXPECTED["numbers"]
        assert set(used) <= set(names)
        assert len(used) >= min(workers, 2)


def test_a_worker_that_is_killed_mid_pass_changes_no_bit(client, tmp_path):
    before = set(client.scheduler_info(n_workers=-1)["workers"])
    for k, source in enumerate(sources(tmp_path)):
        folder = tmp_path / str(k)
        folder.mkdir()
        kernel = partial(deadly_normal, folder=str(folder), at=1100)
        found = map_reduce(source, kernel, added, broadcast=(X,))
        assert (folder / "killed").exists()
        np.testing.assert_array_equal(found["product"], EXPECTED["product"])
    client.wait_for_workers(4)
    assert set(client.scheduler_info(n_workers=-1)["workers"]) != before


def test_a_decomposition_has_the_same_bits_on_any_workers_and_after_one_is_killed(client, tmp_path):
    array = dask.array.from_array(A, chunks=(100, 13))
    there = lr.block_source(array)
    with dask.config.set(scheduler="threads", num_workers=2):
        expected = lr.svd(there, rank=4, rng=0)
        left = expected.U.compute()
    deadly = array.map_blocks(deadly_chunk, folder=str(tmp_path), at=700, dtype=array.dtype, meta=A[:0, :0])
    names = list(client.scheduler_info(n_workers=-1)["workers"])
    for data, workers in ((array, names[:1]), (array, names[:2]), (array, names), (deadly, None)):
        with dask.annotate(**({"workers": workers} if workers else {})):
            found = lr.svd(data, rank=4, rng=0)
            np.testing.assert_array_equal(found.s, expected.s)
            np.testing.assert_array_equal(found.Vh, expected.Vh)
            np.testing.assert_array_equal(found.U.compute(), left)
    assert (tmp_path / "killed").exists()


def test_chunks_that_died_with_their_worker_are_made_again(client, tmp_path):
    array = dask.array.from_array(A, chunks=(100, 24)).map_blocks(np.negative).persist()
    kernel = partial(deadly_normal, folder=str(tmp_path), at=500)
    found = map_reduce(lr.block_source(array, rows=100), kernel, added, broadcast=(X,))
    np.testing.assert_array_equal(found["product"], EXPECTED["product"])


def test_a_task_that_fails_is_tried_three_times_more(client, tmp_path):
    source = next(sources(tmp_path))
    for failures in (1, 3):
        folder = tmp_path / str(failures)
        folder.mkdir()
        kernel = partial(failing_normal, folder=str(folder), at=300, failures=failures)
        found = map_reduce(source, kernel, added, broadcast=(X,))
        np.testing.assert_array_equal(found["product"], EXPECTED["product"])
    (tmp_path / "more").mkdir()
    with pytest.raises(OSError, match="disk is away"):
        map_reduce(
            source, partial(failing_normal, folder=str(tmp_path / "more"), at=300, failures=9), added, broadcast=(X,)
        )


def test_workers_that_leave_and_come_in_the_middle_of_a_pass_change_no_bit(client, tmp_path):
    source = next(sources(tmp_path))
    pool = client.cluster
    timer = threading.Timer(0.3, lambda: pool.scale(2))
    timer.start()
    found = map_reduce(source, partial(slow_normal, seconds=0.1), added, broadcast=(X,))
    timer.join()
    pool.scale(4)
    client.wait_for_workers(4)
    np.testing.assert_array_equal(found["product"], EXPECTED["product"])


def test_rows_come_back_and_workers_write_files(client, tmp_path):
    expected = np.concatenate([times(A[k : k + 100], k, X) for k in range(0, 2000, 100)])
    for k, source in enumerate(sources(tmp_path)):
        rows = map_rows(source, times, (X,))
        np.testing.assert_array_equal(rows.gather(), expected)
        np.testing.assert_array_equal(rows.to_dask().compute(), expected)
        np.testing.assert_array_equal(lr.block_source(rows.write(tmp_path / f"out{k}")).read(0), expected)


def test_nothing_stays_behind_on_the_cluster(client, tmp_path):
    for source in sources(tmp_path):
        map_reduce(source, normal, added, broadcast=(X,))
    client.sync(client.scheduler.identity)
    assert not any(client.has_what().values())
