"""The rules of choice: pivots, exchanges, strong rank revealing, DEIM, maximal volume, and a draw."""

import itertools
import math

import numpy as np
import pytest
from factor.oracles import eps

import lowrank_la as lr
from lowrank_la import testing
from lowrank_la.skeleton import pivoted_qr, refinement, strong_rrqr
from lowrank_la.skeleton.subspace_rows import deim, maxvol, qdeim, volume_draw


def missed(Y, chosen):
    Q = np.linalg.qr(Y[:, list(chosen)])[0]
    return np.linalg.norm(Y - Q @ (Q.conj().T @ Y)) ** 2


def orthonormal(n, k, dtype="float64", rng=0):
    return np.linalg.qr(testing.matrix(n, k, "flat", dtype=dtype, rng=rng))[0]


def volume(M):
    return math.sqrt(abs(np.linalg.det(M.conj().T @ M)))


def test_the_portable_pivots_are_those_of_lapack(backend):
    for dtype in backend.dtypes:
        Y = testing.matrix(12, 60, "exponential_medium", dtype=dtype, rng=3)
        floor = 1e3 * eps(dtype)
        assert pivoted_qr.by_reflection(backend.asarray(Y), 12, floor) == pivoted_qr.pivots(Y, 12, floor)


def test_pivots_end_where_the_columns_are_rounding():
    Y = testing.matrix(20, 50, np.ones(7), rng=1)
    for choose in (pivoted_qr.pivots, pivoted_qr.by_reflection):
        assert len(choose(Y, 15, 1e-12)) == 7


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_the_best_exchange_is_that_of_the_enumeration(dtype):
    Y = testing.matrix(9, 14, "polynomial_one", dtype=dtype, rng=5)
    chosen = [0, 3, 5, 11]
    place, column, saved = refinement.best_exchange(Y, chosen)
    before = missed(Y, chosen)
    options = {
        (t, j): before - missed(Y, [*chosen[:t], j, *chosen[t + 1 :]])
        for t, j in itertools.product(range(4), set(range(14)) - set(chosen))
    }
    best = max(options, key=options.get)
    assert (place, column) == best
    assert saved * before == pytest.approx(options[best], rel=1e-10)


def test_exchanges_never_raise_the_error_and_end_where_none_helps():
    Y = testing.matrix(10, 16, "polynomial_half", rng=7)
    start = [1, 2, 3, 4]
    errors = [missed(Y, refinement.refine(Y, start, most, 0.0)) for most in range(12)]
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in itertools.pairwise(errors))
    ended = refinement.refine(Y, start, 100, 0.0)
    swaps = [[*ended[:t], j, *ended[t + 1 :]] for t in range(4) for j in set(range(16)) - set(ended)]
    assert min(missed(Y, other) for other in swaps) >= missed(Y, ended) * (1 - 1e-12)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_the_growth_of_a_strong_rrqr_exchange_is_that_of_the_volume(dtype):
    Y = testing.matrix(9, 13, "polynomial_one", dtype=dtype, rng=5)
    chosen = [0, 3, 5]
    Q, R = np.linalg.qr(Y[:, chosen])
    B = Q.conj().T @ Y
    rest = np.linalg.norm(Y - Q @ B, axis=0) ** 2
    growth, place, column = strong_rrqr.exchange(chosen, R, B, rest)
    volumes = {
        (t, j): volume(Y[:, [*chosen[:t], j, *chosen[t + 1 :]]])
        for t, j in itertools.product(range(3), set(range(13)) - set(chosen))
    }
    assert (place, column) == max(volumes, key=volumes.get)
    assert growth == pytest.approx(volumes[place, column] / volume(Y[:, chosen]), rel=1e-10)


def test_strong_rrqr_meets_its_bounds_where_pivoted_qr_does_not():
    A = testing.kahan(60, angle=1.25) @ np.diag(0.999 ** np.arange(60))
    k = 59
    values = np.linalg.svd(A, compute_uv=False)
    plain, strong = (lr.interpolative(A, k, method=method, rng=0) for method in ("sketched_qr", "rrqr"))
    factor = math.sqrt(1 + strong_rrqr.GROWTH**2 * k * (60 - k))
    kept = np.linalg.svd(A[:, strong.indices], compute_uv=False)
    assert np.all(kept >= values[:k] / factor * (1 - 1e-8))
    assert np.abs(strong.coefficients).max() <= strong_rrqr.GROWTH + 1e-8
    pivoted = np.arange(k)
    assert np.linalg.svd(A[:, pivoted], compute_uv=False)[-1] < values[k - 1] / factor
    assert plain.info.error >= 0.0


def test_deim_takes_the_pivots_of_elimination():
    V = orthonormal(30, 6, rng=2)
    chosen = deim(V)
    expected, basis = [int(np.argmax(np.abs(V[:, 0])))], V[:, :1]
    for t in range(1, 6):
        gap = V[:, t] - basis @ np.linalg.solve(basis[expected], V[expected, t])
        expected.append(int(np.argmax(np.abs(gap))))
        basis = V[:, : t + 1]
    assert chosen == expected


def test_rows_of_a_basis_are_the_same_on_every_backend(backend):
    for dtype in backend.dtypes:
        V = orthonormal(40, 6, dtype, rng=3)
        for choose in (deim, qdeim, maxvol):
            assert choose(backend.asarray(V)) == choose(V)


def test_maxvol_leaves_no_coefficient_above_its_bound():
    for seed in range(5):
        V = orthonormal(50, 6, rng=seed)
        chosen = maxvol(V)
        assert np.abs(V @ np.linalg.inv(V[chosen])).max() <= 1.05 + 1e-10
        assert volume(V[chosen]) >= volume(V[qdeim(V)]) * (1 - 1e-12)


def test_adaptive_randomized_pivoting_has_its_expected_error_by_enumeration():
    # E ‖A - A_S V_S⁻ᵀ Vᵀ‖² = (r + 1) ‖A - A V Vᵀ‖² for S drawn with probability det(V_S)², any orthonormal V.
    A = testing.matrix(6, 7, "polynomial_half", rng=1)
    for r in (2, 3):
        V = orthonormal(7, r, rng=r)
        total = expected = projected = 0.0
        for chosen in itertools.combinations(range(7), r):
            rows = list(chosen)
            probability = np.linalg.det(V[rows]) ** 2
            oblique = A[:, rows] @ np.linalg.solve(V[rows].T, V.T)
            total += probability
            expected += probability * np.linalg.norm(A - oblique) ** 2
            projected += probability * missed(A, rows)
        tail = np.linalg.norm(A - A @ V @ V.T) ** 2
        assert total == pytest.approx(1.0, abs=1e-12)
        assert expected == pytest.approx((r + 1) * tail, rel=1e-12)
        assert projected <= expected


def test_a_draw_that_ignores_the_volume_fails_the_identity():
    A = testing.matrix(6, 7, "polynomial_half", rng=1)
    V = orthonormal(7, 2, rng=2)
    subsets = list(itertools.combinations(range(7), 2))
    errors = [np.linalg.norm(A - A[:, list(s)] @ np.linalg.solve(V[list(s)].T, V.T)) ** 2 for s in subsets]
    tail = np.linalg.norm(A - A @ V @ V.T) ** 2
    leverage = (V**2).sum(1)
    pairs = np.array([leverage[i] * leverage[j] for i, j in subsets])
    for weights in (np.ones(len(subsets)), pairs):
        mean = float(np.dot(weights / weights.sum(), errors))
        assert abs(mean / (3 * tail) - 1) > 0.05


@pytest.mark.parametrize("method", ["arp"])
def test_the_mean_squared_error_of_drawn_columns_is_within_its_bound(method):
    A = testing.matrix(60, 50, "polynomial_one", rng=1)
    values = np.linalg.svd(A, compute_uv=False)
    tail = (values[8:] ** 2).sum() / (values**2).sum()
    squares = [lr.interpolative(A, 8, method=method, rng=seed).info.error ** 2 for seed in range(40)]
    assert np.mean(squares) <= 9 * tail


def test_drawn_rows_are_distinct_and_follow_the_key():
    from lowrank_la import _backend as be

    V = orthonormal(40, 7)
    first, second = (volume_draw(V, be.resolve_rng(seed)) for seed in (1, 1))
    assert first == second
    assert len(set(first)) == 7
    assert volume_draw(V, be.resolve_rng(2)) != first
