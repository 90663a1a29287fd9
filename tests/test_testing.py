import subprocess
import sys

import numpy as np
import pytest

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la import testing
from lowrank_la.operators import as_operator

DTYPES = ("float32", "float64", "complex64", "complex128")


def test_the_dot_test_refuses_where_python_drops_assertions():
    code = (
        "import numpy as np, lowrank_la as lr\n"
        "A = np.triu(np.ones((3, 3)))\n"
        "lr.testing.dot_test(lr.operator(lambda X: A @ X, lambda Y: A @ Y, (3, 3), float))"
    )
    done = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "rmatmat is not the adjoint of matmat" in done.stderr


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", testing.spectra)
def test_a_matrix_has_the_spectrum_asked_for(name, dtype):
    values = testing.spectra[name](60)
    for shape in ((80, 60), (60, 80)):
        A = testing.matrix(*shape, name, dtype=dtype)
        found = np.linalg.svd(A.astype(np.complex128), compute_uv=False)
        assert A.dtype == dtype
        assert np.max(np.abs(found - values)) <= 100 * np.finfo(dtype).eps * values[0]


@pytest.mark.parametrize("name", testing.spectra)
@pytest.mark.parametrize("n", [1, 2, 10, 11, 500])
def test_a_spectrum_descends_and_is_not_negative(name, n):
    values = testing.spectra[name](n)
    assert values.shape == (n,)
    assert np.all(np.diff(values) <= 0)
    assert values[-1] >= 0
    assert values[0] > 0


def test_a_matrix_lives_where_it_is_asked_to(backend):
    A = testing.matrix(9, 7, "polynomial_one", dtype="float32", xp=backend.xp, device=backend.device)
    assert backend.holds(A)
    assert be.dtype_name(A.dtype) == "float32"
    assert np.array_equal(backend.to_numpy(A), testing.matrix(9, 7, "polynomial_one", dtype="float32"))


def test_the_seed_chooses_the_singular_vectors():
    first, again, other = (testing.matrix(9, 7, "flat", rng=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_the_singular_vectors_are_incoherent():
    U = np.linalg.svd(testing.matrix(400, 300, "exponential_slow"))[0]
    assert np.max(np.sum(U[:, :20] ** 2, axis=1)) < 10 * 20 / 400


def test_missing_values_are_zero():
    found = np.linalg.svd(testing.matrix(12, 10, [2.0, 1.0]), compute_uv=False)
    assert np.max(np.abs(found[:2] - [2.0, 1.0])) <= 100 * np.finfo(float).eps
    assert np.max(found[2:]) <= 100 * np.finfo(float).eps


@pytest.mark.parametrize("spectrum", ["unheard of", np.ones(8), np.ones((2, 2))])
def test_a_wrong_spectrum_is_refused(spectrum):
    with pytest.raises(ValueError, match="spectrum must be"):
        testing.matrix(9, 7, spectrum)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_hermitian_matrix_has_the_eigenvalues_asked_for(dtype):
    values = np.linspace(-2.0, 3.0, 40)
    A = testing.hermitian(40, values, dtype=dtype)
    assert np.array_equal(A, A.conj().T)
    assert np.max(np.abs(np.linalg.eigvalsh(A) - values)) <= 300 * np.finfo(dtype).eps


def test_sparse_text_has_the_nonzeros_asked_for_and_rows_of_norm_one():
    A = testing.sparse_tfidf(2000, 500, 20_000)
    norms = np.sqrt(A.multiply(A).sum(axis=1))
    frequency = np.bincount(A.indices, minlength=500)
    assert A.nnz == 20_000
    assert A.has_canonical_format
    assert np.max(np.abs(norms[np.diff(A.indptr) > 0] - 1.0)) <= 10 * np.finfo(float).eps
    assert frequency[0] > 10 * frequency[100]


def test_sparse_text_refuses_more_nonzeros_than_it_can_place():
    with pytest.raises(ValueError, match="nnz must be between"):
        testing.sparse_tfidf(10, 10, 26)


def test_a_kernel_matrix_is_positive_semidefinite():
    K = testing.rbf_kernel(200, dim=2, length=0.1)
    assert np.array_equal(K, K.T)
    assert np.array_equal(np.diag(K), np.ones(200))
    assert np.linalg.eigvalsh(K)[0] >= -200 * np.finfo(float).eps


def test_pivoted_qr_misjudges_kahans_matrix():
    R = testing.kahan(90)
    assert np.linalg.svd(R, compute_uv=False)[-1] < 1e-2 * abs(R[-1, -1])


def test_one_row_outweighs_the_others():
    norms = np.sort(np.linalg.norm(testing.heavy_row(50, 20), axis=1))
    assert norms[-1] > 1e3 * norms[-2]


def test_the_gram_matrix_of_the_bad_case_loses_its_rank():
    A = testing.bad_cholesky_qr(30, 10)
    assert np.linalg.matrix_rank(A, tol=1e-9) == 10
    assert np.linalg.matrix_rank(A.T @ A) == 1


def test_cauchy_and_hilbert_matrices_decay_geometrically():
    for A in (testing.hilbert(40), testing.cauchy(50, 40)):
        s = np.linalg.svd(A, compute_uv=False)
        assert s[30] < 1e-12 * s[0]


def test_the_dot_test_accepts_an_operator_and_its_adjoint(backend):
    for dtype in backend.dtypes:
        A = backend.asarray(testing.matrix(30, 20, "polynomial_one", dtype=dtype))
        assert testing.dot_test(as_operator(A)) <= 200 * be.eps(A.dtype)


class _Wrong:
    """Operator whose adjoint is replaced by `rmatmat`."""

    def __init__(self, A, rmatmat):
        exact = as_operator(A)
        self.shape, self.dtype, self.xp, self.device = exact.shape, exact.dtype, exact.xp, exact.device
        self.matmat, self.rmatmat = exact.matmat, rmatmat


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(lambda A: lambda Y: A.T @ Y, id="transpose without conjugation"),
        pytest.param(lambda A: lambda Y: A.conj().T @ Y * (1 + 1e-10), id="scale off by 1e-10"),
        pytest.param(lambda A: lambda Y: (A.conj().T @ Y)[:-1], id="wrong shape"),
        pytest.param(lambda A: lambda Y: (A.conj().T @ Y).astype("complex64"), id="wrong dtype"),
    ],
)
def test_the_dot_test_refuses_a_wrong_adjoint(mistake):
    A = testing.matrix(30, 20, "polynomial_one", dtype="complex128")
    with pytest.raises(AssertionError):
        testing.dot_test(_Wrong(A, mistake(A)))


@pytest.mark.parametrize("scale", [1e-200, 1e-100, 1.0, 1e100, 1e200])
def test_the_dot_test_tells_right_from_wrong_at_every_scale(scale):
    generator = np.random.default_rng(0)
    A, B = generator.standard_normal((2, 6, 4))
    right = lr.operator(lambda X: scale * A @ X, lambda Y: scale * A.T @ Y, (6, 4), float)
    wrong = lr.operator(lambda X: scale * A @ X, lambda Y: scale * B.T @ Y, (6, 4), float)
    assert testing.dot_test(right) <= 200 * np.finfo(float).eps
    with pytest.raises(AssertionError, match="not the adjoint"):
        testing.dot_test(wrong)


def test_the_dot_test_takes_arrays_and_refuses_products_that_are_no_numbers():
    A = np.random.default_rng(1).standard_normal((6, 4))
    assert testing.dot_test(A) <= 200 * np.finfo(float).eps
    with pytest.raises(AssertionError, match="rmatmat returned values that are not finite"):
        testing.dot_test(lr.operator(lambda X: A @ X, lambda Y: np.nan * A.T @ Y, (6, 4), float))


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: testing.dot_test(np.eye(3), columns=0), ValueError, "columns must be at least 1"),
        (lambda: testing.dot_test(np.eye(3), factor=np.inf), ValueError, "factor must be positive and finite"),
        (lambda: testing.matrix(3, 3, [-1.0, 2.0]), ValueError, r"spectrum must be finite and not negative; got -1\.0"),
        (lambda: testing.matrix(3, 3, [np.nan]), ValueError, "spectrum must be finite"),
        (lambda: testing.hermitian(3, [np.inf]), ValueError, "eigenvalues must be finite; got inf"),
        (lambda: testing.matrix(3, 3, [1.0], dtype="int64"), TypeError, "dtype must be one of float16.*'int64'"),
        (lambda: testing.matrix(0, 3, [1.0]), ValueError, "m must be at least 1"),
        (lambda: testing.matrix(3, 3, [1.0], rng="a"), TypeError, "rng must be an integer"),
        (lambda: testing.heavy_row(0, 3), ValueError, "m must be at least 1"),
        (lambda: testing.rbf_kernel(3, length=0), ValueError, "length must be positive"),
        (lambda: testing.sparse_tfidf(30, 20, 7.5), TypeError, "nnz must be an integer"),
        (lambda: testing.hilbert(2.5), TypeError, "n must be an integer"),
    ],
)
def test_wrong_arguments_are_named(call, error, match):
    with pytest.raises(error, match=match):
        call()
