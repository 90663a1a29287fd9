"""sparse_wht on noisy values, and what its certificate is worth."""

import collections
import math
import warnings

import numpy as np
import pytest
from transforms.sparse_cases import function, has_right_support, is_right, planted, stored, subspace

import lowrank_la as lr
from lowrank_la.transforms import sparse_decoder, sparse_dense, sparse_noise
from lowrank_la.transforms.sparse_load import left_over


def noisy(n, count, snr, seed):
    """Vector with coefficients ±1 and noise, the standard deviation of which is given back; `snr` in decibels."""
    rows, values = planted(n, count, seed, signs=True)
    sigma = math.sqrt(values.size / 10.0 ** (snr / 10.0))
    x = stored(rows, values) + sigma * np.random.default_rng(seed).standard_normal(1 << n)
    return rows, x, sigma


def rate(snr, repeats, vote="soft", trials=30, **options):
    """Share of exact supports for n = 14, 10 coefficients and 32 bins."""
    right = 0
    for seed in range(trials):
        rows, x, sigma = noisy(14, 10, snr, 1000 + seed)
        noise = options.get("noise") or sigma
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lr.ConvergenceWarning)
            result = lr.sparse_wht(
                x, 14, 10, noise=noise, repeats=repeats, vote=vote, bins=32, attempts=1, method="peeling", rng=seed
            )
        right += has_right_support(result, rows)
    return right / trials


def test_density_evolution_has_the_known_thresholds():
    for groups, least in {2: 1.0, 3: 0.4073, 4: 0.3237, 5: 0.2850, 6: 0.2616}.items():
        assert left_over([1.0 / (1.02 * least)] * groups) == 0.0
        assert left_over([1.0 / (0.98 * least)] * groups) > 0.0


@pytest.mark.parametrize(
    ("snr", "repeats", "low", "high"),
    [
        (-5, 1, 0.0, 0.1),
        (0, 1, 0.1, 0.55),
        (5, 1, 0.93, 1.0),
        (-5, 5, 0.0, 0.35),
        (0, 3, 0.93, 1.0),
        (-5, 10, 0.8, 1.0),
    ],
)
def test_success_against_noise_and_repeats_is_that_of_the_notes(snr, repeats, low, high):
    assert low <= rate(snr, repeats) <= high


def test_weighted_votes_need_fewer_repeats_than_majorities():
    assert rate(-2, 3, "soft") >= rate(-2, 3, "hard") + 0.1


@pytest.mark.parametrize("noise", ["given", "unknown"])
@pytest.mark.parametrize("count", [40, None])
def test_noisy_functions_are_recovered_with_errors_of_the_size_of_the_noise(noise, count):
    rows, values = planted(30, 40, seed=1, signs=True)
    result = lr.sparse_wht(
        function(rows, values, sigma=1.0), 30, count, noise=1.0 if noise == "given" else "unknown", rng=0
    )
    assert result.info.certificate
    assert has_right_support(result, rows)
    error = np.max(np.abs(result.coefficients - values))
    assert error <= 5.0 / math.sqrt(result.info.samples)
    assert result.info.noise == pytest.approx(1.0, rel=0.05)


def test_least_squares_on_all_values_beats_the_average_of_one_bin():
    rows, values = planted(30, 40, seed=2, signs=True)
    errors = []
    for seed in range(10):
        result = lr.sparse_wht(function(rows, values, 0.5, seed), 30, 40, noise=0.5, rng=seed)
        errors.append(np.mean((result.coefficients - values) ** 2) * (result.info.samples - result.info.checks) / 0.25)
    assert 0.7 <= np.mean(errors) <= 1.4


def test_unknown_noise_costs_at_most_one_decibel():
    for snr, repeats in ((-4, 10), (0, 3), (2, 1)):
        assert rate(snr + 1, repeats, noise="unknown") >= rate(snr, repeats) - 0.1


@pytest.mark.parametrize("load", [1.0, 1.6, 2.0])
def test_the_estimated_variance_is_that_of_the_noise(load):
    n, size, sigma = 30, 64, 2.0
    count, ratios = int(load * size), []
    for seed in range(10):
        rows, values = planted(n, count, seed, signs=True)
        f = function(rows, 10.0 * values, sigma, seed)
        result = lr.sparse_wht(f, n, count, noise="unknown", bins=size, groups=4, attempts=2, rng=seed)
        ratios.append(result.info.noise / sigma)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("noise", [1.0])
@pytest.mark.parametrize("sparsity", [None, 10])
def test_noise_alone_has_no_coefficients(noise, sparsity):
    for seed in range(5):
        generator = np.random.default_rng(seed)
        result = lr.sparse_wht(lambda bits: generator.standard_normal(len(bits)), 40, sparsity, noise=noise, rng=seed)
        assert result.coefficients.size == 0
        assert result.info.certificate


@pytest.mark.parametrize("sparsity", [None, 10])
def test_noise_of_unknown_size_alone_is_no_certified_answer(sparsity):
    generator = np.random.default_rng(0)
    with pytest.warns(lr.ConvergenceWarning, match="nothing stands out of the noise"):
        result = lr.sparse_wht(lambda bits: generator.standard_normal(len(bits)), 40, sparsity, noise="unknown", rng=0)
    assert result.coefficients.size == 0
    assert result.info.samples < 2_000_000


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("sigma", [0.01, 0.3])
def test_a_few_coefficients_in_noise_of_unknown_size_are_found(count, sigma):
    for seed in range(6):
        rows, values = planted(30, count, seed, signs=True)
        result = lr.sparse_wht(function(rows, values, sigma, seed), 30, count, noise="unknown", rng=seed)
        assert has_right_support(result, rows)
        assert result.info.noise == pytest.approx(sigma, rel=0.1)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_too_few_values_tell_no_noise(n):
    with pytest.warns(lr.ConvergenceWarning, match="too few values"):
        lr.sparse_wht(np.random.default_rng(n).standard_normal(1 << n), noise="unknown", rng=0)


@pytest.mark.parametrize("options", [{}, {"degree": 2}, {"sparsity": 1}, {"sparsity": 40}, {"vote": "hard"}])
@pytest.mark.parametrize("n", [10, 20, 200])
def test_zeros_in_noise_of_unknown_size_are_zero(n, options):
    result = lr.sparse_wht(lambda bits: np.zeros(len(bits)), n, noise="unknown", rng=0, **options)
    assert result.info.certificate
    assert (result.coefficients.size, result.info.noise, result.info.error) == (0, 0.0, 0.0)


def test_stored_zeros_in_noise_of_unknown_size_are_zero():
    assert lr.sparse_wht(np.zeros(1 << 18), noise="unknown", rng=0).info.certificate


@pytest.mark.parametrize("n", [3, 12])
def test_what_is_told_of_the_noise_has_the_scale_of_the_values(n):
    told = {}
    for size in (1.0, 2.0**660, 2.0**-660):
        rng = np.random.default_rng(0)
        values = size * (1.0 + 0.01 * rng.standard_normal(1 << n))
        for noise in (0.01 * size, "unknown") if n == 12 else (0.01 * size,):
            info = lr.sparse_wht(values, noise=noise, method="dense").info
            found = info.noise / size, info.resolution / size
            assert found == pytest.approx(
                told.setdefault(str(noise)[:3] if noise == "unknown" else "", found), rel=1e-12
            )
    assert told[""][0] == pytest.approx(0.01)


def test_the_whole_cube_tells_what_it_left():
    _, x, sigma = noisy(8, 6, 6.0, 3)
    result = lr.sparse_wht(x, noise=sigma, method="dense", rng=0)
    bits = (np.arange(256)[:, None] >> np.arange(7, -1, -1)) & 1
    assert result.info.error == pytest.approx(np.linalg.norm(x - result(bits)) / np.linalg.norm(x))


@pytest.mark.filterwarnings("ignore:.*may be noise:lowrank_la.ConvergenceWarning")
def test_what_is_above_the_resolution_of_the_whole_cube_is_found():
    n, sizes = 12, []
    for seed in range(40):
        X = np.zeros(1 << n)
        noise = np.random.default_rng(seed).standard_normal(1 << n)
        resolution = lr.sparse_wht(noise, noise=1.0, method="dense", rng=0).info.resolution
        X[77] = 1.001 * resolution
        sizes.append(lr.sparse_wht(lr.fwht(X) + noise, noise=1.0, method="dense", rng=0).coefficients.size)
    assert min(sizes) >= 1


@pytest.mark.parametrize("noise", [1e200, 1e300])
def test_noise_far_above_the_values_is_no_overflow(noise):
    result = lr.sparse_wht(lambda bits: 1.0 - 2.0 * bits[:, 0], 30, 3, noise=noise, rng=0)
    assert result.coefficients.size == 0
    assert noise / 1e3 < result.info.resolution < 10 * noise


def test_the_whole_cube_keeps_what_stands_out_of_the_noise():
    rows, x, sigma = noisy(8, 6, 6.0, 3)
    for noise in (sigma, "unknown"):
        result = lr.sparse_wht(x, 8, noise=noise, method="dense", rng=0)
        assert result.info.certificate
        assert has_right_support(result, rows)


def test_noise_given_too_small_leaves_no_certificate():
    rows, values = planted(30, 20, seed=5, signs=True)
    with pytest.warns(lr.ConvergenceWarning):
        result = lr.sparse_wht(function(rows, values, 1.0), 30, 20, noise=0.5, attempts=2, max_samples=20_000, rng=0)
    assert not result.info.certificate


def campaign(runs, first=0, checks=None):
    """Counts of (certificate, right) over exact and noisy problems, some with more coefficients than the bins hold."""
    counts = collections.Counter()
    for seed in range(first, first + runs):
        generator = np.random.default_rng(seed)
        n, count = int(generator.choice([10, 12, 14])), int(generator.choice([2, 5, 12, 24, 48]))
        rows, values = planted(n, count, seed, signs=bool(seed % 2))
        sigma = 0.0 if seed % 4 else 0.2 * float(generator.random())
        x = stored(rows, values) + sigma * generator.standard_normal(1 << n)
        hard = {"bins": [None, 4, 8, 16][seed // 2 % 4], "attempts": int(generator.choice([1, 2, 6]))}
        known = count if seed % 3 else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lr.ConvergenceWarning)
            result = lr.sparse_wht(x, n, known, noise=sigma or None, method="peeling", checks=checks, rng=seed, **hard)
        counts[result.info.certificate, answers(result, rows, values)] += 1
    return counts


def answers(result, rows, values):
    """Whether nothing above the resolution is missing and nothing is found that is not there."""
    if result.info.noise == 0.0:
        return is_right(result, rows, values)
    true = {row.tobytes(): value for row, value in zip(rows, values, strict=True)}
    found = {row.tobytes(): value for row, value in zip(result.indices, result.coefficients, strict=True)}
    missing = [abs(value) for key, value in true.items() if key not in found]
    return set(found) <= set(true) and max(missing, default=0.0) < result.info.resolution


def test_a_certificate_is_never_false():
    counts = campaign(600)
    assert counts[True, False] == 0
    assert counts[True, True] > 200
    assert counts[False, False] > 20


def wide_campaign(runs, first=0):
    """Counts of (certificate, right, noise) for supports with structure, and sparsity given, too small or unknown."""
    counts = collections.Counter()
    for seed in range(first, first + runs):
        generator = np.random.default_rng(seed)
        n, t = int(generator.choice([20, 40, 64, 65])), int(generator.integers(0, 7))
        rows, values = structured(str(generator.choice(["and", "subspace", "random", "pairs"])), n, t, seed)
        sigma = float(generator.choice([0.0, 0.01, 0.3])) * np.linalg.norm(values)
        noise = None if sigma == 0.0 else [sigma, "unknown"][generator.integers(2)]
        sparsity = [None, values.size, 1, max(values.size // 2, 1)][generator.integers(4)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lr.ConvergenceWarning)
            f = function(rows, values, sigma, seed)
            result = lr.sparse_wht(f, n, sparsity, noise=noise, max_samples=200_000, rng=seed)
        counts[result.info.certificate, answers(result, rows, values), str(noise)[0]] += 1
    return counts


def structured(kind, n, t, seed):
    if kind == "and":
        rows = np.zeros((1 << t, n), np.uint8)
        rows[:, n - t :] = (np.arange(1 << t)[:, None] >> np.arange(t - 1, -1, -1)) & 1
        return rows, (-1.0) ** rows.sum(axis=1) / (1 << t)
    return (
        subspace(n, t, seed) if kind == "subspace" else planted(n, 1 << t, seed, weight=2 if kind == "pairs" else None)
    )


def certified(counts, right):
    return sum(count for (certificate, is_so, _), count in counts.items() if certificate and is_so == right)


def test_structure_unknown_noise_and_wrong_sparsity_make_no_certificate_false():
    counts = wide_campaign(120)
    assert certified(counts, False) == 0
    assert certified(counts, True) > 80


@pytest.mark.slow
def test_structure_unknown_noise_and_wrong_sparsity_make_no_certificate_false_in_many_runs():
    counts = wide_campaign(3000, first=120)
    assert certified(counts, False) == 0


@pytest.mark.slow
def test_a_certificate_is_never_false_in_ten_thousand_runs():
    counts = campaign(10_000, first=600)
    assert counts[True, False] == 0


def cubes(runs, first=0):
    """Counts of (certificate, right) for noisy cubes that are small enough to be looked at as a whole."""
    counts = collections.Counter()
    for seed in range(first, first + runs):
        generator = np.random.default_rng(seed)
        n, count = int(generator.integers(4, 11)), int(generator.choice([0, 1, 3, 6]))
        rows, values = (
            planted(n, count, seed, signs=bool(seed % 2)) if count else (np.zeros((0, n), np.uint8), np.ones(0))
        )
        x = stored(rows, values) if count else np.zeros(1 << n)
        x = x + 0.3 * generator.standard_normal(1 << n)
        if seed % 5 == 0:
            x = x + 0.3j * generator.standard_normal(1 << n)
        noise = ["unknown", 0.3 * (2**0.5 if seed % 5 == 0 else 1.0)][int(generator.integers(2))]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lr.ConvergenceWarning)
            result = lr.sparse_wht(x, n, noise=noise, method="dense", rng=seed)
        counts[result.info.certificate, answers(result, rows, values)] += 1
    return counts


def test_a_certificate_of_a_whole_noisy_cube_is_never_false():
    counts = cubes(1000)
    assert counts[True, False] == 0
    assert counts[True, True] > 300


@pytest.mark.slow
def test_a_certificate_of_a_whole_noisy_cube_is_never_false_in_ten_thousand_runs():
    assert cubes(10_000, first=1000)[True, False] == 0


def test_a_certificate_at_the_level_where_coefficients_count_is_false_at_times(monkeypatch):
    monkeypatch.setattr(sparse_dense, "_certain", lambda count, parts, noise: 0.0)
    assert cubes(1000)[True, False] > 0


def test_one_value_that_is_off_takes_the_certificate_of_a_whole_cube_away():
    X = np.zeros(1 << 12)
    X[5] = 1.0
    x = lr.fwht(X)
    assert lr.sparse_wht(x, 12, 1, method="dense").info.certificate
    x[77] += 1.34e-7
    with pytest.warns(lr.ConvergenceWarning, match="more than rounding"):
        assert not lr.sparse_wht(x, 12, 1, rng=0).info.certificate


def test_without_thresholds_certificates_are_false(monkeypatch):
    def blind(groups, noise, risk, parts):
        return np.full(len(groups), 1e300), np.full(len(groups), 1e300), np.zeros(len(groups))

    monkeypatch.setattr(sparse_decoder, "thresholds", blind)
    assert campaign(60, checks=0)[True, False] > 0


def test_without_single_coefficient_test_hash_check_and_last_look_certificates_are_false(monkeypatch):
    def careless(groups, noise, risk, parts):
        zero, single, growth = sparse_noise.thresholds(groups, noise, risk, parts)
        return zero, np.full_like(single, 1e300), growth

    monkeypatch.setattr(sparse_decoder, "thresholds", careless)
    monkeypatch.setattr(sparse_decoder, "CHECK_HASH", False)
    monkeypatch.setattr(sparse_decoder, "_energies_left", lambda U, groups, zero: (np.zeros(groups.bins), 0.0, 0.0, 0))
    assert campaign(60, checks=0)[True, False] > 0


@pytest.mark.parametrize("count", [64, 300, 3000])
def test_ninety_nine_of_a_hundred_succeed_with_retries(count):
    n = 22 if count < 1000 else 24
    rows, values = planted(n, count, seed=count)
    x = stored(rows, values)
    tries = 100 if count < 1000 else 10
    right = [is_right(lr.sparse_wht(x, n, count, rng=seed), rows, values) for seed in range(tries)]
    assert sum(right) >= math.ceil(0.99 * tries)


@pytest.mark.parametrize("most", [35_500, 37_000])
def test_repeats_leave_room_for_the_checks(most):
    f = function(*planted(30, 5, seed=1), 4.0)
    with pytest.warns(lr.ConvergenceWarning):
        result = lr.sparse_wht(f, 30, 5, noise=4.0, max_samples=most, rng=0)
    assert result.info.samples <= most
