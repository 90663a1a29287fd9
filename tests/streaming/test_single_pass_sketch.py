"""A matrix seen once, as updates in any order."""

import numpy as np
import pytest

import lowrank_la as lr
from lowrank_la import testing

M, N, RANK = 90, 60, 4


def decaying(dtype="float64", rate=0.5):
    """A matrix of known singular values."""
    return testing.matrix(M, N, rate ** np.arange(N), dtype=dtype, rng=1)


def exact(dtype="float64"):
    generator = np.random.default_rng(0)
    A = generator.standard_normal((M, RANK)) @ generator.standard_normal((RANK, N))
    return (A * (1 - 2j) if np.dtype(dtype).kind == "c" else A).astype(dtype)


def error(A, found):
    return np.linalg.norm(A - found.U * found.s @ found.Vh) / np.linalg.norm(A)


@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128", "complex64"])
def test_a_matrix_of_exact_rank_is_recovered(dtype):
    A = exact(dtype)
    found = lr.SinglePassSketch(A.shape, RANK, rng=0).partial_fit(A).result()
    eps = np.finfo(dtype).eps
    assert error(A, found) <= 300 * eps
    np.testing.assert_allclose(found.s, np.linalg.svd(A, compute_uv=False)[:RANK], rtol=300 * eps)
    assert np.linalg.norm(found.U.conj().T @ found.U - np.eye(RANK)) <= 30 * eps
    assert found.Vh.dtype == A.dtype


def test_updates_by_rows_columns_and_factors_are_one_matrix():
    A = decaying()
    whole = lr.SinglePassSketch(A.shape, RANK, rng=0).partial_fit(A).result()
    sketch = lr.SinglePassSketch(A.shape, RANK, rng=0)
    rest = A.copy()
    rest[:30] = 0.0
    rest[:, 50:] = 0.0
    sketch.partial_fit(A[:30])
    right = A - rest
    right[:30] = 0.0
    sketch.update_columns(right[:, 50:], 50)
    sketch.update_rows(rest[70:], 70)
    rest[70:] = 0.0
    U, s, Vh = np.linalg.svd(rest, full_matrices=False)
    sketch.update_rank_one((U * s)[:, 0], Vh[0]).update_rank_one((U * s)[:, 1:], Vh[1:].T)
    np.testing.assert_allclose(sketch.result().s, whole.s, rtol=1e-11)


def test_complex_factors_are_conjugated():
    generator = np.random.default_rng(2)
    u, v = (generator.standard_normal((side, 2)) + 1j * generator.standard_normal((side, 2)) for side in (M, N))
    found = lr.SinglePassSketch((M, N), 2, rng=0).update_rank_one(u, v).result()
    assert error(u @ v.conj().T, found) <= 1e-13


def test_updates_add_up_and_cancel():
    A = exact()
    sketch = lr.SinglePassSketch(A.shape, RANK, rng=0).partial_fit(A)
    sketch.update_rows(5.0 * A[10:20], 10).update_rows(-5.0 * A[10:20], 10)
    assert error(A, sketch.result()) <= 1e-11


def test_shards_merge_whatever_their_order():
    A = decaying()
    starts = (0, 20, 55)
    parts = [
        lr.SinglePassSketch(A.shape, RANK, rng=3, start=start).partial_fit(A[start:stop])
        for start, stop in zip(starts, (20, 55, M), strict=True)
    ]
    merged = parts[2].merge(parts[0]).merge(parts[1]).result()
    whole = lr.SinglePassSketch(A.shape, RANK, rng=3).partial_fit(A).result()
    np.testing.assert_allclose(merged.s, whole.s, rtol=1e-11)


@pytest.mark.parametrize("seen", [0, 10])
def test_rows_after_a_merge_follow_those_that_the_sketch_has_seen_itself(seen):
    A = exact()
    sketch = lr.SinglePassSketch(A.shape, RANK, rng=0).partial_fit(A[:seen])
    sketch.merge(lr.SinglePassSketch(A.shape, RANK, start=50, rng=0).partial_fit(A[50:]))
    assert error(A, sketch.partial_fit(A[seen:50]).result()) < 1e-12
    for _ in range(3):
        sketch.merge(sketch)  # eight times the matrix, and still 40 rows to come
    again = sketch.partial_fit(A[50:])
    assert error(8 * A + np.vstack([np.zeros((50, N)), A[50:]]), again.result()) < 1e-12
    with pytest.raises(ValueError, match="the matrix has 90 rows; 1 more from row 90 on don't fit"):
        again.partial_fit(A[:1])


def test_factors_may_be_lists():
    u, v = list(range(M)), list(range(N))
    found = lr.SinglePassSketch((M, N), 1, rng=0).update_rank_one(u, v).result()
    assert error(np.outer(u, v), found) < 1e-12


@pytest.mark.parametrize("rate", [0.5, 0.8])
def test_the_error_is_within_a_small_factor_of_the_best(rate):
    A = decaying(rate=rate)
    s = rate ** np.arange(N)
    best = np.linalg.norm(s[RANK:]) / np.linalg.norm(s)
    errors = [error(A, lr.SinglePassSketch(A.shape, RANK, rng=seed).partial_fit(A).result()) for seed in range(20)]
    assert np.mean(errors) <= 1.5 * best


def test_the_estimate_of_the_error_is_unbiased():
    A, ratios = decaying(rate=0.9), []
    for seed in range(200):
        found = lr.SinglePassSketch(A.shape, RANK, rng=seed).partial_fit(A).result()
        ratios.append((found.info.error * found.info.norm / (error(A, found) * np.linalg.norm(A))) ** 2)
    assert abs(np.mean(ratios) - 1.0) <= 4 * np.std(ratios) / 200**0.5
    assert np.mean(np.abs(np.sqrt(ratios) - 1.0) < 0.25) > 0.5


def test_an_estimate_from_the_sketches_that_the_factors_were_fitted_to_is_found_out():
    A, ratios = decaying(rate=0.9), []
    for seed in range(50):
        sketch = lr.SinglePassSketch(A.shape, RANK, rng=seed).partial_fit(A)._settled()
        Q, P = np.linalg.qr(sketch._state["columns"])[0], np.linalg.qr(sketch._state["rows"].T)[0]
        left, right = sketch._applied("core", Q), sketch._right("core right") @ P
        C = np.linalg.pinv(left) @ sketch._state["core"] @ np.linalg.pinv(right).T
        fitted = np.linalg.norm(sketch._state["core"] - left @ C @ right.T)
        ratios.append((fitted / np.linalg.norm(A - Q @ C @ P.T)) ** 2)
    assert abs(np.mean(ratios) - 1.0) > 4 * np.std(ratios) / 50**0.5


def test_every_backend_gives_the_same_answer(backend):
    A = decaying(backend.nearest("float64"))
    here = lr.SinglePassSketch(A.shape, RANK, rng=0).partial_fit(A).result()
    there = lr.SinglePassSketch(A.shape, RANK, rng=0).partial_fit(backend.asarray(A)).result()
    assert backend.holds(there.U)
    np.testing.assert_allclose(backend.to_numpy(there.s), here.s, rtol=0, atol=3000 * np.finfo(A.dtype).eps)
    assert there.info.error == pytest.approx(here.info.error, rel=1e-2)


def test_a_seed_and_the_key_that_was_reported_repeat_the_answer():
    A = decaying()
    first = lr.SinglePassSketch(A.shape, RANK).partial_fit(A).result()
    again = lr.SinglePassSketch(A.shape, RANK, rng=first.info.rng).partial_fit(A).result()
    np.testing.assert_array_equal(first.U, again.U)


def test_a_result_multiplies():
    found = lr.SinglePassSketch((M, N), RANK, rng=0).partial_fit(exact()).result()
    x = np.arange(1.0, N + 1)
    np.testing.assert_allclose(found @ x, exact() @ x, rtol=1e-9)


def test_a_zero_matrix_has_a_zero_answer():
    found = lr.SinglePassSketch((9, 8), 2, rng=0).partial_fit(np.zeros((9, 8))).result()
    assert float(found.s[0]) == 0.0
    assert found.info.error == 0.0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"shape": 9, "rank": 2}, ValueError), ({"shape": (9, 0), "rank": 1}, ValueError),
        ({"shape": (9, 8), "rank": 9}, ValueError), ({"shape": (9, 8), "rank": 2, "size": 1}, ValueError),
        ({"shape": (9, 8), "rank": 2, "size": 9}, ValueError), ({"shape": (9, 8), "rank": 2, "probes": 0}, ValueError),
        ({"shape": (9, 8), "rank": 2, "start": 10}, ValueError), ({"shape": (9, 8), "rank": 2, "rng": "x"}, TypeError),
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused(options, error):
    with pytest.raises(error):
        lr.SinglePassSketch(**options)


def test_updates_that_do_not_fit_leave_the_sketch_alone():
    sketch = lr.SinglePassSketch((M, N), RANK, rng=0).partial_fit(exact())
    before = sketch.result().s
    bad = exact()[:3].copy()
    bad[0, 0] = np.nan
    for update in (
        lambda: sketch.partial_fit(exact()[:1]),
        lambda: sketch.update_rows(exact()[:3], M - 2),
        lambda: sketch.update_rows(exact()[:3, :5], 0),
        lambda: sketch.update_rows(bad, 0),
        lambda: sketch.update_columns(exact()[:, :3], N),
        lambda: sketch.update_rank_one(np.ones(N), np.ones(M)),
        lambda: sketch.update_rows(exact("float32")[:3], 0),
    ):
        with pytest.raises((TypeError, ValueError)):
            update()
    np.testing.assert_array_equal(sketch.result().s, before)
