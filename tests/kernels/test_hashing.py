"""Sums of rows into random rows: the kernel beside its twin."""

import numpy as np
import pytest
from strategies import LAYOUTS, lay_out, random_array

from lowrank_la import _backend as be
from lowrank_la import _kernels
from lowrank_la._backend import hashing, threads

SIZES, FIRSTS = np.asarray([5, 4, 4], np.int64), np.asarray([0, 5, 9], np.int64)


def draw(rows):
    return be.integers(be.resolve_rng(3), rows, slice(0, 3), 1 << 32)


@pytest.fixture
def always_compiled(monkeypatch):
    monkeypatch.setattr(hashing, "_KERNEL_FROM", 1)
    monkeypatch.setattr(hashing, "_ROWS", 16)


@pytest.mark.parametrize("width", [8, 9, 31, 32, 33, 50, 104])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_the_kernel_agrees_with_its_twin(always_compiled, dtype, width):
    A = random_array((150, width), dtype)
    got, twin = hashing.hash_rows(A, draw, SIZES, FIRSTS, 13), hashing.hash_rows_twin(A, draw, SIZES, FIRSTS, 13)
    assert got.dtype == twin.dtype == A.dtype
    assert np.max(np.abs(got - twin)) <= 100 * be.eps(dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_memory_layout_is_read(always_compiled, layout):
    A = random_array((70, 20), "float64")
    np.testing.assert_array_equal(
        hashing.hash_rows(lay_out(A, layout), draw, SIZES, FIRSTS, 13), hashing.hash_rows(A, draw, SIZES, FIRSTS, 13)
    )


def test_bits_do_not_depend_on_the_number_of_threads(always_compiled, monkeypatch):
    A, found = random_array((400, 70), "float64"), set()
    for rows in (A, A[:20]):  # several row ranges; one, with its lanes split
        for workers in (1, 2, 7):
            monkeypatch.setattr(threads, "worker_count", lambda workers=workers: workers)
            found.add(hashing.hash_rows(rows, draw, SIZES, FIRSTS, 13).tobytes())
    assert len(found) == 2


def test_lanes_outside_the_range_are_left_alone():
    A, draws = random_array((30, 40), "float64"), draw(slice(0, 30))
    whole, out = np.zeros((13, 40)), np.ones((13, 40))
    kernel = _kernels.lookup("hash_rows", "numpy")
    kernel(A, draws, SIZES, FIRSTS, whole, 0, 40)
    kernel(A, draws, SIZES, FIRSTS, out, 3, 14)
    expected = np.ones((13, 40))
    expected[:, 3:14] += whole[:, 3:14]
    assert np.max(np.abs(out - expected)) <= 100 * be.eps("float64")


def test_stacks_are_filled_evenly_and_signs_are_fair():
    places, signs = be.split_draws(draw(slice(0, 20_000)), SIZES, FIRSTS)
    assert set(np.unique(signs)) == {-1, 1}
    assert abs(signs.mean()) < 5 / np.sqrt(signs.size)
    for stack in range(3):
        counts = np.bincount(places[:, stack] - FIRSTS[stack], minlength=SIZES[stack])
        assert counts.shape == (SIZES[stack],)
        assert np.max(np.abs(counts / 20_000 - 1 / SIZES[stack])) < 5 / np.sqrt(20_000)
