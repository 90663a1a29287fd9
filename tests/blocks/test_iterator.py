"""Iterators: one pass, cut anew at fixed row numbers."""

import threading
import time

import numpy as np
import pytest
from blocks.slab_kernels import added, matrix, normal
from hypothesis import given, settings
from hypothesis import strategies as st

import lowrank_la as lr
from lowrank_la.blocks import map_reduce

X = matrix(6, 3, seed=1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 200), max_size=8))
def test_any_splitting_of_the_rows_gives_the_same_bits(cuts):
    A = matrix(200, 6)
    expected = map_reduce(lr.block_source(A, rows=32), normal, added, broadcast=(X,))
    source = lr.block_source(iter(np.array_split(A, sorted(cuts))), rows=32)
    found = map_reduce(source, normal, added, broadcast=(X,))
    np.testing.assert_array_equal(found["product"], expected["product"])
    assert (found["rows"], source.shape) == (200, (200, 6))


def test_an_iterator_may_fill_one_buffer_again_and_again():
    A, buffer = matrix(200, 6), np.empty((10, 6))

    def rows():
        for start in range(0, 200, 10):
            buffer[...] = A[start : start + 10]
            yield buffer
            buffer[...] = np.nan

    for prefetch in (True, False):
        source = lr.block_source(rows(), rows=10, prefetch=prefetch)
        np.testing.assert_array_equal(np.concatenate([block.copy() for _, _, block in source.blocks()]), A)


def test_a_second_pass_is_refused_also_by_a_copy_of_the_source():
    source = lr.block_source(iter([matrix(50, 6)]), rows=8)
    other = lr.block_source(source, executor="serial")
    assert map_reduce(source, normal, added, broadcast=(X,))["rows"] == 50
    for again in (source, other):
        with pytest.raises(ValueError, match="can be read once"):
            map_reduce(again, normal, added, broadcast=(X,))


def test_rows_of_an_iterator_can_not_be_picked():
    source = lr.block_source(iter([matrix(50, 6)]))
    for ask in (lambda: source.read(0), lambda: source.take([1]), lambda: source.read_rows(0, 1)):
        with pytest.raises(TypeError, match="in order and once"):
            ask()
    with pytest.raises(TypeError, match="after its pass"):
        len(source)
    assert source.shape == (None, 6)


def test_an_iterator_of_empty_blocks_has_no_rows():
    source = lr.block_source(iter([np.empty((0, 6))] * 3))
    assert map_reduce(source, normal, added, broadcast=(X,))["rows"] == 0
    assert source.shape == (0, 6)


def test_what_an_iterator_raises_comes_out_of_the_pass():
    def rows():
        yield matrix(50, 6)
        raise ConnectionError("the station is silent")

    with pytest.raises(ConnectionError, match="silent"):
        map_reduce(lr.block_source(rows(), rows=8), normal, added, broadcast=(X,))


def test_a_pass_that_fails_does_not_wait_for_an_iterator_that_hangs():
    hanging = threading.Event()

    def rows():
        yield matrix(50, 6)
        hanging.wait(30)

    def kernel(block, start):
        raise ArithmeticError("no")

    before = time.monotonic()
    with pytest.raises(ArithmeticError):
        map_reduce(lr.block_source(rows(), rows=8), kernel, added)
    assert time.monotonic() - before < 20
    hanging.set()


def test_without_prefetch_an_iterator_stays_on_the_thread_that_asks():
    seen = set()

    def rows():
        for _ in range(5):
            seen.add(threading.current_thread())
            yield matrix(50, 6)

    source = lr.block_source(rows(), rows=8, executor="serial", prefetch=False)
    map_reduce(source, normal, added, broadcast=(X,))
    assert seen == {threading.current_thread()}


def test_iterators_of_every_library(backend):
    A = matrix(70, 5, backend.nearest("float64"))
    source = lr.block_source((backend.asarray(part) for part in np.array_split(A, [3, 40])), rows=16)
    parts = [block for _, _, block in source.blocks()]
    assert all(backend.holds(part) for part in parts)
    np.testing.assert_array_equal(np.concatenate([backend.to_numpy(part) for part in parts]), A)


def test_a_fingerprint_does_not_depend_on_the_splitting():
    A = matrix(70, 5)
    known = {lr.block_source(iter(np.array_split(A, cuts))).fingerprint() for cuts in ([1], [40], [0, 0, 2])}
    assert len(known) == 1
    assert lr.block_source(iter([A[1:]])).fingerprint() not in known


@pytest.mark.parametrize("blocks", [[None, np.ones((2, 3))], [np.ones((0, 3)), None, np.ones((2, 3))]])
def test_a_block_that_is_none_is_refused_and_not_taken_for_the_end(blocks):
    with pytest.raises(TypeError, match="NoneType"):
        list(lr.block_source(iter(blocks)).blocks())
