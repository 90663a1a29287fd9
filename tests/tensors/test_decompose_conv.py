"""Convolutions in place of one: the factored layers do what the dense one does."""

from functools import lru_cache

import numpy as np
import pytest
from tensors.tucker_cases import EPS, drawn

import lowrank_la as lr
from lowrank_la import _backend as be

METHODS = ("tucker2", "cp")


def weights(shape=(12, 8, 3, 3), rng=0, dtype="float64"):
    return drawn(np.random.default_rng(rng), shape, dtype).astype(dtype)


def smooth(out, inner, kh, kw):
    """Weights that few terms describe well."""
    axes = np.ix_(*(np.linspace(0.0, 1.0, n) for n in (out, inner, kh, kw)))
    return 1.0 / (1.0 + sum(axes))


@lru_cache
def factored(method, groups):
    torch = pytest.importorskip("torch")
    W = smooth(12, 8 // groups, 3, 5) + 0.1 * weights((12, 8 // groups, 3, 5))
    return lr.decompose_conv(torch.asarray(W), method=method, rank=3, groups=groups, rng=0)


def relative(W, result):
    return np.linalg.norm(W - be.to_numpy(result.full())) / np.linalg.norm(W)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stride", [1, (2, 1)])
@pytest.mark.parametrize("padding", [0, (1, 2)])
@pytest.mark.parametrize("dilation", [1, (1, 2)])
def test_the_layers_do_what_the_one_layer_does(method, groups, stride, padding, dilation):
    torch = pytest.importorskip("torch")
    conv = torch.nn.functional.conv2d
    x, result = torch.asarray(weights((2, 8, 17, 19), 1)), factored(method, groups)
    y = x
    for kernel, options in zip(result.kernels, result.arguments(stride, padding, dilation), strict=True):
        y = conv(y, kernel, **options)
    expected = conv(x, result.full(), stride=stride, padding=padding, dilation=dilation, groups=groups)
    assert y.shape == expected.shape
    assert float(torch.linalg.norm(y - expected)) <= 1e3 * EPS * float(torch.linalg.norm(expected))


def test_kernels_come_in_the_order_and_shapes_that_are_promised():
    W = weights((12, 8, 3, 5))
    tucker = lr.decompose_conv(W, rank=(6, 4))
    assert [kernel.shape for kernel in tucker.kernels] == [(4, 8, 1, 1), (6, 4, 3, 5), (12, 6, 1, 1)]
    assert tucker.groups == (1, 1, 1)
    cp = lr.decompose_conv(W, method="cp", rank=5, rng=0)
    assert [kernel.shape for kernel in cp.kernels] == [(5, 8, 1, 1), (5, 1, 3, 1), (5, 1, 1, 5), (12, 5, 1, 1)]
    assert cp.groups == (1, 5, 5, 1)
    for result in (tucker, cp):
        assert result.shape == W.shape
        assert result.parameters == result.info.parameters == sum(kernel.size for kernel in result.kernels)


@pytest.mark.parametrize("method", METHODS)
def test_the_error_is_the_true_one_and_norms_are_balanced(method):
    W = smooth(12, 8, 3, 3) + 0.1 * weights()
    result = lr.decompose_conv(W, method=method, rank=3, rng=0)
    assert result.info.error == pytest.approx(relative(W, result), rel=1e-9)
    norms = [np.linalg.norm(kernel) for kernel in result.kernels]
    np.testing.assert_allclose(norms, norms[0], rtol=1e-12)


def test_full_channels_lose_nothing():
    W = weights()
    assert relative(W, lr.decompose_conv(W, rank=(12, 8))) <= 30 * EPS


def test_tucker2_is_the_best_of_its_ranks_that_a_decomposition_of_two_modes_finds():
    W = weights()
    best = lr.tucker(W, (5, 4), modes=(0, 1), method="hooi", change=1e-12, maxiter=1000).info.error
    assert lr.decompose_conv(W, rank=(5, 4)).info.error <= best * (1 + 1e-3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("tol", [0.3, 0.05])
def test_the_tolerance_is_met(method, groups, tol):
    W = smooth(12, 8 // groups, 3, 3) + 0.1 * weights((12, 8 // groups, 3, 3))
    result = lr.decompose_conv(W, method=method, tol=tol, groups=groups, rng=0)
    assert relative(W, result) <= tol
    assert result.info.converged


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("most", [150, 300, 800])
def test_no_more_parameters_are_used_than_allowed_and_more_give_less_error(method, most):
    W = smooth(12, 8, 3, 3) + 0.3 * weights()
    result = lr.decompose_conv(W, method=method, max_params=most, rng=0)
    assert result.parameters <= most
    smaller = lr.decompose_conv(W, method=method, max_params=most // 2, rng=0)
    assert result.info.error < smaller.info.error


def test_the_ranks_for_a_number_of_parameters_beat_all_others():
    W = smooth(6, 5, 3, 3) + 0.3 * weights((6, 5, 3, 3))
    chosen = lr.decompose_conv(W, max_params=120)
    for out in range(1, 7):
        for inner in range(1, 6):
            if 5 * inner + 9 * out * inner + 6 * out <= 120:
                other = lr.decompose_conv(W, rank=(out, inner))
                assert chosen.info.error <= other.info.error * 1.02


@pytest.mark.parametrize("method", METHODS)
def test_libraries_agree(method, backend):
    given = smooth(8, 6, 3, 3) + 0.05 * weights((8, 6, 3, 3))
    W = backend.asarray(given)
    result = lr.decompose_conv(W, method=method, rank=2, rng=0)
    assert all(backend.holds(kernel) for kernel in result.kernels)
    expected = lr.decompose_conv(given, method=method, rank=2, rng=0)
    limit = 1e-9 if be.is_double(W.dtype) else 1e-3 if method == "tucker2" else 1e-2  # where a sum of terms stops
    np.testing.assert_allclose(
        backend.to_numpy(result.full()), expected.full(), rtol=0, atol=limit * np.abs(given).max()
    )


@pytest.mark.parametrize("method", METHODS)
def test_results_survive_a_file(method, tmp_path):
    W = weights()
    result = lr.decompose_conv(W, method=method, rank=2, rng=0)
    result.save(tmp_path / "conv.npz")
    loaded = lr.load(tmp_path / "conv.npz")
    np.testing.assert_array_equal(loaded.full(), result.full())
    assert loaded.arguments(2, 1) == result.arguments(2, 1)


def test_half_precision_comes_back_in_half_and_inputs_stay_as_they_are():
    W = weights().astype("float16")
    W.flags.writeable = False
    result = lr.decompose_conv(W, rank=(12, 8))
    assert {kernel.dtype for kernel in result.kernels} == {np.dtype("float16")}
    assert relative(W.astype(float), result) <= 5e-3


def test_weights_of_zeros_give_kernels_of_zeros():
    result = lr.decompose_conv(np.zeros((4, 3, 3, 3)), rank=2)
    assert result.info.error == 0.0
    assert not np.any(result.full())


@pytest.mark.parametrize(
    ("W", "options", "match"),
    [
        (np.ones((4, 3, 3)), {"rank": 1}, r"\(out, in/groups, kh, kw\)"),
        (np.full((4, 3, 3, 3), np.nan), {"rank": 1}, "W holds NaN"),
        (np.ones((4, 3, 3, 3)), {}, "one of rank"),
        (np.ones((4, 3, 3, 3)), {"rank": 1, "tol": 0.1}, "one of rank"),
        (np.ones((4, 3, 3, 3)), {"rank": 1, "groups": 3}, "groups must divide"),
        (np.ones((4, 3, 3, 3)), {"rank": 1, "method": "svd"}, "method must be one of"),
        (np.ones((4, 3, 3, 3)), {"max_params": 3}, "max_params must be at least"),
        (np.ones((4, 3, 3, 3)), {"max_params": 3, "method": "cp"}, "max_params must be at least"),
        (np.ones((4, 3, 3, 3)), {"rank": (5, 1)}, "rank must be at most 4"),
    ],
)
def test_bad_arguments_are_refused_by_name(W, options, match):
    with pytest.raises(ValueError, match=match):
        lr.decompose_conv(W, **options)


@pytest.mark.parametrize("dtype", ["int8", "int64", "bool"])
def test_integers_are_promoted_and_their_kernels_hold_fractions(dtype):
    W = (np.random.default_rng(0).integers(-9, 9, (6, 5, 3, 3)) % 5).astype(dtype)
    result = lr.decompose_conv(W, rank=(6, 5))
    assert {kernel.dtype for kernel in result.kernels} == {np.dtype("float64")}
    assert relative(W.astype(float), result) <= 1e-13


def test_a_sum_of_terms_takes_no_more_of_them_than_any_weights_need():
    W = np.random.default_rng(0).standard_normal((4, 3, 2, 2))
    result = lr.decompose_conv(W, method="cp", max_params=10**9, rng=0)
    assert result.info.ranks[0] <= 12


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"padding": "same"}, TypeError, "padding must be an integer or a pair"),
        ({"stride": (1, 2, 3)}, ValueError, "stride must be an integer or a pair"),
        ({"stride": 0}, ValueError, "stride must be at least 1"),
        ({"dilation": 0}, ValueError, "dilation must be at least 1"),
        ({"padding": -1}, ValueError, "padding must be at least 0"),
        ({"padding": 1.0}, TypeError, "padding must be an integer"),
    ],
)
def test_arguments_that_no_convolution_takes_are_refused(options, error, match):
    result = lr.decompose_conv(np.ones((4, 3, 3, 3)), rank=1)
    with pytest.raises(error, match=match):
        result.arguments(**options)


@pytest.mark.parametrize("W", [np.full((4, 3, 3, 3), "a"), np.ones((4, 3, 3, 3), object), np.ones((4, 3, 3, 3), "g")])
def test_weights_of_no_numbers_are_named(W):
    with pytest.raises(TypeError, match="W must hold numbers"):
        lr.decompose_conv(W, rank=1)


@pytest.mark.parametrize(("method", "count"), [("tucker2", 3), ("cp", 4)])
def test_a_result_unpacks_to_its_kernels_in_layer_order(method, count):
    result = lr.decompose_conv(np.random.default_rng(0).standard_normal((6, 5, 3, 3)), method=method, rank=2, rng=0)
    assert len(result) == count
    assert all(one is other for one, other in zip(result, result.kernels, strict=True))
    assert result[-1] is result.kernels[-1]
