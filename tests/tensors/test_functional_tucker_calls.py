"""Functional Tucker models: what is taken, refused and told, files, threads and layouts."""

import threading
import warnings

import numpy as np
import pytest
from tensors.functional_cases import waves

import lowrank_la as lr


def test_single_and_half_precision_come_back_as_they_are():
    x, y = waves(40, 2)
    double = lr.FunctionalTucker(1).fit(x, y, rng=0).predict(x[:5])[0]
    for dtype in ("float32", "float16"):
        mean, std = lr.FunctionalTucker(1).fit(x, y.astype(dtype), rng=0).predict(x[:5])
        assert mean.dtype == std.dtype == dtype
        np.testing.assert_allclose(mean.astype(float), double, rtol=0, atol=20 * np.finfo(dtype).eps)


def test_results_survive_a_file_and_seeds_reproduce(tmp_path):
    x, y = waves(40, 2)
    result = lr.FunctionalTucker((2, 1)).fit(x, y, rng=7)
    again = lr.FunctionalTucker((2, 1)).fit(x, y, rng=result.info.rng)
    result.save(tmp_path / "r.npz")
    loaded = lr.load(tmp_path / "r.npz")
    for other in (again, loaded):
        for a, b in zip(result.predict(x), other.predict(x), strict=True):
            np.testing.assert_array_equal(a, b)
    core, factors = result
    assert core.shape == result.ranks == (2, 1)
    assert tuple(f.shape[0] for f in factors) == result.shape
    assert "full core" in repr(result)
    assert "Fang" in lr.cite(loaded)


def test_length_scales_of_single_modes_may_be_given():
    x, y = waves(60, 2)
    result = lr.FunctionalTucker(1, length_scale=[0.4, None], variance=[2.0, 1.0]).fit(x, y, rng=0)
    assert result.length_scales[0] == 0.4
    assert result.length_scales[1] != pytest.approx(0.1 * 6 / 7)
    np.testing.assert_allclose(result.variances, [2.0, 1.0])


def test_constant_coordinates_one_datum_zero_data_and_ranks_beyond_the_nodes():
    x = np.stack([np.zeros(8), np.arange(8.0)], axis=1)
    given = {"length_scale": 1.0, "variance": 1.0, "noise": 0.05, "core": "superdiagonal"}
    mean, std = lr.FunctionalTucker(1, **given).fit(x, np.sin(x[:, 1]), rng=0).predict(x)
    assert np.max(np.abs(mean - np.sin(x[:, 1]))) <= 0.1
    assert np.all(std <= 0.1)
    given["variance"] = 3.0
    mean, std = lr.FunctionalTucker(1, **given).fit([[1.0, 2.0]], [3.0], rng=0).predict([[1.0, 2.0]])
    assert mean[0] == pytest.approx(3.0, abs=0.2)
    assert 0 < std[0] <= 0.1
    mean, std = lr.FunctionalTucker(1).fit(x, np.zeros(8), rng=0, tol=1e-2).predict(x)
    np.testing.assert_allclose(mean, 0.0, rtol=0, atol=1e-6)
    with pytest.warns(lr.ConvergenceWarning, match="noise alone"):
        mean, _ = lr.FunctionalTucker(3).fit(x[:2], [1.0, -1.0], rng=0, tol=1e-2).predict(x[:2])
    assert np.all(np.isfinite(mean))


def test_six_modes_and_a_mode_far_from_the_data():
    x, y = waves(80, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        result = lr.FunctionalTucker(1).fit(x, y, rng=0, maxiter=5)
    far = x[:1].copy()
    far[0, 2] = 1e6
    assert abs(result.predict(far)[0][0]) <= 1e-6


def test_inputs_are_left_alone_whatever_their_layout():
    x, y = waves(40, 2)
    expected = lr.FunctionalTucker(1).fit(x, y, rng=0).predict(x)[0]
    wide = np.zeros((40, 4))
    wide[:, ::2] = x
    strided, backwards = wide[:, ::2], y[::-1].copy()[::-1]
    for array in (strided, backwards):
        array.flags.writeable = False
    np.testing.assert_array_equal(lr.FunctionalTucker(1).fit(strided, backwards, rng=0).predict(strided)[0], expected)


def test_two_threads_with_different_libraries():
    torch = pytest.importorskip("torch")
    x, y = waves(40, 2)
    found = {}

    def work(name, move):
        found[name] = [
            np.asarray(lr.FunctionalTucker(1).fit(move(x), move(y), rng=0).predict(move(x))[0]) for _ in range(3)
        ]

    threads = [threading.Thread(target=work, args=pair) for pair in (("numpy", np.asarray), ("torch", torch.asarray))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for a, b in zip(found["numpy"], found["torch"], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)


def test_the_callback_stops_and_the_answer_says_so():
    x, y = waves(40, 2)
    with pytest.warns(lr.ConvergenceWarning, match="stopped by callback"):
        result = lr.FunctionalTucker(1).fit(x, y, rng=0, tol=1e-12, callback=lambda state: state.iteration == 2)
    assert result.info.iterations == 2
    with pytest.raises(lr.ConvergenceError):
        lr.FunctionalTucker(1).fit(x, y, rng=0, tol=1e-12, maxiter=1, on_failure="raise")


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x, y: lr.FunctionalTucker(0), ValueError, "rank must be at least 1"),
        (lambda x, y: lr.FunctionalTucker(1.0), TypeError, "rank must be an integer"),
        (lambda x, y: lr.FunctionalTucker((1, 2), core="superdiagonal"), ValueError, "one number"),
        (lambda x, y: lr.FunctionalTucker(1, smoothness=1.0), ValueError, "smoothness must be one of"),
        (lambda x, y: lr.FunctionalTucker(1, length_scale=-1.0), ValueError, "length_scale must be positive"),
        (lambda x, y: lr.FunctionalTucker(1, noise=0.0), ValueError, "noise must be positive"),
        (lambda x, y: lr.FunctionalTucker(1, core="sparse"), ValueError, "core must be one of"),
        (lambda x, y: lr.FunctionalTucker((1, 1, 1)).fit(x, y), ValueError, "rank has 3 entries"),
        (lambda x, y: lr.FunctionalTucker(1, length_scale=[1.0]).fit(x, y), ValueError, "length_scale has 1 entries"),
        (lambda x, y: lr.FunctionalTucker(1).fit(x, y[:-1]), ValueError, "as many rows"),
        (lambda x, y: lr.FunctionalTucker(1).fit(x, y[:, None]), ValueError, "y must have shape"),
        (lambda x, y: lr.FunctionalTucker(1).fit(x, np.where(y > 0, np.nan, y)), ValueError, "y holds NaN"),
        (lambda x, y: lr.FunctionalTucker(1).fit(np.where(x > 0, np.inf, x), y), ValueError, "coords holds NaN"),
        (lambda x, y: lr.FunctionalTucker(1).fit(x, 1j * y), TypeError, "y must be real"),
        (lambda x, y: lr.FunctionalTucker(1).fit(x, y, tol=1.0), ValueError, "tol must lie in"),
        (lambda x, y: lr.FunctionalTucker(1).fit(x, y, starts=0), ValueError, "starts must be at least 1"),
        (lambda x, y: lr.FunctionalTucker(1).fit(x, y, rng=0).predict(x[:, :1]), ValueError, "coords must have shape"),
    ],
)
def test_bad_arguments_are_named(call, error, match):
    with pytest.raises(error, match=match):
        call(*waves(30, 2))


@pytest.mark.parametrize("core", ["full", "superdiagonal"])
@pytest.mark.parametrize("count", [1, 4])
def test_an_answer_that_is_noise_alone_says_so(core, count):
    x = np.random.default_rng(0).uniform(size=(count, 2))
    with pytest.warns(lr.ConvergenceWarning, match="no better than that of noise alone"):
        result = lr.FunctionalTucker(1, core=core).fit(x, np.cos(3 * x[:, 0]), rng=0)
    assert result.info.converged is False


def test_no_places_have_no_predictions_and_other_libraries_are_read():
    torch = pytest.importorskip("torch")
    x, y = waves(40, 2)
    result = lr.FunctionalTucker(1).fit(x, y, rng=0)
    assert [part.shape for part in result.predict(np.zeros((0, 2)))] == [(0,), (0,)]
    np.testing.assert_array_equal(result.predict(torch.tensor(x))[0], result.predict(x)[0])


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_values_whose_variance_leaves_the_range_are_refused(scale):
    x, y = waves(40, 2)
    with pytest.raises(ValueError, match="divide y by a power of two"):
        lr.FunctionalTucker(1).fit(x, scale * y)


def test_length_scales_may_be_an_array():
    x, y = waves(60, 2)
    result = lr.FunctionalTucker(1, length_scale=np.array([0.4, 0.3])).fit(x, y, rng=0)
    np.testing.assert_allclose(result.length_scales, [0.4, 0.3])
