"""Oja's method with adaptive steps and history PCA: components that converge, labelled as heuristics."""

import numpy as np
import pytest
from streaming import row_streams

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la.streaming import oja_steps

METHODS = ("adaptive", "history")


def rows(n=20000, d=50, k=4, seed=0, dtype="float64"):
    """Independent Gaussian rows with k directions of standard deviations 5…3 above 1…0.1, and their leading Vh."""
    generator = np.random.default_rng(seed)
    sizes = np.concatenate([np.linspace(5.0, 3.0, k), np.linspace(1.0, 0.1, d - k)])
    A = generator.standard_normal((n, d)) * sizes
    if dtype.startswith("complex"):
        A = A + 1j * generator.standard_normal((n, d)) * sizes
    A = A @ np.linalg.qr(generator.standard_normal((d, d)))[0]
    return A.astype(dtype), np.linalg.svd(A, full_matrices=False)[2][:k]


def angle(Vh, truth):
    """Largest sine of the angles between two row spaces."""
    return float(np.linalg.norm(Vh - (Vh @ truth.conj().T) @ truth, 2))


@pytest.mark.parametrize(("method", "least"), [("adaptive", 0.1), ("history", 0.005)])
def test_independent_rows_give_the_leading_subspace(method, least):
    for seed in range(3):
        A, truth = rows(seed=seed)
        result = lr.OjaPCA(4, method=method, rng=seed).partial_fit(A).result()
        assert angle(result.Vh, truth) < least
        assert np.allclose(result.Vh @ result.Vh.T, np.eye(4), atol=1e-13)


def test_history_is_at_least_as_good_as_adaptive_steps():
    for seed in range(4):
        A, truth = rows(seed=seed)
        errors = [angle(lr.OjaPCA(4, method=m, rng=seed).partial_fit(A).result().Vh, truth) for m in METHODS]
        assert errors[1] <= errors[0]


def test_adaptive_steps_come_near_the_best_tuned_ones():
    A, truth = rows(n=10000)
    start = np.linalg.qr(np.random.default_rng(5).standard_normal((50, 4)))[0]
    errors = []
    for constant in 2.0 ** np.arange(-7, 4):
        Q = start
        for t in range(A.shape[0] // 20):
            G, _ = oja_steps.gradient(A[20 * t : 20 * t + 20], Q)
            Q = oja_steps.oja_step(G, Q, constant / (t + 1))
        errors.append(angle(Q.T, truth))
    ours = angle(lr.OjaPCA(4, block=20, rng=0).partial_fit(A).result().Vh, truth)
    assert ours < 8 * min(errors)
    assert ours < np.median(errors)


@pytest.mark.parametrize("method", METHODS)
def test_singular_values_are_estimated(method):
    A, _ = rows()
    s = lr.OjaPCA(4, method=method, rng=0).partial_fit(A).result().s
    assert np.all(np.diff(s) <= 0)
    assert np.allclose(s, np.linalg.svd(A, compute_uv=False)[:4], rtol=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_the_result_says_that_it_is_a_heuristic(method):
    result = lr.OjaPCA(2, method=method, rng=0).partial_fit(rows(n=500)[0]).result()
    assert (result.info.error, result.info.error_kind) == (None, "estimate")
    assert result.info.guarantee.startswith("heuristic")
    assert result.info.memory == 2 + 64


@pytest.mark.parametrize("method", METHODS)
def test_a_mean_is_subtracted_when_asked(method):
    A, truth = rows()
    offset = 100.0 * np.ones(50)
    result = lr.OjaPCA(4, method=method, center=True, rng=0).partial_fit(A + offset).result()
    assert angle(result.Vh, truth) < 0.15
    assert np.allclose(result.mean, np.mean(A + offset, axis=0))
    uncentred = lr.OjaPCA(4, method=method, rng=0).partial_fit(A + offset).result()
    assert abs(uncentred.Vh[0] @ offset) / np.linalg.norm(offset) > 0.99


@pytest.mark.parametrize("method", METHODS)
def test_any_splitting_and_a_saved_state_give_the_same_bits(method, tmp_path):
    A, _ = rows(n=1500)
    whole = row_streams.fed(lr.OjaPCA(4, method=method, center=True, rng=0), A)
    cut = row_streams.fed(lr.OjaPCA(4, method=method, center=True, rng=0), A, rng=1)
    assert row_streams.same_bits(whole.state_dict(), cut.state_dict())
    half = lr.OjaPCA(4, method=method, center=True, rng=0).partial_fit(A[:777])
    np.savez(tmp_path / "state.npz", **half.state_dict())
    with np.load(tmp_path / "state.npz", allow_pickle=False) as stored:
        restored = lr.OjaPCA.from_state_dict(stored).partial_fit(A[777:])
    assert row_streams.same_bits(whole.state_dict(), restored.state_dict())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e-150, 1e-30, 1e30, 1e150, 1e160, 1e300])
@pytest.mark.parametrize("method", METHODS)
def test_the_scale_of_the_rows_does_not_matter(method, scale):
    A, truth = rows()
    result = lr.OjaPCA(4, method=method, rng=0).partial_fit(A * scale).result()
    assert angle(result.Vh, truth) < 0.1
    assert np.allclose(result.s / scale, np.linalg.svd(A, compute_uv=False)[:4], rtol=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_refused_batches_leave_the_state_unharmed(method):
    A, _ = rows(n=300)
    estimator = lr.OjaPCA(4, method=method, rng=0).partial_fit(A)
    before, bad = estimator.state_dict(), A.copy()
    bad[200, 0] = np.nan
    for batch, error in [(bad, ValueError), (A[:, :9], ValueError), (A.astype("float32"), TypeError)]:
        with pytest.raises(error, match=r"\w+ \w+"):
            estimator.partial_fit(batch)
        assert row_streams.same_bits(before, estimator.state_dict())
    assert row_streams.same_bits(before, estimator.partial_fit(A[:0]).state_dict())


@pytest.mark.parametrize("method", METHODS)
def test_zeros_one_row_and_wide_rows_have_answers(method):
    zero = lr.OjaPCA(2, method=method, rng=0).partial_fit(np.zeros((200, 5))).result()
    assert zero.info.converged is False
    assert np.all(zero.s == 0)
    assert np.allclose(zero.Vh @ zero.Vh.T, np.eye(2))
    row = np.random.default_rng(0).standard_normal((1, 300))
    one = lr.OjaPCA(1, method=method, rng=0).partial_fit(row).result()
    near = row_streams.squared_correlation(one.Vh[0], row[0] / np.linalg.norm(row))
    assert near > (1 - 1e-12 if method == "history" else 0.5)
    wide = lr.OjaPCA(3, method=method, rng=0).partial_fit(rows(n=40, d=200)[0]).result()
    assert wide.Vh.shape == (3, 200)


def test_rank_is_bounded_by_the_length_of_a_row_and_merge_is_refused():
    with pytest.raises(ValueError, match="at most 5"):
        lr.OjaPCA(6).partial_fit(np.ones((3, 5)))
    with pytest.raises(TypeError, match="can't be merged"):
        lr.OjaPCA(2).merge(lr.OjaPCA(2))
    for options in ({"rank": 0}, {"rank": 2, "method": "oja"}, {"rank": 2, "block": 0}):
        with pytest.raises(ValueError, match="must be"):
            lr.OjaPCA(**options)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("method", METHODS)
def test_all_backends_agree(method, dtype, backend):
    dtype = backend.nearest(dtype)
    A, truth = rows(n=2000, d=20, k=3, dtype=dtype)
    expected = lr.OjaPCA(3, method=method, rng=0).partial_fit(A).result()
    result = lr.OjaPCA(3, method=method, rng=0).partial_fit(backend.asarray(A)).result()
    assert backend.holds(result.Vh)
    assert backend.holds(result.s)
    assert be.dtype_name(result.Vh.dtype) == dtype
    assert np.max(np.abs(backend.to_numpy(result.Vh) - expected.Vh)) <= 1e4 * be.eps(expected.Vh.dtype)
    assert angle(expected.Vh, truth) < 0.3
