"""What `cp` says of its answer holds: errors near rounding, at the ends of the range, and refusals by name."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp

import lowrank_la as lr
from lowrank_la.tensors.krp_sampler import _square_root
from lowrank_la.tensors.sparse_tensor import as_sparse_tensor

EPS = np.finfo(float).eps
GENERATOR = np.random.default_rng(0)
FACTORS = [GENERATOR.standard_normal((n, 3)) for n in (8, 9, 10)]
X = np.einsum("ir,jr,kr->ijk", *FACTORS)


def true_error(result, X):
    weights, factors = result
    factors = [factor.astype(np.longdouble) for factor in factors]
    model = np.einsum("r,ir,jr,kr->ijk", weights.astype(np.longdouble), *factors)
    wide = X.astype(np.longdouble)
    return float(np.sqrt(((wide - model) ** 2).sum() / (wide**2).sum()))


def unhurried(tensor, rank, rng=0, **options):
    """The decomposition after as many sweeps as are allowed, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        return lr.cp(tensor, rank, tol=0, rng=rng, **options)


@pytest.mark.parametrize("method", ["als", "gauss_newton"])
def test_the_error_of_a_small_sparse_tensor_is_exact_to_rounding(method):
    result = lr.cp(sp.coo_array(X), 3, method=method, tol=1e-14, rng=0)
    assert result.info.error_kind == "exact"
    assert result.info.error == pytest.approx(true_error(result, X), abs=8 * EPS)


def spread(block):
    """The entries of `block` in a tensor of 10⁹ entries."""
    places = np.unravel_index(np.arange(block.size), block.shape)
    return sp.coo_array((block.reshape(-1), tuple(50 * place for place in places)), shape=(1000,) * 3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("noise", [1e-2, 4e-7, 3e-8, 0.0])
def test_the_error_of_a_large_sparse_tensor_is_right_to_a_percent_or_a_bound(dtype, noise):
    block = (X + noise * np.linalg.norm(X) / np.sqrt(X.size) * GENERATOR.standard_normal(X.shape)).astype(dtype)
    large = spread(block)
    for method in ("als", "gauss_newton"):
        weights, factors = result = unhurried(large, 3, method=method, maxiter=40)
        cut = [factor[::50][:n] for factor, n in zip(factors, X.shape, strict=True)]
        true = true_error((weights, cut), block)
        if result.info.error_kind == "exact":
            assert result.info.error == pytest.approx(true, rel=0.011)
        else:
            assert true <= result.info.error <= 6e-7


def test_the_bound_grows_with_terms_that_cancel():
    tensor = as_sparse_tensor(spread(np.zeros((2, 2, 2)) + 1.0))
    line = np.zeros((1000, 1))
    line[[0, 50]] = 1.0
    gap, kind = tensor.residual(np.array([1e5, 1.0 - 1e5]), [np.concatenate([line, line], axis=1)] * 3)
    plain, _ = tensor.residual(np.ones(1), [line] * 3)
    assert kind == "bound"
    assert gap > 1e3 * plain


def test_a_sparse_tensor_of_zeros_has_an_exact_error():
    assert lr.cp(sp.coo_array((2000, 2000, 2000)), 2, rng=0).info.error_kind == "exact"


@pytest.mark.parametrize("method", ["als", "gauss_newton"])
@pytest.mark.parametrize("seed", range(6))
def test_errors_of_degenerate_models_are_true(method, seed):
    drawn = np.random.default_rng(seed)
    tensor = drawn.standard_normal((3, 4, 2)).astype("float32")
    result = unhurried(tensor, 5, method=method, maxiter=60)
    assert result.info.error == pytest.approx(true_error(result, tensor), rel=0.01, abs=1e-6)


def test_the_error_at_observed_entries_is_that_of_the_factors_returned():
    seen = GENERATOR.random(X.shape) < 0.8
    result = lr.cp(X, 3, mask=seen, tol=1e-15, rng=0)
    gap = np.linalg.norm((X - result.full())[seen]) / np.linalg.norm(X[seen])
    assert result.info.error == pytest.approx(gap, rel=0.5, abs=2 * EPS)
    assert result.info.gradient <= 100 * EPS


@pytest.mark.parametrize("size", [1e-50, 1e50])
def test_weights_of_any_size_are_relative(size):
    single = X.astype("float32")
    drawn = GENERATOR.random(X.shape)
    ours = lr.cp(single, 2, weights=size * drawn, rng=0)
    plain = lr.cp(single, 2, weights=drawn, rng=0)
    assert ours.info.error == pytest.approx(plain.info.error, rel=1e-3)


@pytest.mark.parametrize(("dtype", "scale"), [("float32", 1e19), ("float64", 1e153), ("float64", 1e-160)])
def test_the_default_start_and_core_consistency_take_data_of_any_scale(dtype, scale):
    tensor = (X * scale).astype(dtype)
    result = lr.cp(tensor, 3, rng=0)
    assert result.info.error < 1e-5
    assert lr.core_consistency(tensor, result) == pytest.approx(100.0, abs=1e-2)


def test_a_norm_out_of_range_is_not_called_nan():
    with pytest.raises(ValueError, match="norm of X is beyond the range"):
        lr.cp(np.full((10, 10, 10), 1e308), 1)


def test_a_start_of_zeros_is_no_failure_of_leverage_sampling():
    with np.errstate(all="raise"):
        result = lr.cp(X, 3, method="leverage", init=(None, [0 * factor for factor in FACTORS]), rng=0)
    assert result.info.error == 1.0


@pytest.mark.parametrize("rank", [1, 3])
def test_the_square_root_of_a_gram_matrix_multiplies_back(rank):
    columns = GENERATOR.standard_normal((4, rank))
    gram = columns @ columns.T
    root = _square_root(gram)
    np.testing.assert_allclose(root @ root.T, gram, atol=100 * EPS * np.trace(gram))
    np.testing.assert_array_equal(root, np.tril(root))


def test_starts_may_be_lists_and_must_fit_the_data():
    given = [factor.tolist() for factor in FACTORS]
    assert lr.cp(X, 3, init=([1, 1, 1], given)).info.error < 10 * EPS
    with pytest.raises(TypeError, match="init must be real"):
        lr.cp(X, 3, init=(None, [1j * factor for factor in FACTORS]))
    with pytest.raises(TypeError, match="init must be real"):
        lr.gcp(X, 3, init=(None, [1j * factor for factor in FACTORS]))


def test_starts_of_other_libraries_or_with_gradients_are_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="one library"):
        lr.cp(X, 3, init=(torch.ones(3), FACTORS))
    tracked = [torch.tensor(factor, requires_grad=True) for factor in FACTORS]
    with pytest.raises(TypeError, match=r"init\.detach"):
        lr.cp(torch.tensor(X), 3, init=(None, tracked))


def test_a_matrix_has_a_gradient_too():
    assert lr.cp(X[0], 3).info.gradient <= 100 * EPS


def test_a_callback_that_stops_is_not_told_to_take_a_larger_maxiter():
    with pytest.raises(lr.ConvergenceError, match="callback") as caught:
        lr.cp(X, 3, callback=lambda state: True, on_failure="raise")
    assert "maxiter" not in str(caught.value)


@pytest.mark.parametrize("seed", range(3))
def test_leverage_sampling_from_singular_vectors_is_the_same_in_all_libraries(seed):
    torch = pytest.importorskip("torch")
    ours, other = (unhurried(data, 3, method="leverage", maxiter=6, rng=seed) for data in (X, torch.tensor(X)))
    np.testing.assert_allclose(other.full().numpy(), ours.full(), atol=1e-10)


def test_half_precision_has_the_error_of_the_factors_returned():
    half = X.astype("float16")
    result = lr.cp(half, 3, rng=0)
    assert result.info.error == pytest.approx(true_error(result, half), rel=1e-3)
