"""Tucker decomposition of data in slabs, and of a tensor that is seen once."""

import numpy as np
import pytest
from tensors.tucker_cases import EPS, check_form, drawn, hilbert, low_rank, true_error

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.blocks.memory import ArraySource


class Counted(ArraySource):
    """An array in slabs that counts how often it is read."""

    def __init__(self, array, rows=7):
        super().__init__(array, rows=rows)
        self.rows_read = [0]

    def _load(self, start, stop):
        self.rows_read[0] += stop - start
        return super()._load(start, stop)


@pytest.mark.parametrize("options", [{"rank": 4}, {"rank": (5, 3, 4)}, {"tol": 0.1}, {"tol": 1e-3}, {"tol": 1e-9}])
def test_data_in_slabs_give_the_ranks_and_errors_of_the_array(options):
    X = hilbert(30, 20, 10)
    result = lr.tucker(lr.block_source(X, rows=7), **options)
    expected = lr.tucker(X, **options, method="st_hosvd")
    assert result.ranks == expected.ranks
    assert result.info.error == pytest.approx(true_error(X, result), rel=1e-2)
    assert result.info.error <= 1.05 * expected.info.error + 8 * EPS
    check_form(result)


@pytest.mark.parametrize("options", [{"rank": 4}, {"tol": 0.05}, {"tol": 1e-9}])
def test_a_tensor_of_order_three_is_read_once_a_mode_and_once_for_a_small_error(options):
    X = hilbert(30, 20, 10)
    source = Counted(X)
    result = lr.tucker(source, **options)
    reads = source.rows_read[0] / 30
    assert reads == result.info.passes
    assert reads <= (4 if "tol" in options and options["tol"] < 1e-6 else 3)


def test_the_error_of_slabs_is_told_where_it_is_small():
    X = low_rank((30, 12, 11), (3, 3, 3), noise=1e-9)
    result = lr.tucker(lr.block_source(X, rows=8), 3)
    assert result.info.error == pytest.approx(true_error(X, result), rel=0.01)


@pytest.mark.parametrize("modes", [(0,), (1,), (0, 2), (1, 2)])
def test_modes_of_slabs_can_be_left_alone(modes):
    X = low_rank((15, 14, 13), (3, 3, 3), noise=1e-3)
    result = lr.tucker(lr.block_source(X, rows=4), tol=0.01, modes=modes)
    assert result.ranks == tuple(3 if k in modes else n for k, n in enumerate(X.shape))
    assert true_error(X, result) <= 0.01


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_any_executor_gives_the_same_bits(executor):
    X = low_rank((40, 14, 13), (3, 3, 3), noise=0.1)
    result = lr.tucker(lr.block_source(X, rows=8, executor=executor), 3)
    expected = lr.tucker(lr.block_source(X, rows=8, prefetch=False, executor="serial"), 3)
    np.testing.assert_array_equal(result.core, expected.core)


def test_memory_maps_files_and_dask_arrays_are_read_in_slabs(tmp_path):
    dask_array = pytest.importorskip("dask.array")
    X = low_rank((40, 14, 13), (3, 3, 3), noise=0.1)
    np.save(tmp_path / "X.npy", X)
    for data in (
        np.load(tmp_path / "X.npy", mmap_mode="r"),
        tmp_path / "X.npy",
        dask_array.from_array(X, chunks=(16, 7, 13)),
    ):
        result = lr.tucker(data, 3)
        assert isinstance(result.core, np.ndarray)
        assert result.info.error == pytest.approx(lr.tucker(X, 3).info.error, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_slabs_of_any_scale_are_decomposed(scale):
    X = low_rank((20, 14, 13), (3, 3, 3), noise=0.1)
    result = lr.tucker(lr.block_source(scale * X, rows=8), 3)
    assert result.info.error == pytest.approx(lr.tucker(X, 3).info.error, rel=1e-9)


def test_slabs_of_zeros_and_of_half_precision(tmp_path):
    assert lr.tucker(lr.block_source(np.zeros((5, 4, 3)), rows=2), tol=0.1).info.error == 0.0
    X = low_rank((12, 11, 10), (2, 2, 2)).astype("float16")
    result = lr.tucker(lr.block_source(X, rows=5), 2)
    assert [U.dtype for U in result.factors] == [np.float16] * 3
    result.save(tmp_path / "half.npz")
    assert lr.load(tmp_path / "half.npz").ranks == (2, 2, 2)


def test_slabs_that_cannot_be_decomposed_are_refused_by_name():
    with pytest.raises(ValueError, match="TuckerSketch"):
        lr.tucker(iter([np.ones((3, 4, 5))]), 2)
    with pytest.raises(ValueError, match="st_hosvd"):
        lr.tucker(lr.block_source(np.ones((3, 4, 5))), 2, method="hooi")
    with pytest.raises(ValueError, match="NaN"):
        lr.tucker(lr.block_source(np.full((3, 4, 5), np.nan)), 2)
    with pytest.raises(ValueError, match="two or more modes"):
        lr.tucker(lr.block_source(np.ones(7)), 2)


def sketched(X, rank, order=None, rng=0, **options):
    sketch = lr.TuckerSketch(X.shape, rank, rng=rng, **options)
    for start in range(0, X.shape[0], 5) if order is None else order:
        sketch.update(X[start : start + 5], start)
    return sketch


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_a_sketch_recovers_a_tensor_of_exact_rank(dtype):
    X = low_rank((20, 18, 16), (3, 2, 4), dtype=dtype)
    result = sketched(X, (3, 2, 4)).result()
    assert true_error(X, result) <= 1e4 * EPS
    assert result.info.error <= 1e4 * EPS
    check_form(result)


def test_updates_in_any_order_and_by_any_blocks_equal_one():
    X = low_rank((20, 18, 16), (3, 3, 3), noise=0.1)
    whole = lr.TuckerSketch(X.shape, 3, rng=0).update(X).result()
    backwards = sketched(X, 3, order=(15, 0, 10, 5)).result()
    corners = lr.TuckerSketch(X.shape, 3, rng=0)
    for i in (0, 11):
        for j in (0, 7):
            corners.update(X[i : i + (11 if i == 0 else 9), j : j + (7 if j == 0 else 11)], (i, j, 0))
    halves = lr.TuckerSketch(X.shape, 3, rng=0).update(0.25 * X).update(0.75 * X)
    for other in (backwards, corners.result(), halves.result()):
        np.testing.assert_allclose(other.core, whole.core, rtol=0, atol=1e-11)


def test_merged_sketches_equal_one():
    X = low_rank((20, 18, 16), (3, 3, 3), noise=0.1)
    a = lr.TuckerSketch(X.shape, 3, rng=0).update(X[:9])
    b = lr.TuckerSketch(X.shape, 3, rng=0).update(X[9:], 9)
    before = b.state_dict()
    merged = a.merge(b)
    assert merged is a
    np.testing.assert_allclose(a.result().core, sketched(X, 3).result().core, rtol=0, atol=1e-11)
    for name, part in before.items():
        np.testing.assert_array_equal(part, b.state_dict()[name])
    empty = lr.TuckerSketch(X.shape, 3, rng=0).merge(b)
    np.testing.assert_array_equal(empty.result().core, b.result().core)


def test_the_error_of_a_sketch_is_a_small_multiple_of_the_best_one_and_is_told():
    X = low_rank((40, 40, 40), (5, 5, 5), noise=0.1)
    best = lr.tucker(X, 5, method="hooi").info.error
    results = [sketched(X, 5, rng=seed).result() for seed in range(10)]
    errors = np.array([true_error(X, result) for result in results])
    told = np.array([result.info.error for result in results])
    assert np.sqrt(np.mean(errors**2)) <= 3 * best
    assert np.all(np.abs(told / errors - 1) <= 0.5)
    assert np.mean(np.abs(told / errors - 1)) <= 0.25
    assert results[0].info.error_kind == "estimate"


def test_an_error_told_from_the_core_sketch_itself_would_be_too_small():
    X = drawn(np.random.default_rng(0), (14, 14, 14))
    sketch = sketched(X, 4, width=6)
    result = sketch.result()
    seen = [be.mH(sketch._map("core", k) @ U) for k, U in enumerate(result.factors)]
    gap = sketch._state["core"].copy()
    from lowrank_la.tensors.modes import contract_all

    gap -= contract_all(result.core, seen)
    naive = np.linalg.norm(gap) / np.linalg.norm(sketch._state["core"])
    assert naive < 0.8 * true_error(X, result)
    assert result.info.error > 0.8 * true_error(X, result)


def test_a_sketch_survives_a_file_and_a_copy(tmp_path):
    X = low_rank((20, 18, 16), (3, 3, 3), noise=0.1)
    sketch = sketched(X, (3, 2, 3), order=(0, 5))
    np.savez(tmp_path / "state.npz", **sketch.state_dict())
    with np.load(tmp_path / "state.npz") as state:
        other = lr.TuckerSketch.from_state_dict(state)
    copied = sketch.copy()
    for later in (sketch, other, copied):
        later.update(X[10:], 10)
    np.testing.assert_array_equal(other.result().core, sketch.result().core)
    np.testing.assert_array_equal(copied.result().core, sketch.result().core)
    with pytest.raises(ValueError, match="format"):
        lr.TuckerSketch.from_state_dict({"format": "another"})
    sketch.result().save(tmp_path / "result.npz")
    assert lr.load(tmp_path / "result.npz").ranks == (3, 2, 3)


def test_sketches_agree_on_all_libraries(backend):
    given = low_rank((15, 14, 13), (3, 3, 3), noise=0.1)
    X = backend.asarray(given)
    result = lr.TuckerSketch(given.shape, 3, rng=0).update(X[:8, ...]).update(X[8:, ...], 8).result()
    expected = lr.TuckerSketch(given.shape, 3, rng=0).update(given).result()
    assert all(backend.holds(part) for part in (result.core, *result.factors))
    eps = be.eps(X.dtype)
    np.testing.assert_allclose(np.abs(backend.to_numpy(result.core)), np.abs(expected.core), rtol=0, atol=2e4 * eps)


def test_refused_updates_leave_the_sketch_as_it_was():
    X = low_rank((20, 18, 16), (3, 3, 3), noise=0.1)
    sketch = lr.TuckerSketch(X.shape, 3, rng=0)
    with pytest.raises(ValueError, match="no entries yet"):
        sketch.result()
    sketch.update(X)
    core = sketch.result().core
    with pytest.raises(ValueError, match="does not fit"):
        sketch.update(X, 1)
    with pytest.raises(ValueError, match="3 modes"):
        sketch.update(X[0])
    with pytest.raises(ValueError, match="NaN"):
        sketch.update(np.full((2, 18, 16), np.nan))
    with pytest.raises(TypeError, match="float64"):
        sketch.update(X.astype("float32"))
    with pytest.raises(ValueError, match="merged: rng"):
        sketch.merge(lr.TuckerSketch(X.shape, 3, rng=1).update(X))
    with pytest.raises(TypeError, match="merges with its like"):
        sketch.merge(3)
    sketch.update(X[:0])
    np.testing.assert_array_equal(sketch.result().core, core)


@pytest.mark.parametrize(
    ("arguments", "options", "match"),
    [
        (((4,), 1), {}, "two lengths or more"),
        (((4, 5), 6), {}, "at most 5"),
        (((4, 5), 2), {"width": 1}, "at least the rank"),
        (((4, 0), 1), {}, "shape must be"),
    ],
)
def test_bad_sketches_are_refused_by_name(arguments, options, match):
    with pytest.raises(ValueError, match=match):
        lr.TuckerSketch(*arguments, **options)


def test_a_sketch_of_zeros_is_zero():
    result = lr.TuckerSketch((6, 5, 4), 2, rng=0).update(np.zeros((6, 5, 4))).result()
    assert not np.any(result.core)
    assert result.info.error == 0.0


def test_slabs_of_nan_are_refused_by_name_before_anything_is_made_of_them():
    X = low_rank((12, 10, 8), (3, 3, 3))
    X[5, 2, 1] = np.nan
    with pytest.raises(ValueError, match="X holds NaN"):
        lr.tucker(Counted(X, rows=4), tol=0.1)


def test_a_slab_that_is_narrower_than_the_tensor_needs_an_index_in_every_mode():
    X = low_rank((20, 18, 16), (3, 3, 3))
    sketch = lr.TuckerSketch(X.shape, 3, rng=0)
    with pytest.raises(ValueError, match="whole in all modes but the first"):
        sketch.update(X[:, :5], 0)
    sketch.update(X[:, :5], (0, 0, 0))


def test_a_state_is_copied_and_a_damaged_one_is_refused():
    X = low_rank((20, 18, 16), (3, 3, 3), noise=0.1)
    sketch = lr.TuckerSketch(X.shape, 3, rng=0).update(X)
    good = sketch.state_dict()
    other = lr.TuckerSketch.from_state_dict(good)
    good["core"][:] = 0.0
    np.testing.assert_array_equal(other.result().core, sketch.result().core)
    good = sketch.state_dict()
    for change in (
        {"core": np.zeros((2, 2, 2))},
        {"core": good["core"].astype("float32")},
        {"probe": np.full_like(good["probe"], np.nan)},
        {"rng": "zz"},
        {"ranks": np.array([3, 3])},
    ):
        with pytest.raises(ValueError, match=r"state|rank"):
            lr.TuckerSketch.from_state_dict(good | change)
    with pytest.raises(ValueError, match="lacks probe"):
        lr.TuckerSketch.from_state_dict({name: part for name, part in good.items() if name != "probe"})
    with pytest.raises(TypeError, match="state must be a dict"):
        lr.TuckerSketch.from_state_dict(None)


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_sketches_of_any_scale_are_read_off(scale):
    X = low_rank((12, 10, 8), (2, 2, 2))
    result = lr.TuckerSketch(X.shape, 2, rng=0).update(scale * X).result()
    np.testing.assert_allclose(result.full() / scale, X, rtol=0, atol=1e-9 * np.abs(X).max())


def test_a_width_is_called_so():
    with pytest.raises(ValueError, match="width must be at most"):
        lr.TuckerSketch((4, 5), 2, width=50)
