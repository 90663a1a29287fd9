"""Truncated updates of long rows: by squares where they do, by projections where they don't."""

import numpy as np
import pytest
from streaming import streams

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.streaming import truncated

EPS = 2.0**-52
D = 700


def long_rows(kind, n=260, d=D, dtype="float64", seed=0):
    """Rows of one of the kinds of `streams`, in the leading coordinates of a turned basis."""
    generator = np.random.default_rng(seed)
    short = streams.rows_of(kind, n, 40, dtype, generator)
    Q = np.linalg.qr(generator.standard_normal((d, 40)))[0]
    return (short @ Q.T + 1e-3 * np.abs(short).max() * generator.standard_normal((n, d)) / d).astype(dtype)


def fed(A, size=53, **options):
    stream = lr.IncrementalSVD(**options)
    for part in be.fixed_partition(A.shape[0], size):
        stream.partial_fit(A[part])
    return stream


@pytest.fixture
def taken(monkeypatch):
    """Which way each update went: True by squares."""
    ways, squares = [], truncated._by_squares

    def watched(*arguments):
        found = squares(*arguments)
        ways.append(found is not None)
        return found

    monkeypatch.setattr(truncated, "_by_squares", watched)
    return ways


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("dtype", streams.DTYPES)
def test_squares_lose_no_more_than_they_may(dtype, center, taken, monkeypatch):
    A = long_rows("flat", dtype=dtype)
    found = fed(A, rank=6, center=center, oversample=10, method="truncated")
    assert taken
    assert all(taken)
    monkeypatch.setattr(truncated, "_by_squares", lambda *_: None)
    other = fed(A, rank=6, center=center, oversample=10, method="truncated")
    eps = float(np.finfo(dtype).eps)
    here, there = found.result(), other.result()
    np.testing.assert_allclose(here.s, there.s, rtol=100 * eps + truncated._LOSS * EPS**0.5)
    assert here.info.discarded == pytest.approx(there.info.discarded, rel=100 * eps)
    assert np.linalg.norm(here.Vh @ here.Vh.conj().T - np.eye(6)) <= 50 * eps
    assert be.vdot_real(here.Vh @ there.Vh.conj().T) == pytest.approx(6.0, abs=1e4 * eps)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_energy_that_is_kept_and_dropped_adds_up(dtype, taken):
    A = long_rows("flat", dtype=dtype)
    stream = fed(A, rank=5, oversample=4, method="truncated")._settled()
    total = be.vdot_real(stream._state["s"].astype(np.float64)) + stream._state["dropped"]
    assert all(taken)
    assert total == pytest.approx(np.linalg.norm(A.astype(np.float64)) ** 2, rel=30 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("dtype", streams.DTYPES)
@pytest.mark.parametrize("kind", streams.KINDS)
def test_the_truth_lies_within_the_bounds(kind, dtype):
    A = long_rows(kind, dtype=dtype, seed=1)
    wide = A.astype(np.complex128 if A.dtype.kind == "c" else np.float64)
    found = fed(A, rank=4, oversample=3, method="truncated").result()
    _, true, Vh = np.linalg.svd(wide, full_matrices=False)
    k = found.s.shape[0]
    slack = 1e-12 * np.linalg.norm(wide)
    assert (found.error_bounds[0] <= true[:k] + slack).all()
    assert (found.error_bounds[1] >= true[:k] - slack).all()
    V = found.Vh.conj().T.astype(Vh.dtype)
    missed = np.linalg.norm(wide - wide @ V @ V.conj().T)
    eps = np.finfo(dtype).eps
    assert missed <= (found.info.error * (1 + 1e-6) + 50 * eps) * np.linalg.norm(wide)


def steep(dtype, least):
    """Rows whose singular values fall to `least` of the first, all of them kept."""
    generator = np.random.default_rng(2)
    left = np.linalg.qr(generator.standard_normal((120, 8)))[0]
    right = np.linalg.qr(generator.standard_normal((D, 8)))[0]
    return (left * least ** (np.arange(8) / 7) @ right.T).astype(dtype)


@pytest.mark.parametrize(("dtype", "least"), [("float64", 1e-6), ("float32", 1e-6), ("complex128", 1e-7)])
def test_steep_spectra_are_left_to_projections(dtype, least, taken):
    A = steep(dtype, least)
    found = fed(A, rank=8, oversample=0, method="truncated").result()
    true = np.linalg.svd(A.astype(np.complex128), compute_uv=False)[:8]
    assert not all(taken)
    np.testing.assert_allclose(found.s, true, rtol=0, atol=50 * np.finfo(dtype).eps * true[0])


def test_squares_everywhere_are_found_out(monkeypatch):
    A = steep("float64", 1e-9)
    true = np.linalg.svd(A, compute_uv=False)[:8]

    def worst():
        return abs(fed(A, rank=8, oversample=0, method="truncated").result().s - true).max() / true[0]

    assert worst() <= 50 * EPS
    monkeypatch.setattr(truncated, "_resolved", lambda largest, least, *_: least > 0)
    assert worst() > 1e3 * EPS


def test_vectors_that_lean_are_put_upright(taken):
    A = steep("float32", 3e-4) + 1e-6 * np.random.default_rng(3).standard_normal((120, D)).astype("float32")
    found = fed(A, rank=8, oversample=0, method="truncated").result()
    assert all(taken)
    gap = found.Vh.astype(np.float64) @ found.Vh.T - np.eye(8)
    assert abs(gap).max() <= truncated._UPRIGHT * 2.0**-11.5


@pytest.mark.parametrize("rows", [np.zeros((40, D)), np.ones((40, D)), np.eye(40, D)], ids=["zeros", "equal", "axes"])
def test_degenerate_rows_have_defined_answers(rows):
    found = fed(np.vstack([rows, rows]), rank=3, method="truncated").result()
    true = np.linalg.svd(np.vstack([rows, rows]), compute_uv=False)
    np.testing.assert_allclose(found.s, true[: found.s.shape[0]], rtol=0, atol=50 * EPS * true[0])


@pytest.mark.parametrize("scale", [2.0**520, np.nan, np.inf])
def test_squares_that_are_not_finite_are_no_answer(scale):
    A = long_rows("flat", 20)
    V = np.linalg.qr(A[:5].T)[0]
    assert truncated._by_squares(np.full(5, 2.0), V, A, 8) is not None
    assert truncated._by_squares(np.full(5, 2.0), V, A * scale, 8) is None


def test_any_splitting_of_long_rows_gives_the_same_bits():
    A = long_rows("decaying", dtype="float32")
    one, two = fed(A, 260, rank=5), fed(A, 1, rank=5)
    for a, b in zip(one.result(), two.result(), strict=True):
        np.testing.assert_array_equal(a, b)
