"""Every kind of data comes in the same slabs."""

import tempfile

import dask.array
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import xarray
import zarr
from blocks.slab_kernels import matrix

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.blocks import BlockSource
from lowrank_la.blocks.source import SLAB_BYTES, slab_rows

ROWS = 64


def memory_map(A, folder, **options):
    np.save(folder / "a.npy", A)
    return np.load(folder / "a.npy", mmap_mode="r")


def shards(A, folder):
    paths = [folder / f"{k}.npy" for k in range(4)]
    for path, part in zip(paths, np.array_split(A, [7, 7, 100]), strict=True):
        np.save(path, part)
    return paths


def hdf5(A, folder):
    return h5py.File(folder / "a.h5", "w").create_dataset("a", data=A)


def zarr_array(A, folder):
    array = zarr.create_array(folder / "a.zarr", shape=A.shape, chunks=(20, *A.shape[1:]), dtype=A.dtype)
    array[...] = A
    return array


def parquet(A, folder):
    table = pa.table({f"c{j}": A[:, j] for j in range(A.shape[1])})
    pyarrow.parquet.write_table(table, folder / "a.parquet", row_group_size=33)
    return folder / "a.parquet"


MAKE = {
    "array": lambda A, folder: A,
    "list": lambda A, folder: np.array_split(A, [1, 1, 90]),
    "memory map": memory_map,
    "npy": shards,
    "npy folder": lambda A, folder: shards(A, folder)[0].parent,
    "hdf5": hdf5,
    "zarr": zarr_array,
    "zarr path": lambda A, folder: zarr_array(A, folder) and folder / "a.zarr",
    "parquet": parquet,
    "dask": lambda A, folder: dask.array.from_array(A, chunks=(30, *(max(1, n // 2) for n in A.shape[1:]))),
    "xarray": lambda A, folder: xarray.DataArray(A),
    "xarray in chunks": lambda A, folder: xarray.DataArray(A).chunk(50),
    "iterator": lambda A, folder: iter(np.array_split(A, [0, 3, 90, 91])),
}
ON_DISK = [name for name in MAKE if name not in ("parquet", "iterator")]


@pytest.mark.parametrize("kind", MAKE)
def test_the_slabs_are_the_rows_cut_at_the_same_numbers(kind, tmp_path):
    A = matrix(200, 6)
    source = lr.block_source(MAKE[kind](A, tmp_path), rows=ROWS)
    assert isinstance(source, BlockSource)
    for k, (i, start, block) in enumerate(source.blocks()):
        assert (i, start) == (k, k * ROWS)
        assert type(block) is np.ndarray
        np.testing.assert_array_equal(block, A[start : start + ROWS])
    assert source.boundaries == (0, 64, 128, 192, 200)
    assert (source.shape, source.dtype, len(source)) == (A.shape, A.dtype, 4)


@pytest.mark.parametrize("kind", [name for name in MAKE if name != "iterator"])
def test_rows_can_be_read_from_anywhere_and_picked_in_any_order(kind, tmp_path):
    A = matrix(200, 6)
    source = lr.block_source(MAKE[kind](A, tmp_path), rows=ROWS)
    np.testing.assert_array_equal(source.read_rows(50, 150), A[50:150])
    np.testing.assert_array_equal(source.read_rows(7, 7), A[7:7])
    picked = [199, 0, 64, 64, 5, 130]
    np.testing.assert_array_equal(source.take(picked), A[picked])
    assert source.take([]).shape == (0, 6)
    with pytest.raises(IndexError, match="199"):
        source.take([200])
    with pytest.raises(ValueError, match="between 0 and 3"):
        source.read(4)


@pytest.mark.parametrize("kind", ON_DISK)
@pytest.mark.parametrize("dtype", ["float16", "float32", "complex64", "complex128", "int16", "uint8", "bool", ">f8"])
def test_the_stored_dtype_stays_in_the_byte_order_of_the_machine(kind, dtype, tmp_path):
    if dtype == ">f8" and kind.startswith(("dask", "zarr", "xarray in")):
        pytest.skip("these bring other byte orders home themselves")
    A = (matrix(70, 4, "complex128") if dtype.startswith("c") else 20 * matrix(70, 4)).astype(dtype)
    source = lr.block_source(MAKE[kind](A, tmp_path), rows=ROWS)
    assert source.dtype == np.dtype(dtype).newbyteorder("=")
    for i in range(len(source)):
        block = source.read(i)
        assert block.dtype == source.dtype
        np.testing.assert_array_equal(block, A[i * ROWS : (i + 1) * ROWS])


@pytest.mark.parametrize("kind", ON_DISK)
@pytest.mark.parametrize("shape", [(150,), (1, 3), (150, 1), (130, 4, 5), (70, 2, 3, 2), (90, 0)])
def test_slabs_have_any_number_of_dimensions(kind, shape, tmp_path):
    if 0 in shape and not kind.startswith(("array", "list", "npy")):
        pytest.skip("the format has no arrays without columns")
    X = np.arange(np.prod(shape, dtype=int), dtype="float64").reshape(shape)
    source = lr.block_source(MAKE[kind](X, tmp_path), rows=ROWS)
    parts = [block for _, _, block in source.blocks()]
    np.testing.assert_array_equal(np.concatenate(parts), X)


@pytest.mark.parametrize("kind", [name for name in ON_DISK if name != "memory map"])
def test_data_without_rows_are_one_slab_without_rows(kind, tmp_path):
    if kind.startswith("zarr"):
        array = zarr.create_array(tmp_path / "a.zarr", shape=(0, 3), chunks=(20, 3), dtype="float64")
        source = lr.block_source(array)
    elif kind == "xarray in chunks":
        source = lr.block_source(xarray.DataArray(dask.array.zeros((0, 3), chunks=(5, 3))))
    else:
        source = lr.block_source(MAKE[kind](np.empty((0, 3)), tmp_path))
    assert (source.boundaries, source.read(0).shape) == ((0, 0), (0, 3))
    assert source.fingerprint()


@pytest.mark.parametrize("kind", [name for name in MAKE if not name.startswith("iterator")])
def test_a_fingerprint_is_the_same_for_the_same_data_and_no_other(kind, tmp_path):
    A = matrix(200, 6)
    data = MAKE[kind](A, tmp_path)
    known = lr.block_source(data, rows=ROWS).fingerprint()
    assert lr.block_source(data, rows=ROWS).fingerprint() == known
    assert lr.block_source(data, rows=ROWS + 1).fingerprint() != known
    (tmp_path / "other").mkdir()
    assert lr.block_source(MAKE[kind](-A, tmp_path / "other"), rows=ROWS).fingerprint() != known


def test_a_slab_of_default_size_has_eight_to_sixteen_mebibytes():
    for row_bytes in (1, 8, 24, 2048, 99_999, SLAB_BYTES):
        assert SLAB_BYTES / 2 < slab_rows(row_bytes) * row_bytes <= SLAB_BYTES
    assert slab_rows(10 * SLAB_BYTES) == 1
    assert slab_rows(0) == SLAB_BYTES


def test_slabs_of_chunked_files_are_whole_chunks_unless_these_are_huge():
    assert slab_rows(8192, align=300) == 2048 // 300 * 300
    assert slab_rows(8192, align=5000) == 5000
    assert slab_rows(8192, align=10**9) == 2048


def test_arrays_and_lists_of_every_library_are_cut_without_a_copy(backend):
    A = matrix(100, 5, backend.nearest("float64"))
    x = backend.asarray(A)
    for source in (lr.block_source(x, rows=30), lr.block_source([x[:30, ...], x[30:, ...]], rows=30)):
        for i in range(4):
            block = source.read(i)
            assert backend.holds(block)
            np.testing.assert_array_equal(be.to_numpy(block), A[30 * i : 30 * i + 30])
        np.testing.assert_array_equal(be.to_numpy(source.take([99, 3])), A[[99, 3]])
        assert source.dtype == x.dtype


@pytest.mark.parametrize("order", ["C", "F"])
def test_views_of_memory_maps_are_slabs_of_the_map(order, tmp_path):
    np.save(tmp_path / "a.npy", np.asarray(matrix(300, 8), order=order))
    whole = np.load(tmp_path / "a.npy", mmap_mode="r")
    for view in (whole, whole[10:200], whole[::3], whole[:, 2:5], whole[::-1, ::2], whole.T[:5].T):
        source = lr.block_source(view, rows=ROWS)
        assert type(source).__name__ == "MemmapSource"
        for _, start, block in source.blocks():
            np.testing.assert_array_equal(block, view[start : start + ROWS])
            assert np.shares_memory(block, whole)


def test_memory_maps_open_for_writing_are_left_alone(tmp_path):
    A = matrix(100, 4)
    for mode in ("r+", "c"):
        np.save(tmp_path / "a.npy", A)
        data = np.load(tmp_path / "a.npy", mmap_mode=mode)
        source = lr.block_source(data, rows=7)
        assert sum(len(block) for _, _, block in source.blocks()) == 100
        assert source.fingerprint() == lr.block_source(data, rows=7).fingerprint()
        np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), A)


@pytest.mark.parametrize("cut", [3, 60, 1000])
def test_a_shard_that_was_cut_off_is_refused_by_name(cut, tmp_path):
    path = tmp_path / "cut.npy"
    np.save(path, matrix(100, 4))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match=r"cut\.npy"):
        lr.block_source(path)


def test_a_shard_that_shrinks_after_it_was_opened_is_refused_when_it_is_read(tmp_path):
    path = tmp_path / "shrunk.npy"
    np.save(path, matrix(100, 4))
    source = lr.block_source(path)
    np.save(path, matrix(50, 4))
    with pytest.raises(ValueError, match=r"shrunk\.npy"):
        source.read(0)


def test_a_source_with_another_executor_reads_the_same_open_file(tmp_path):
    A = matrix(100, 4)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("a", data=A)
        source = lr.block_source(lr.block_source(dataset), executor="serial")
        assert source.dataset is dataset
    with tempfile.TemporaryFile() as file:
        mapped = np.memmap(file, dtype="f8", shape=(10, 3), mode="w+")
        source = lr.block_source(lr.block_source(mapped), executor="serial")
        assert np.shares_memory(source.read(0), mapped)
        with pytest.raises(ValueError, match="workers can't open"):
            lr.block_source(mapped, executor="dask")


def test_a_source_keeps_its_executor_when_another_is_made_of_it():
    source = lr.block_source(np.ones((3, 2)))
    assert lr.block_source(source, executor="serial", prefetch=False).executor == "serial"
    assert (source.executor, source.prefetch) == ("threads", True)


def test_hdf5_and_zarr_groups_and_datasets_of_xarray_are_refused_with_advice(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file, pytest.raises(TypeError, match=r"file\[name\]"):
        lr.block_source(file)
    zarr.create_group(tmp_path / "g.zarr")
    with pytest.raises(ValueError, match=r"group\[name\]"):
        lr.block_source(tmp_path / "g.zarr")
    with pytest.raises(TypeError, match=r"dataset\[name\]"):
        lr.block_source(xarray.Dataset({"a": ("x", [1.0])}))


def test_a_dataset_whose_file_was_closed_says_so(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["a"] = matrix(300, 8)
        source, dataset = lr.block_source(file["a"]), file["a"]
    with pytest.raises(ValueError, match=r"was closed: keep .*a\.h5 open"):
        source.read(0)
    with pytest.raises(ValueError, match="is closed: open it"):
        lr.block_source(dataset)


def test_parquet_columns_may_be_lists_of_a_fixed_size(tmp_path):
    A = matrix(90, 5, "float32")
    lists = pa.FixedSizeListArray.from_arrays(A[:, 1:].ravel(), 4)
    table = pa.table({"number": A[:, 0], "vector": lists})
    for k in range(2):
        pyarrow.parquet.write_table(table, tmp_path / f"{k}.parquet", row_group_size=40)
    source = lr.block_source(tmp_path)
    assert (source.shape, source.dtype) == ((180, 5), np.dtype("float32"))
    np.testing.assert_array_equal(source.read(0), np.concatenate([A, A]))
    for rows in (7, 64):
        parts = [block for _, _, block in lr.block_source(tmp_path, rows=rows).blocks()]
        np.testing.assert_array_equal(np.concatenate(parts), np.concatenate([A, A]))
