"""What all estimators of a row stream promise."""

import io
import pickle
import threading

import array_api_strict
import numpy as np
import pytest
import scipy.sparse

import lowrank_la as lr
from lowrank_la import _backend as be

N, D = 230, 12
MAKERS = {
    "gram": lambda: lr.IncrementalSVD(3, center=True),
    "qr": lambda: lr.IncrementalSVD(3, method="qr"),
    "truncated": lambda: lr.IncrementalSVD(3, method="truncated", center=True, keep_u=True),
    "forgetful": lambda: lr.IncrementalSVD(3, method="truncated", forget=0.99),
    "directions": lambda: lr.FrequentDirections(5, buffer=20),
    "sketch": lambda: lr.SinglePassSketch((4 * N, D), 3, rng=7),
    "window": lambda: lr.SlidingWindow(lr.IncrementalSVD(3), 100, chunk=20),
}
each = pytest.mark.parametrize("make", list(MAKERS.values()), ids=list(MAKERS))


def rows(n=N, d=D, dtype="float64", seed=0):
    """Rows of a falling spectrum."""
    A = np.random.default_rng(seed).standard_normal((n, d)) / np.arange(1, d + 1)
    return A.astype(dtype)


def answer(estimator):
    """The arrays of a result on the host."""
    return [np.asarray(be.to_numpy(part)) for part in estimator.result() if be.is_array(part)]


def same(first, second):
    """Whether two estimators answer with the same bits."""
    return all(np.array_equal(a, b) for a, b in zip(answer(first), answer(second), strict=True))


@each
@pytest.mark.parametrize("sizes", [[1] * N, [97, 0, 61, 72], [229, 1]], ids=["single", "odd", "one left"])
def test_any_splitting_into_batches_gives_the_same_bits(make, sizes):
    A, start, split = rows(), 0, make()
    for size in sizes:
        split.partial_fit(A[start : start + size])
        start += size
    assert same(split, make().partial_fit(A))


def test_any_splitting_of_many_blocks_gives_the_same_bits():
    A = rows(40_000, 300, "float32")
    whole, split = lr.IncrementalSVD(5), lr.IncrementalSVD(5)
    whole.partial_fit(A)
    for part in be.fixed_partition(A.shape[0], 7001):
        split.partial_fit(A[part])
    assert same(whole, split)


@each
def test_an_empty_batch_changes_nothing(make):
    estimator = make().partial_fit(rows()[:50])
    before = answer(estimator)
    estimator.partial_fit(rows()[:0])
    assert estimator.rows_seen == 50
    assert all(np.array_equal(a, b) for a, b in zip(before, answer(estimator), strict=True))


@each
def test_a_single_row_is_a_batch(make):
    assert make().partial_fit(rows()[:1]).rows_seen == 1
    make().partial_fit(rows()[:1]).result()


@each
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", [0, 130, N - 1])
def test_a_batch_that_is_not_finite_is_refused_and_the_state_unharmed(make, bad, place):
    estimator, twin = make().partial_fit(rows(50, seed=1)), make().partial_fit(rows(50, seed=1))
    A = rows()
    A[place, 3] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        estimator.partial_fit(A)
    assert estimator.rows_seen == 50
    assert same(estimator.partial_fit(rows()), twin.partial_fit(rows()))


@each
def test_a_change_of_dtype_is_refused_by_name(make):
    estimator = make().partial_fit(rows())
    with pytest.raises(TypeError, match=r"float64.*float32"):
        estimator.partial_fit(rows(dtype="float32"))
    assert estimator.rows_seen == N


@each
@pytest.mark.parametrize(
    ("batch", "message"),
    [(rows(d=D + 1), "12 columns"), (rows()[0], "x\\[None, :\\]"), (rows()[None], "shape"), ("text", "array")],
    ids=["columns", "one row", "three dimensions", "text"],
)
def test_batches_of_another_form_are_refused(make, batch, message):
    estimator = make().partial_fit(rows())
    with pytest.raises((TypeError, ValueError), match=message):
        estimator.partial_fit(batch)
    assert estimator.rows_seen == N


@each
def test_another_namespace_is_refused(make):
    estimator = make().partial_fit(rows())
    with pytest.raises(TypeError, match="strict"):
        estimator.partial_fit(array_api_strict.asarray(rows()))


@each
def test_no_rows_no_result(make):
    with pytest.raises(ValueError, match="no rows"):
        make().result()


@each
def test_a_result_leaves_the_state_alone_and_a_copy_is_independent(make):
    estimator, twin = make().partial_fit(rows()[:75]), make().partial_fit(rows()[:75])
    estimator.result()
    estimator.copy().partial_fit(rows(seed=3))
    assert same(estimator.partial_fit(rows()[75:]), twin.partial_fit(rows()[75:]))


@each
def test_a_copy_keeps_the_rows_that_wait_while_the_estimator_goes_on(make):
    estimator, twin = make().partial_fit(rows()[:7]), make().partial_fit(rows()[:7])
    copies = [estimator.copy()]
    for start in range(7, N, 3):
        estimator.partial_fit(rows()[start : start + 3])
        copies.append(estimator.copy())
    assert same(copies[0], twin)
    for count, copy in enumerate(copies[1:6], 1):
        assert same(copy, make().partial_fit(rows()[: 7 + 3 * count]))


@each
def test_a_batch_that_fails_late_leaves_the_rows_that_wait(make):
    estimator, twin = make().partial_fit(rows()[:7]), make().partial_fit(rows()[:7])
    bad = rows(seed=2)
    bad[-1, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        estimator.partial_fit(bad)
    assert same(estimator, twin)
    assert same(estimator.partial_fit(rows(seed=3)[:90]), twin.partial_fit(rows(seed=3)[:90]))


def test_rows_that_wait_may_be_dense_and_sparse():
    A = rows(60)
    mixed, plain = (lr.IncrementalSVD(3, method="truncated") for _ in range(2))
    for start in range(0, 60, 4):
        part = A[start : start + 4]
        mixed.partial_fit(scipy.sparse.csr_array(part) if start % 12 == 4 else part)
        plain.partial_fit(part)
    for first, second in zip(answer(mixed), answer(plain), strict=True):
        np.testing.assert_allclose(first, second, rtol=0, atol=1e3 * 2.0**-52)


@each
@pytest.mark.parametrize("seen", [0, 7, N])
def test_a_state_written_to_a_file_goes_on_with_the_same_bits(make, seen):
    estimator, file = make().partial_fit(rows()[:seen]), io.BytesIO()
    np.savez(file, **estimator.state_dict())
    file.seek(0)
    with np.load(file, allow_pickle=False) as state:
        extra = {"estimator": estimator.estimator} if hasattr(estimator, "estimator") else {}
        again = type(estimator).from_state_dict(state, **extra)
    assert again.rows_seen == seen
    assert same(estimator.partial_fit(rows(seed=4)), again.partial_fit(rows(seed=4)))


@each
def test_estimators_travel_by_pickle(make):
    estimator = make().partial_fit(rows()[:77])
    assert same(pickle.loads(pickle.dumps(estimator)), estimator)  # noqa: S301


@each
def test_a_state_does_not_follow_the_estimator(make):
    estimator = make().partial_fit(rows()[:77])
    state = estimator.state_dict()
    kept = {name: np.array(value, copy=True) for name, value in state.items() if isinstance(value, np.ndarray)}
    estimator.partial_fit(rows(seed=5))
    assert all(np.array_equal(state[name], value) for name, value in kept.items())


@pytest.mark.parametrize("name", ["gram", "truncated", "directions", "sketch"])
def test_a_state_moves_between_backends(name, backend):
    if "float64" not in backend.dtypes:
        pytest.skip("the state is in double precision")
    A, make = rows(), MAKERS[name]
    moved = type(make()).from_state_dict(make().partial_fit(A).state_dict(), like=backend.asarray(A))
    moved.partial_fit(backend.asarray(rows(seed=6)))
    there = type(make()).from_state_dict(moved.state_dict(), like=A)
    here = make().partial_fit(A).partial_fit(rows(seed=6))
    for first, second in zip(answer(there), answer(here), strict=True):
        np.testing.assert_allclose(abs(first), abs(second), rtol=0, atol=2e3 * 2.0**-52)


@each
def test_foreign_and_incomplete_states_are_refused(make):
    estimator = make().partial_fit(rows())
    extra = {"estimator": estimator.estimator} if hasattr(estimator, "estimator") else {}
    state = estimator.state_dict()
    with pytest.raises(ValueError, match="class"):
        type(estimator).from_state_dict(state | {"class": "Other"}, **extra)
    with pytest.raises(ValueError, match="format"):
        type(estimator).from_state_dict({}, **extra)
    whole = {name: value for name, value in state.items() if name != "rows_seen"}
    with pytest.raises(ValueError, match="rows_seen"):
        type(estimator).from_state_dict(whole, **extra)
    first = next(name for name in state if name.startswith(("state.", "back.")))
    with pytest.raises(ValueError, match=r"complete|expected"):
        type(estimator).from_state_dict({name: value for name, value in state.items() if name != first}, **extra)


MERGING = {name: make for name, make in MAKERS.items() if name != "window"}
merging = pytest.mark.parametrize("make", list(MERGING.values()), ids=list(MERGING))


@merging
def test_incompatible_states_are_not_merged(make):
    estimator = make().partial_fit(rows())
    before = answer(estimator)
    other = lr.FrequentDirections(3) if isinstance(estimator, lr.IncrementalSVD) else lr.IncrementalSVD(3)
    with pytest.raises(TypeError, match="merges with its like"):
        estimator.merge(other)
    with pytest.raises((TypeError, ValueError), match="can't be merged"):
        estimator.merge(make().partial_fit(rows(dtype="float32")))
    if not isinstance(estimator, lr.SinglePassSketch):
        with pytest.raises(ValueError, match="columns"):
            estimator.merge(make().partial_fit(rows(d=D + 1)))
    assert all(np.array_equal(a, b) for a, b in zip(before, answer(estimator), strict=True))


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        (lr.IncrementalSVD(3), lr.IncrementalSVD(4), "rank"),
        (lr.IncrementalSVD(3), lr.IncrementalSVD(3, forget=0.9), "forget"),
        (lr.IncrementalSVD(3), lr.IncrementalSVD(3, center=True), "center"),
        (lr.FrequentDirections(3), lr.FrequentDirections(4), "size"),
        (lr.SinglePassSketch((9, 8), 2, rng=0), lr.SinglePassSketch((9, 8), 2, rng=1), "rng"),
        (lr.SinglePassSketch((9, 8), 2, rng=0), lr.SinglePassSketch((9, 7), 2, rng=0), "shape"),
    ],
)
def test_states_of_other_parameters_are_not_merged(first, second, name):
    with pytest.raises(ValueError, match=f"{name} is"):
        first.merge(second)


@merging
def test_merging_with_an_empty_state_is_a_copy(make):
    full = make().partial_fit(rows()[:70])
    assert same(make().merge(full), full)
    assert same(full.copy().merge(make()), full)


@merging
def test_the_merged_estimator_is_left_alone(make):
    first, second = make().partial_fit(rows()[:70]), make().partial_fit(rows()[70:])
    before = answer(second)
    first.merge(second).partial_fit(rows(seed=8))
    assert all(np.array_equal(a, b) for a, b in zip(before, answer(second), strict=True))
    assert first.rows_seen == 2 * N


@each
@pytest.mark.parametrize("layout", ["csr", "csc", "coo"])
def test_sparse_batches_give_what_dense_ones_give(make, layout):
    if make().__dict__.get("keep_u"):
        pytest.skip("left vectors are compared elsewhere")
    A = np.where(np.random.default_rng(0).random((N, D)) < 0.3, rows(), 0.0)
    sparse, dense, start = make(), make().partial_fit(A), 0
    for size in (1, 100, 0, 129):
        sparse.partial_fit(getattr(scipy.sparse, f"{layout}_array")(A[start : start + size]))
        start += size
    for first, second in zip(answer(sparse), answer(dense), strict=True):
        np.testing.assert_allclose(first, second, rtol=0, atol=1e4 * 2.0**-52)


@each
def test_no_estimator_writes_to_its_input(make, backend):
    A = backend.asarray(rows(dtype="float32"))
    make().partial_fit(A).result()


def test_reading_while_rows_arrive_gives_whole_states():
    estimator, A, seen = lr.IncrementalSVD(2), rows(2000, 40), []
    estimator.partial_fit(A[:1])

    def read():
        for _ in range(30):
            found = estimator.copy()
            seen.append((found.rows_seen, float(found.result().s[0])))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for i in range(1, 200):
        estimator.partial_fit(A[10 * i - 9 : 10 * i + 1])
    for reader in readers:
        reader.join()
    for count, top in seen:
        assert abs(top - np.linalg.norm(A[:count], 2)) <= 1e-12 * np.linalg.norm(A)


def test_tensors_that_record_gradients_are_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="gradients"):
        lr.IncrementalSVD(2).partial_fit(torch.ones(3, 3, requires_grad=True))


@pytest.mark.parametrize("weights", [[1.0], [-1.0] * N, [np.nan] * N, "x", [True] * N])
def test_weights_of_another_form_are_refused(weights):
    with pytest.raises((TypeError, ValueError), match="weights"):
        lr.IncrementalSVD(2).partial_fit(rows(), weights=weights)


def test_a_sketch_knows_no_weights():
    with pytest.raises(TypeError, match="knows no weights"):
        lr.SinglePassSketch((9, 8), 2).partial_fit(rows(9, 8), weights=np.ones(9))
