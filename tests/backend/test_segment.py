"""Scatter-add of rows on every backend."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import random_array

from lowrank_la import _backend as be
from lowrank_la._backend.segment import _by_selection


def reference(values, ids, n):
    out = np.zeros((n, *values.shape[1:]), np.result_type(values, np.float64))
    np.add.at(out, ids, values)
    return out


def summed(backend, values, ids, n):
    got = be.segment_sum(backend.asarray(values), backend.asarray(ids), n)
    assert backend.holds(got)
    assert got.dtype == backend.dtype(backend.nearest(values.dtype.name))
    return backend.to_numpy(got)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("shape", [(200,), (200, 1), (200, 3)])
def test_rows_are_added_up_by_their_id(backend, dtype, shape):
    dtype = backend.nearest(dtype)
    values, ids = random_array(shape, dtype), np.random.default_rng(1).integers(0, 23, 200)
    got = summed(backend, values, ids, 25)
    assert got.shape == (25, *shape[1:])
    bound = 20 * be.eps(dtype) * reference(np.abs(values), ids, 25)
    assert np.all(np.abs(got - reference(values, ids, 25)) <= bound)
    assert not np.any(got[23:])


@pytest.mark.parametrize("ids", [[], [4], [0, 0, 0, 0], [4, 3, 2, 1, 0], [2, 0, 2, 0, 2, 0, 2]])
def test_few_rows_in_any_order(backend, ids):
    values, ids = np.arange(1.0, len(ids) + 1), np.asarray(ids, np.int64)
    np.testing.assert_array_equal(summed(backend, values, ids, 5), reference(values, ids, 5))


def test_a_large_neighbour_costs_a_small_segment_no_digits(backend):
    """What the difference of running sums would lose."""
    values, ids = np.asarray([3e7, 1.0, 1.0, -3e7, 0.5, 0.25]), np.asarray([0, 1, 1, 2, 3, 3])
    np.testing.assert_array_equal(summed(backend, values, ids, 4), [3e7, 2.0, -3e7, 0.75])


@given(ids=st.lists(st.integers(0, 9), min_size=1, max_size=300))
def test_the_portable_form_agrees_whatever_the_ids(ids):
    import array_api_compat.numpy as xp

    ids = np.asarray(ids)
    values = np.random.default_rng(0).integers(-100, 100, (ids.size, 2)).astype(float)
    np.testing.assert_array_equal(_by_selection(values, ids, 10, xp), reference(values, ids, 10))
