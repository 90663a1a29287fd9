"""Centred rows far from the origin: the bounds hold against exact arithmetic, and stay narrow."""

from fractions import Fraction

import numpy as np
import pytest

import lowrank_la as lr

METHODS = ("gram", "qr", "auto", "truncated")
OFFSETS = [1e0, 1e2, 1e4, 1e6, 1e8]


def exact_scatter(A):
    """Σ (x - mean)² of one column in rational arithmetic."""
    numbers = [Fraction(float(x)) for x in A[:, 0]]
    mean = sum(numbers) / len(numbers)
    return sum((x - mean) ** 2 for x in numbers)


def outside(found, truth):
    """Whether the exact singular value lies outside of the bounds."""
    lower, upper = (Fraction(float(x)) ** 2 for x in found.error_bounds[:, 0])
    return not lower <= truth <= upper


def rows(offset, seed, dtype="float64", n=60):
    """Normal numbers about `offset`."""
    return (np.random.default_rng(seed).standard_normal((n, 1)) + offset).astype(dtype)


def fed(A, batches, **options):
    """One stream of `A`, or as many merged as there are `batches`."""
    first, *others = (lr.IncrementalSVD(1, center=True, **options).partial_fit(x) for x in np.array_split(A, batches))
    for other in others:
        first.merge(other)
    return first.result()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("batches", [1, 4, 20])
@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("method", METHODS)
def test_bounds_of_rows_far_from_the_origin_hold_exactly(method, offset, batches, dtype):
    missed = 0
    for seed in range(30):
        A = rows(offset, seed, dtype)
        if np.ptp(A) == 0.0:
            continue
        missed += outside(fed(A, batches, method=method), exact_scatter(A))
    assert missed == 0


@pytest.mark.parametrize("batches", [1, 4])
@pytest.mark.parametrize("method", METHODS)
def test_bounds_are_as_narrow_far_from_the_origin_as_near_it(method, batches):
    near, far = (fed(rows(offset, 0), batches, method=method) for offset in (0.0, 1e8))
    widths = [float(np.ptp(found.error_bounds) / found.s[0]) for found in (near, far)]
    assert widths[1] <= 2.0 * widths[0]


@pytest.mark.parametrize("options", [{}, {"forget": 0.96875}, {"weights": True}])
@pytest.mark.parametrize("method", METHODS)
def test_a_mean_that_moves_far_costs_what_its_moving_adds(method, options):
    missed, options = 0, dict(options)
    weigh = options.pop("weights", False)
    for seed in range(8):
        A = rows(1e6, seed, n=300) + np.linspace(0.0, 50.0, 300)[:, None] ** 2
        w = np.random.default_rng(seed).random(300) if weigh else np.ones(300)
        stream = lr.IncrementalSVD(1, center=True, method=method, **options)
        for part in np.array_split(np.arange(300), 11):
            stream.partial_fit(A[part], weights=w[part] if weigh else None)
        decay = [Fraction(options.get("forget", 1.0)) ** (2 * i) for i in range(299, -1, -1)]
        share = [Fraction(float(x)) * y for x, y in zip(w, decay, strict=True)]
        numbers = [Fraction(float(x)) for x in A[:, 0]]
        mean = sum(x * y for x, y in zip(numbers, share, strict=True)) / sum(share)
        truth = sum(y * (x - mean) ** 2 for x, y in zip(numbers, share, strict=True))
        missed += outside(stream.result(), truth)
    assert missed == 0


@pytest.mark.parametrize("complex_rows", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_vectors_and_values_do_not_see_the_offset(method, complex_rows):
    generator = np.random.default_rng(1)
    A = np.round(generator.standard_normal((400, 6)) * [6, 5, 4, 3, 2, 1] * 2**20) / 2**20
    if complex_rows:
        A = A * (1 + 1j)
    options = {"method": method, "center": True, "oversample": 3}
    near, far = (
        lr.IncrementalSVD(3, **options).partial_fit(x[:150]).merge(lr.IncrementalSVD(3, **options).partial_fit(x[150:]))
        for x in (A, A + 2.0**30)
    )
    near, far = near.result(), far.result()
    np.testing.assert_allclose(far.s, near.s, rtol=1e-14)
    np.testing.assert_allclose(far.Vh, near.Vh, rtol=0, atol=1e-13)


@pytest.mark.parametrize("method", ["gram", "qr", "truncated"])
@pytest.mark.parametrize("n", [4096, 20_000, 100_000])
def test_bounds_hold_where_all_rounding_points_one_way(method, n):
    row = np.random.default_rng(n).standard_normal((1, 3))
    found = lr.IncrementalSVD(1, method=method).partial_fit(np.broadcast_to(row, (n, 3))).result()
    assert not outside(found, n * sum(Fraction(float(x)) ** 2 for x in row[0]))


def test_bounds_of_a_gram_matrix_hold_for_millions_of_rows_that_are_alike():
    for seed in range(3):
        row = np.random.default_rng(200 + seed).standard_normal((1, 2))
        stream, batch = lr.IncrementalSVD(1, method="gram"), np.repeat(row, 200_000, axis=0)
        for _ in range(16):
            stream.partial_fit(batch)
        assert not outside(stream.result(), 3_200_000 * sum(Fraction(float(x)) ** 2 for x in row[0]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bounds_hold_for_two_groups_of_rows_that_are_alike(dtype):
    for seed in range(3):
        first, second = np.random.default_rng(seed).standard_normal((2, 3)).astype(dtype)
        stream = lr.IncrementalSVD(1, method="gram", center=True, accuracy=0.1)
        stream.partial_fit(np.repeat(first[None, :], 1000, axis=0))
        for _ in range(4):
            stream.partial_fit(np.repeat(second[None, :], 100_000, axis=0))
        square = sum((Fraction(float(x)) - Fraction(float(y))) ** 2 for x, y in zip(first, second, strict=True))
        assert not outside(stream.result(), square * Fraction(400_000 * 1000, 401_000))


@pytest.mark.parametrize("forget", [1.0, 1.0 - 1e-9])
@pytest.mark.parametrize("center", [False, True])
def test_states_in_two_parts_merge_and_travel(center, forget):
    A = np.random.default_rng(0).standard_normal((100_000, 4)) + 3.0
    parts = [lr.IncrementalSVD(2, center=center, forget=forget).partial_fit(A[i : i + 50_000]) for i in (0, 50_000)]
    parts = [lr.IncrementalSVD.from_state_dict(part.state_dict()) for part in parts]
    weights = forget ** (2.0 * np.arange(100_000)[::-1])
    mean = weights @ A / weights.sum() * center
    true = np.linalg.svd(np.sqrt(weights)[:, None] * (A - mean), compute_uv=False)[:2]
    np.testing.assert_allclose(parts[0].merge(parts[1]).result().s, true, rtol=1e-12)
