"""Anchors: exact without noise, within the certified bound with it."""

import numpy as np
import pytest

import lowrank_la as lr
from lowrank_la.robust import anchors as module


def positive_matrix(m, n, rank, seed=0):
    generator = np.random.default_rng(seed)
    return generator.random((m, rank)) @ generator.random((rank, n))


def estimated(A, rows, cols, **options):
    return lr.anchor_estimate(A[rows], A[:, cols], A[np.ix_(rows, cols)], **options)


def largest_error(result, A):
    return abs(np.asarray(result.U @ result.V.conj().T) - A).max()


@pytest.mark.parametrize("method", ["auto", "qr", "maxvol", "leverage"])
def test_a_matrix_without_noise_comes_back(method):
    A = positive_matrix(90, 70, 4)
    result = estimated(A, *lr.select_anchors(A, 8, method=method, rng=0))
    assert result.info.rank == 4
    assert result.info.error is None
    assert largest_error(result, A) < 1e-10


@pytest.mark.parametrize("method", ["qr", "maxvol"])
@pytest.mark.parametrize("seed", range(5))
def test_four_anchors_a_rank_keep_the_largest_error_at_five_times_the_noise(method, seed):
    A, eps = positive_matrix(500, 500, 5, seed), 1e-4
    noisy = A + eps * np.random.default_rng(seed + 100).uniform(-1, 1, A.shape)
    rows, cols = lr.select_anchors(noisy, 20, rank=5, method=method, rng=seed)
    result = estimated(noisy, rows, cols, rank=5, noise=eps, magnitude=abs(A).max())
    assert largest_error(result, A) <= 5 * eps
    assert result.info.error_kind == "bound"
    assert result.info.error >= largest_error(result, A)


def certified(seed):
    """A random problem, its true largest error and the bound, None where there is none."""
    generator = np.random.default_rng(seed)
    m, n, rank = 30, 25, int(generator.integers(1, 4))
    A = generator.standard_normal((m, rank)) @ generator.standard_normal((rank, n))
    rows, cols = (generator.choice(size, 4 * rank, replace=False) for size in (m, n))
    eps = 10.0 ** generator.uniform(-8, -1)
    errors = eps * np.sign(generator.standard_normal(A.shape))
    result = estimated(A + errors, rows, cols, rank=rank, noise=eps, magnitude=abs(A).max())
    return largest_error(result, A), result.info.error


def test_the_bound_is_never_below_the_error():
    found = [certified(seed) for seed in range(300)]
    bounded = [(error, bound) for error, bound in found if bound is not None]
    assert len(bounded) > 100
    assert all(error <= bound for error, bound in bounded)


def test_a_bound_that_forgets_the_pseudo_inverse_is_caught(monkeypatch):
    monkeypatch.setattr(module, "_WEDIN", 0.0)
    monkeypatch.setattr(module, "_bound", lambda R, C, U, Vh, s, k, noise, magnitude, shape: noise)
    found = [certified(seed) for seed in range(50)]
    assert any(bound is not None and error > bound for error, bound in found)


def test_no_bound_is_given_where_its_condition_fails():
    A = positive_matrix(40, 40, 3)
    rows, cols = range(6), range(6)
    for options in ({"noise": 1e-3}, {"magnitude": 5.0}, {"noise": 10.0, "magnitude": 5.0}):
        result = estimated(A, list(rows), list(cols), rank=3, **options)
        assert result.info.error is None
        assert result.info.error_kind is None


def test_a_rank_that_the_cross_suggests_certifies_nothing():
    weak, step = np.ones(3), np.array([0.01, -0.01, 10.0])
    A = np.outer(weak, weak) + np.outer(step, step)
    guessed = estimated(A, [0, 1], [0, 1], noise=1e-3, magnitude=101.0)
    assert guessed.info.rank == 1
    assert largest_error(guessed, A) > 50
    assert guessed.info.error is None
    assert guessed.info.error_kind is None
    known = estimated(A, [0, 1], [0, 1], rank=2, noise=1e-9, magnitude=101.0)
    assert known.info.error is None or known.info.error >= largest_error(known, A)


def test_a_cross_of_smaller_rank_than_said_certifies_nothing():
    A = positive_matrix(20, 20, 1)
    result = estimated(A, [0, 1], [0, 1], rank=2, noise=1e-9, magnitude=2.0)
    assert result.info.converged is False
    assert result.info.error is None


@pytest.mark.parametrize("seed", range(5))
def test_the_bound_in_half_precision_includes_the_rounding_of_the_factors(seed):
    generator = np.random.default_rng(seed)
    A = np.outer(generator.integers(1, 9, 60), generator.integers(1, 9, 50)) / 3.0
    half = A.astype(np.float16)
    rows, cols = range(4), range(4)
    noise = abs(half.astype(np.float64) - A).max()
    result = estimated(half, list(rows), list(cols), rank=1, noise=noise, magnitude=A.max())
    product = result.U.astype(np.float64) @ result.V.astype(np.float64).T
    assert result.info.error_kind == "bound"
    assert result.info.error >= abs(product - A).max()
    exact = np.outer(generator.integers(1, 9, 60), generator.integers(1, 9, 50)).astype(np.float16)
    result = estimated(exact, list(rows), list(cols), rank=1, noise=1e-12, magnitude=64.0)
    product = result.U.astype(np.float64) @ result.V.astype(np.float64).T
    assert result.info.error >= abs(product - exact).max() > 0


def test_a_magnitude_that_the_data_exceed_is_refused():
    A = positive_matrix(20, 20, 2)
    with pytest.raises(ValueError, match="magnitude must be at least"):
        estimated(A, [0, 1, 2], [0, 1, 2], rank=2, noise=1e-6, magnitude=1e-3)


@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_extreme_scales_scale_the_answer_and_the_bound(scale):
    A = positive_matrix(40, 30, 2)
    rows, cols = lr.select_anchors(A * scale, 6, rank=2, rng=0)
    plain = estimated(A, rows, cols, rank=2, noise=1e-6, magnitude=4.0)
    scaled = estimated(A * scale, rows, cols, rank=2, noise=1e-6 * scale, magnitude=4.0 * scale)
    assert abs(scaled.U @ (scaled.V.T / scale) - A).max() < 1e-10
    assert abs(scaled.info.error / scale - plain.info.error) < 1e-6 * plain.info.error


def test_backends_agree(backend):
    A = positive_matrix(40, 30, 3)
    given = backend.asarray(A)
    rows, cols = lr.select_anchors(given, 6, rank=3, rng=0)
    assert backend.to_numpy(rows).tolist() == np.asarray(lr.select_anchors(A, 6, rank=3, rng=0)[0]).tolist()
    host = backend.to_numpy(rows), backend.to_numpy(cols)
    parts = (backend.asarray(x) for x in (A[host[0]], A[:, host[1]], A[np.ix_(*host)]))
    result = lr.anchor_estimate(*parts, rank=3)
    assert backend.holds(result.U)
    product = backend.to_numpy(result.U) @ backend.to_numpy(result.V).T
    assert abs(product - A).max() < 1e4 * np.finfo(backend.nearest("float64")).eps


def test_complex_matrices_work():
    generator = np.random.default_rng(0)
    A = (generator.standard_normal((2, 30, 3)) * [[[1.0]], [[1j]]]).sum(0) @ generator.standard_normal((3, 20))
    assert largest_error(estimated(A, *lr.select_anchors(A, 6, rng=0)), A) < 1e-10


def test_what_does_not_fit_is_refused_by_name():
    A = positive_matrix(10, 8, 2)
    with pytest.raises(ValueError, match="must fit"):
        lr.anchor_estimate(A[:3], A[:, :2], A[:2, :2])
    with pytest.raises(ValueError, match="cross is zero"):
        lr.anchor_estimate(0 * A[:3], 0 * A[:, :2], 0 * A[:3, :2])
    with pytest.raises(ValueError, match="rank must be at most"):
        estimated(A, [0, 1], [0, 1], rank=3)
    with pytest.raises(ValueError, match="noise"):
        estimated(A, [0, 1], [0, 1], noise=-1.0)
    with pytest.raises(ValueError, match="NaN"):
        estimated(np.where(A > 0, np.nan, A), [0, 1], [0, 1])
    with pytest.raises(ValueError, match="size must be"):
        lr.select_anchors(A, 9, rng=0)
    with pytest.raises(ValueError, match="method must be one of"):
        lr.select_anchors(A, 2, method="random")
    with pytest.raises(TypeError, match="rows and columns"):
        lr.select_anchors(lr.operator(lambda X: A @ X, lambda Y: A.T @ Y, A.shape, A.dtype), 2, rng=0)
