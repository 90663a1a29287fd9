"""Dask arrays: any grid of chunks, one task a slab, nothing computed twice and nothing kept."""

import pickle
import threading
import weakref

import dask
import dask.array
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import zarr
from blocks.slab_kernels import added, matrix, nested, normal, numbered

import lowrank_la as lr
from lowrank_la.blocks import map_reduce
from lowrank_la.blocks.dask_embedding import embedded
from lowrank_la.blocks.source import SLAB_BYTES

A = matrix(1000, 24)
X = matrix(24, 5, seed=1)
GRIDS = {
    "rows": (100, 24),
    "rows and columns": (100, 8),
    "one column each": (250, 1),
    "one chunk": (1000, 24),
    "uneven": ((1, 399, 0, 100, 499, 1), (3, 20, 1)),
    "wide": (1000, 5),
}


def reduced(source):
    return map_reduce(source, normal, added, broadcast=(X,))


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("rows", [1, 64, 100, 333, 1000, 5000])
def test_every_grid_gives_the_bits_of_the_array_in_memory(grid, rows):
    array = dask.array.from_array(A, chunks=GRIDS[grid])
    expected = reduced(lr.block_source(A, rows=rows))
    np.testing.assert_array_equal(reduced(lr.block_source(array, rows=rows))["product"], expected["product"])


def files_and_arrays(folder):
    np.save(folder / "a.npy", A)
    mapped = np.load(folder / "a.npy", mmap_mode="r")
    return {
        "dask": dask.array.from_array(A, chunks=(77, 10)),
        "memory map": mapped,
        "view of a map": mapped[::-1, ::-1][::-1, ::-1],
        "file": folder / "a.npy",
    }


@pytest.mark.parametrize("kind", ["dask", "memory map", "view of a map", "file"])
@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_every_scheduler_gives_the_same_bits(scheduler, kind, tmp_path):
    source = lr.block_source(files_and_arrays(tmp_path)[kind], rows=130, executor="dask")
    with dask.config.set(scheduler=scheduler, num_workers=2):
        found = reduced(source)
    np.testing.assert_array_equal(found["product"], reduced(lr.block_source(A, rows=130))["product"])


def test_sources_travel_to_other_processes_without_their_data(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = A
    stored = zarr.create_array(tmp_path / "a.zarr", shape=A.shape, chunks=(90, 24), dtype=A.dtype)
    stored[...] = A
    table = pa.table({f"c{j}": A[:, j] for j in range(24)})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=70)
    kinds = files_and_arrays(tmp_path)
    del kinds["dask"]
    kinds |= {"hdf5": h5py.File(tmp_path / "a.h5")["a"], "zarr": stored, "parquet": tmp_path / "a.parquet"}
    for kind, data in kinds.items():
        source = lr.block_source(data, rows=130, executor="dask")
        luggage = pickle.dumps(source)
        assert len(luggage) < A.nbytes / 20, kind
        there = pickle.loads(luggage)  # noqa: S301
        np.testing.assert_array_equal(there.read(3), A[390:520])
        assert there.fingerprint() == source.fingerprint()


@pytest.mark.parametrize("split_every", [2, 3, 4])
@pytest.mark.parametrize("count", [1, 2, 5, 16, 17])
def test_the_tree_is_that_of_the_other_executors(count, split_every):
    A = np.ones((count, 2))
    expected = map_reduce(lr.block_source(A, rows=1), numbered, nested, split_every=split_every)
    array = lr.block_source(dask.array.from_array(A, chunks=1), rows=1)
    assert map_reduce(array, numbered, nested, split_every=split_every) == expected


def test_slabs_are_whole_rows_of_the_grid_and_small_ones_are_joined():
    rows = SLAB_BYTES // 80
    sizes = (rows // 4,) * 4 + (rows, 2 * rows, rows)
    array = dask.array.ones((sum(sizes), 10), chunks=(sizes, (3, 7)))
    ends = np.cumsum([sum(sizes[:4]), *sizes[4:]]).tolist()
    assert lr.block_source(array).boundaries == (0, *ends)


def test_arrays_that_are_computed_from_others_are_read_right():
    array = dask.array.from_array(A, chunks=(90, 7))
    for made, expected in (
        ((array - array.mean(axis=0)) / array.std(axis=0), (A - A.mean(axis=0)) / A.std(axis=0)),
        (dask.array.concatenate([array, array[::-1]]), np.concatenate([A, A[::-1]])),
        (array.T[:24].T.rechunk((64, 24)), A),
        (array[array[:, 0].argtopk(50).compute()], A[np.argsort(-A[:, 0])[:50]]),
        (dask.array.where(array > 0, array, 0.0), np.maximum(A, 0)),
        (array.persist(), A),
        (array.astype("complex128") * 1j, A * 1j),
    ):
        source = lr.block_source(made, rows=70)
        parts = map_reduce(source, lambda block, start: (block,), lambda a, b: a + b)
        np.testing.assert_allclose(np.concatenate(parts), expected, rtol=0, atol=1e-13 * np.abs(A).max() ** 2)


def counted(array, chunks):
    """A Dask array whose chunks are counted when they are made, and while they are alive."""
    lock, seen = threading.Lock(), {"made": 0, "alive": 0, "most": 0}

    def gone():
        with lock:
            seen["alive"] -= 1

    def make(block_info):
        place = block_info[None]["array-location"]
        chunk = array[tuple(slice(*ends) for ends in place)].copy()
        weakref.finalize(chunk, gone)
        with lock:
            seen["made"] += 1
            seen["alive"] += 1
            seen["most"] = max(seen["most"], seen["alive"])
        return chunk

    empty = dask.array.core.normalize_chunks(chunks, array.shape)
    return dask.array.map_blocks(make, chunks=empty, dtype=array.dtype, meta=array[:0, :0]), seen


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("chunks", [(10, 24), (10, 6)])
def test_live_chunks_are_at_most_two_more_than_threads(threads, chunks):
    array, seen = counted(A, chunks)
    source = lr.block_source(array, rows=10)
    with dask.config.set(scheduler="threads", num_workers=threads):
        assert reduced(source)["rows"] == 1000
    assert seen["made"] == 1000 // chunks[0] * (24 // chunks[1])
    assert seen["most"] <= threads + 2
    assert seen["alive"] == 0


def test_a_chunk_that_two_slabs_share_is_made_once():
    array, seen = counted(A, (100, 12))
    assert reduced(lr.block_source(array, rows=30))["rows"] == 1000
    assert seen["made"] == 20


def test_what_all_chunks_need_is_computed_once():
    calls = []

    def scale(x):
        calls.append(1)
        return x

    array = dask.array.from_array(A, chunks=(100, 24))
    factor = dask.array.from_delayed(dask.delayed(scale)(np.array(2.0)), shape=(), dtype="float64")
    found = reduced(lr.block_source(array * factor))
    np.testing.assert_allclose(found["product"], 4 * A.T @ (A @ X), rtol=0, atol=1e-8)
    assert len(calls) == 1


def test_tasks_below_one_slab_run_inside_of_it_and_shared_ones_do_not():
    def add(*values):
        return sum(values)

    graph = {
        "data": 1,
        "all": (add, "data"),
        "a0": (add, "all"),
        "a1": (add, "a0"),
        "a2": (add, "a0"),
        "b": (add, "all"),
    }
    first, second = embedded(graph, [["a1", "a2"], ["b"]])
    assert set(first.common) == {"a0"}
    assert [set(part) for part in first.parts] == [{"a1"}, {"a2"}]
    assert (first.outside, first.wanted) == (["all"], ["a0"])
    assert (second.parts, second.outside) == ([{"b": (add, "all")}], ["all"])


def test_chunks_that_are_not_what_the_array_says_are_refused():
    array = dask.array.from_array(A, chunks=(100, 24))
    for lie, message in (
        (array.map_blocks(lambda block: block.astype("f4"), dtype="f8"), "float32"),
        (array.map_blocks(lambda block: block[:-1], dtype="f8"), r"\(99, 24\)"),
    ):
        with pytest.raises(ValueError, match=message):
            reduced(lr.block_source(lie, rows=100))


def test_sparse_chunks_are_refused():
    import scipy.sparse

    array = dask.array.from_array(A, chunks=(100, 24)).map_blocks(
        scipy.sparse.csr_array, meta=scipy.sparse.csr_array((0, 0))
    )
    with pytest.raises(TypeError, match="dense arrays were expected"):
        lr.block_source(array)


def test_chunks_in_any_order_of_memory_give_the_same_bits():
    array = dask.array.from_array(A, chunks=(100, 24))
    turned = array.map_blocks(np.asfortranarray, dtype="f8")
    strided = array.map_blocks(lambda block: np.repeat(block, 2, axis=1)[:, ::2], dtype="f8")
    expected = reduced(lr.block_source(array))["product"]
    for other in (turned, strided):
        np.testing.assert_array_equal(reduced(lr.block_source(other))["product"], expected)


def test_a_dask_array_may_be_read_by_this_process_too():
    array = dask.array.from_array(A, chunks=(100, 12))
    expected = reduced(lr.block_source(A, rows=100))["product"]
    for executor in ("serial", "threads"):
        source = lr.block_source(array, rows=100, executor=executor)
        np.testing.assert_array_equal(reduced(source)["product"], expected)


def test_slabs_of_tensors_with_any_grid():
    T = matrix(60, 4 * 5 * 6).reshape(60, 4, 5, 6)
    array = dask.array.from_array(T, chunks=(7, 3, 5, 2))
    parts = map_reduce(lr.block_source(array, rows=9), lambda block, start: (block,), lambda a, b: a + b)
    np.testing.assert_array_equal(np.concatenate(parts), T)


def test_chunks_of_torch_stay_torch():
    torch = pytest.importorskip("torch")
    array = dask.array.from_array(A, chunks=(100, 24), asarray=False)
    like = torch.zeros((0, 0), dtype=torch.float64)
    made = array.map_blocks(lambda block: torch.asarray(np.array(block)), meta=like)
    source = lr.block_source(made)
    W = torch.asarray(X)
    found = map_reduce(source, lambda block, start, W: block.mT @ (block @ W), lambda a, b: a + b, broadcast=(W,))
    assert isinstance(found, torch.Tensor)
    np.testing.assert_allclose(found.numpy(), A.T @ (A @ X), rtol=0, atol=1e-8)


@pytest.mark.parametrize("row", [0, 333, 666, 999])
def test_a_fingerprint_sees_a_change_at_each_third_of_the_rows(row):
    known = lr.block_source(dask.array.from_array(A, chunks=(100, 7))).fingerprint()
    other = A.copy()
    other[row, 20] += 1.0
    assert lr.block_source(dask.array.from_array(A.copy(), chunks=(100, 7))).fingerprint() == known
    assert lr.block_source(dask.array.from_array(other, chunks=(100, 7))).fingerprint() != known
