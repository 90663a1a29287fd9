"""sparse_wht on exact values: recovery, cost and shapes."""

import numpy as np
import pytest
import scipy.linalg
from transforms.sparse_cases import function, has_right_support, is_right, planted, stored, subspace

import lowrank_la as lr
from lowrank_la import _backend as be


@pytest.mark.parametrize(("n", "count"), [(10, 3), (20, 32), (24, 200), (64, 40), (65, 40), (200, 64), (1000, 10)])
@pytest.mark.parametrize("known", [True, False])
def test_a_planted_spectrum_is_recovered(n, count, known):
    rows, values = planted(n, count, seed=n)
    result = lr.sparse_wht(function(rows, values), n, count if known else None, rng=1)
    assert result.info.certificate
    assert is_right(result, rows, values)
    assert result.info.error <= 1e-12


def test_a_stored_vector_and_the_function_that_reads_it_give_the_same_bits():
    rows, values = planted(16, 30, seed=3)
    x = stored(rows, values)
    weights = 1 << np.arange(15, -1, -1)
    first = lr.sparse_wht(x, 16, 30, rng=5)
    second = lr.sparse_wht(lambda bits: x[bits @ weights], 16, 30, rng=5)
    assert is_right(first, rows, values)
    assert np.array_equal(first.coefficients, second.coefficients)
    assert first.info.samples == second.info.samples


def test_the_first_bit_is_the_most_significant_one():
    x = np.arange(16.0)
    for row, value in zip(*lr.sparse_wht(x, rng=0), strict=True):
        bits = np.stack(np.unravel_index(np.arange(16), (2,) * 4), axis=1)
        assert value == pytest.approx(np.mean(x * (-1.0) ** (bits @ row)))


@pytest.mark.parametrize("n", range(6))
def test_small_cubes_are_looked_at_whole_and_equal_the_matrix(n):
    x = np.random.default_rng(n).standard_normal(1 << n)
    result = lr.sparse_wht(x, rng=0)
    assert result.info.method == "dense"
    assert result.info.samples <= (2 << n)
    np.testing.assert_allclose(
        result.coefficients, scipy.linalg.hadamard(1 << n) @ x / (1 << n), rtol=0, atol=1e-15 * 8
    )
    assert result.indices.shape == (1 << n, n)


def test_one_value_is_its_own_coefficient():
    indices, coefficients = lr.sparse_wht(np.array([3.0]))
    assert indices.shape == (1, 0)
    assert coefficients.tolist() == [3.0]


@pytest.mark.parametrize("sparsity", [None, 7])
@pytest.mark.parametrize("n", [0, 1, 30, 300])
def test_the_zero_function_has_no_coefficients(n, sparsity):
    result = lr.sparse_wht(lambda bits: np.zeros(len(bits)), n, min(sparsity or 0, 1 << n) or None, rng=0)
    assert result.indices.shape == (0, n)
    assert result.coefficients.shape == (0,)
    assert result.info.certificate
    assert result.info.error == 0.0


def test_results_evaluate_the_expansion():
    rows, values = planted(30, 20, seed=2)
    f = function(rows, values)
    bits = np.random.default_rng(0).integers(0, 2, (50, 30), dtype=np.uint8)
    result = lr.sparse_wht(f, 30, 20, rng=0)
    np.testing.assert_allclose(result(bits), f(bits), rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match=r"bits must have shape"):
        result(bits[:, 1:])


def test_every_backend_gives_its_own_arrays(backend):
    rows, values = planted(14, 6, seed=1, signs=True)
    x = backend.asarray(stored(rows, values))
    result = lr.sparse_wht(x, 14, 6, rng=0)
    assert backend.holds(result.indices)
    assert backend.holds(result.coefficients)
    assert result.coefficients.dtype == x.dtype
    assert np.array_equal(backend.to_numpy(result.indices), rows)
    np.testing.assert_allclose(backend.to_numpy(result.coefficients), values, rtol=0, atol=20 * be.eps(x.dtype))
    np.testing.assert_allclose(
        backend.to_numpy(result(backend.asarray(rows.astype(np.float32)))),
        function(rows, values)(rows),
        rtol=0,
        atol=200 * be.eps(x.dtype),
    )


def test_complex_coefficients_are_recovered():
    rows, values = planted(25, 20, seed=4)
    values = values * np.exp(1j * np.arange(values.size))
    result = lr.sparse_wht(function(rows, values), 25, 20, rng=0)
    assert result.coefficients.dtype == np.complex128
    assert is_right(result, rows, values)


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, bool])
def test_integers_are_exact(dtype):
    x = np.zeros(1 << 12, dtype)
    x[np.arange(1 << 12) >= 1 << 11] = 1
    result = lr.sparse_wht(x, rng=0)
    assert result.coefficients.tolist() == [0.5, -0.5]
    assert result.indices[:, 0].tolist() == [0, 1]


@pytest.mark.parametrize("exponent", [-200, -150, 150, 200])
def test_scales_far_from_one_do_no_harm(exponent):
    rows, values = planted(20, 12, seed=5)
    values = values * 10.0**exponent
    assert is_right(lr.sparse_wht(function(rows, values), 20, 12, rng=0), rows, values)


def test_strided_reversed_and_read_only_vectors_are_read_and_left_alone():
    rows, values = planted(12, 5, seed=6)
    x = stored(rows, values)
    wide = np.zeros(2 * x.size)
    wide[::2] = x
    backwards, fixed = x[::-1].copy()[::-1], x.copy()
    fixed.flags.writeable = False
    for view in (wide[::2], backwards, fixed):
        assert is_right(lr.sparse_wht(view, 12, 5, rng=0), rows, values)
    assert np.array_equal(wide[::2], x)


def test_the_same_seed_gives_the_same_answer_and_another_other_points():
    rows, values = planted(30, 16, seed=7)
    asked = []

    def f(bits):
        asked.append(bits.copy())
        return function(rows, values)(bits)

    results, points = [], []
    for rng in (1, 1, 2):
        asked.clear()
        results.append(lr.sparse_wht(f, 30, 16, rng=rng))
        points.append(np.concatenate(asked))
    assert np.array_equal(points[0], points[1])
    assert not np.array_equal(points[0][:100], points[2][:100])
    assert np.array_equal(results[0].coefficients, results[1].coefficients)
    again = lr.sparse_wht(f, 30, 16, rng=results[2].info.rng)
    assert np.array_equal(again.coefficients, results[2].coefficients)


@pytest.mark.parametrize("count", [64, 107, 128])
def test_known_sparsity_costs_few_values(count):
    n, verify = 30, 2
    rows, values = planted(n, count, seed=count)
    costs = [lr.sparse_wht(function(rows, values), n, count, verify=verify, rng=seed).info for seed in range(8)]
    first = [info.samples for info in costs if info.iterations == 1]
    assert len(first) >= 6
    assert max(first) <= 3.6 * count * (n + 1 + verify)


def conjunction(t, base=0.0):
    """``base`` plus the and of the first `t` bits, which has ``2**t`` coefficients of the same size."""
    return lambda bits: base + np.all(bits[:, :t] == 1, axis=1)


@pytest.mark.parametrize("sparsity", [None, 1, 2])
@pytest.mark.parametrize("base", [0.0, 1.0])
@pytest.mark.parametrize("t", [2, 4, 6, 8])
def test_functions_that_are_constant_nearly_everywhere_are_recovered(t, base, sparsity):
    for seed in range(8):
        result = lr.sparse_wht(conjunction(t, base), 40, sparsity, rng=seed)
        assert result.info.certificate
        assert result.coefficients.size == 1 << t


def test_a_function_that_few_points_show_is_certified_as_often_as_its_checks_say():
    hidden = [lr.sparse_wht(conjunction(9), 40, checks=m, rng=seed) for m in (0, 500) for seed in range(60)]
    missed = [sum(r.info.certificate and r.coefficients.size == 0 for r in part) for part in (hidden[:60], hidden[60:])]
    assert missed[0] > 5
    assert missed[1] <= 0.7 * missed[0]
    assert {result.info.checks for result in hidden} == {0, 500}


@pytest.mark.parametrize("t", [5, 7])
def test_frequencies_that_form_a_subspace_are_recovered(t):
    for seed in range(10):
        rows, values = subspace(40, t, seed)
        assert is_right(lr.sparse_wht(function(rows, values), 40, rng=seed), rows, values)
        assert is_right(lr.sparse_wht(function(rows, values), 40, 1 << t, rng=seed), rows, values)


@pytest.mark.parametrize("claimed", [1, 10, 30])
def test_too_small_a_sparsity_is_mended_by_more_bins(claimed):
    rows, values = planted(24, 150, seed=8)
    result = lr.sparse_wht(function(rows, values), 24, claimed, rng=0)
    assert result.info.certificate
    assert result.info.iterations > 1
    assert is_right(result, rows, values)


def test_two_frequencies_in_one_bin_of_every_group_are_parted_by_a_small_group():
    rows, values = planted(18, 60, seed=9)
    x = stored(rows, values)
    found = [lr.sparse_wht(x, 18, 60, bins=32, rng=seed) for seed in range(100)]
    assert all(is_right(result, rows, values) for result in found)
    again = [result.info for result in found if result.info.iterations == 2]
    assert again
    assert min(info.groups[-1] for info in again) < 32


def test_a_function_of_many_coefficients_gets_no_certificate():
    generator = np.random.default_rng(0)
    with pytest.warns(lr.ConvergenceWarning, match="no certificate"):
        result = lr.sparse_wht(lambda bits: generator.standard_normal(len(bits)), 40, 20, max_samples=30_000, rng=0)
    assert not result.info.certificate
    assert not result.info.converged
    assert result.info.unresolved.shape[1] == 2
    assert result.info.unresolved.shape[0] > 0
    assert result.info.samples <= 30_000
    with pytest.raises(lr.ConvergenceError, match="no certificate"):
        lr.sparse_wht(lambda b: generator.standard_normal(len(b)), 40, 20, attempts=1, on_failure="raise", rng=0)


def test_unresolved_bins_are_bins_of_their_groups():
    rows, values = planted(24, 200, seed=10)
    with pytest.warns(lr.ConvergenceWarning):
        info = lr.sparse_wht(function(rows, values), 24, bins=16, attempts=1, method="peeling", rng=0).info
    assert info.groups == [16, 16, 16]
    assert np.all(info.unresolved >= 0)
    assert np.all(info.unresolved < [3, 16])


def test_structured_supports_are_no_obstacle():
    pairs = np.asarray([(i, j) for i in range(12) for j in range(i)])
    rows = np.zeros((len(pairs), 40), np.uint8)
    rows[np.arange(len(pairs))[:, None], pairs] = 1
    rows = np.unique(rows, axis=0)
    values = np.ones(len(rows))
    for seed in range(5):
        assert is_right(lr.sparse_wht(function(rows, values), 40, len(rows), rng=seed), rows, values)


@pytest.mark.parametrize(("n", "degree"), [(40, 2), (60, 3), (100, 1), (7, 2)])
def test_low_degrees_need_fewer_values(n, degree):
    rows, values = planted(n, 20, seed=11, weight=degree)
    whole = lr.sparse_wht(function(rows, values), n, 32, rng=0, method="peeling")
    coded = lr.sparse_wht(function(rows, values), n, 32, degree=degree, rng=0, method="peeling")
    assert is_right(whole, rows, values)
    assert is_right(coded, rows, values)
    fewer = degree * n.bit_length() < n - 5  # 32 bins tell five bits
    assert (coded.info.samples < whole.info.samples) == fewer


def test_a_frequency_above_the_degree_is_not_taken_for_another_one():
    rows, values = planted(40, 20, seed=12, weight=2)
    rows[0, :7] = 1
    with pytest.warns(lr.ConvergenceWarning):
        result = lr.sparse_wht(function(rows, values), 40, 20, degree=2, attempts=3, rng=0)
    assert not result.info.certificate
    assert np.all(result.indices.sum(axis=1) <= 2)


def test_a_coefficient_far_below_the_others_is_found_or_below_the_resolution():
    rows, values = planted(20, 30, seed=13, signs=True)
    values[7] = 1e-9
    result = lr.sparse_wht(function(rows, values), 20, 30, rng=0)
    assert result.info.resolution < 1e-9
    assert has_right_support(result, rows)


def test_results_are_saved_and_loaded(tmp_path):
    rows, values = planted(20, 10, seed=14)
    result = lr.sparse_wht(function(rows, values), 20, 10, rng=0)
    result.save(tmp_path / "spectrum.npz")
    again = lr.load(tmp_path / "spectrum.npz")
    assert np.array_equal(again.indices, result.indices)
    assert again.info.samples == result.info.samples
    assert again.info.certificate is True
