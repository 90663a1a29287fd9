"""What results of streams say of themselves: kinds of errors, signs, and refusals that name the argument."""

import warnings

import numpy as np
import pytest

import lowrank_la as lr


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_error_of_a_factor_that_was_a_gram_matrix_is_a_bound(dtype):
    generator = np.random.default_rng(0)
    B = (generator.standard_normal((16, 3)) @ generator.standard_normal((3, 40))).astype(dtype)
    first, *others = (lr.IncrementalSVD(8).partial_fit(part) for part in [*np.split(B[:8], 8), B[8:]])
    for other in others:
        first.merge(other)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        found = first.result()
    wide = B.astype("float64")
    V = found.Vh.astype("float64").T
    truth = np.linalg.norm(wide - wide @ V @ V.T) / np.linalg.norm(wide)
    assert found.info.method == "qr"
    assert found.info.error_kind == "bound"
    assert found.info.error >= truth
    assert all("from the first row on" in str(warning.message) for warning in seen)


@pytest.mark.parametrize("kind", ["gram", "qr"])
def test_an_error_that_is_called_exact_is(kind):
    generator = np.random.default_rng(1)
    A = generator.standard_normal((300, 20)) / np.arange(1, 21)
    found = lr.IncrementalSVD(4, method=kind).partial_fit(A).result()
    truth = np.linalg.norm(A - A @ found.Vh.T @ found.Vh) / np.linalg.norm(A)
    assert found.info.error_kind == "exact"
    assert abs(found.info.error - truth) <= 1e-3 * truth


def test_rows_of_a_sketch_of_directions_have_one_sign(backend):
    eps = np.finfo(backend.nearest("float64")).eps
    for seed in range(20):
        generator = np.random.default_rng(seed)
        n, d, size = (int(generator.integers(*ends)) for ends in ((10, 120), (6, 30), (1, 6)))
        A = (generator.standard_normal((n, d)) * 0.7 ** np.arange(d)).astype(backend.nearest("float64"))
        here = lr.FrequentDirections(size).partial_fit(A).result()
        there = lr.FrequentDirections(size).partial_fit(backend.asarray(A)).result()
        scale = np.linalg.norm(A)
        np.testing.assert_allclose(backend.to_numpy(there.B), here.B, rtol=0, atol=1e4 * eps * scale)
        np.testing.assert_allclose(here.B, here.s[:, None] * here.Vh, rtol=0, atol=4 * eps * scale)


def test_rows_to_transform_are_refused_by_name():
    torch = pytest.importorskip("torch")
    found = lr.IncrementalSVD(2).partial_fit(np.random.default_rng(0).standard_normal((30, 5))).result()
    with pytest.raises(ValueError, match=r"rows must have 5 columns.*got 4"):
        found.transform(np.ones((3, 4)))
    with pytest.raises(TypeError, match=r"rows are of torch.*vectors of numpy"):
        found.transform(torch.ones(3, 5, dtype=torch.float64))
    with pytest.raises(ValueError, match="shape"):
        found.transform(np.ones(5))
    assert found.transform(np.ones((3, 5))).shape == (3, 2)
