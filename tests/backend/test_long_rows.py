"""A few long rows in blocks: their Gram matrix and their combinations."""

import numpy as np
import pytest
import threadpoolctl

from lowrank_la import _backend as be
from lowrank_la._backend import long_rows

DTYPES = ("float32", "float64", "complex64", "complex128")
HEIGHTS = [(5,), (30, 40), (3, 60, 7)]


def blocks_of(heights, dtype, d=900, seed=0):
    """Blocks of rows whose products are exact."""
    generator = np.random.default_rng(seed)
    found = [generator.integers(-8, 9, (height, d)).astype(dtype) for height in heights]
    return [block * (1 + 1j) if np.dtype(dtype).kind == "c" else block for block in found]


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("heights", HEIGHTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_gram_matrix_is_that_of_the_blocks_joined(dtype, heights, wide, monkeypatch):
    blocks = blocks_of(heights, dtype)
    to = np.dtype(np.result_type(dtype, "float64") if wide else dtype)
    M = np.vstack(blocks).astype(to)
    G = be.gram_of_rows(blocks, to)
    assert G.dtype == to
    np.testing.assert_array_equal(G, M @ M.conj().T)
    monkeypatch.setattr(long_rows, "compiled_gram_pays", lambda *_: False)
    np.testing.assert_array_equal(be.gram_of_rows(blocks, to), G)


@pytest.mark.parametrize("heights", HEIGHTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_combinations_are_those_of_the_blocks_joined(dtype, heights):
    blocks = blocks_of(heights, dtype)
    C = blocks_of((4,), dtype, sum(heights), seed=1)[0]
    np.testing.assert_array_equal(be.combined_rows(C, blocks), C @ np.vstack(blocks))


@pytest.mark.parametrize("d", [1, 63, 64, 2000])
def test_lengths_that_no_panel_divides_are_covered(d):
    blocks = blocks_of((2, 3), "float64", d)
    M = np.vstack(blocks)
    np.testing.assert_array_equal(be.gram_of_rows(blocks, M.dtype), M @ M.T)
    np.testing.assert_array_equal(be.combined_rows(np.eye(5), blocks), M)


def test_all_libraries_say_the_same(backend):
    blocks = blocks_of((4, 6), "float32", 50)
    there = [backend.asarray(block) for block in blocks]
    G = be.gram_of_rows(there, there[0].dtype)
    np.testing.assert_array_equal(backend.to_numpy(G), be.gram_of_rows(blocks, blocks[0].dtype))
    combined = be.combined_rows(G, there)
    np.testing.assert_array_equal(backend.to_numpy(combined), be.combined_rows(backend.to_numpy(G), blocks))


def test_any_number_of_threads_gives_the_same_bits():
    generator = np.random.default_rng(3)
    blocks = [generator.standard_normal((height, 5000)).astype("float32") for height in (40, 70)]
    C = generator.standard_normal((9, 110)).astype("float32")
    found = []
    for threads in (1, 2):
        with threadpoolctl.threadpool_limits(threads):
            found.append((be.gram_of_rows(blocks, np.dtype("float64")), be.combined_rows(C, blocks)))
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_order_in_memory_does_not_show_in_the_bits():
    generator = np.random.default_rng(4)
    blocks = [generator.standard_normal((height, 3000)).astype("float32") for height in (40, 70)]
    turned = [np.asfortranarray(block) for block in blocks]
    wide = np.dtype("float64")
    np.testing.assert_array_equal(be.gram_of_rows(blocks, wide), be.gram_of_rows(turned, wide))
    C = generator.standard_normal((9, 110)).astype("float32")
    np.testing.assert_array_equal(be.combined_rows(C, blocks), be.combined_rows(C, turned))


def test_blocks_in_columns_and_views_are_taken_and_not_written_to():
    wide = blocks_of((6,), "float64", 400)[0]
    blocks = [np.asfortranarray(wide[:2]), wide[2:, ::2].repeat(2, axis=1)[:, :400], wide[:, ::-1][1:]]
    before = [block.copy() for block in blocks]
    for block in blocks:
        block.flags.writeable = False
    M = np.vstack(blocks)
    np.testing.assert_array_equal(be.gram_of_rows(blocks, M.dtype), M @ M.T)
    for block, was in zip(blocks, before, strict=True):
        np.testing.assert_array_equal(block, was)
