"""Incremental singular value decomposition: all forms of the state, and streams that are hard for it."""

import warnings

import numpy as np
import pytest
import scipy.sparse
from streaming import streams

import lowrank_la as lr
from lowrank_la import _backend as be

EPS = 2.0**-52
METHODS = ("gram", "qr", "truncated")


def low_rank(n=300, d=40, rank=4, dtype="float64", seed=0):
    """Rows of exact rank whose leading values are far apart."""
    generator = np.random.default_rng(seed)
    left = np.linalg.qr(generator.standard_normal((n, rank)))[0]
    right = np.linalg.qr(generator.standard_normal((d, rank)))[0]
    A = left * 2.0 ** -np.arange(rank) @ right.T
    return (A * (1 + 0.5j) if np.dtype(dtype).kind == "c" else A).astype(dtype)


def sine(Vh, A, k=None):
    """Sine of the largest angle between the rows of `Vh` and the leading right vectors of `A`."""
    true = np.linalg.svd(A, full_matrices=False)[2][: Vh.shape[0]]
    Vh = np.asarray(Vh, true.dtype)
    return np.linalg.norm(Vh - Vh @ true.conj().T @ true, 2)


def fed(A, size=37, **options):
    """An estimator that has seen `A` in batches."""
    stream = lr.IncrementalSVD(**options)
    for part in be.fixed_partition(A.shape[0], size):
        stream.partial_fit(A[part, :])
    return stream


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128", "complex64"])
def test_rows_of_exact_rank_are_recovered(method, dtype):
    A = low_rank(dtype=dtype)
    s, Vh = fed(A, rank=4, method=method).result()
    eps = np.finfo(dtype).eps
    assert s.dtype == np.finfo(dtype).dtype
    assert Vh.dtype == A.dtype
    np.testing.assert_allclose(s, np.linalg.svd(A, compute_uv=False)[:4], rtol=0, atol=50 * eps * s[0])
    assert np.linalg.norm(A - A @ Vh.conj().T @ Vh) <= 100 * eps * np.linalg.norm(A)
    assert np.linalg.norm(Vh @ Vh.conj().T - np.eye(4)) <= 50 * eps


def test_every_backend_gives_the_same_answer(backend):
    A = streams.rows_of("decaying", 90, 12, backend.nearest("float64"), np.random.default_rng(0))
    eps = np.finfo(A.dtype).eps
    for method in METHODS:
        here = fed(A, rank=3, method=method, center=True).result()
        there = fed(backend.asarray(A), rank=3, method=method, center=True).result()
        for part in (there.s, there.Vh, there.mean, there.error_bounds):
            assert backend.holds(part)
        np.testing.assert_allclose(backend.to_numpy(there.s), here.s, rtol=0, atol=100 * eps * here.s[0])
        np.testing.assert_allclose(backend.to_numpy(there.Vh), here.Vh, rtol=0, atol=3000 * eps)
        np.testing.assert_allclose(backend.to_numpy(there.mean), here.mean, rtol=0, atol=50 * eps)


@pytest.mark.parametrize("method", ["gram", "qr"])
def test_the_full_state_is_exact(method):
    A = streams.rows_of("flat", 500, 30, "float64", np.random.default_rng(1))
    found = fed(A, rank=5, method=method).result()
    np.testing.assert_allclose(found.s, np.linalg.svd(A, compute_uv=False)[:5], rtol=100 * EPS)
    assert sine(found.Vh, A) <= 1e-12
    assert found.info.error_kind == "exact"
    assert abs(found.info.error - np.linalg.norm(A - A @ found.Vh.T @ found.Vh) / np.linalg.norm(A)) <= 1e-12


@pytest.mark.parametrize("method", METHODS)
def test_a_mean_far_away_costs_no_more_than_the_rounding_of_the_rows(method):
    generator = np.random.default_rng(2)
    A = 0.1 * generator.standard_normal((400, 20)) / np.arange(1, 21) + 1e6
    found = fed(A, rank=3, method=method, center=True, oversample=17).result()
    centred = A - A.mean(axis=0)
    true = np.linalg.svd(centred, compute_uv=False)[:3]
    np.testing.assert_allclose(found.s, true, rtol=1e-7)  # 1e6 eps / 0.1, and a margin
    np.testing.assert_allclose(found.mean, A.mean(axis=0), rtol=20 * EPS)


def test_a_drifting_mean_is_followed():
    A = streams.rows_of("decaying", 70_000, 8, "float64", np.random.default_rng(3))
    A += np.linspace(0.0, 1e4, A.shape[0])[:, None]
    found = fed(A, 6000, rank=3, center=True, method="gram").result()
    true = np.linalg.svd(A - A.mean(axis=0), compute_uv=False)[:3]
    np.testing.assert_allclose(found.s[:2], true[:2], rtol=1e-7)  # (σ₁/σ₂)² eps


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("forget", [1.0, 0.97])
def test_weights_and_forgetting_multiply_the_rows(method, center, forget):
    given = streams.Given(
        streams.rows_of("decaying", 200, 10, "float64", np.random.default_rng(4)), "decaying",
        tuple(np.array_split(np.arange(200), 7)), np.random.default_rng(5).random(200), center, forget,
    )  # fmt: skip
    options = {"method": method, "center": center, "forget": forget, "oversample": 7}
    found = streams.feed(lr.IncrementalSVD(3, **options), given).result()
    true = streams.effective(given, center=center, forget=forget)
    np.testing.assert_allclose(found.s, np.linalg.svd(true, compute_uv=False)[:3], rtol=1e-13)
    assert found.info.weight == pytest.approx(float((given.weights * forget ** (2.0 * np.arange(199, -1, -1))).sum()))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("center", [False, True])
def test_merged_states_say_what_one_stream_says(method, center):
    A = streams.rows_of("decaying", 640, 16, "float64", np.random.default_rng(6)) + 2.0
    parts = [fed(part, rank=3, method=method, center=center, oversample=13) for part in np.split(A, 64)]
    while len(parts) > 1:
        parts = [parts[i].merge(parts[i + 1]) for i in range(0, len(parts), 2)]
    found = parts[0].result()
    true = np.linalg.svd(A - center * A.mean(axis=0), compute_uv=False)[:3]
    np.testing.assert_allclose(found.s, true, rtol=1e-10)
    assert parts[0].rows_seen == 640


def test_merging_goes_on_with_the_clock_of_forgetting():
    A = streams.rows_of("decaying", 100, 6, "float64", np.random.default_rng(7))
    for method in METHODS:
        options = {"method": method, "forget": 0.9, "oversample": 4}
        halves = [lr.IncrementalSVD(2, **options).partial_fit(part) for part in (A[:60], A[60:])]
        together = lr.IncrementalSVD(2, **options).partial_fit(A).result()
        np.testing.assert_allclose(halves[0].merge(halves[1]).result().s, together.s, rtol=1e-12)


def test_a_gram_and_a_triangular_state_merge():
    A = streams.rows_of("decaying", 300, 9, "float64", np.random.default_rng(8))
    flat, steep = A, A * 1e-9 ** np.arange(9)
    first, second = lr.IncrementalSVD(9).partial_fit(flat), lr.IncrementalSVD(9).partial_fit(steep)
    assert (first.result().info.method, second.result().info.method) == ("gram", "qr")
    found = first.merge(second).result()
    assert found.info.method == "qr"
    np.testing.assert_allclose(found.s, np.linalg.svd(np.vstack([flat, steep]), compute_uv=False), rtol=1e-12)


def test_the_factor_takes_over_where_squares_lose_what_was_asked():
    A = np.random.default_rng(9).standard_normal((500, 12)) * 10.0 ** -np.arange(12)
    true = np.linalg.svd(A, compute_uv=False)
    assert lr.IncrementalSVD(3).partial_fit(A).result().info.method == "gram"
    found = lr.IncrementalSVD(10).partial_fit(A).result()
    assert found.info.method == "qr"
    np.testing.assert_allclose(found.s, true[:10], rtol=1e-6)
    with pytest.warns(lr.ConvergenceWarning, match="hides singular values below"):
        coarse = lr.IncrementalSVD(10, method="gram").partial_fit(A).result()
    assert coarse.info.converged is False
    assert (coarse.error_bounds[0] <= true[:10]).all()
    assert (coarse.error_bounds[1] >= true[:10]).all()


def test_a_spectrum_that_becomes_steep_is_noticed_while_rows_arrive():
    generator, d = np.random.default_rng(10), 300
    A = generator.standard_normal((8 * 4096, d))
    A[3495:, 0] *= 1e9
    stream = lr.IncrementalSVD(4).partial_fit(A[:3495])
    assert stream.result().info.method == "gram"
    with pytest.warns(lr.ConvergenceWarning):
        found = stream.partial_fit(A[3495:]).result()
    assert found.info.method == "qr"


@pytest.mark.parametrize(("spread", "precision"), [(1.0, "single"), (1e-3, "double")])
def test_single_precision_products_are_taken_where_they_do(spread, precision):
    scale = np.where(np.arange(30) < 3, 3.0, 1.0) * np.where(np.arange(30) < 1, 1 / spread, 1.0)
    A = (np.random.default_rng(11).standard_normal((5000, 30)) * scale).astype("float32")
    found = fed(A, 900, rank=3).result()
    assert found.info.precision == precision
    true = np.linalg.svd(A.astype(np.float64), compute_uv=False)[:3]
    np.testing.assert_allclose(found.error_bounds.mean(axis=0), true, rtol=1e-6)
    assert sine(found.Vh, A.astype(np.float64)) <= 1e-6


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("power", [-1, 1])
def test_rows_of_any_scale_are_taken(method, dtype, power):
    scale = 10.0 ** (power * (150 if dtype == "float64" else 30))
    A = streams.rows_of("decaying", 100, 8, dtype, np.random.default_rng(12))
    plain = fed(A, rank=3, method=method, center=True).result()
    scaled = fed(A * np.asarray(scale, dtype), rank=3, method=method, center=True).result()
    np.testing.assert_allclose(scaled.s / np.asarray(scale, dtype), plain.s, rtol=300 * np.finfo(dtype).eps)
    assert np.isfinite(scaled.error_bounds).all()


def test_states_of_two_scales_merge():
    A = streams.rows_of("decaying", 100, 8, "float64", np.random.default_rng(13))
    for method in METHODS:
        first, second = (fed(part, rank=3, method=method, oversample=5) for part in (A * 1e-120, A))
        np.testing.assert_allclose(first.merge(second).result().s, np.linalg.svd(A, compute_uv=False)[:3], rtol=1e-12)


@pytest.mark.parametrize("center", [False, True])
def test_left_vectors_are_kept(center):
    A = low_rank(400, 30) + center * 3.0
    found = fed(A, rank=5, keep_u=True, center=center).result()
    assert found.U.shape[0] == 400
    assert found.U.shape[1] in (4, 5)  # the rows have rank 4; rounding may leave nothing of a fifth value
    mean = 0 if found.mean is None else found.mean
    np.testing.assert_allclose(found.U * found.s @ found.Vh + mean, A, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.U[:, :4].T @ found.U[:, :4], np.eye(4), rtol=0, atol=1e-11)
    halves = [fed(part, rank=5, keep_u=True, center=center) for part in np.split(A, 2)]
    merged = halves[0].merge(halves[1]).result()
    mean = 0 if merged.mean is None else merged.mean
    np.testing.assert_allclose(merged.U * merged.s @ merged.Vh + mean, A, rtol=0, atol=1e-12)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("method", ["gram", "truncated"])
def test_rows_can_be_taken_out(method, center):
    A = low_rank(200, 20) + 1e-3 * streams.rows_of("decaying", 200, 20, "float64", np.random.default_rng(14))
    stream = fed(A, rank=3, method=method, center=center, oversample=17)
    found = stream.downdate(A[50:80]).result()
    rest = np.delete(A, np.s_[50:80], axis=0)
    true = np.linalg.svd(rest - center * rest.mean(axis=0), compute_uv=False)[:3]
    np.testing.assert_allclose(found.s, true, rtol=1e-8)
    assert found.error_bounds is None
    assert found.info.error_kind == "estimate"
    assert found.info.angle_bound is None
    if center:
        np.testing.assert_allclose(found.mean, rest.mean(axis=0), rtol=1e-10, atol=1e-14)
    assert stream.rows_seen == 170


@pytest.mark.parametrize("method", ["gram", "truncated"])
def test_rows_that_were_never_seen_are_not_taken_out(method):
    A = low_rank()
    stream = fed(A, rank=4, method=method)
    before = stream.result().s
    with pytest.raises(ValueError, match="rounding noise"):
        stream.downdate(np.ones((1, 40)))
    with pytest.raises(ValueError, match="at least one row"):
        stream.downdate(A)
    assert stream.rows_seen == 300
    assert stream.result().error_bounds is not None
    np.testing.assert_array_equal(stream.result().s, before)


def test_taking_out_almost_all_of_a_direction_is_refused():
    A = np.diag([3.0, 2.0, 1.0]) @ np.eye(3, 40)
    stream = lr.IncrementalSVD(3, method="truncated").partial_fit(A)
    with pytest.raises(ValueError, match="rounding noise"):
        stream.downdate(A[:1])


@pytest.mark.parametrize("options", [{"method": "qr"}, {"forget": 0.9}, {"keep_u": True}])
def test_some_states_take_no_rows_out(options):
    stream = lr.IncrementalSVD(2, **options).partial_fit(low_rank())
    with pytest.raises(ValueError, match="SlidingWindow"):
        stream.downdate(low_rank()[:3])


def test_a_rotating_stream_leaves_the_truth_inside_the_bounds():
    A = streams.rows_of("rotating", 2000, 50, "float64", np.random.default_rng(15))
    found = fed(A, rank=5, method="truncated", oversample=0).result()
    true = np.linalg.svd(A, compute_uv=False)[:5]
    assert (found.error_bounds[0] <= true).all()
    assert (found.error_bounds[1] >= true).all()
    assert found.info.angle_bound is None
    assert (found.error_bounds[1] > 1.5 * found.error_bounds[0]).all()


@pytest.mark.parametrize("kind", ["sorted up", "sorted down", "heavy rows", "wide"])
def test_streams_that_are_hard_for_truncation_are_bounded(kind):
    A = streams.rows_of(kind, 60 if kind == "wide" else 900, 80, "float64", np.random.default_rng(16))
    found = fed(A, rank=6, method="truncated", oversample=4).result()
    true = np.linalg.svd(A, compute_uv=False)[:6]
    assert (found.error_bounds[0] <= true * (1 + 1e-13)).all()
    assert (found.error_bounds[1] >= true * (1 - 1e-13)).all()
    assert found.info.discarded > 0


def test_the_energy_that_is_kept_and_dropped_adds_up():
    A = streams.rows_of("flat", 700, 60, "float64", np.random.default_rng(17))
    stream = fed(A, rank=5, method="truncated", oversample=3)._settled()
    total = be.vdot_real(stream._state["s"]) + stream._state["dropped"]
    assert total == pytest.approx(np.linalg.norm(A) ** 2, rel=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("A", [np.zeros((9, 4)), np.ones((9, 4)), np.ones((1, 4)), np.zeros((1, 4)), np.eye(2, 4)])
@pytest.mark.parametrize("center", [False, True])
def test_degenerate_streams_have_defined_answers(method, A, center):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)  # a Gram matrix says that it is too coarse
        found = lr.IncrementalSVD(3, method=method, center=center).partial_fit(A).result()
    true = np.linalg.svd(A - center * A.mean(axis=0), compute_uv=False)
    k = found.s.shape[0]
    assert k <= min(3, A.shape[0])
    np.testing.assert_allclose(found.s, true[:k], rtol=0, atol=1e-7)
    assert found.info.error <= 1e-6
    assert np.isfinite(found.Vh).all()


def test_long_sparse_rows_stay_sparse():
    A = scipy.sparse.random_array((500, 30_000), density=1e-3, rng=18, format="csr")
    stream = lr.IncrementalSVD(4)
    for part in be.fixed_partition(500, 130):
        stream.partial_fit(A[part])
    found = stream.result()
    assert found.info.method == "truncated"
    true = scipy.sparse.linalg.svds(A, 4, return_singular_vectors=False)[::-1]
    assert (found.error_bounds[0] <= true + 1e-12).all()
    assert (found.error_bounds[1] >= true - 1e-12).all()
    assert all(piece.nnz < 2 * A.nnz for piece, _ in stream._pieces)


def test_coordinates_of_the_rows_are_those_of_transform():
    A = low_rank(200, 20) + 1.0
    found = fed(A, rank=4, keep_u=True, center=True).result()
    np.testing.assert_allclose(found.transform(A), found.U * found.s, rtol=0, atol=1e-13)


def test_half_precision_is_worked_in_single():
    A = low_rank().astype("float16")
    found = lr.IncrementalSVD(2).partial_fit(A).result()
    assert (found.Vh.dtype, found.s.dtype) == (np.float16, np.float32)
    np.testing.assert_allclose(found.s, np.linalg.svd(A.astype(float), compute_uv=False)[:2], rtol=1e-5)


def test_integers_are_worked_in_double():
    found = lr.IncrementalSVD(1).partial_fit([[1, 2], [3, 4]]).result()
    assert float(found.s[0]) == pytest.approx(np.linalg.norm([[1, 2], [3, 4]], 2))


def test_a_result_is_saved_and_loaded(tmp_path):
    found = fed(low_rank(), rank=3, center=True).result()
    found.save(tmp_path / "stream.npz")
    again = lr.load(tmp_path / "stream.npz")
    np.testing.assert_array_equal(again.error_bounds, found.error_bounds)
    assert again.info.angle_bound == found.info.angle_bound


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"rank": 0}, ValueError), ({"rank": 2.0}, TypeError), ({"rank": 2, "forget": 0.0}, ValueError),
        ({"rank": 2, "forget": 1.1}, ValueError), ({"rank": 2, "method": "brand"}, ValueError),
        ({"rank": 2, "center": 1}, TypeError), ({"rank": 2, "oversample": -1}, ValueError),
        ({"rank": 2, "accuracy": 0.0}, ValueError), ({"rank": 2, "keep_u": True, "method": "gram"}, ValueError),
        ({"rank": 2, "keep_u": True, "forget": 0.5}, ValueError),
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused(options, error):
    with pytest.raises(error):
        lr.IncrementalSVD(**options)


def test_a_rank_above_the_number_of_columns_is_refused_with_the_maximum():
    stream = lr.IncrementalSVD(5)
    with pytest.raises(ValueError, match="at most the number of columns, 3"):
        stream.partial_fit(np.ones((4, 3)))
    stream.partial_fit(np.ones((4, 6)))
