"""CP of sparse tensors, and of tensors with missing entries, through the public function."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
from tensors import sparse_cases as cases

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la._backend import fibres

SHAPE = (12, 10, 9)
SHORT = pytest.mark.filterwarnings("ignore::lowrank_la.exceptions.ConvergenceWarning")


def few(dtype="float64", rank=2, shape=SHAPE, seed=0):
    """Factors with many zeros, and the dense and the sparse tensor."""
    generator = np.random.default_rng(seed)
    factors = [cases.numbers(generator, (n, rank), dtype) * (generator.random((n, rank)) < 0.5) for n in shape]
    dense = cases.model(np.ones(rank), factors).astype(dtype)
    return sp.coo_array(dense), dense


def start(rank=2, dtype="float64", shape=SHAPE, seed=5):
    return np.ones(rank, np.dtype(dtype).type(0).real.dtype), cases.factors_of(shape, rank, dtype, seed)


@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128"])
def test_a_sparse_tensor_of_exact_rank_is_recovered(dtype):
    X, dense = few(dtype)
    result = lr.cp(X, 2, rng=0, tol=100 * be.eps(np.dtype(dtype)))
    error = np.linalg.norm(result.full() - dense) / np.linalg.norm(dense)
    assert error <= 1e5 * be.eps(np.dtype(dtype))
    assert result.info.error == pytest.approx(error, rel=0.01, abs=8 * be.eps(np.dtype(dtype)))
    assert result.info.error_kind == "exact"


@SHORT
@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("shape", [(12, 10, 9), (6, 5, 4, 3), (9, 8)])
def test_sweeps_are_those_of_the_dense_tensor(shape, compiled, monkeypatch):
    monkeypatch.setattr(fibres, "_KERNEL_FROM", 0 if compiled else 1 << 60)
    X, dense = cases.coo(shape, count=80)
    init = start(shape=shape)
    runs = [lr.cp(x, 2, init=init, maxiter=5, tol=0, accelerate=False) for x in (X, dense)]
    if len(shape) > 2:
        np.testing.assert_allclose(runs[0].full(), runs[1].full(), rtol=0, atol=1e-10 * np.abs(dense).max())
        np.testing.assert_allclose(runs[0].info.errors, runs[1].info.errors, rtol=1e-10)
    error = np.linalg.norm(dense - runs[0].full()) / np.linalg.norm(dense)
    assert runs[0].info.error == pytest.approx(error, rel=1e-9)


def test_the_error_of_a_tensor_that_can_not_be_formed_is_that_of_its_entries():
    generator, n = np.random.default_rng(0), 3000
    coords = np.unique(generator.integers(0, n, (4000, 3)), axis=0)
    values = generator.random(coords.shape[0])
    result = lr.cp(sp.coo_array((values, tuple(coords.T)), shape=(n, n, n)), 3, rng=0, tol=1e-4)
    weights, factors = result
    square = np.prod([f.T @ f for f in factors], axis=0)
    model = np.prod([f[index] for f, index in zip(factors, coords.T, strict=True)], axis=0) @ weights
    norm = np.linalg.norm(values)
    expected = np.sqrt(norm**2 - 2 * values @ model + weights @ square @ weights) / norm
    assert result.info.error == pytest.approx(expected, rel=1e-10)


def test_an_error_below_the_resolution_is_called_a_bound():
    n = 1 << 10
    factor = np.zeros(n)
    factor[:3] = 1.0, 2.0, 3.0
    coords = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    X = sp.coo_array((factor[coords].prod(axis=1), tuple(coords.T)), shape=(n, n, n))
    result = lr.cp(X, 1, rng=0)
    assert result.info.error_kind == "bound"
    assert result.info.error <= 5e-8
    np.testing.assert_allclose(np.abs(result.factors[0][:, 0]), factor / np.linalg.norm(factor), atol=1e-14)


def test_a_sparse_tensor_of_torch_stays_there():
    torch = pytest.importorskip("torch")
    X, dense = few()
    places = np.stack(np.nonzero(dense))
    given = torch.sparse_coo_tensor(
        torch.tensor(places), torch.tensor(dense[tuple(places)]), SHAPE, check_invariants=True
    )
    found, expected = lr.cp(given, 2, rng=0), lr.cp(X, 2, rng=0)
    assert isinstance(found.factors[0], torch.Tensor)
    np.testing.assert_allclose(found.full().numpy(), expected.full(), atol=1e-9 * np.abs(dense).max())


def test_non_negative_factors_of_a_sparse_tensor():
    X, dense = few()
    X, dense = abs(X), np.abs(dense)
    result = lr.cp(X, 3, nonneg=True, rng=0, tol=1e-6)
    assert all((factor >= 0).all() for factor in result.factors)
    assert result.info.error == pytest.approx(np.linalg.norm(dense - result.full()) / np.linalg.norm(dense), rel=1e-6)


def test_gauss_newton_takes_sparse_tensors():
    X, dense = few()
    result = lr.cp(X, 2, method="gauss_newton", rng=0)
    assert np.linalg.norm(result.full() - dense) <= 1e-5 * np.linalg.norm(dense)


def test_duplicates_are_summed():
    X, dense = few()
    places = np.nonzero(dense)
    twice = sp.coo_array(
        (np.concatenate([dense[places] / 2] * 2), tuple(np.concatenate([i, i]) for i in places)), shape=SHAPE
    )
    np.testing.assert_allclose(lr.cp(twice, 2, rng=0).full(), lr.cp(X, 2, rng=0).full(), atol=1e-10)


def test_an_empty_sparse_tensor_has_weights_of_zero():
    result = lr.cp(sp.coo_array((4, 3, 2)), 2, rng=0)
    assert not result.weights.any()
    assert result.info.error == 0.0


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_missing_entries_are_left_out_and_not_filled_in(dtype):
    dense = cases.model(np.ones(2), cases.factors_of(SHAPE, 2, dtype))
    mask = np.random.default_rng(0).random(SHAPE) < 0.5
    holes = np.where(mask, dense, np.nan)
    result = lr.cp(holes, 2, mask=mask, rng=0, tol=1e-13)
    assert np.linalg.norm(result.full() - dense) <= 1e-7 * np.linalg.norm(dense)
    gap = (result.full() - dense)[mask]
    assert result.info.error == pytest.approx(np.linalg.norm(gap) / np.linalg.norm(dense[mask]), rel=0.1, abs=1e-14)
    assert result.info.observed == mask.sum()
    assert "finite" not in str(lr.cp(holes, 2, mask="finite", rng=0).info.reason)


def test_a_start_may_be_given_where_entries_are_missing():
    generator = np.random.default_rng(0)
    factors = [generator.standard_normal((n, 2)) for n in SHAPE]
    dense = 1e3 * cases.model(np.ones(2), factors)
    mask = generator.random(SHAPE) < 0.5
    result = lr.cp(dense, 2, mask=mask, init=(1e3 * np.ones(2), factors), tol=1e-10)
    assert result.info.iterations <= 3
    assert result.info.error <= 1e-10


def test_weights_multiply_the_squared_residuals():
    generator = np.random.default_rng(0)
    X, weights = generator.standard_normal(SHAPE), generator.random(SHAPE)
    result = lr.cp(X, 2, weights=weights, rng=0, tol=1e-7)
    expected = np.sqrt(np.sum(weights * (X - result.full()) ** 2) / np.sum(weights * X**2))
    assert result.info.error == pytest.approx(expected, rel=1e-10)
    plain = lr.cp(X, 2, rng=0, tol=1e-7)
    assert expected < np.sqrt(np.sum(weights * (X - plain.full()) ** 2) / np.sum(weights * X**2))


def test_an_observed_slice_of_nan_is_refused_and_a_masked_one_is_named():
    X = cases.model(np.ones(2), cases.factors_of(SHAPE, 2))
    X[3] = np.nan
    with pytest.raises(ValueError, match="mask"):
        lr.cp(X, 2)
    result = lr.cp(X, 2, mask="finite", rng=0)
    assert result.info.unseen == [[3], [], []]
    assert np.isfinite(result.full()).all()


def test_results_survive_a_file(tmp_path):
    X, _ = few()
    result = lr.cp(X, 2, rng=0)
    result.save(tmp_path / "cp.npz")
    np.testing.assert_array_equal(lr.load(tmp_path / "cp.npz").full(), result.full())
    dense = cases.model(np.ones(2), cases.factors_of(SHAPE, 2))
    missing = lr.cp(dense, 2, mask=np.random.default_rng(0).random(SHAPE) < 0.6, rng=0)
    missing.save(tmp_path / "cp.npz")
    assert lr.load(tmp_path / "cp.npz").info.unseen == [[], [], []]


def test_a_sparse_matrix_is_approximated_as_well_as_by_its_singular_values():
    X, dense = cases.coo((15, 12), count=60)
    result = lr.cp(X, 3, rng=0, tol=1e-12)
    s = np.linalg.svd(dense, compute_uv=False)
    assert result.info.error == pytest.approx(np.linalg.norm(s[3:]) / np.linalg.norm(s), rel=1e-5)


@pytest.mark.parametrize("shape", [(4, 3, 2), (1, 6, 5), (2, 3, 2, 2, 3, 2)])
@SHORT
def test_a_rank_above_the_lengths_of_the_modes_is_taken(shape):
    X, dense = cases.coo(shape, count=40)
    result = lr.cp(X, 7, rng=0, maxiter=200, tol=1e-9)
    assert result.info.error == pytest.approx(np.linalg.norm(dense - result.full()) / np.linalg.norm(dense), abs=1e-9)
    assert all(np.isfinite(factor).all() for factor in result.factors)


def test_threads_with_different_libraries_do_not_disturb_each_other():
    torch = pytest.importorskip("torch")
    dense = cases.model(np.ones(2), cases.factors_of(SHAPE, 2))
    mask = np.random.default_rng(0).random(SHAPE) < 0.6
    given = [dense, torch.tensor(dense)] * 3
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda X: lr.cp(X, 2, mask=mask, rng=0, tol=1e-10), given))
    for X, result in zip(given, found, strict=True):
        assert type(result.factors[0]) is type(X)
        np.testing.assert_allclose(be.to_numpy(result.full()), dense, atol=1e-6 * np.abs(dense).max())
