"""What can't be read in blocks is refused by name, and nothing is dropped or converted on the way."""

import dask.array
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import lowrank_la as lr


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (5, TypeError, "int"),
        (np.array(3.0), ValueError, "at least one dimension"),
        (np.array([["a"]]), TypeError, "str"),
        (np.zeros(3, dtype="M8[s]"), TypeError, "datetime64"),
        (np.array([[None]]), TypeError, "object"),
        (np.zeros(2, dtype=[("x", "f8")]), TypeError, "void"),
        (np.zeros(2, dtype="g"), TypeError, "longdouble|float128"),
        (np.ma.masked_array([1.0], [True]), TypeError, "masked"),
        ([], ValueError, "empty list"),
        ([np.ones((2, 3)), [1.0]], TypeError, "entry 1"),
        ([np.ones((2, 3)), np.ones((2, 4))], ValueError, r"entry 1 .*\(4,\)"),
        ([np.ones((2, 3)), np.ones((2, 3), "f4")], TypeError, "entry 1 .*float32"),
        (iter([]), ValueError, "no block"),
        (iter([np.ones((2, 3)), 5]), TypeError, "block 1"),
        (iter([np.ones((2, 3)), np.ones((2, 3), "f4")]), TypeError, "block 1 .*float32"),
        (iter([np.ones((2, 3)), np.ones((2, 4))]), ValueError, r"block 1 .*\(4,\)"),
        ("data.csv", ValueError, "csv"),
        (["a.npy", "b.parquet"], ValueError, "of one kind"),
        (dask.array.ones((4, 2)).astype("S3"), TypeError, "bytes|S3|str"),
        (dask.array.ones((4, 2))[dask.array.ones(4) > 0], ValueError, "compute_chunk_sizes"),
    ],
)
def test_what_can_not_be_read_is_refused_by_name(data, error, message):
    with pytest.raises(error, match=message):
        list(lr.block_source(data).blocks())


def test_options_are_checked():
    with pytest.raises(ValueError, match="rows must be at least 1"):
        lr.block_source(np.ones((3, 2)), rows=0)
    with pytest.raises(TypeError, match="rows must be an integer"):
        lr.block_source(np.ones((3, 2)), rows=2.0)
    with pytest.raises(ValueError, match="executor"):
        lr.block_source(np.ones((3, 2)), executor="mpi")
    with pytest.raises(ValueError, match="workers can't open"):
        lr.block_source(np.ones((3, 2)), executor="dask")
    with pytest.raises(ValueError, match="rows was given"):
        lr.block_source(lr.block_source(np.ones((3, 2))), rows=2)
    with pytest.raises(TypeError, match="prefetch"):
        lr.block_source(np.ones((3, 2)), prefetch=1)


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        ({"a": ["x", "y"]}, TypeError, "'a' .*string"),
        ({"a": pa.array([1, None])}, ValueError, "'a' .*missing"),
        ({"a": pa.array([[1.0, 2.0], None], pa.list_(pa.float64(), 2))}, ValueError, "'a' .*missing"),
        ({"a": pa.array([[1.0, None]], pa.list_(pa.float64(), 2))}, ValueError, "'a' .*missing"),
        ({"a": pa.array([[1.0], [2.0, 3.0]])}, TypeError, "'a' .*list"),
        ({}, ValueError, "no columns"),
    ],
)
def test_parquet_columns_that_are_no_numbers_or_have_gaps_are_refused_by_name(columns, error, message, tmp_path):
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(error, match=message):
        lr.block_source(tmp_path / "a.parquet").read(0)


def test_parquet_files_with_other_columns_are_refused(tmp_path):
    pyarrow.parquet.write_table(pa.table({"a": [1.0]}), tmp_path / "0.parquet")
    pyarrow.parquet.write_table(pa.table({"b": [1.0]}), tmp_path / "1.parquet")
    with pytest.raises(ValueError, match=r"1\.parquet has other columns"):
        lr.block_source(tmp_path)


HIDDEN = np.ma.masked_array(np.ones((4, 2)), [[True, False]] * 4)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([np.ones((4, 2)), HIDDEN], "entry 1 .*masked"),
        (iter([np.ones((4, 2)), HIDDEN]), "block 1 .*masked"),
        (dask.array.ma.masked_greater(dask.array.ones((4, 2)), 0), "Dask array .*masked"),
        (dask.array.ones((4, 2)).map_blocks(lambda x: np.ma.masked_array(x, x > 0), meta=np.empty((0, 0))), "masked"),
    ],
)
def test_masked_entries_are_refused_wherever_they_hide(data, message):
    with pytest.raises(TypeError, match=message):
        list(lr.block_source(data, executor="serial").blocks())


def test_pieces_of_another_library_are_refused_and_not_converted():
    torch = pytest.importorskip("torch")
    pieces = [np.ones((4, 2)), torch.ones(4, 2, dtype=torch.float64)]
    with pytest.raises(TypeError, match=r"entry 1 of the list is of torch .*entry 0 of numpy"):
        lr.block_source(pieces)
    with pytest.raises(TypeError, match=r"block 1 of the iterator is of torch .*block 0 of numpy"):
        list(lr.block_source(iter(pieces)).blocks())


def test_gradients_are_refused_and_not_lost():
    torch = pytest.importorskip("torch")
    tracked = torch.ones(4, 2, requires_grad=True)
    for data in (tracked, [tracked], iter([tracked])):
        with pytest.raises(TypeError, match=r"records gradients.*detach\(\)"):
            lr.block_source(data)


def test_a_map_that_copies_on_writing_does_not_travel_without_what_was_written(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((20, 3)))
    data = np.load(tmp_path / "a.npy", mmap_mode="c")
    data[:] = 7.0
    assert lr.block_source(data).read(0)[0, 0] == 7.0
    with pytest.raises(ValueError, match="copies on writing"):
        lr.block_source(data, executor="dask")


def test_refused_parquet_files_are_closed(tmp_path, monkeypatch):
    pyarrow.parquet.write_table(pa.table({"a": [1.0]}), tmp_path / "0.parquet")
    pyarrow.parquet.write_table(pa.table({"b": [1.0]}), tmp_path / "1.parquet")
    opened, original = [], pyarrow.parquet.ParquetFile
    monkeypatch.setattr(pyarrow.parquet, "ParquetFile", lambda path: opened.append(original(path)) or opened[-1])
    with pytest.raises(ValueError, match="other columns"):
        lr.block_source(tmp_path)
    assert len(opened) == 2
    assert all(file.closed for file in opened)
