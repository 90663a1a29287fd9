"""Products given by functions have to be adjoint to each other; the decompositions try that first."""

import numpy as np
import pytest
import scipy.sparse.linalg
from factor import oracles
from strategies import random_array

import lowrank_la as lr
from lowrank_la import testing

BY_BOTH_PRODUCTS = {
    "svd": lambda A: lr.svd(A, 3, rng=0),
    "svd to a tolerance": lambda A: lr.svd(A, tol=0.1, rng=0),
    "svd centred": lambda A: lr.svd(A, 3, center=True, rng=0),
    "qb": lambda A: lr.qb(A, 3, rng=0),
}


def by_functions(backend, A, B):
    """Products with `A` and, in place of those with its adjoint, with `B`."""
    A, B = backend.asarray(A), backend.asarray(B)
    return lr.operator(lambda X: A @ X, lambda Y: B @ Y, A.shape, A.dtype, device=backend.device)


def symmetric(dtype, n=40):
    return testing.hermitian(n, testing.spectra["polynomial_one"](n), dtype=dtype, rng=1)


@pytest.mark.parametrize("call", BY_BOTH_PRODUCTS)
def test_products_of_two_matrices_are_refused(backend, call):
    if backend.name == "cupy":
        pytest.skip("CuPy shares NumPy's dtypes; the device tells them apart")
    for dtype in backend.dtypes:
        A = symmetric(dtype)
        assert BY_BOTH_PRODUCTS[call](by_functions(backend, A, A)).info.converged
        with pytest.raises(ValueError, match=r"rmatmat of .* is not the adjoint of matmat: .* differ by [\d.e+-]+ of"):
            BY_BOTH_PRODUCTS[call](by_functions(backend, A, random_array((40, 40), dtype, 2)))


@pytest.mark.parametrize("call", BY_BOTH_PRODUCTS)
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_a_forgotten_conjugation_is_named(call, dtype):
    A = symmetric(dtype)
    op = lr.operator(lambda X: A @ X, lambda Y: A.T @ Y, A.shape, A.dtype)
    with pytest.raises(ValueError, match="it returns Aᵀ Y, and Aᴴ Y is needed: the conjugation is missing"):
        BY_BOTH_PRODUCTS[call](op)


@pytest.mark.parametrize("call", ["svd", "qb"])
def test_the_product_with_the_matrix_itself_is_no_adjoint(call):
    A = random_array((30, 30), "float64", 3)
    with pytest.raises(ValueError, match="check its transpose, its conjugation and the order of its factors"):
        BY_BOTH_PRODUCTS[call](lr.operator(lambda X: A @ X, lambda Y: A @ Y, A.shape, A.dtype))


def test_a_matrix_that_is_not_hermitian_is_refused_by_nystrom_whatever_the_adjoint_claims():
    A = random_array((30, 30), "float64", 3)
    for method in ("sketch", "krylov"):
        with pytest.raises(ValueError, match="not Hermitian"):
            lr.nystrom(lr.operator(lambda X: A @ X, lambda Y: A @ Y, A.shape, A.dtype), 3, method=method, rng=0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_eigh_asks_for_products_with_the_matrix_alone(backend, dtype):
    if dtype not in backend.dtypes:
        pytest.skip("not a dtype of this device")
    A = symmetric(dtype)
    a = backend.asarray(A)
    op = lr.operator(lambda X: a @ X, None, A.shape, A.dtype, device=backend.device)
    w, V = lr.eigh(op, 3, rng=0)
    expected = np.linalg.eigvalsh(A)[::-1][:3]
    assert np.max(np.abs(backend.to_numpy(w) - expected)) <= 1e-5 * expected[0]
    assert oracles.departure(backend.to_numpy(V)) <= 100 * np.finfo(dtype).eps
    skew = backend.asarray(random_array((40, 40), dtype, 2))
    with pytest.raises(ValueError, match=r"not Hermitian: ⟨y, A x⟩ and ⟨A y, x⟩ differ by [\d.e+-]+ of their size"):
        lr.eigh(lr.operator(lambda X: skew @ X, None, A.shape, A.dtype, device=backend.device), 3, rng=0)


def test_eigh_takes_an_operator_of_scipy_without_rmatvec():
    A = symmetric("float64")
    op = scipy.sparse.linalg.LinearOperator(A.shape, lambda x: A @ x, dtype=A.dtype)
    assert abs(lr.eigh(op, 1, rng=0).w[0] - np.linalg.eigvalsh(A)[-1]) <= 1e-10


def test_an_operator_of_scipy_is_tried_too():
    A = random_array((30, 20), "float64", 4)
    op = scipy.sparse.linalg.LinearOperator(A.shape, lambda x: A @ x, lambda y: 2 * (A.T @ y), dtype=A.dtype)
    with pytest.raises(ValueError, match=r"rmatmat of ScipyOperator\(30×20"):
        lr.svd(op, 3)


@pytest.mark.parametrize("wrong", [0, 1])
def test_the_wrong_part_of_a_composition_is_named(wrong):
    A, B = random_array((30, 20), "float64", 4), random_array((20, 25), "float64", 5)
    scales = [2.0 if part == wrong else 1.0 for part in (0, 1)]
    first = lr.operator(lambda X: A @ X, lambda Y: scales[0] * (A.T @ Y), A.shape, A.dtype)
    second = lr.operator(lambda X: B @ X, lambda Y: scales[1] * (B.T @ Y), B.shape, B.dtype)
    composed = 3.0 * (first @ second) - np.ones((30, 25))
    with pytest.raises(ValueError, match=r"FunctionOperator\(30×20" if wrong == 0 else r"FunctionOperator\(20×25"):
        lr.svd(composed, 3)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("dtype", "noise"), [("float64", 1e-7), ("complex128", 1e-6), ("float32", 1e-3)])
def test_products_that_are_a_little_inexact_are_accepted(seed, dtype, noise):
    A = testing.matrix(60, 40, "polynomial_one", dtype=dtype, rng=seed)
    B = A.conj().T + noise * np.linalg.norm(A) / A.size**0.5 * random_array((40, 60), dtype, seed)
    op = lr.operator(lambda X: A @ X, lambda Y: B.astype(dtype) @ Y, A.shape, A.dtype)
    assert lr.qb(op, 3, rng=seed).Q.shape == (60, 3)


@pytest.mark.parametrize("scale", [1e-310, 1e-170, 1e160])
def test_scales_do_not_hide_a_wrong_adjoint(scale):
    A = random_array((30, 20), "float64", 4) * scale
    assert lr.qb(lr.operator(lambda X: A @ X, lambda Y: A.T @ Y, A.shape, A.dtype), 3, rng=0).info.converged
    with pytest.raises(ValueError, match="not the adjoint"):
        lr.qb(lr.operator(lambda X: A @ X, lambda Y: -A.T @ Y, A.shape, A.dtype), 3, rng=0)


def test_the_cancellation_between_parts_is_not_held_against_them():
    A = testing.matrix(60, 40, "polynomial_one", dtype="float32", rng=1)
    op = lr.operator(lambda X: A @ X, lambda Y: A.T @ Y, A.shape, A.dtype)
    rest = op - lr.svd(A, 39, rng=0)
    assert lr.svd(rest, 1, accuracy=0.1, rng=0).s[0] <= 2 / 40


def test_the_zero_operator_passes():
    zero = lr.operator(lambda X: np.zeros((5, X.shape[1])), lambda Y: np.zeros((4, Y.shape[1])), (5, 4), np.float64)
    assert np.array_equal(lr.svd(zero, 2, rng=0).s, [0.0, 0.0])


def test_data_are_not_tried():
    A = testing.matrix(90, 60, "polynomial_one", rng=6)
    assert lr.qb(A, 8, power=0, rng=0).info.products == 16


def test_the_trial_is_counted_and_leaves_the_answer_alone():
    A = testing.matrix(90, 60, "polynomial_one", rng=6)
    counted = oracles.Counted(A)
    trusted = lr.as_operator(oracles.Counted(A))
    trusted.adjoint_by_construction = True
    tried, untried = lr.qb(counted, 8, rng=0), lr.qb(trusted, 8, rng=0)
    assert np.array_equal(tried.B, untried.B)
    assert tried.info.products == counted.columns == untried.info.products + 2
    assert tried.info.passes == counted.calls == untried.info.passes + 2


@pytest.mark.parametrize(("noise", "named"), [(1e-4, True), (0.5, False)])
def test_inexact_products_are_named_as_a_cause_where_the_gap_is_small(noise, named):
    A = random_array((40, 40), "float64", 3)
    B = A.T * (1 + noise)
    op = lr.operator(lambda X: A @ X, lambda Y: B @ Y, A.shape, A.dtype)
    with pytest.raises(ValueError, match="is not the adjoint of matmat") as caught:
        lr.svd(op, 3, rng=0)
    assert ("the products are inexact: ask solves inside them for 6e-07" in str(caught.value)) == named
