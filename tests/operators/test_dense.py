"""Dense arrays: norms at the ends of the range, layouts, memory and fused products."""

import tracemalloc

import numpy as np
import pytest
from strategies import LAYOUTS, lay_out, random_array

import lowrank_la as lr


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("shape", [(3, 4), (700, 600)])
def test_norms_neither_overflow_nor_underflow(dtype, shape):
    a = random_array(shape, dtype, 1)
    expected = np.linalg.norm(a.astype("complex128"))
    exponents = (
        (-300, -160, 0, 160, 300)
        if "64" in dtype and dtype != "complex64" or dtype == "complex128"
        else (-35, -20, 0, 20, 33)
    )
    for exponent in exponents:
        scaled = (a * a.real.dtype.type(10.0**exponent)).astype(dtype)
        got = lr.as_operator(scaled).fro_norm()
        assert abs(got / 10.0**exponent - expected) <= 100 * np.finfo(dtype).eps * expected


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_norms_on_every_backend(backend):
    for name in backend.dtypes:
        a = random_array((60, 50), name, 2)
        tiny = 1e-25 if np.finfo(name).eps > 1e-10 else 1e-200
        for scale in (1.0, tiny, 1 / tiny):
            got = lr.as_operator(backend.asarray((a * a.real.dtype.type(scale)).astype(name))).fro_norm()
            assert abs(got / scale - np.linalg.norm(a)) <= 100 * np.finfo(name).eps * np.linalg.norm(a)


def test_norms_of_zero_nan_and_infinite_entries():
    assert lr.as_operator(np.zeros((3, 2))).fro_norm() == 0.0
    assert lr.as_operator(np.asarray([[1.0, np.inf]])).fro_norm() == np.inf
    assert np.isnan(lr.as_operator(np.asarray([[1.0, np.nan]])).fro_norm())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(16000, 200), (200, 16000), (1500, 1500)])
def test_large_products_agree_in_every_layout_and_copy_little(layout, shape):
    a = lay_out(random_array(shape, "float64", 1), layout)
    x, y = random_array((shape[1], 12), "float64", 2), random_array((shape[0], 12), "float64", 3)
    op = lr.as_operator(a)
    op.matmat(x)
    for product, given, expected in (
        (op.matmat, x, a @ x),
        (op.rmatmat, y, a.T @ y),
        (op.normal, x, a.T @ (a @ x)),
    ):
        tracemalloc.start()
        got = product(lay_out(given, layout))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert np.linalg.norm(got - expected) <= 1e-13 * np.linalg.norm(expected)
        assert peak < 0.7 * a.nbytes + 10 * given.nbytes
