"""Transforms along axes with numbers behind them: every width, cut into columns, in place."""

import numpy as np
import pytest

from lowrank_la import _kernels
from lowrank_la._backend import butterfly


def numbers(shape, dtype="float64"):
    return np.random.default_rng(list(shape)).standard_normal(shape).astype(dtype)


def plain_butterfly(x, scale=1.0):
    """The textbook transform of the middle axis, stage by stage."""
    y, (outer, n, inner) = x * x.dtype.type(scale), x.shape
    for bit in range(n.bit_length() - 1):
        pairs = y.reshape(outer, -1, 2, 1 << bit, inner)
        y = np.stack([pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]], axis=2)
    return y.reshape(x.shape)


def runs(target, source, first, last, scale):
    _, n, inner = source.shape
    kernel = _kernels.lookup("walsh_runs", "numpy")
    flat = target.reshape(-1), source.reshape(-1)
    kernel(*flat, inner, n.bit_length() - 1, first, last, 0, source.size, source.dtype.type(scale))


@pytest.mark.parametrize("inner", [*range(1, 18), 23, 31, 32, 33, 40, 63, 64, 65, 70])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_width_gives_the_bits_of_the_plain_butterfly(inner, dtype):
    for stages in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13):
        x = numbers((3 if stages < 10 else 1, 1 << stages, inner), dtype)
        kept, found = x.copy(), np.full_like(x, np.nan)
        runs(found, x, 0, inner, 0.3)
        np.testing.assert_array_equal(found, plain_butterfly(x, 0.3))
        np.testing.assert_array_equal(x, kept)
        runs(x, x, 0, inner, 0.3)
        np.testing.assert_array_equal(x, found)


@pytest.mark.parametrize(("stages", "inner"), [(16, 1), (16, 3), (15, 7), (14, 9), (12, 70), (6, 5000), (3, 20_000)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_long_axes_and_wide_rows_give_the_bits_of_the_plain_butterfly(stages, inner, dtype):
    x = numbers((1, 1 << stages, inner), dtype)
    expected = plain_butterfly(x)
    runs(x, x, 0, inner, 1.0)
    np.testing.assert_array_equal(x, expected)


def require_bits_of_parts(x, cuts):
    found, expected = x.copy(), plain_butterfly(x)
    for first, last in zip(cuts, cuts[1:], strict=False):
        untouched = found[:, :, last:].copy()
        runs(found, found, first, last, 1.0)
        np.testing.assert_array_equal(found[:, :, :last], expected[:, :, :last])
        np.testing.assert_array_equal(found[:, :, last:], untouched)


@pytest.mark.parametrize("cuts", [(0, 64, 70), (0, 1, 2, 70), (0, 7, 40, 69, 70)])
@pytest.mark.parametrize("stages", [2, 3, 5, 7, 9])
def test_columns_may_be_cut_anywhere(stages, cuts):
    x = numbers((2, 1 << stages, cuts[-1]), "float32")
    require_bits_of_parts(x, cuts)


@pytest.mark.parametrize("shift", range(16))
@pytest.mark.parametrize("shape", [(1, 128, 300), (2, 64, 16), (1, 1 << 10, 64), (1, 1 << 13, 17)])
def test_where_in_a_cache_line_an_array_begins_changes_no_bit(shape, shift):
    x = numbers(shape, "float32")
    room = np.full(x.size + 32, 7.0, "float32")
    found = room[shift : shift + x.size].reshape(shape)
    found[...] = x
    runs(found, found, 0, shape[2], 1.0)
    np.testing.assert_array_equal(found, plain_butterfly(x))
    assert np.all(room[:shift] == 7.0)
    assert np.all(room[shift + x.size :] == 7.0)


@pytest.mark.parametrize("cuts", [(0, 513, 1400), (0, 250, 800, 1399, 1400), (0, 1, 1400)])
@pytest.mark.parametrize("stages", [3, 7, 9])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_wide_rows_may_be_cut_anywhere(stages, cuts, dtype):
    x = numbers((1, 1 << stages, cuts[-1]), dtype)
    require_bits_of_parts(x, cuts)


@pytest.mark.parametrize("low", [0, 1, 3, 6])
@pytest.mark.parametrize("inner", [3, 16, 37])
def test_stages_may_be_split_between_tasks(low, inner):
    x = numbers((1, 1 << 9, inner))
    found = x.copy()
    if low:
        runs(found.reshape(-1, 1 << low, inner), x.reshape(-1, 1 << low, inner), 0, inner, 1.0)
    high, middle = found.reshape(1, 1 << (9 - low), inner << low), (inner << low) // 2
    runs(high, high, 0, middle, 1.0)
    runs(high, high, middle, inner << low, 1.0)
    np.testing.assert_array_equal(found, plain_butterfly(x))


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_one_number_that_is_not_finite_or_huge_stays_in_its_column(value):
    x = numbers((1, 64, 3), "float32")
    expected, x[0, 5, 1] = plain_butterfly(x), value
    found = np.empty_like(x)
    runs(found, x, 0, 3, 1.0)
    np.testing.assert_array_equal(found[:, :, ::2], expected[:, :, ::2])


@pytest.mark.parametrize("shape", [(1, 4096, 70), (9, 1024, 33), (1, 64, 8200), (1, 32, 9000), (1, 1 << 13, 48)])
def test_a_host_transform_has_the_same_bits_whatever_its_tasks(shape, monkeypatch):
    x = numbers(shape, "float32")
    expected = plain_butterfly(x, 0.5)
    for parallel_from in (1, 1 << 18, 1 << 40):
        monkeypatch.setattr(butterfly, "_PARALLEL_FROM", parallel_from)
        np.testing.assert_array_equal(butterfly.walsh_host(x, 0.5, False), expected)
        np.testing.assert_array_equal(butterfly.walsh_host(x.copy(), 0.5, True), expected)


@pytest.mark.parametrize("shape", [(2, 64, 3), (1, 128, 16), (3, 8, 7), (1, 256, 5)])
def test_the_portable_twin_agrees(shape):
    x = numbers(shape)
    found, twin = butterfly.walsh_host(x, 1.0, False), butterfly.walsh_twin(x, 1.0)
    assert np.linalg.norm(found - twin) <= 2 * np.log2(shape[1]) * np.finfo(float).eps * np.linalg.norm(twin)
