"""Cosine transforms and columns kept by energy."""

import numpy as np
import pytest
import scipy.fft

import lowrank_la as lr
from lowrank_la import _backend as be


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 15, 64, 101])
@pytest.mark.parametrize("kind", [2, 3])
def test_the_transform_is_that_of_the_definition(n, kind, backend):
    x = np.random.default_rng(0).standard_normal((3, n, 2))
    y = lr.dct(backend.asarray(x), 1, kind=kind)
    expected = scipy.fft.dct(x, kind, axis=1, norm="ortho")
    assert be.namespace(y) is backend.xp
    np.testing.assert_allclose(backend.to_numpy(y), expected, rtol=0, atol=50 * be.eps(y.dtype))


def test_one_kind_undoes_the_other_also_for_complex_numbers():
    x = np.random.default_rng(0).standard_normal((2, 9)) @ np.diag(np.arange(9)) * (1 + 2j)
    np.testing.assert_allclose(lr.dct(lr.dct(x), kind=3), x, rtol=0, atol=1e-12)


def test_gradients_flow():
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 7))).requires_grad_()
    for kind in (2, 3):
        assert torch.autograd.gradcheck(lambda v, kind=kind: lr.dct(v, kind=kind), x)


@pytest.mark.parametrize("basis", ["dct", "hadamard"])
@pytest.mark.parametrize("scale", [1.0, 1e150, 1e-150])
def test_the_error_of_kept_columns_is_the_energy_of_the_others(basis, scale):
    A = scale * np.random.default_rng(0).standard_normal((9, 12)) * np.arange(1, 13)
    for rank in (1, 5, 12):
        result = lr.strongest_columns(A, rank, basis=basis)
        true = np.linalg.norm((A - result.full()) / scale) / np.linalg.norm(A / scale)
        assert result.info.error == pytest.approx(true, rel=1e-10, abs=1e-15)
        assert len(set(result.indices.tolist())) == rank


def test_no_other_columns_of_the_basis_do_better():
    A = np.random.default_rng(1).standard_normal((6, 8))
    T = scipy.fft.dct(A, axis=1, norm="ortho")
    best = np.sort(np.sum(T**2, axis=0))[:5].sum()
    assert lr.strongest_columns(A, 3).info.error == pytest.approx(np.sqrt(best) / np.linalg.norm(A), rel=1e-12)


def test_a_zero_matrix_has_no_error():
    assert lr.strongest_columns(np.zeros((3, 4)), 2).info.error == 0.0


BAD = {
    "kind": (lambda: lr.dct(np.ones(4), kind=1), ValueError, "kind must be one of 2, 3"),
    "empty": (lambda: lr.dct(np.ones((2, 0))), ValueError, "axis -1 of x is empty"),
    "number": (lambda: lr.dct(np.ones(())), ValueError, "at least one axis"),
    "rank": (lambda: lr.strongest_columns(np.ones((2, 3)), 4), ValueError, "rank must be between 1 and 3, got 4"),
    "nan": (lambda: lr.strongest_columns(np.full((2, 4), np.nan), 1), ValueError, "A"),
    "three axes": (lambda: lr.strongest_columns(np.ones((2, 4, 4)), 1), ValueError, "two axes, got 3"),
    "no rows": (lambda: lr.strongest_columns(np.ones((0, 4)), 1), ValueError, "no rows"),
    "length": (lambda: lr.strongest_columns(np.ones((2, 6)), 1, basis="hadamard"), ValueError, "4 and 8"),
    "basis": (lambda: lr.strongest_columns(np.ones((2, 6)), 1, basis="fourier"), ValueError, "'dct', 'hadamard'"),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_calls_say_what_is_wrong(case):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call()
