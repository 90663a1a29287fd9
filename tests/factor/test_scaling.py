"""Answers that leave the range of their dtype, norms that overflow, and what is not finite after all."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from factor import oracles

import lowrank_la as lr
from lowrank_la import testing

HUGE = {"float32": 3e38, "complex64": 3e38, "float64": 1.6e308}


def beyond(dtype, shape=(6, 6)):
    return np.full(shape, HUGE[dtype], dtype=dtype)


CALLS = {
    "svd": (lambda A: lr.svd(A, 1, rng=0), "singular values of A"),
    "svd dense": (lambda A: lr.svd(A, 1, method="dense"), "singular values of A"),
    "eigh": (lambda A: lr.eigh(A, 1, rng=0), "eigenvalues of A"),
    "nystrom": (lambda A: lr.nystrom(A, 1, rng=0), "eigenvalues of A"),
    "qb": (lambda A: lr.qb(A, 1, rng=0), "coefficients B of A"),
    "tall_qr": (lr.tall_qr, "entries of the factor R of A"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("dtype", HUGE)
def test_an_answer_beyond_its_dtype_is_refused_by_name(call, dtype):
    function, what = CALLS[call]
    advice = "divide A by a power of two" if dtype == "float64" else "pass A in double precision"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=f"{what} exceed .* the largest number of .*{advice}"):
            function(beyond(dtype))


@pytest.mark.parametrize("method", ["krylov", "fused", "gram"])
def test_every_method_refuses_what_its_dtype_can_not_hold(method):
    with pytest.raises(ValueError, match=r"singular values of A exceed 3\.4e\+38"):
        lr.svd(beyond("float32", (400, 300)), 1, method=method, rng=0)


def test_the_advice_for_single_precision_helps():
    s = lr.svd(beyond("float32").astype(np.float64), 1).s
    np.testing.assert_allclose(s, [6 * np.float64(np.float32(3e38))], rtol=1e-14)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_finite_entries_whose_norm_overflows_are_decomposed(form):
    values = np.array([1.6, 1.5, 1.4, 1.3])
    A = form(np.diag(values * 1e308))
    np.testing.assert_allclose(lr.svd(A, 3, rng=0).s / 1e308, values[:3], rtol=1e-14)
    np.testing.assert_allclose(lr.eigh(A, 3, rng=0).w / 1e308, values[:3], rtol=1e-14)
    r = lr.qb(A, tol=0.6, rng=0)
    assert r.info.converged
    assert np.isfinite(r.B).all()


def test_infinite_entries_are_still_refused():
    for bad in (np.inf, np.nan):
        A = np.diag([1.6e308, 1.6e308, bad])
        for form in (np.asarray, sp.csr_array):
            with pytest.raises(ValueError, match="A holds NaN or infinite values"):
                lr.svd(form(A), 1)


def test_products_that_overflow_are_named():
    A = np.full((40, 30), 1.7e308)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        with pytest.raises(ValueError, match="products of A with random vectors hold NaN or infinite values"):
            lr.svd(oracles.Counted(A), 1, rng=0)


@pytest.mark.parametrize("name", ["svd", "eigh", "nystrom"])
def test_nan_that_was_let_pass_is_traced_to_the_matrix(name):
    A = testing.hermitian(30, 1.0 / np.arange(1, 31), rng=1)
    A[3, 4] = A[4, 3] = np.nan
    with pytest.raises(ValueError, match=r"formed from A holds NaN or infinite values: .*check_finite=False"):
        getattr(lr, name)(A, 3, check_finite=False, rng=0)


@pytest.mark.parametrize("shape", [(40, 5), (6, 5)])
def test_a_factorisation_of_nan_is_not_claimed_to_have_converged(shape):
    A = np.ones(shape)
    A[1, 2] = np.nan
    info = lr.tall_qr(A, check_finite=False).info
    assert not info.converged
    assert "NaN" in info.reason
