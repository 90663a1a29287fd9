"""Tucker decomposition to given ranks."""

import threading
import warnings

import array_api_strict
import numpy as np
import pytest
from tensors.tucker_cases import EPS, check_form, drawn, hilbert, low_rank, spectra, superdiagonal, true_error

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.tensors import hooi, modes, st_hosvd

METHODS = ("st_hosvd", "hooi", "randomized")
SHAPES = [(6, 5), (7, 6, 5), (4, 5, 6, 7), (3, 2, 4, 2, 3, 2), (1, 6, 5), (5, 1, 1, 4)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_a_tensor_of_exact_rank_is_recovered(method, dtype):
    X = low_rank((12, 11, 10), (3, 4, 2), dtype=dtype)
    result = lr.tucker(X, (3, 4, 2), method=method, rng=0)
    assert true_error(X, result) <= 30 * EPS
    assert result.info.error <= 30 * EPS
    check_form(result)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("method", METHODS)
def test_full_ranks_lose_nothing(shape, method):
    X = drawn(np.random.default_rng(1), shape)
    result = lr.tucker(X, max(shape), method=method, rng=0)
    assert result.ranks == shape
    assert true_error(X, result) <= 50 * EPS
    check_form(result)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "complex64"])
def test_the_reported_error_is_the_true_one(method, dtype):
    X = low_rank((15, 14, 13), (4, 4, 4), dtype=dtype, noise=0.1)
    result = lr.tucker(X, (4, 3, 4), method=method, rng=0)
    assert result.info.error == pytest.approx(true_error(X, result), rel=1e-2 if dtype == "float64" else 1e-3)
    assert result.info.error_kind == "exact"


@pytest.mark.parametrize("size", [1e-3, 1e-6, 1e-8, 1e-10, 1e-12, 1e-14])
def test_small_errors_are_reported_within_one_percent(size):
    X = low_rank((15, 14, 13), (4, 4, 4), noise=size)
    result = lr.tucker(X, 4)
    assert result.info.error == pytest.approx(true_error(X, result), rel=0.01, abs=8 * EPS)


@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-6])
def test_small_errors_in_single_precision_are_reported_within_one_percent(size):
    X = low_rank((15, 14, 13), (4, 4, 4), noise=size, dtype="float32")
    result = lr.tucker(X, 4)
    assert result.core.dtype == np.float32
    assert result.info.error == pytest.approx(true_error(X, result), rel=0.01, abs=8 * be.eps(X.dtype))


@pytest.mark.parametrize(
    "tensor", [superdiagonal(20), hilbert(20, 18, 16), low_rank((20, 18, 16), (5, 5, 5), noise=0.2)]
)
def test_the_error_lies_between_the_largest_tail_and_the_root_of_their_sum(tensor):
    tails = [np.sum(s[4:] ** 2) / np.sum(s**2) for s in spectra(tensor)]
    error = lr.tucker(tensor, 4, method="st_hosvd").info.error
    assert np.sqrt(max(tails)) * (1 - 1e-9) <= error <= np.sqrt(sum(tails)) * (1 + 1e-9)


def test_the_tails_that_modes_leave_out_add_up_to_the_squared_error():
    X = low_rank((12, 11, 10), (5, 5, 5), noise=0.3)
    parts = st_hosvd.to_ranks(X, [3, 3, 3])
    expected, core = 0.0, X
    for k in st_hosvd.by_work(X.shape, [3, 3, 3]):
        s = np.linalg.svd(np.moveaxis(core, k, 0).reshape(core.shape[k], -1), compute_uv=False)
        expected += np.sum(s[3:] ** 2)
        core = modes.contract(core, k, parts.factors[k])
    assert modes.left_out(X, parts.core, parts.factors) ** 2 == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_order_two_equals_the_singular_value_decomposition(dtype):
    A = drawn(np.random.default_rng(0), (30, 20), dtype)
    result = lr.tucker(A, 5)
    U, s, Vh = np.linalg.svd(A)
    turned = s[0] / np.min(s[:5] - s[1:6])  # rounding turns singular vectors by this many eps
    np.testing.assert_allclose(result.core, np.diag(s[:5]), rtol=0, atol=10 * EPS * s[0] * turned)
    expected = (U[:, :5] * s[:5]) @ Vh[:5]
    np.testing.assert_allclose(result.full(), expected, rtol=0, atol=200 * EPS * s[0])


def test_iteration_does_not_raise_the_error_and_ends_at_a_stationary_point():
    X = drawn(np.random.default_rng(3), (12, 11, 10))
    start, result = lr.tucker(X, 3, method="st_hosvd"), lr.tucker(X, 3, method="hooi", change=1e-14, maxiter=2000)
    assert result.info.converged
    assert result.info.error < start.info.error
    assert np.all(np.diff(result.info.history) <= 10 * EPS)
    factors = list(result.factors)
    for k in range(3):
        Y = modes.contract_all(X, factors, skip=(k,))
        again = hooi.best_subspace(Y, k, factors[k])
        assert np.linalg.norm(again @ again.T - factors[k] @ factors[k].T) <= 1e-5


def test_the_sweep_over_the_tree_equals_plain_iteration():
    X = drawn(np.random.default_rng(4), (6, 5, 7, 4))
    factors = [np.linalg.qr(drawn(np.random.default_rng(k), (n, 2)))[0] for k, n in enumerate(X.shape)]
    plain = list(factors)
    for k in range(4):
        Y = X
        for j in (j for j in range(4) if j != k):
            Y = np.moveaxis(np.tensordot(plain[j].T, Y, axes=(1, j)), 0, j)
        plain[k] = np.linalg.svd(np.moveaxis(Y, k, 0).reshape(X.shape[k], -1))[0][:, :2]
    hooi.sweep(X, factors, hooi.best_subspace)
    for ours, theirs in zip(factors, plain, strict=True):
        np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, rtol=0, atol=1e-10)


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.5])
def test_a_random_start_is_as_good_as_the_sequential_decomposition(noise):
    X = low_rank((60, 60, 60), (8, 8, 8), noise=noise)
    reference = lr.tucker(X, 8, method="st_hosvd").info.error
    errors = [lr.tucker(X, 8, method="randomized", rng=seed).info.error for seed in range(5)]
    assert max(errors) <= 1.002 * reference + 30 * EPS


def test_a_random_start_is_as_good_where_singular_values_fall_slowly():
    X = superdiagonal(60)
    reference = lr.tucker(X, 8, method="st_hosvd").info.error
    errors = [lr.tucker(X, 8, method="randomized", rng=seed).info.error for seed in range(5)]
    assert np.mean(errors) <= 1.02 * reference


def test_auto_takes_the_random_start_for_thin_ranks_of_large_tensors_alone():
    large = low_rank((140, 140, 140), (3, 3, 3), noise=0.1)
    assert lr.tucker(large, 3, rng=0).info.method == "randomized"
    assert lr.tucker(large, 100).info.method == "st_hosvd"
    assert lr.tucker(large[:20], 3).info.method == "st_hosvd"


@pytest.mark.parametrize("method", METHODS)
def test_modes_that_are_left_alone_stay_as_they_are(method):
    X = low_rank((9, 8, 7, 6), (3, 8, 2, 6))
    result = lr.tucker(X, (3, 2), modes=(0, -2), method=method, rng=0)
    assert result.modes == (0, 2)
    assert result.ranks == (3, 8, 2, 6)
    assert [U.shape for U in result.factors] == [(9, 3), (7, 2)]
    assert true_error(X, result) <= 30 * EPS
    np.testing.assert_allclose(result.full(), X, rtol=0, atol=100 * EPS)


@pytest.mark.parametrize("method", METHODS)
def test_ranks_above_the_product_of_the_others_are_filled_up(method):
    X = drawn(np.random.default_rng(0), (10, 2, 2))
    for data in (X, array_api_strict.asarray(X)):
        result = lr.tucker(data, (9, 2, 1), method=method, rng=0)
        assert result.ranks == (9, 2, 1)
        assert result.info.error == pytest.approx(true_error(X, result), rel=1e-6)
        check_form(result)


@pytest.mark.parametrize("method", METHODS)
def test_a_zero_tensor_has_a_zero_core(method):
    result = lr.tucker(np.zeros((4, 5, 6)), 2, method=method)
    assert result.ranks == (2, 2, 2)
    assert not np.any(result.core)
    assert result.info.error == 0.0
    check_form(result)


def test_zero_and_repeated_slices_do_no_harm():
    X = drawn(np.random.default_rng(0), (8, 9, 10))
    X[3], X[:, 2], X[..., 4] = 0.0, X[:, 1], X[..., 5]
    result = lr.tucker(X, (7, 8, 9))
    assert true_error(X, result) <= 50 * EPS
    check_form(result)


@pytest.mark.parametrize("scale", [1e-150, 1e150])
@pytest.mark.parametrize("method", METHODS)
def test_any_scale_gives_the_same_factors(scale, method):
    X = low_rank((12, 11, 10), (3, 3, 3), noise=0.1)
    plain, scaled = (lr.tucker(s * X, 3, method=method, rng=0) for s in (1.0, scale))
    assert scaled.info.error == pytest.approx(plain.info.error, rel=1e-9)
    for a, b in zip(plain.factors, scaled.factors, strict=True):
        np.testing.assert_allclose(np.abs(a.T @ b), np.eye(3), rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.abs(scaled.core / scale), np.abs(plain.core), rtol=0, atol=1e-9)


def test_libraries_and_devices_agree(backend):
    given = low_rank((12, 11, 10), (3, 3, 3), noise=0.1)
    X = backend.asarray(given)
    eps = be.eps(X.dtype)
    for method in METHODS:
        result = lr.tucker(X, 3, method=method, rng=0)
        expected = lr.tucker(given, 3, method=method, rng=0)
        assert all(backend.holds(part) for part in (result.core, *result.factors))
        assert be.dtype_name(result.core.dtype) == be.dtype_name(X.dtype)
        np.testing.assert_allclose(backend.to_numpy(result.core), expected.core, rtol=0, atol=2e3 * eps)
        for ours, theirs in zip(result.factors, expected.factors, strict=True):
            np.testing.assert_allclose(backend.to_numpy(ours), theirs, rtol=0, atol=2e3 * eps)


def test_half_precision_is_worked_in_single():
    X = low_rank((12, 11, 10), (3, 3, 3)).astype("float16")
    result = lr.tucker(X, 3)
    assert result.core.dtype == np.float32
    assert all(U.dtype == np.float16 for U in result.factors)
    assert result.full().dtype == np.float16
    assert true_error(X, result) <= 4e-3


@pytest.mark.parametrize("method", METHODS)
def test_strided_and_read_only_tensors_give_the_same_bits_and_stay_as_they_are(method):
    X = low_rank((12, 11, 10), (3, 3, 3), noise=0.1)
    wider = np.zeros((24, 11, 20))
    wider[::2, :, ::2] = X
    fortran = np.asfortranarray(X)
    X.flags.writeable = False
    expected = lr.tucker(X, 3, method=method, rng=0)
    for view in (wider[::2, :, ::2], fortran, X.transpose(2, 1, 0).transpose(2, 1, 0)):
        before = view.copy()
        result = lr.tucker(view, 3, method=method, rng=0)
        np.testing.assert_array_equal(result.core, expected.core)
        np.testing.assert_array_equal(view, before)


def test_a_seed_reproduces_and_info_tells_the_key():
    X = low_rank((30, 30, 30), (5, 5, 5), noise=0.2)
    first = lr.tucker(X, 4, method="randomized")
    again = lr.tucker(X, 4, method="randomized", rng=first.info.rng)
    np.testing.assert_array_equal(first.core, again.core)


@pytest.mark.parametrize("method", METHODS)
def test_results_survive_a_file(method, tmp_path):
    X = low_rank((9, 8, 7), (3, 3, 3), noise=0.1)
    result = lr.tucker(X, 2, modes=(0, 2), method=method, rng=0)
    result.save(tmp_path / "tucker.npz")
    loaded = lr.load(tmp_path / "tucker.npz")
    np.testing.assert_array_equal(loaded.full(), result.full())
    assert (loaded.modes, loaded.ranks, loaded.shape) == (result.modes, result.ranks, result.shape)
    assert loaded.info.error == result.info.error


def test_results_unpack_and_are_described():
    core, factors = result = lr.tucker(hilbert(5, 4, 3), 2)
    assert core.shape == (2, 2, 2)
    assert len(factors) == 3
    assert "st_hosvd" in repr(result)
    assert result.shape == (5, 4, 3)


def test_threads_with_different_libraries_do_not_disturb_each_other():
    X, found, failed = low_rank((20, 19, 18), (4, 4, 4), noise=0.1), {}, []
    strict = array_api_strict.asarray(X)
    expected = lr.tucker(X, 3, method="randomized", rng=0).core

    def work(name, tensor):
        try:
            found[name] = [be.to_numpy(lr.tucker(tensor, 3, method="randomized", rng=0).core) for _ in range(5)]
        except Exception as error:  # noqa: BLE001  it is raised again below
            failed.append(error)

    threads = [threading.Thread(target=work, args=pair) for pair in [("numpy", X), ("strict", strict)] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    for cores in found.values():
        for core in cores:
            np.testing.assert_allclose(core, expected, rtol=0, atol=1e-12)


def test_a_callback_stops_and_failures_are_told():
    X = drawn(np.random.default_rng(0), (9, 8, 7))
    seen = []
    with pytest.warns(lr.ConvergenceWarning, match="stopped by callback"):
        result = lr.tucker(
            X, 2, method="hooi", change=1e-15, callback=lambda state: seen.append(state) or len(seen) == 2
        )
    assert [state.iteration for state in seen] == [1, 2]
    assert not result.info.converged
    with pytest.raises(lr.ConvergenceError, match="maxiter=1"):
        lr.tucker(X, 2, method="hooi", change=1e-15, maxiter=1, on_failure="raise")


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({}, ValueError, "rank .* or tol"),
        ({"rank": 0}, ValueError, "rank must be at least 1"),
        ({"rank": 8}, ValueError, "at most 7, the longest mode"),
        ({"rank": (2, 7, 2)}, ValueError, "at most 6 in mode 1"),
        ({"rank": (2, 2)}, ValueError, "one entry for each of the 3 modes"),
        ({"rank": 3.0}, TypeError, "rank must be an integer"),
        ({"rank": 2, "modes": (0, 0)}, ValueError, "each once"),
        ({"rank": 2, "modes": (3,)}, ValueError, "modes must be between"),
        ({"rank": 2, "modes": ()}, ValueError, "one mode or more"),
        ({"rank": 2, "modes": 1}, TypeError, "tuple of mode numbers"),
        ({"tol": 1.5}, ValueError, "tol must lie in"),
        ({"rank": 2, "method": "hosvd"}, ValueError, "method must be one of"),
        ({"rank": 2, "maxiter": 0}, ValueError, "maxiter"),
        ({"rank": 2, "change": 0.0}, ValueError, "change must lie"),
        ({"rank": 2, "on_failure": "ignore"}, ValueError, "on_failure"),
    ],
)
def test_bad_arguments_are_refused_by_name(options, error, match):
    with pytest.raises(error, match=match):
        lr.tucker(hilbert(7, 6, 5), **options)


@pytest.mark.parametrize(
    ("X", "error", "match"),
    [
        (np.ones(5), ValueError, "two or more modes"),
        (np.ones((3, 0, 2)), ValueError, "none of length zero"),
        (np.full((3, 3, 3), np.nan), ValueError, "NaN or infinite"),
        (np.where(np.arange(27).reshape(3, 3, 3) == 7, np.inf, 1.0), ValueError, "NaN or infinite"),
        (np.array([[["a"]]]), TypeError, "X must hold numbers"),
        (object(), TypeError, "object"),
    ],
)
def test_bad_tensors_are_refused_by_name(X, error, match):
    with pytest.raises(error, match=match):
        lr.tucker(X, 1)


def test_one_slice_of_nan_is_refused():
    X = hilbert(5, 4, 3)
    X[:, 1] = np.nan
    with pytest.raises(ValueError, match="X holds NaN"):
        lr.tucker(X, 2)


def test_tracked_tensors_are_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="gradients"):
        lr.tucker(torch.ones(3, 3, 3, requires_grad=True), 1)


def test_nothing_is_said_where_all_is_well():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lr.tucker(hilbert(7, 6, 5), 2, method="hooi")


@pytest.mark.parametrize("shape", [(150, 140, 130), (70, 10, 60, 70)])
@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_the_norm_that_the_first_read_tells_makes_no_difference_at_any_scale(shape, scale):
    X = low_rank(shape, (4,) * len(shape), noise=0.1)
    result = lr.tucker(X * scale, 4, rng=0, method="randomized")
    assert result.info.method == "randomized"
    assert result.info.error == pytest.approx(true_error(X, lr.tucker(X, 4, rng=0, method="randomized")), rel=1e-9)
    best = lr.tucker(X, 4, method="st_hosvd").info.error
    assert result.info.error <= 1.002 * best


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_entries_that_are_not_finite_are_named_after_the_first_read_too(bad):
    X = low_rank((150, 140, 130), (3, 3, 3), noise=0.1)
    X[2, 3, 4] = bad
    with pytest.raises(ValueError, match=r"the first at \(2, 3, 4\)"):
        lr.tucker(X, 3, rng=0)
    assert np.all(lr.tucker(0.0 * np.ones((150, 140, 130)), 3, rng=0).core == 0.0)


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("shape", [(300, 90, 80), (80, 300, 90), (40, 50, 40, 60)])
def test_a_random_start_of_long_modes_is_as_good_as_the_sequential_decomposition(shape, noise):
    X = low_rank(shape, (5,) * len(shape), noise=noise)
    reference = lr.tucker(X, 5, method="st_hosvd").info.error
    found = lr.tucker(X, 5, method="randomized", rng=1)
    assert found.info.error <= 1.002 * reference + 30 * EPS
    assert found.info.error == pytest.approx(true_error(X, found), rel=1e-6, abs=30 * EPS)
    for U in found.factors:
        np.testing.assert_allclose(U.T @ U, np.eye(5), atol=30 * EPS)


@pytest.mark.parametrize(("decay", "rank"), [(0.8, (3, 12, 20)), (0.8, (4, 2, 2)), (0.8, 10), (0.9, 1), (0.7, 8)])
def test_a_random_start_finds_the_largest_of_many_orthogonal_terms(decay, rank):
    generator = np.random.default_rng(1)
    factors = [np.linalg.qr(generator.standard_normal((n, 60)))[0] for n in (150, 140, 130)]
    X = np.einsum("ir,jr,kr,r->ijk", *factors, decay ** np.arange(60), optimize=True)
    best = lr.tucker(X, rank, method="st_hosvd").info.error
    for seed in range(8):
        result = lr.tucker(X, rank, rng=seed)
        assert result.info.method == "randomized"
        assert result.info.error <= 1.05 * best
