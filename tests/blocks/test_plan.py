"""What is told before a pass is what the pass does."""

import dask.array
import h5py
import numpy as np
import pytest
from blocks.slab_kernels import Instrumented, added, matrix, normal

import lowrank_la as lr
from lowrank_la.blocks import map_reduce, plan


def test_reads_and_bytes_are_those_of_the_passes():
    source = Instrumented(matrix(1000, 16), 100)
    told = plan(source, 3)
    for _ in range(told.passes):
        map_reduce(source, normal, added, broadcast=(np.ones((16, 2)),))
    assert source.reads == told.passes * told.slabs
    assert told.bytes == 3 * source.array.nbytes
    assert source.most * told.slab_bytes <= told.peak_memory


def test_the_text_names_source_passes_bytes_and_memory():
    text = str(plan(lr.block_source(iter([matrix(100, 16)]), rows=10), 1, state_bytes=10**6))
    assert "IteratorSource(?×16, float64" in text
    assert "1 pass(es) over an unknown number of slab(s) of at most 1.28 kB: unknown" in text
    text = str(plan(lr.block_source(dask.array.ones((10**9, 10), chunks=(10**7, 10)))))
    assert "DaskSource(1000000000×10, float64, executor 'dask')" in text
    assert "100 slab(s) of at most 800 MB: 80 GB" in text
    assert "peak memory 800 MB for each thread of a worker" in text


def test_chunks_that_slabs_share_are_counted_as_often_as_they_are_decoded(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("a", data=matrix(100, 16), chunks=(30, 16))
        row = 16 * 8
        assert plan(lr.block_source(dataset, rows=30)).bytes == 100 * row
        assert plan(lr.block_source(dataset, rows=45)).bytes == (60 + 60 + 10) * row
        assert plan(lr.block_source(dataset, rows=10)).bytes == (9 * 30 + 10) * row


def test_views_of_memory_take_none():
    assert plan(lr.block_source(matrix(100, 16)), 5).peak_memory == 0


def test_passes_are_checked():
    with pytest.raises(ValueError, match="passes must be at most 1"):
        plan(lr.block_source(iter([matrix(5, 2)])), 2)
    with pytest.raises(ValueError, match="passes must be at least 1"):
        plan(lr.block_source(matrix(5, 2)), 0)
