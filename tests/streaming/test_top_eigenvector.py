"""The top eigenvector of a row stream: what holds in which order, and what every estimator of a stream promises."""

import threading

import numpy as np
import pytest
from streaming import row_streams

import lowrank_la as lr
from lowrank_la import _backend as be

ORDERS = ("random", "arbitrary")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("ratio", "least"), [(4, 0.95), (16, 0.985), (64, 0.995)])
@pytest.mark.parametrize("order", ORDERS)
def test_rows_in_random_order_give_the_top_eigenvector(order, ratio, least, seed):
    A, v = row_streams.spiked(ratio, "random", rng=seed)
    result = lr.TopEigenvector(order, rng=seed).partial_fit(A).result()
    assert row_streams.squared_correlation(result.v, v) > least
    assert result.info.converged is (True if order == "random" else None)  # one pass sees growth, and no gap
    assert abs(np.linalg.norm(result.v) - 1.0) < 1e-14


@pytest.mark.parametrize("placed", row_streams.ORDERS)
@pytest.mark.parametrize("ratio", [16, 64])
def test_the_ladder_of_rates_holds_in_every_order(ratio, placed):
    for seed in range(3):
        A, v = row_streams.spiked(ratio, placed, rng=seed)
        result = lr.TopEigenvector("arbitrary", rng=seed).partial_fit(A).result()
        assert result.status == "rate"
        assert row_streams.squared_correlation(result.v, v) > 0.95


def test_the_random_order_method_is_wrong_where_the_signal_came_first():
    A, v = row_streams.forgotten()
    ours = lr.TopEigenvector("random", rng=0).partial_fit(A).result()
    assert row_streams.squared_correlation(ours.v, v) < 0.05
    shuffled = A[np.random.default_rng(1).permutation(A.shape[0])]
    assert (
        row_streams.squared_correlation(lr.TopEigenvector("random", rng=0).partial_fit(shuffled).result().v, v) > 0.99
    )
    assert "random order only" in ours.info.guarantee


@pytest.mark.parametrize("count", [8, 32])
def test_heavy_rows_are_kept_and_found(count):
    for seed in range(3):
        A, v = row_streams.heavy(count, rng=seed)
        result = lr.TopEigenvector("random", rng=seed).partial_fit(A).result()
        assert result.status == "heavy"
        assert result.info.heavy_rows == count
        assert row_streams.squared_correlation(result.v, v) > 0.99


def test_more_heavy_rows_than_are_kept_are_reported():
    A, _ = row_streams.heavy(32)
    result = lr.TopEigenvector("random", heavy=8, rng=0).partial_fit(A).result()
    assert result.status == "overflow"
    assert not result.info.converged
    assert "raise heavy" in result.info.reason


def test_rows_that_were_heavy_only_at_first_are_no_overflow():
    A, _ = row_streams.spiked(16, "random")
    estimator = lr.TopEigenvector("random", rng=0).partial_fit(A[:100])
    assert estimator.result().status == "overflow"
    assert estimator.partial_fit(A[100:]).result().status == "light"


def test_rows_that_are_all_heavy_are_factored_exactly():
    A = np.random.default_rng(0).standard_normal((40, 30))
    result = lr.TopEigenvector("random", rng=0).partial_fit(A).result()
    assert row_streams.squared_correlation(result.v, row_streams.top(A)) > 1 - 1e-12


def test_a_direction_shared_by_light_and_heavy_rows_takes_both():
    generator = np.random.default_rng(0)
    light, v = row_streams.spiked(16, "random")
    heavy = np.outer(np.full(6, 60.0), v) + generator.standard_normal((6, 64))
    A = np.vstack([light, heavy])[generator.permutation(6006)]
    result = lr.TopEigenvector("random", rng=0).partial_fit(A).result()
    assert result.status == "both"
    assert row_streams.squared_correlation(result.v, row_streams.top(A)) > 0.99


@pytest.mark.parametrize("order", ORDERS)
def test_a_few_rows_of_white_noise_get_no_confident_answer(order):
    A = np.random.default_rng(0).standard_normal((200, 64))
    result = lr.TopEigenvector(order, rng=0).partial_fit(A).result()
    assert result.status in ("failed", "overflow")
    assert not result.info.converged


@pytest.mark.parametrize("d", [8, 64, 200])
@pytest.mark.parametrize("order", ORDERS)
def test_many_rows_of_white_noise_are_not_vouched_for(order, d):
    for seed in range(6):
        A = np.random.default_rng(seed).standard_normal((4000, d))
        result = lr.TopEigenvector(order, rng=seed).partial_fit(A).result()
        assert result.info.converged is (False if result.status == "failed" else None)
        assert result.status == "failed" or "gap" in result.info.reason


@pytest.mark.parametrize("ratio", [2, 4, 16, 64])
def test_the_gap_is_estimated_from_rows_in_random_order(ratio):
    A, _ = row_streams.spiked(ratio, "random")
    w = np.linalg.eigvalsh(A.T @ A)
    found = lr.TopEigenvector("random", rng=0).partial_fit(A).result().info
    assert 0.8 < found.gap / (w[-1] / w[-2]) < 1.25


def test_options_of_the_other_order_are_refused_by_name():
    for options, name in [
        ({"order": "arbitrary", "heavy": 3}, "heavy"),
        ({"order": "random", "threshold": 3.0}, "threshold"),
        ({"order": "random", "threshold": 2.0}, "threshold"),
        ({"order": "random", "fallback": True}, "fallback"),
    ]:
        with pytest.raises(ValueError, match=f"{name} must not be given for order"):
            lr.TopEigenvector(**options)


def test_a_failure_is_none_and_the_longest_row_on_request():
    A = np.random.default_rng(0).standard_normal((200, 64))
    assert lr.TopEigenvector("arbitrary", rng=0).partial_fit(A).result().v is None
    result = lr.TopEigenvector("arbitrary", fallback=True, rng=0).partial_fit(A).result()
    longest = A[np.argmax(np.linalg.norm(A, axis=1))]
    assert row_streams.squared_correlation(result.v, longest / np.linalg.norm(longest)) > 1 - 1e-12
    assert result.status == "max_row"
    assert result.info.converged is False


def test_a_longest_row_that_does_not_outweigh_the_others_is_not_vouched_for():
    generator = np.random.default_rng(0)
    signal, rival = np.linalg.qr(generator.standard_normal((64, 2)))[0].T
    light = generator.standard_normal((6000, 1)) * signal + 0.01 * generator.standard_normal((6000, 64))
    heavy = 0.7 * np.linalg.norm(light) * rival
    result = lr.TopEigenvector("arbitrary", rng=0).partial_fit(np.vstack([light, heavy])).result()
    assert result.status == "max_row"
    assert result.info.converged is None
    assert row_streams.squared_correlation(result.v, signal) < 0.01


@pytest.mark.parametrize("place", [0, 700, 1999])
def test_a_row_that_outweighs_all_others_is_the_answer(place):
    A = np.random.default_rng(0).standard_normal((2000, 20))
    A[place] *= 1e4
    result = lr.TopEigenvector("arbitrary", rng=0).partial_fit(A).result()
    assert result.status == "max_row"
    assert result.info.converged
    assert row_streams.squared_correlation(result.v, row_streams.top(A)) > 0.999


@pytest.mark.parametrize("order", ORDERS)
def test_any_splitting_into_batches_gives_the_same_bits(order):
    A, _ = row_streams.spiked(16, "random", n=1500, spikes=150)
    whole = row_streams.fed(lr.TopEigenvector(order, rng=3), A)
    for seed in range(3):
        cut = row_streams.fed(lr.TopEigenvector(order, rng=3), A, rng=seed)
        assert row_streams.same_bits(whole.state_dict(), cut.state_dict())
    assert np.array_equal(whole.result().v, cut.result().v)


@pytest.mark.parametrize("order", ORDERS)
def test_a_state_survives_a_file_without_pickle(order, tmp_path):
    A, _ = row_streams.spiked(16, "random", n=1500, spikes=150)
    estimator = lr.TopEigenvector(order, rng=3).partial_fit(A[:777])
    np.savez(tmp_path / "state.npz", **estimator.state_dict())
    with np.load(tmp_path / "state.npz", allow_pickle=False) as stored:
        restored = lr.TopEigenvector.from_state_dict(stored)
    for each in (estimator, restored):
        each.partial_fit(A[777:])
    assert row_streams.same_bits(estimator.state_dict(), restored.state_dict())
    assert np.array_equal(estimator.result().v, restored.result().v)


@pytest.mark.parametrize("order", ORDERS)
def test_a_copy_goes_its_own_way_and_a_query_changes_nothing(order):
    A, _ = row_streams.spiked(16, "random", n=1500, spikes=150)
    estimator = lr.TopEigenvector(order, rng=3).partial_fit(A[:700])
    before, copy = estimator.state_dict(), estimator.copy()
    estimator.result()
    copy.partial_fit(A[700:])
    assert row_streams.same_bits(before, estimator.state_dict())
    estimator.partial_fit(A[700:])
    assert row_streams.same_bits(copy.state_dict(), estimator.state_dict())


@pytest.mark.parametrize("order", ORDERS)
def test_bad_batches_are_refused_and_leave_the_state_as_it_was(order):
    A, _ = row_streams.spiked(16, "random", n=1500, spikes=150)
    estimator = lr.TopEigenvector(order, rng=3).partial_fit(A[:701])
    before = estimator.state_dict()
    bad = A[701:1000].copy()
    bad[150, 3] = np.nan
    for batch, error in [
        (bad, ValueError),
        (np.where(np.isnan(bad), np.inf, bad), ValueError),
        (A[:5, :7], ValueError),
        (A[0], ValueError),
        (A[:5].astype("float32"), TypeError),
        (A[:5] + 1j, TypeError),
        ("rows", TypeError),
    ]:
        with pytest.raises(error, match=r"\w+ \w+"):
            estimator.partial_fit(batch)
        assert row_streams.same_bits(before, estimator.state_dict())
    estimator.partial_fit(A[:0])
    assert row_streams.same_bits(before, estimator.state_dict())


@pytest.mark.parametrize("order", ORDERS)
def test_zero_rows_are_a_failure_until_others_come(order):
    estimator = lr.TopEigenvector(order, rng=0).partial_fit(np.zeros((100, 20)))
    result = estimator.result()
    assert (result.v, result.status) == (None, "failed")
    A, v = row_streams.spiked(64, "random", d=20)
    assert row_streams.squared_correlation(estimator.partial_fit(A).result().v, v) > 0.99


@pytest.mark.parametrize("order", ORDERS)
def test_one_row_and_one_column_have_an_answer(order):
    row = np.array([[3.0, 4.0]])
    assert np.allclose(lr.TopEigenvector(order, rng=0).partial_fit(row).result().v, [0.6, 0.8])
    assert np.allclose(np.abs(lr.TopEigenvector(order, rng=0).partial_fit(np.ones((50, 1))).result().v), 1.0)


@pytest.mark.parametrize("order", ORDERS)
def test_more_columns_than_rows_are_fine(order):
    generator = np.random.default_rng(0)
    u = np.linalg.qr(generator.standard_normal((500, 1)))[0][:, 0]
    A = np.outer(generator.choice([-1.0, 1.0], 200), u) + 0.01 * generator.standard_normal((200, 500))
    options = {"heavy": 200} if order == "random" else {}
    result = lr.TopEigenvector(order, **options, rng=0).partial_fit(A).result()
    assert row_streams.squared_correlation(result.v, row_streams.top(A)) > 0.98


@pytest.mark.parametrize("order", ORDERS)
def test_states_cannot_be_merged_and_the_error_says_why(order):
    estimator = lr.TopEigenvector(order).partial_fit(np.eye(4))
    with pytest.raises(TypeError, match="mergeable summary needs a gap"):
        estimator.merge(estimator.copy())


def test_arguments_are_checked():
    for options, error in [
        ({"order": "sorted"}, ValueError),
        ({"order": "random", "heavy": 0}, ValueError),
        ({"order": "arbitrary", "threshold": -1.0}, ValueError),
        ({"order": "arbitrary", "fallback": 1}, TypeError),
    ]:
        with pytest.raises(error, match=r"\w+ must"):
            lr.TopEigenvector(**options)
    with pytest.raises(TypeError, match="order"):
        lr.TopEigenvector()
    with pytest.raises(ValueError, match="no rows"):
        lr.TopEigenvector("random").result()


@pytest.mark.parametrize("order", ORDERS)
def test_memory_is_told_in_vectors_and_grows_like_the_logarithm(order):
    A, _ = row_streams.spiked(16, "random")
    estimator = lr.TopEigenvector(order, rng=0)
    starts = range(0, 6000, 1000)
    seen = [estimator.partial_fit(A[start : start + 1000]).result().info.memory for start in starts]
    arrays = [x for x in estimator.state_dict().values() if getattr(x, "size", 0) >= 64]
    assert sum(x.size for x in arrays) <= (seen[-1] + 2) * 64
    assert seen[-1] - seen[0] <= 3
    assert seen[-1] <= (64 + 2 * 8 + 1 + 64 if order == "random" else np.log2(1024 * 6000) + 1 + 66)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("order", ORDERS)
def test_all_backends_agree(order, dtype, backend):
    dtype = backend.nearest(dtype)
    A, _ = row_streams.spiked(16, "random", n=700, d=20, spikes=70)
    A = (A * (1 + 1j if dtype.startswith("complex") else 1)).astype(dtype)
    if dtype.startswith("complex"):
        A = A * np.exp(1j * np.arange(20)).astype(dtype)
    expected = lr.TopEigenvector(order, rng=0).partial_fit(A).result()
    result = lr.TopEigenvector(order, rng=0).partial_fit(backend.asarray(A)).result()
    assert backend.holds(result.v)
    assert be.dtype_name(result.v.dtype) == dtype
    assert result.status == expected.status
    assert np.max(np.abs(backend.to_numpy(result.v) - expected.v)) <= 2e3 * be.eps(expected.v.dtype)
    assert row_streams.squared_correlation(expected.v, row_streams.top(A)) > 0.9


def test_half_precision_comes_back_in_half():
    A, v = row_streams.spiked(64, "random")
    result = lr.TopEigenvector("arbitrary", rng=0).partial_fit((A / 8).astype("float16")).result()
    assert result.v.dtype == np.float16
    assert row_streams.squared_correlation(result.v.astype(float), v) > 0.99


@pytest.mark.parametrize("order", ORDERS)
def test_it_can_be_read_while_rows_arrive(order):
    A, _ = row_streams.spiked(16, "random", n=3000, spikes=300)
    estimator, failures = lr.TopEigenvector(order, rng=0).partial_fit(A[:100]), []

    def read():
        try:
            for _ in range(20):
                estimator.result()
                estimator.state_dict()
        except Exception as error:  # noqa: BLE001  anything at all is a failure of the test
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for start in range(100, 3000, 100):
        estimator.partial_fit(A[start : start + 100])
    for reader in readers:
        reader.join()
    assert not failures
    alone = lr.TopEigenvector(order, rng=0).partial_fit(A)
    assert row_streams.same_bits(alone.state_dict(), estimator.state_dict())
