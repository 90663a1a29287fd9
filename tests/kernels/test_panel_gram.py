"""The tiled Gram matrix beside exact products."""

import numpy as np
import pytest

from lowrank_la import _backend as be
from lowrank_la import _kernels
from lowrank_la._backend import tiled_gram
from lowrank_la._backend.tiled_gram import long_gram

kernel = pytest.mark.skipif(
    not _kernels.lookup("has_wide_registers", "numpy")(), reason="the processor has no registers of 512 bits"
)
SHAPES = [(1, 1), (7, 5), (128, 32), (129, 33), (300, 16), (500, 100), (257, 150)]
DTYPES = ("float32", "float64")


def small_integers(shape, dtype, seed=0):
    """Numbers whose products are exact in both precisions."""
    return np.random.default_rng(seed).integers(-8, 9, shape).astype(dtype)


def compiled(X):
    strips, out = _kernels.lookup("gram_workspace", "numpy")(X.shape[1], X.dtype)
    strips[: strips.shape[0] * X.shape[1] // out.shape[0] // 64 * 64 // 2] = np.nan  # what an earlier use left behind
    _kernels.lookup("panel_gram", "numpy")(X, strips, out)
    return out[: X.shape[1], : X.shape[1]]


@kernel
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_products_of_integers_are_exact(shape, dtype):
    X = small_integers(shape, dtype)
    np.testing.assert_array_equal(compiled(X), X.T @ X)


@kernel
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_rounding_stays_below_its_bound(shape, dtype):
    X = np.random.default_rng(1).standard_normal(shape).astype(dtype)
    wide = X.astype(np.longdouble)
    bound = shape[0] * np.finfo(dtype).eps * (abs(wide).T @ abs(wide))
    assert (abs(compiled(X) - wide.T @ wide) <= bound).all()


@kernel
def test_what_is_not_finite_stays_in_its_row_and_column():
    X = np.random.default_rng(2).standard_normal((200, 70)).astype("float32")
    X[150, 69] = np.nan
    finite = np.isfinite(compiled(X))
    assert finite[:69, :69].all()
    assert not finite[69].any()
    assert not finite[:, 69].any()


@kernel
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("heights", [(0, 40), (40, 1), (33, 64)])
@pytest.mark.parametrize("columns", [(0, 300), (64, 65), (10, 290)])
def test_two_blocks_of_long_rows_are_one_matrix(heights, columns, dtype):
    upper, lower = (small_integers((height, 300), "float32", seed) for seed, height in enumerate(heights))
    M = np.vstack([upper, lower])[:, slice(*columns)].astype(dtype)
    np.testing.assert_array_equal(long_gram(upper, lower, np.dtype(dtype), *columns), M @ M.T)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [*DTYPES, "complex64", "complex128"])
def test_a_panel_of_any_kind_has_its_gram_matrix(dtype, order):
    X = np.asarray(small_integers((400, 300), dtype), order=order)
    X.flags.writeable = False
    G = be.panel_gram(X)
    np.testing.assert_array_equal(G, X.conj().T @ X)
    assert G.dtype == X.dtype


def test_panels_of_all_libraries_are_taken(backend):
    X = small_integers((40, 30), "float32")
    np.testing.assert_array_equal(backend.to_numpy(be.panel_gram(backend.asarray(X))), X.T @ X)


@pytest.mark.parametrize("shape", [(100, 1000), (4000, 20), (200, 70)])
def test_small_and_narrow_panels_are_left_to_blas(shape, monkeypatch):
    monkeypatch.setattr(tiled_gram, "_half_unused", lambda: True)
    assert not tiled_gram.compiled_gram_pays("float32", *shape)
    assert tiled_gram.compiled_gram_pays("float32", 4000, 256)


@pytest.mark.parametrize("dtype", ["float16", "complex64", ">f4", "int32"])
def test_other_dtypes_are_left_to_blas(dtype, monkeypatch):
    monkeypatch.setattr(tiled_gram, "_half_unused", lambda: True)
    assert not tiled_gram.compiled_gram_pays(dtype, 4000, 256)
