"""`lowrank_la.operator`: what user functions are given and what they may return."""

import numpy as np
import pytest

import lowrank_la as lr

A = np.arange(6.0).reshape(3, 2)


def make(matmat=lambda X: A @ X, rmatmat=lambda Y: A.T @ Y, shape=(3, 2), dtype=np.float64, **options):
    return lr.operator(matmat, rmatmat, shape, dtype, **options)


@pytest.mark.parametrize("dtype", [float, "float64", np.float64, np.dtype("float64"), np.dtype(">f8")])
def test_a_dtype_may_be_given_in_any_spelling(dtype):
    assert make(dtype=dtype).dtype == np.float64


def test_the_dtype_chooses_the_library(backend):
    if backend.name == "cupy":
        pytest.skip("CuPy shares NumPy's dtypes; the device tells them apart")
    for name in backend.dtypes:
        op = lr.operator(lambda X: X, lambda Y: Y, (2, 2), backend.dtype(name), device=backend.device)
        assert op.xp is backend.xp
        assert op.device == backend.device
        x = backend.asarray(np.eye(2, dtype=name))
        assert backend.holds(op.matmat(x))


def test_functions_see_matrices_of_the_declared_dtype():
    seen = []
    op = make(lambda X: seen.append((X.dtype, X.ndim)) or A.astype("float32") @ X, dtype="float32")
    op @ np.ones(2)
    op @ np.ones((2, 3), "float32")
    op @ np.ones((2, 3), int)
    assert seen == [(np.dtype("float32"), 2)] * 3


@pytest.mark.parametrize(
    ("matmat", "error", "message"),
    [
        (lambda X: np.ones((2, 1)), ValueError, r"matmat must return shape \(3, 1\) here, got \(2, 1\)"),
        (lambda X: (A @ X)[:, 0], ValueError, r"\(3, 1\).*\(3,\)"),
        (lambda X: (A @ X).astype("float32"), TypeError, "float32, declared is float64"),
        (lambda X: 1j * (A @ X), TypeError, "complex128, declared is float64"),
        (lambda X: (A @ X).tolist(), TypeError, "numpy on cpu, got list"),
        (lambda X: None, TypeError, "got NoneType"),
    ],
)
def test_what_functions_return_is_checked(matmat, error, message):
    with pytest.raises(error, match=message):
        make(matmat) @ np.ones(2)


def test_results_of_another_library_are_refused():
    strict = pytest.importorskip("array_api_strict")
    with pytest.raises(TypeError, match="numpy on cpu, got strict"):
        make(lambda X: strict.asarray(A @ X)) @ np.ones(2)


def test_errors_of_functions_reach_the_caller():
    def fails(X):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        make(fails) @ np.ones(2)


@pytest.mark.parametrize("dtype", ["int64", "float16", "bool", "object", None.__class__])
def test_dtypes_without_products_are_refused(dtype):
    with pytest.raises(TypeError):
        make(dtype=dtype)


@pytest.mark.parametrize("shape", [(3,), (3, 2, 1), (0, 2), (3, -1)])
def test_shapes_that_are_no_matrix_are_refused(shape):
    with pytest.raises(ValueError):
        make(shape=shape)


def test_shapes_of_floats_are_refused():
    with pytest.raises(TypeError, match="integer"):
        make(shape=(3.0, 2))


def test_what_is_not_callable_is_refused():
    with pytest.raises(TypeError, match="matmat must be a function"):
        make(matmat=A)
    with pytest.raises(TypeError, match="matmat must be a function"):
        make(matmat=None)
    with pytest.raises(TypeError, match="rmatmat must be a function"):
        make(rmatmat=A)
