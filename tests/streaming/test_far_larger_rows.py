"""Rows far larger or smaller than those before: taken or refused when they come, and no state that can not answer."""

import warnings

import numpy as np
import pytest

import lowrank_la as lr

MAKERS = {
    **{m: lambda m=m: lr.IncrementalSVD(3, method=m, oversample=5) for m in ("auto", "gram", "qr", "truncated")},
    **{
        f"{m} centred": lambda m=m: lr.IncrementalSVD(3, method=m, oversample=5, center=True)
        for m in ("auto", "gram", "qr", "truncated")
    },
    "directions": lambda: lr.FrequentDirections(6),
    "sketch": lambda: lr.SinglePassSketch((5003, 8), 3, size=8, rng=0),
    "window": lambda: lr.SlidingWindow(lr.IncrementalSVD(3), 6000, chunk=1500),
    "top random": lambda: lr.TopEigenvector("random", rng=0),
    "top arbitrary": lambda: lr.TopEigenvector("arbitrary", rng=0),
    "oja": lambda: lr.OjaPCA(2, rng=0),
}
each = pytest.mark.parametrize("name", MAKERS)
SCALES = [("float64", 1.0, 1e155), ("float64", 1e-150, 1e200), ("float64", 1e-300, 1e300), ("float64", 1e-150, 1.0)]
SCALES += [("float32", 1.0, 1e36), ("float32", 1e-30, 1e30)]


def batches(dtype, small, large):
    """5000 small rows, and three large ones."""
    generator = np.random.default_rng(0)
    first, second = generator.standard_normal((5000, 8)), generator.standard_normal((3, 8))
    return (first * small).astype(dtype), (second * large).astype(dtype)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("dtype", "small", "large"), SCALES)
@pytest.mark.parametrize("order", [1, -1])
@each
def test_rows_of_any_sizes_are_taken_one_after_the_other(name, order, dtype, small, large):
    estimator = MAKERS[name]()
    for part in batches(dtype, small, large)[::order]:
        estimator.partial_fit(part)
    found = estimator.result()
    if not hasattr(found, "Vh"):
        return
    assert np.isfinite(found.s).all()
    if name == "oja":
        return
    A = batches(dtype, small, large)[1].astype("float64") / large  # the others don't count next to these
    if "centred" in name:  # the 5000 of them have one row's worth of scatter
        mean = A.sum(axis=0) / 5003
        A = np.vstack([A - mean, 5000**0.5 * mean])
    true = np.linalg.svd(A, compute_uv=False)[:2]
    np.testing.assert_allclose(
        found.s[:2].astype(float) / large, true, rtol=1000 * np.finfo(dtype).eps
    )  # one each of 833 updates at most
    bounds = getattr(found, "error_bounds", None)
    if bounds is not None:
        lower, upper = np.asarray(bounds, dtype="float64")[:, :2] / large
        assert (lower <= true * (1 + 1e-14)).all()
        assert (upper >= true * (1 - 1e-14)).all()


@pytest.mark.parametrize("splits", [[5000], [1, 4096, 4999], list(range(1, 5003, 7))])
@each
def test_any_splitting_gives_the_same_bits_when_the_units_change(name, splits):
    if "top" in name or name == "oja":
        pytest.skip("their blocks are scaled one by one, and have tests of their own")
    A = np.vstack(batches("float64", 1e-150, 1e200))
    A = A[np.random.default_rng(1).permutation(A.shape[0])]
    whole, split = MAKERS[name]().partial_fit(A), MAKERS[name]()
    for part in np.split(A, splits):
        split.partial_fit(part)
    for first, second in zip(whole.result(), split.result(), strict=True):
        assert np.array_equal(first, second)


@each
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", [0, 4999])
def test_rows_that_are_not_finite_are_refused_when_they_come_whatever_was_asked_for(name, bad, place):
    first, second = batches("float64", 1.0, 1.0)
    estimator = MAKERS[name]().partial_fit(second)
    spoilt = first.copy()
    spoilt[place, 2] = bad
    before = estimator.state_dict()
    for batch in (spoilt, spoilt[place : place + 1]):
        with pytest.raises(ValueError, match="NaN or infinite"):
            estimator.partial_fit(batch, check_finite=False)
        assert all(np.array_equal(before[key], value) for key, value in estimator.state_dict().items())
    estimator.partial_fit(first).result()


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("method", ["gram", "qr", "truncated"])
def test_rows_of_huge_weights_are_taken_and_larger_weights_refused_at_once(method, center):
    A = np.random.default_rng(0).standard_normal((300, 4))
    weights = np.where(np.arange(300) % 7 == 0, 2.0**490, 1.0)
    options = {"method": method, "center": center, "oversample": 2}
    found = lr.IncrementalSVD(2, **options).partial_fit(A * 1e-3, weights=weights).partial_fit(A * 1e120).result()
    assert np.isfinite(found.s).all()
    stream = lr.IncrementalSVD(2, **options).partial_fit(A)
    with pytest.raises(ValueError, match="weights must be at most"):
        stream.partial_fit(A, weights=weights * 2.0**20)
    assert stream.rows_seen == 300


def test_left_vectors_refuse_weights_when_the_rows_come():
    stream = lr.IncrementalSVD(2, keep_u=True).partial_fit(np.eye(4))
    with pytest.raises(ValueError, match="keep_u knows no weights"):
        stream.partial_fit(np.eye(4), weights=np.ones(4))
    assert stream.result().U.shape[0] == 4


def test_a_window_refuses_rows_that_its_estimator_cannot_take():
    with pytest.raises(ValueError, match="at most the number of columns, 3"):
        lr.SlidingWindow(lr.IncrementalSVD(5), 100).partial_fit(np.ones((4, 3)))


def test_values_too_large_for_the_dtype_are_infinite_and_their_bounds_are_not():
    A = (np.random.default_rng(0).standard_normal((5000, 8)) * 1e37).astype("float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = lr.IncrementalSVD(3).partial_fit(A).result()
    assert np.isinf(found.s).all()
    true = np.linalg.svd(A.astype("float64"), compute_uv=False)[:3]
    np.testing.assert_allclose(found.error_bounds.mean(axis=0), true, rtol=1e-5)


def test_a_product_of_factors_that_overflows_is_refused_and_large_ones_are_taken():
    sketch = lr.SinglePassSketch((6, 5), 1, rng=0).partial_fit(np.eye(6, 5))
    with pytest.raises(ValueError, match="overflows"):
        sketch.update_rank_one(np.full(6, 1e200), np.full(5, 1e200))
    s = sketch.update_rank_one(np.full(6, 1e200), np.full(5, 1e100)).result().s
    assert float(s[0]) == pytest.approx(30**0.5 * 1e300)
    s = lr.SinglePassSketch((6, 5), 1, rng=0).update_columns(np.full((6, 5), 1e300), 0).result().s
    assert float(s[0]) == pytest.approx(30**0.5 * 1e300)
