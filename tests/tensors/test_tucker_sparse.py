"""Tucker decomposition of sparse tensors."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from tensors.tucker_cases import EPS, check_form, low_rank, true_error

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.tensors import modes
from lowrank_la.tensors.sparse_tensor import SparseTensor
from lowrank_la.tensors.tucker_gauge import canonical
from lowrank_la.tensors.tucker_sparse import Entries


def sparse(shape, count, rng=0, dtype="float64"):
    """A SciPy array with repeated places, and the dense tensor."""
    generator = np.random.default_rng(rng)
    coords = tuple(generator.integers(0, n, count) for n in shape)
    values = generator.standard_normal(count)
    values = (values + (1j * generator.standard_normal(count) if np.dtype(dtype).kind == "c" else 0)).astype(dtype)
    dense = np.zeros(shape, dtype)
    np.add.at(dense, coords, values)
    return sp.coo_array((values, coords), shape=shape), dense


def blocked(shape, ranks, rng=0):
    """A sparse tensor of those ranks: one dense block of low rank, the rest zero."""
    block = low_rank(tuple(n // 3 for n in shape), ranks, rng)
    dense = np.zeros(shape)
    dense[tuple(slice(0, n // 3) for n in shape)] = block
    return sp.coo_array(dense), dense


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_products_with_all_other_factors_equal_those_of_the_dense_tensor(dtype):
    X, dense = sparse((7, 6, 5, 4), 60, dtype=dtype)
    tensor = SparseTensor(np.stack(X.coords, axis=1), X.data, X.shape)
    generator = np.random.default_rng(1)
    factors = [
        np.linalg.qr(
            generator.standard_normal((n, 2)) + 0j if dtype != "float64" else generator.standard_normal((n, 2))
        )[0]
        for n in X.shape
    ]
    factors[2] = None
    for k in range(4):
        expected = modes.contract_all(dense, factors, skip=(k,))
        np.testing.assert_allclose(Entries(tensor, 1.0).times_others(k, factors), expected, rtol=0, atol=50 * EPS)


@pytest.mark.parametrize("method", ["auto", "hooi"])
def test_a_sparse_tensor_of_exact_rank_is_recovered(method):
    X, dense = blocked((30, 27, 24), (3, 2, 4))
    result = lr.tucker(X, (3, 2, 4), method=method)
    assert true_error(dense, result) <= 1e-13
    assert result.info.error <= 1e-13
    check_form(result)


def test_sparse_and_dense_tensors_give_the_same_decomposition():
    X, dense = sparse((20, 18, 16), 400)
    ours = lr.tucker(X, 4, method="hooi", change=1e-13, maxiter=3000)
    theirs = lr.tucker(dense, 4, method="hooi", change=1e-13, maxiter=3000)
    assert ours.info.error == pytest.approx(true_error(dense, ours), rel=1e-9)
    assert ours.info.error == pytest.approx(theirs.info.error, rel=0.02)
    check_form(ours)


@pytest.mark.parametrize("tol", [0.5, 0.1, 1e-3])
def test_the_tolerance_is_met_by_sparse_tensors(tol):
    X, dense = blocked((30, 27, 24), (6, 6, 6))
    result = lr.tucker(X, tol=tol)
    assert true_error(dense, result) <= tol
    assert result.info.converged
    assert all(rank <= 6 for rank in result.ranks)


def test_modes_can_be_left_alone_and_ranks_be_full():
    X, dense = sparse((9, 8, 7), 100)
    result = lr.tucker(X, (2, 3), modes=(0, 2))
    assert result.ranks == (2, 8, 3)
    assert result.info.error == pytest.approx(true_error(dense, result), rel=1e-9)
    assert true_error(dense, lr.tucker(X, 9)) <= 20 * EPS


def test_a_large_shape_needs_memory_for_its_entries_alone():
    generator = np.random.default_rng(0)
    shape, count = (3000, 2000, 1000), 3000
    coords = tuple(generator.integers(0, 40, count) for _ in shape)
    X = sp.coo_array((np.ones(count), coords), shape=shape)
    result = lr.tucker(X, 3)
    small, dense = sp.coo_array((np.ones(count), coords), shape=(40, 40, 40)), None
    dense = small.toarray()
    assert result.info.error == pytest.approx(true_error(dense, lr.tucker(small, 3)), rel=0.01)
    exact = sp.coo_array((np.ones(1), ([5], [6], [7])), shape=shape)
    result = lr.tucker(exact, 1)
    assert result.info.error_kind == "bound"
    assert result.info.error <= math.sqrt(100 * EPS)


def test_sparse_tensors_agree_on_all_libraries():
    torch = pytest.importorskip("torch")
    X, dense = sparse((12, 11, 10), 200)
    tensor = torch.sparse_coo_tensor(np.stack(X.coords), X.data, X.shape)
    ours, theirs = lr.tucker(tensor, 3), lr.tucker(X, 3)
    assert be.kind(be.namespace(ours.core)) == "torch"
    assert ours.info.error == pytest.approx(theirs.info.error, rel=1e-6)
    assert true_error(dense, ours) == pytest.approx(ours.info.error, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_sparse_tensors_of_any_scale_are_decomposed(scale):
    X, _ = sparse((12, 11, 10), 200)
    assert lr.tucker(scale * X, 3).info.error == pytest.approx(lr.tucker(X, 3).info.error, rel=1e-9)


def test_sparse_tensors_without_entries_are_zero():
    X = sp.coo_array((np.zeros(0), (np.zeros(0, int),) * 3), shape=(4, 5, 6))
    for options in ({"rank": 2}, {"tol": 0.1}):
        result = lr.tucker(X, **options)
        assert not np.any(result.core)
        assert result.info.error == 0.0


def test_what_sparse_tensors_lack_is_refused_by_name():
    X, _ = sparse((12, 11, 10), 200)
    for method in ("st_hosvd", "randomized"):
        with pytest.raises(ValueError, match="'auto' or 'hooi'"):
            lr.tucker(X, 2, method=method)
    X.data[3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        lr.tucker(X, 2)


@pytest.mark.parametrize("method", ["auto", "hooi"])
def test_a_rank_that_keeps_the_tolerance_from_being_met_is_warned_of(method):
    X, dense = sparse((9, 8, 7), 120)
    with pytest.warns(lr.ConvergenceWarning, match="above tol") as seen:
        result = lr.tucker(X, (2, 3, 2), tol=1e-3, method=method)
    assert len(seen) == 1
    assert result.ranks == (2, 3, 2)
    assert not result.info.converged
    assert result.info.error == pytest.approx(true_error(dense, result), rel=1e-6)


def test_a_tolerance_below_rounding_is_as_good_as_the_error_that_is_told():
    X, dense = sparse((6, 5, 4), 40, dtype="float32")
    with pytest.warns(lr.ConvergenceWarning, match="above tol"):
        result = lr.tucker(X, tol=1e-12)
    assert true_error(dense.astype(float), result) <= result.info.error <= 1e-5


def test_slices_of_subnormal_numbers_make_no_nan():
    drawn = np.random.default_rng(0).standard_normal((2, 4, 5))
    X = (drawn[:1] + 1j * drawn[1:]).astype("complex64")
    result = lr.tucker(sp.coo_array(X), (1, 1, 3))
    assert result.info.error == pytest.approx(true_error(X, result), rel=1e-3)
    core = np.zeros((2, 2, 3), "complex64")
    core[0, 0] = 1.0, 1e-42 + 1e-42j, 3e-39j
    turned, factors = canonical(core, [np.eye(n, dtype="complex64") for n in core.shape])
    assert np.isfinite(turned).all()
    assert all(np.isfinite(factor).all() for factor in factors)
