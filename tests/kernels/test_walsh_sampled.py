"""Rows of a transform from blocks, against the whole transform."""

import numpy as np
import pytest

import lowrank_la as lr
from lowrank_la import _backend as be


def whole(x, signs, order):
    padded = np.zeros((len(x), order), x.dtype)
    padded[:, : x.shape[1]] = x * signs
    return lr.fwht(padded)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("lines", "n", "order", "size"), [
    (1, 1, 1, 1), (1, 5, 8, 2), (3, 100, 128, 16), (1, 1000, 1024, 1024), (2, 33, 64, 32), (1, 300_000, 1 << 19, 4096),
    (5, 70_000, 1 << 17, 8192),
])  # fmt: skip
def test_rows_put_together_from_blocks_are_those_of_the_whole_transform(lines, n, order, size, dtype):
    generator = np.random.default_rng(n)
    x = generator.standard_normal((lines, n)).astype(dtype)
    signs = np.where(generator.random(n) < 0.5, -1, 1).astype(dtype)
    rows = generator.integers(0, order, 37)
    found = be.walsh_sampled(x, signs, rows, size)
    expected = whole(x.astype(float), signs, order)[:, rows]
    assert found.dtype == x.dtype
    np.testing.assert_allclose(found, expected, atol=8 * np.finfo(dtype).eps * np.log2(2 * order) * order**0.5)


def test_the_same_line_gives_the_same_bits_alone_and_among_others_and_is_not_written_to():
    x = np.random.default_rng(0).standard_normal((3, 1 << 18)).astype("float32")
    kept, signs, rows = x.copy(), np.ones(1 << 18, "float32"), np.arange(50)
    together = be.walsh_sampled(x, signs, rows, 4096)
    assert all(np.array_equal(be.walsh_sampled(x[k : k + 1], signs, rows, 4096)[0], together[k]) for k in range(3))
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("shape", [(40, 1000, 1), (40, 5000, 1), (7, 300, 4)])
def test_a_vector_and_rows_are_sketched_as_by_the_matrix(shape):
    d, n, lines = shape
    S, x = lr.sketch.SRHT(d, n, rng=1), np.random.default_rng(2).standard_normal((n, lines))
    matrix = S.todense()
    np.testing.assert_allclose(S.apply(np.ascontiguousarray(x)), matrix @ x, atol=1e-12)
    np.testing.assert_allclose(S.apply(np.asfortranarray(x)), matrix @ x, atol=1e-12)
    np.testing.assert_allclose(S.apply(x[:, 0].copy()), matrix @ x[:, 0], atol=1e-12)
