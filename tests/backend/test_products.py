"""Dense products: equal to the plain ones, in every layout, with the same bits for any number of workers."""

import numpy as np
import pytest
from hypothesis import given
from strategies import LAYOUTS, dtypes, lay_out, layouts, matrices, random_array, seeds, sides

from lowrank_la import _backend as be
from lowrank_la._backend import products, threads

# One shape for each way to split: by rows, by columns, along the inner side, and not at all.
SHAPES = ((900, 300, 40), (40, 300, 900), (30, 20000, 20), (1200, 1200, 9), (8, 5, 3), (1, 40000, 130), (7000, 1, 900))


def close(got, expected, *factors, c=20):
    eps = be.eps(np.result_type(*factors))
    return np.linalg.norm(got - expected) <= c * eps * np.prod([np.linalg.norm(f) for f in factors])


@given(matrices(), sides(0, 9), layouts(), dtypes(), seeds())
def test_small_products_agree_with_the_plain_ones(a, columns, layout, dtype, seed):
    b = lay_out(random_array((a.shape[1], columns), dtype, seed), layout)
    y = lay_out(random_array((a.shape[0], columns), dtype, seed), layout)
    assert close(be.matmul(a, b), a.astype("complex128") @ b, a, b)
    assert close(be.adjoint_matmul(a, y), a.conj().T.astype("complex128") @ y, a, y)
    assert close(be.gram(a), a.conj().T.astype("complex128") @ a, a, a)
    assert be.matmul(a, b).dtype == np.result_type(a, b)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_large_products_agree_with_the_plain_ones(shape, dtype):
    m, k, n = shape
    a, b = random_array((m, k), dtype, 1), random_array((k, n), dtype, 2)
    assert close(be.matmul(a, b), a @ b, a, b)
    assert close(be.adjoint_matmul(a.conj().T.copy(), b), a @ b, a, b)
    assert close(be.fused_normal(a, b), a.conj().T @ (a @ b), a, a, b)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_do_not_matter_to_large_products(shape, layout):
    m, k, n = shape
    a, b = random_array((m, k), "float64", 1), random_array((k, n), "float64", 2)
    assert close(be.matmul(lay_out(a, layout), lay_out(b, layout)), a @ b, a, b)
    assert close(be.gram(lay_out(a.T, layout)), a @ a.T, a, a) if m < 2000 else True


@pytest.mark.parametrize("shape", SHAPES)
def test_operands_of_two_precisions_give_the_wider(shape):
    m, k, n = shape
    a, b = random_array((m, k), "float32", 1), random_array((k, n), "complex128", 2)
    got = be.matmul(a, b)
    assert got.dtype == np.complex128
    assert close(got, a.astype("complex128") @ b, a.astype("complex128"), b)


def test_operands_of_two_precisions_work_on_every_backend(backend):
    narrow, wide = backend.dtypes[0], backend.dtypes[-1]
    a, b = random_array((9, 5), narrow, 1), random_array((5, 4), wide, 2)
    got = be.matmul(backend.asarray(a), backend.asarray(b))
    assert got.dtype == backend.dtype(wide)
    assert close(backend.to_numpy(got), a @ b, a.astype(wide), b)
    got = be.matmul(backend.asarray(b.T), backend.asarray(a.T))
    assert close(backend.to_numpy(got), b.T @ a.T, a.astype(wide), b)


@pytest.mark.parametrize("shape", [*SHAPES, (6000, 500, 30), (40000, 60, 8)])
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_bits_do_not_depend_on_the_number_of_workers(shape, dtype, monkeypatch):
    m, k, n = shape
    a, b, mean = (random_array(size, dtype, seed) for seed, size in enumerate([(m, k), (k, n), (k,)]))
    answers = []
    for workers in (1, 2, 3):
        monkeypatch.setattr(threads, "worker_count", lambda workers=workers: workers)
        with be.single_blas():
            answers.append(
                [
                    be.matmul(a, b),
                    be.adjoint_matmul(b, be.adjoint_matmul(a, a[:, :9])),
                    be.gram(b),
                    be.fused_normal(a, b),
                    be.fused_normal(a, b, mean),
                    np.asarray(be.vdot_real(a)),
                ]
            )
    for other in answers[1:]:
        for first, second in zip(answers[0], other, strict=True):
            np.testing.assert_array_equal(first, second)


def test_the_gram_matrix_is_hermitian_to_the_bit(backend):
    for name in backend.dtypes:
        G = be.gram(backend.asarray(random_array((31, 6), name, 3)))
        np.testing.assert_array_equal(backend.to_numpy(G), backend.to_numpy(G).conj().T)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_empty_products(backend, shape):
    a, b = np.zeros(shape), np.zeros((shape[1], 2))
    got = be.matmul(backend.asarray(a), backend.asarray(b))
    np.testing.assert_array_equal(backend.to_numpy(got), a @ b)
    assert backend.to_numpy(be.gram(backend.asarray(a))).shape == (shape[1], shape[1])
    assert be.vdot_real(backend.asarray(a)) == 0.0
    assert be.fro_norm(backend.asarray(a)) == 0.0


def test_sums_of_squares_agree(backend):
    for name in backend.dtypes:
        for shape in ((600, 500), (3, 2), (7,)):
            a = random_array(shape, name, 1)
            expected = np.linalg.norm(a.astype("complex128")) ** 2
            assert abs(be.vdot_real(backend.asarray(a)) - expected) <= 300 * be.eps(a.dtype) * expected


@pytest.mark.parametrize("layout", LAYOUTS)
def test_sums_of_squares_in_every_layout(layout):
    a = random_array((700, 600), "complex128", 1)
    assert abs(be.vdot_real(lay_out(a, layout)) - np.linalg.norm(a) ** 2) <= 1e-12 * np.linalg.norm(a) ** 2


@pytest.mark.parametrize("shape", [(1, 1), (64, 9), (20000, 30), (3000, 40)])
def test_the_fused_normal_product_centres_on_the_way(shape):
    a, x = random_array(shape, "complex128", 1), random_array((shape[1], 5), "complex128", 2)
    mean = random_array((shape[1],), "complex128", 3)
    c = a - mean
    assert close(be.fused_normal(a, x, mean), c.conj().T @ (c @ x), c, c, x)


def test_row_panels_cover_the_matrix_in_order(backend):
    a = random_array((4000, 90), "float32", 1)
    panels = be.map_row_panels(backend.to_numpy, backend.asarray(a))
    np.testing.assert_array_equal(np.concatenate(panels), a)


def test_no_product_takes_the_slow_path_without_blas():
    for layout in LAYOUTS:
        a = lay_out(np.ones((300, 300)), layout)
        assert products._is_blasable(products._blasable(a))


def test_the_conjugate_transpose(backend):
    for name in backend.dtypes:
        a = random_array((4, 3), name, 1)
        np.testing.assert_array_equal(backend.to_numpy(be.mH(backend.asarray(a))), a.conj().T)


def test_column_sums_do_not_drift_in_single_precision(backend):
    a = np.full((100_000, 2), 0.1, "float32")
    got = backend.to_numpy(be.column_sums(backend.asarray(a)))
    tolerance = 1e-6 if "float64" in backend.dtypes else 1e-2
    assert got.dtype == np.float32
    assert np.max(np.abs(got / 10_000 - 1)) <= tolerance
