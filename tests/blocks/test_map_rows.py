"""Row-blocked output: a list, an array, a Dask array or files, and always the same rows."""

import dask.array
import numpy as np
import pytest
from blocks.slab_kernels import Instrumented, added, matrix, normal, row_norms, times

import lowrank_la as lr
from lowrank_la.blocks import BlockSource, map_reduce, map_rows

A = matrix(300, 12)
X = matrix(12, 4, seed=1)
EXPECTED = np.concatenate([times(A[k : k + 64], k, X) for k in range(0, 300, 64)])


def sources(tmp_path):
    np.save(tmp_path / "a.npy", A)
    yield lr.block_source(A, rows=64, executor="serial")
    yield lr.block_source(A, rows=64)
    yield lr.block_source(tmp_path / "a.npy", rows=64, executor="dask")
    yield lr.block_source(dask.array.from_array(A, chunks=(50, 5)), rows=64)


def test_rows_are_gathered_listed_written_and_read_back(tmp_path):
    for k, source in enumerate(sources(tmp_path)):
        rows = map_rows(source, times, (X,))
        assert (rows.shape, rows.dtype, rows.boundaries) == ((300, 4), A.dtype, source.boundaries)
        np.testing.assert_array_equal(rows.gather(), EXPECTED)
        assert [len(slab) for slab in rows.slabs()] == [64, 64, 64, 64, 44]
        paths = rows.write(tmp_path / f"out{k}")
        back = lr.block_source(paths, rows=300).read(0)
        np.testing.assert_array_equal(back, EXPECTED)
        np.testing.assert_array_equal(lr.block_source(tmp_path / f"out{k}").read(0), EXPECTED)
        with pytest.raises(FileExistsError, match="out"):
            rows.write(tmp_path / f"out{k}")


def test_nothing_is_read_before_it_is_asked_for_and_then_once():
    source = Instrumented(A, 64)
    rows = map_rows(source, times, (X,))
    assert source.reads == 0
    rows.gather()
    assert source.reads == 5
    list(rows.blocks())
    assert source.reads == 10


def test_a_kernel_may_make_one_number_a_row(tmp_path):
    for source in sources(tmp_path):
        rows = map_rows(source, row_norms)
        assert rows.shape == (300,)
        np.testing.assert_array_equal(rows.gather(), (A**2).sum(axis=1))


def test_rows_are_a_source_for_further_passes(tmp_path):
    W = matrix(4, 2, seed=2)
    expected = map_reduce(lr.block_source(EXPECTED, rows=64), normal, added, broadcast=(W,))
    for source in sources(tmp_path):
        rows = map_rows(source, times, (X,))
        assert isinstance(rows, BlockSource)
        found = map_reduce(rows, normal, added, broadcast=(W,))
        np.testing.assert_array_equal(found["product"], expected["product"])
        np.testing.assert_allclose(map_rows(rows, times, (W,)).gather(), EXPECTED @ W, rtol=0, atol=1e-11)
        np.testing.assert_array_equal(rows.read(1), EXPECTED[64:128])


def test_rows_of_files_and_dask_arrays_become_dask_arrays(tmp_path):
    *_, of_file, of_dask = sources(tmp_path)
    for source in (of_file, of_dask):
        lazy = map_rows(source, times, (X,)).to_dask()
        assert lazy.chunks == ((64, 64, 64, 64, 44), (4,))
        np.testing.assert_array_equal(lazy.compute(), EXPECTED)
        norms = map_rows(map_rows(source, times, (X,)), row_norms).to_dask()
        np.testing.assert_array_equal((norms + 1).compute(), (EXPECTED**2).sum(axis=1) + 1)
    with pytest.raises(ValueError, match="can't become a Dask array"):
        map_rows(lr.block_source(A), times, (X,)).to_dask()


def test_rows_of_an_iterator_come_once():
    rows = map_rows(lr.block_source(iter(np.array_split(A, 7)), rows=64), times, (X,))
    assert rows.shape == (None, 4)
    np.testing.assert_array_equal(rows.gather(), EXPECTED)
    with pytest.raises(ValueError, match="can be read once"):
        rows.gather()


def test_a_kernel_that_makes_another_number_of_rows_is_refused():
    rows = map_rows(lr.block_source(A), lambda block, start: block[:1])
    with pytest.raises(ValueError, match="1 rows of 300"):
        rows.gather()


def test_rows_of_nothing():
    rows = map_rows(lr.block_source(A[:0]), times, (X,))
    assert rows.gather().shape == (0, 4)


def test_arrays_of_every_library_stay_there(backend):
    x, w = backend.asarray(matrix(90, 12, backend.nearest("float64"))), backend.asarray(X, backend.nearest("float64"))
    rows = map_rows(lr.block_source(x, rows=20), times, (w,))
    assert backend.holds(rows.gather())
    assert backend.holds(rows.read(2))
