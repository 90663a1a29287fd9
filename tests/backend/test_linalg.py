"""Small factorisations and QR policies: finiteness, second drivers, orthonormality, triangular solves."""

import numpy as np
import pytest
from strategies import random_array

from lowrank_la import _backend as be
from lowrank_la import testing
from lowrank_la._backend import linalg

DTYPES = ("float32", "float64", "complex64", "complex128")


def hermitian(n, dtype, seed=1):
    a = random_array((n, n), dtype, seed)
    return (a + a.conj().T) / 2


def upper(n, dtype, seed=2):
    return (np.triu(random_array((n, n), dtype, seed), 1) * 0.2 + np.diag(np.arange(1.0, n + 1))).astype(dtype)


def orthonormal(Q, c=20):
    gap = Q.conj().T @ Q - np.eye(Q.shape[1])
    return np.linalg.norm(gap) <= c * np.finfo(Q.dtype).eps * max(1, Q.shape[1])


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (1, 3), (3, 1), (1, 1)])
def test_the_small_svd_reconstructs(backend, shape):
    for name in backend.dtypes:
        a = random_array(shape, name, 1)
        U, s, Vh = (backend.to_numpy(part) for part in be.small_svd(backend.asarray(a)))
        assert s.dtype == a.real.dtype
        assert orthonormal(U)
        assert orthonormal(Vh.conj().T)
        assert np.all(np.diff(s) <= 0)
        assert np.linalg.norm((U * s) @ Vh - a) <= 20 * np.finfo(name).eps * np.linalg.norm(a)


def test_the_small_eigenvalue_decomposition_reconstructs(backend):
    for name in backend.dtypes:
        a = hermitian(7, name)
        w, V = (backend.to_numpy(part) for part in be.small_eigh(backend.asarray(a)))
        assert w.dtype == a.real.dtype
        assert np.all(np.diff(w) >= 0)
        assert orthonormal(V)
        assert np.linalg.norm((V * w) @ V.conj().T - a) <= 30 * np.finfo(name).eps * np.linalg.norm(a)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("factorise", [be.small_svd, be.small_eigh, lambda M: be.top_eigh(M, 1)])
def test_entries_that_are_not_finite_are_refused(backend, factorise, bad):
    a = np.eye(3)
    a[1, 1] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        factorise(backend.asarray(a))


def fails(M):
    raise np.linalg.LinAlgError("did not converge")


def returns_nan(M):
    U, s, Vh = np.linalg.svd(M, full_matrices=False)
    return U, s * np.nan, Vh


@pytest.mark.parametrize("first", [fails, returns_nan])
def test_a_second_driver_takes_over_where_the_first_fails(backend, first, monkeypatch):
    a = random_array((6, 4), backend.dtypes[-1], 1)
    if backend.name != "numpy":
        first = fails
    monkeypatch.setattr(linalg, "_svd", _once(first, linalg._svd))
    U, s, Vh = (backend.to_numpy(part) for part in be.small_svd(backend.asarray(a)))
    assert np.linalg.norm((U * s) @ Vh - a) <= 20 * np.finfo(a.dtype).eps * np.linalg.norm(a)


def _once(first, then):
    calls = iter([first])
    return lambda M: next(calls, then)(M)  # noqa: PLW0108  the driver is chosen anew each time


def test_the_second_eigenvalue_driver_agrees(backend):
    for name in backend.dtypes:
        a = hermitian(6, name)
        w, V = (backend.to_numpy(part) for part in linalg._second_eigh(backend.asarray(a)))
        assert np.all(np.diff(w) >= 0)
        assert np.linalg.norm((V * w) @ V.conj().T - a) <= 30 * np.finfo(name).eps * np.linalg.norm(a)


def test_an_error_names_the_factorisation_when_both_drivers_fail(monkeypatch):
    monkeypatch.setattr(linalg, "_svd", fails)
    monkeypatch.setattr(linalg, "_second_svd", fails)
    with pytest.raises(np.linalg.LinAlgError, match="singular value"):
        be.small_svd(np.eye(2))


@pytest.mark.parametrize("count", [1, 5, 30, 100])
def test_the_largest_eigenpairs_come_alone(count):
    a = testing.hermitian(100, np.arange(100.0), dtype="complex128")
    w, V = be.top_eigh(a, count)
    np.testing.assert_allclose(w, np.arange(100.0 - count, 100.0), atol=1e-12)
    assert np.linalg.norm(a @ V - V * w) <= 1e-11
    assert orthonormal(V)


def test_the_largest_eigenpairs_survive_a_failing_driver(monkeypatch):
    import scipy.linalg

    real = scipy.linalg.eigh

    def partial_fails(M, **options):
        if "subset_by_index" in options:
            raise np.linalg.LinAlgError("did not converge")
        return real(M, **options)

    monkeypatch.setattr(scipy.linalg, "eigh", partial_fails)
    w, _ = be.top_eigh(np.diag(np.arange(80.0)), 2)
    np.testing.assert_allclose(w, [78.0, 79.0])


def test_the_cholesky_factor_is_upper_triangular(backend):
    for name in backend.dtypes:
        R = upper(5, name)
        G = (R.conj().T @ R).astype(name)
        got = backend.to_numpy(be.cholesky_upper(backend.asarray(G)))
        np.testing.assert_array_equal(got, np.triu(got))
        assert np.linalg.norm(got.conj().T @ got - G) <= 10 * np.finfo(name).eps * np.linalg.norm(G)


@pytest.mark.parametrize("spoil", [-1.0, np.nan])
def test_a_matrix_that_is_not_positive_definite_has_no_cholesky_factor(backend, spoil):
    assert be.cholesky_upper(backend.asarray(np.diag([1.0, spoil, 1.0]))) is None


def test_upper_triangular_systems_are_solved_from_both_sides(backend):
    for name in backend.dtypes:
        R, B = upper(6, name), random_array((6, 3), name, 4)
        left = backend.to_numpy(be.solve_upper(backend.asarray(R), backend.asarray(B)))
        assert np.linalg.norm(R @ left - B) <= 30 * np.finfo(name).eps * np.linalg.norm(B)
        right = backend.to_numpy(be.right_solve_upper(backend.asarray(B.T), backend.asarray(R)))
        assert np.linalg.norm(right @ R - B.T) <= 30 * np.finfo(name).eps * np.linalg.norm(B)
        assert right.dtype == B.dtype


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["C", "F", "strided"])
@pytest.mark.parametrize("m", [1, 300, 5000])
def test_rows_are_solved_as_by_the_reference(dtype, layout, m):
    import scipy.linalg
    from strategies import lay_out

    n = 40
    M, R = random_array((m, n), dtype, 1), upper(n, dtype)
    M, R = lay_out(M, layout), lay_out(R, layout)
    M.flags.writeable = R.flags.writeable = False
    before = M.copy()
    expected = scipy.linalg.solve_triangular(R.T, M.T, lower=True).T
    got = be.right_solve_upper(M, R)
    np.testing.assert_array_equal(M, before)
    assert got.dtype == np.dtype(dtype)
    assert got.flags.c_contiguous
    assert np.linalg.norm(got - expected) <= 100 * np.finfo(dtype).eps * np.linalg.norm(expected)


def test_what_lies_below_the_diagonal_is_not_read():
    R = upper(8, "float64")
    M = random_array((20, 8), "float64", 1)
    np.testing.assert_array_equal(be.right_solve_upper(M, R + np.tril(np.full((8, 8), np.nan), -1)),
                                  be.right_solve_upper(M, R))  # fmt: skip


def test_mixed_real_and_complex_systems():
    M, R = random_array((20, 4), "float64", 1), upper(4, "complex128")
    got = be.right_solve_upper(M, R)
    assert got.dtype == np.complex128
    np.testing.assert_allclose(got @ R, M, atol=1e-14)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_solves_of_size_zero(backend, shape, capfd):
    n = shape[1]
    M, R = backend.asarray(np.zeros(shape)), backend.asarray(np.eye(n))
    assert tuple(be.right_solve_upper(M, R).shape) == shape
    assert "DTRSM" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("policy", [be.cholesky_qr2, be.shifted_cholesky_qr3, be.householder_qr])
def test_qr_of_well_conditioned_matrices(backend, policy):
    for name in backend.dtypes:
        a = testing.matrix(80, 6, np.linspace(1.0, 0.2, 6), dtype=name)
        Q, R = (backend.to_numpy(part) for part in policy(backend.asarray(a)))
        assert orthonormal(Q)
        np.testing.assert_array_equal(R, np.triu(R))
        assert np.linalg.norm(Q @ R - a) <= 30 * np.finfo(name).eps * np.linalg.norm(a)
        assert Q.dtype == R.dtype == a.dtype


@pytest.mark.parametrize("condition", [1e10, 1e13, 1e15])
def test_plain_cholesky_qr_gives_up_where_shifted_cholesky_qr_goes_on(condition):
    a = testing.matrix(400, 10, np.geomspace(1.0, 1.0 / condition, 10))
    assert be.cholesky_qr2(a) is None
    Q, R = be.shifted_cholesky_qr3(a)
    assert orthonormal(Q)
    assert np.linalg.norm(Q @ R - a) <= 100 * np.finfo("float64").eps * np.linalg.norm(a)


@pytest.mark.parametrize("scale", [1e-140, 1e140])
def test_qr_does_not_depend_on_the_scale(scale):
    a = testing.matrix(200, 5, np.linspace(1.0, 0.3, 5))
    Q, R = be.cholesky_qr2(a * scale)
    assert orthonormal(Q)
    assert np.linalg.norm(Q @ R / scale - a) <= 1e-14 * np.linalg.norm(a)


@pytest.mark.parametrize("policy", [be.cholesky_qr2, be.shifted_cholesky_qr3])
def test_matrices_of_zeros_have_no_cholesky_qr(backend, policy):
    assert policy(backend.asarray(np.zeros((9, 3)))) is None


@pytest.mark.parametrize("policy", [be.cholesky_qr2, be.shifted_cholesky_qr3])
def test_matrices_that_are_not_finite_have_no_cholesky_qr(backend, policy):
    a = np.eye(9, 3)
    a[4, 1] = np.nan
    assert policy(backend.asarray(a)) is None


def test_finiteness(backend):
    for name in backend.dtypes:
        a = random_array((5, 4), name, 1)
        assert be.all_finite(backend.asarray(a))
        for bad in (np.nan, np.inf, -np.inf):
            a[3, 2] = bad
            assert not be.all_finite(backend.asarray(a))
            with pytest.raises(ValueError, match="A holds NaN or infinite"):
                be.require_finite(backend.asarray(a), "A")
    assert be.all_finite(backend.asarray(np.zeros((0, 3))))


@pytest.mark.parametrize("shape", [(30, 5), (5, 30), (1, 1)])
def test_the_triangle_alone_is_that_of_the_factorization(backend, shape):
    M = backend.asarray(np.random.default_rng(0).standard_normal(shape).astype(backend.dtypes[-1]))
    R = backend.to_numpy(be.householder_triangle(M))
    expected = backend.to_numpy(be.householder_qr(M)[1])
    assert R.shape == expected.shape
    np.testing.assert_allclose(R, expected, atol=100 * be.eps(M.dtype) * np.abs(expected).max())
