"""The ladder of rates: its kernel and its twin, its growth, and the rates that join and leave."""

import numpy as np
import pytest
from strategies import random_array
from streaming import row_streams

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.streaming import price_xun
from lowrank_la.streaming.oja_ladder import oja_ladder, oja_ladder_twin
from lowrank_la.streaming.rows import Layout


def problem(d, b, dtype, m=6):
    """Rows of squared length up to one, unit vectors, and rates 1/2, 1/4, …"""
    rows = random_array((b, d), dtype, 1)
    rows = rows / np.max(np.linalg.norm(rows, axis=1)).astype(rows.real.dtype)
    vectors = random_array((m, d), dtype, 2)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).astype(rows.real.dtype)
    return np.ascontiguousarray(rows), np.ascontiguousarray(vectors), [0.5**j for j in range(1, m + 1)], np.zeros(m)


def one_by_one(rows, vectors, rates):
    """The definition, in double precision: ``v += η x xᴴ v`` for the column x = rowᴴ."""
    found, growth = vectors.astype("complex128"), np.zeros(len(rates))
    for row in rows.astype("complex128"):
        for j, rate in enumerate(rates):
            found[j] += rate * (row @ found[j]) * row.conj()
            size = np.linalg.norm(found[j])
            found[j] /= size
            growth[j] += np.log(size)
    return found, growth


@pytest.mark.parametrize("b", [1, 31, 64, 100])
@pytest.mark.parametrize("d", [1, 7, 8, 33, 256])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_kernel_and_its_twin_are_the_definition(dtype, d, b):
    rows, vectors, rates, growth = problem(d, b, dtype)
    expected, grown = one_by_one(rows, vectors, rates)
    for step in (oja_ladder, oja_ladder_twin):
        found, total = step(rows, vectors, rates, growth)
        assert np.max(np.abs(found - expected)) <= 50 * be.eps(found.dtype)
        assert np.max(np.abs(total - grown)) <= 50 * b * be.eps(found.dtype)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_rows_enter_conjugated_once(dtype):
    rows, vectors, rates, growth = problem(33, 70, dtype)
    expected, grown = one_by_one(rows, vectors, rates)
    found, total = oja_ladder(rows, vectors, rates, growth)
    assert np.max(np.abs(found - expected)) <= 50 * be.eps(found.dtype)
    assert np.max(np.abs(total - grown)) <= 3000 * be.eps(found.dtype)
    wrong, _ = one_by_one(rows.conj(), vectors, rates)
    assert np.max(np.abs(found - wrong)) > 0.01


def test_rows_taken_as_one_mean_step_are_something_else():
    rows, vectors, rates, growth = problem(33, 32, "float64")
    found, total = oja_ladder(rows, vectors, rates, growth)
    batch = vectors + np.asarray(rates)[:, None] * (vectors @ rows.T) @ rows
    sizes = np.linalg.norm(batch, axis=1)
    assert np.max(np.abs(found - batch / sizes[:, None])) > 1e-3
    assert np.max(np.abs(total - np.log(sizes))) > 1e-3


def test_equal_rows_may_double_every_vector_at_each_of_them():
    row = np.full((256, 4), 0.5, "float32")
    found, growth = oja_ladder(row, np.full((1, 4), 0.5, "float32"), [0.9999], np.zeros(1))
    assert np.allclose(found, 0.5)
    assert abs(growth[0] - 256 * np.log(1.9999)) < 1e-3


def run(A, seed=0):
    """State after the rows of `A`, fed in blocks, and its layout."""
    layout = Layout(A.shape[1], A.dtype, "float64", be.namespace(A), be.device(A))
    state = price_xun.empty_state(layout, be.resolve_rng(seed))
    for start in range(0, A.shape[0], price_xun.BLOCK_ROWS):
        state = price_xun.absorb(state, np.ascontiguousarray(A[start : start + price_xun.BLOCK_ROWS]), layout)
    return state, layout


def growing():
    """Rows that become a thousand times as long on the way."""
    generator = np.random.default_rng(0)
    return generator.standard_normal((2000, 16)) * np.logspace(-3, 0, 2000)[:, None]


def test_rates_that_join_late_are_as_good_as_there_from_the_start():
    A = growing()
    state, _ = run(A)
    rates = [2.0**-j for j in range(state["top"], state["bottom"] + 1)]
    start = np.tile(state["start"], (len(rates), 1))
    expected, growth = one_by_one(A, start, rates)
    assert np.max(np.abs(state["vectors"] - expected)) <= 4 * 2.0**-10
    assert np.max(np.abs(state["growth"] - growth)) <= 4 * 2.0**-10
    assert state["top"] > run(A[:100])[0]["bottom"] - 5


def test_the_ladder_reaches_from_the_longest_row_to_the_whole_energy():
    for A in (growing(), growing()[::-1], np.random.default_rng(1).standard_normal((500, 16))):
        state, _ = run(A)
        squares = np.sum(A**2, axis=1)
        assert 0.5 <= 2.0 ** -state["top"] * squares.max() < 1.0
        assert 2.0 ** -state["bottom"] * squares.sum() <= 2.0**-10
        assert state["vectors"].shape[0] == state["bottom"] - state["top"] + 1 <= np.log2(1024 * len(A)) + 2


def test_a_late_rate_larger_than_all_others_would_have_lost_its_growth():
    A, _ = row_streams.spiked(16, "first", n=3000, d=16, spikes=300)
    state, _ = run(A)
    rates = [2.0**-j for j in range(state["top"], state["bottom"] + 1)]
    late = one_by_one(A[1500:], np.tile(state["start"], (len(rates), 1)), rates)[1]
    grown = price_xun.chosen(state, run(A[:64])[1], 3.0, False)[2]["needed"]
    chosen = [j for j, value in enumerate(state["growth"]) if value >= grown][-1]
    assert late[chosen] < 0.5 * state["growth"][chosen]


@pytest.mark.parametrize("placed", row_streams.ORDERS)
def test_the_rate_that_is_chosen_is_near_the_best_of_the_ladder(placed):
    A, v = row_streams.spiked(16, placed, d=32)
    state, layout = run(A)
    found, status, details = price_xun.chosen(state, layout, 3.0, False)
    best = max(row_streams.squared_correlation(each, v) for each in state["vectors"])
    assert status == "rate"
    assert row_streams.squared_correlation(found, v) > best - 0.05
    assert details["rate"] in details["rates"]


def test_the_largest_rate_in_place_of_the_smallest_that_grew_is_wrong():
    A, v = row_streams.spiked(16, "first", d=32)
    state, layout = run(A)
    good = row_streams.squared_correlation(price_xun.chosen(state, layout, 3.0, False)[0], v)
    assert row_streams.squared_correlation(state["vectors"][0], v) < 0.5 < good


def test_growth_is_in_the_result_with_the_rates_it_belongs_to():
    A, _ = row_streams.spiked(16, "random")
    result = lr.TopEigenvector("arbitrary", rng=0).partial_fit(A).result()
    assert result.growth.shape == (len(result.info.rates),)
    chosen = result.info.rates.index(result.info.rate)
    assert result.growth[chosen] >= result.info.needed > np.max(result.growth[chosen + 1 :])
    assert np.all(np.diff(result.info.rates) < 0)
