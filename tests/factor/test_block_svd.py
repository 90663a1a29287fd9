"""Singular triplets of data in slabs: the answers of the same data in memory, in a counted number of reads."""

import math
import warnings

import numpy as np
import pytest
from factor.slab_data import Counting, errors

import lowrank_la as lr
from lowrank_la import testing
from lowrank_la.factor import block_svd

EPS = {name: np.finfo(name).eps for name in ("float32", "float64", "complex64", "complex128")}
TALL, WIDE = (1500, 40), (60, 90)


def matrix(shape, dtype="float64", decay=1.0):
    return testing.matrix(*shape, np.arange(1.0, min(shape) + 1) ** -decay, dtype=dtype, rng=3)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("method", ["gram", "fused"])
@pytest.mark.parametrize("shape", [TALL, WIDE])
@pytest.mark.parametrize("dtype", list(EPS))
def test_triplets_are_those_of_the_data_in_memory(dtype, shape, method, center):
    A = matrix(shape, dtype)
    given = A + np.asarray(3, dtype) if center else A
    B = given - given.mean(axis=0, dtype="complex128" if "complex" in dtype else "float64") if center else A
    result = lr.svd(lr.block_source(given, rows=64), 6, method=method, center=center, rng=0)
    eps = EPS[dtype] * (10 if center else 1)
    np.testing.assert_allclose(result.s, np.linalg.svd(B, compute_uv=False)[:6], rtol=0, atol=50 * eps)
    error, residual, deviation = errors(B, result)
    assert residual <= max(1e-6, 50 * eps)
    assert abs(error - result.info.error) <= 100 * eps
    assert result.info.error_kind == "exact"
    assert deviation <= 1e3 * eps
    assert result.info.converged
    if center:
        np.testing.assert_allclose(result.mean, given.mean(axis=0), rtol=0, atol=10 * eps)


@pytest.mark.parametrize("method", ["gram", "fused"])
def test_every_library_gets_the_same_answer(backend, method):
    A = matrix((300, 30), "float32")
    result = lr.svd(lr.block_source(backend.asarray(A), rows=64), 4, method=method, rng=0)
    expected = lr.svd(lr.block_source(A, rows=64), 4, method=method, rng=0)
    assert backend.holds(result.s)
    assert backend.holds(result.U.gather())
    for part in ("s", "Vh"):
        np.testing.assert_allclose(
            backend.to_numpy(getattr(result, part)), getattr(expected, part), rtol=0, atol=100 * EPS["float32"]
        )


@pytest.mark.parametrize("passes", [1, 2, 3])
@pytest.mark.parametrize("orthonormal", [False, True])
@pytest.mark.parametrize("center", [False, True])
def test_reads_are_counted_truly_and_no_more_than_allowed(passes, orthonormal, center):
    source = Counting(matrix(TALL))
    result = lr.svd(
        source, 5, method="fused", passes=passes + orthonormal, orthonormal_u=orthonormal, center=center, rng=0
    )
    assert source.passes == result.info.passes == passes + orthonormal


@pytest.mark.parametrize("passes", [1, 2, 3])
def test_a_tolerance_takes_no_more_reads_than_allowed(passes):
    A = matrix(TALL)
    source = Counting(A)
    result = lr.svd(source, tol=0.3, method="fused", passes=passes, rng=0)
    assert source.passes == result.info.passes <= passes
    assert errors(A, result)[0] == pytest.approx(result.info.error, abs=100 * EPS["float64"])


@pytest.mark.parametrize("method", ["gram", "fused"])
def test_reads_without_a_limit_are_counted_truly(method):
    source = Counting(matrix(TALL))
    result = lr.svd(source, 5, method=method, rng=0)
    assert source.passes == result.info.passes
    assert (result.info.passes == 1) == (method == "gram")


def alternating(A, start, q):
    """2q + 2 reads: the range of ``(A Aᴴ)^q A Ω`` and the projection on it."""
    Q = np.linalg.qr(A @ start)[0]
    for _ in range(q):
        Q = np.linalg.qr(A @ np.linalg.qr(A.conj().T @ Q)[0])[0]
    return np.linalg.svd(Q.conj().T @ A, full_matrices=False)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("spectrum", ["power", "exponential"])
@pytest.mark.parametrize("q", [0, 1, 2])
def test_q_plus_one_reads_are_no_worse_than_twice_as_many_alternating_ones(dtype, spectrum, q):
    values = np.arange(1.0, 61) ** -1 if spectrum == "power" else 10 ** (-np.arange(60) / 10)
    A = testing.matrix(800, 60, values, dtype=dtype, rng=1)
    k = 10
    ratios = []
    for seed in range(5):
        result = lr.svd(lr.block_source(A, rows=100), k, method="fused", passes=q + 1, rng=seed)
        start = np.random.default_rng(seed).standard_normal((60, 20))
        s = alternating(A, start, q)[1][:k]
        ratios.append(math.sqrt((1 - np.sum(result.s**2) / np.sum(values**2)) / (1 - np.sum(s**2) / np.sum(values**2))))
    assert np.mean(ratios) <= 1.02


STEEP = 10 ** (-np.arange(60) / 3)


def steep_answer(passes, **options):
    A = testing.matrix(2000, 60, STEEP, rng=2)
    result = lr.svd(lr.block_source(A, rows=256), 20, method="fused", passes=passes, rng=0, **options)
    optimum = np.linalg.norm(STEEP[20:])
    U = result.U.gather()
    return result, np.abs(result.s - STEEP[:20]).max(), np.linalg.norm(A - (U * result.s) @ result.Vh) / optimum


def test_one_read_of_a_steep_spectrum_is_cut_as_the_table_of_the_notes_says():
    result, error, ratio = steep_answer(1)
    assert result.info.cut
    assert error <= 1e-8
    assert ratio <= 1.1
    assert result.info.rounding >= 1e-9


def test_another_read_of_a_steep_spectrum_needs_no_cut():
    result, error, ratio = steep_answer(2)
    assert not result.info.cut
    assert error <= 1e-14
    assert ratio <= 1.01
    assert result.info.rounding <= 1e3 * EPS["float64"]


def test_a_read_that_is_not_cut_would_be_worse(monkeypatch):
    """The mutation that the rule is there for: the triangular solve whatever the amplification."""
    from lowrank_la.factor import projection

    monkeypatch.setattr(projection, "_HARMLESS", math.inf)
    _, error, ratio = steep_answer(1)
    assert error > 1e-8 or ratio > 1.1


def test_without_a_limit_a_steep_spectrum_is_resolved():
    result, error, ratio = steep_answer(None)
    assert not result.info.cut
    assert error <= 1e-13
    assert ratio <= 1.01


@pytest.mark.parametrize("method", ["gram", "fused"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_mean_far_above_the_spread_costs_no_digits(method, dtype):
    low = 0.1 * matrix(TALL)
    mean = 1e6 if dtype == "float64" else 1e3
    given = (low + mean).astype(dtype)
    B = given.astype("float64") - given.astype("float64").mean(axis=0)
    result = lr.svd(lr.block_source(given, rows=100), 5, method=method, center=True, rng=0)
    exact = np.linalg.svd(B, compute_uv=False)
    assert np.abs(result.s / exact[:5] - 1).max() <= (1e-8 if dtype == "float64" else 1e-5)
    assert abs(result.info.error - np.linalg.norm(exact[5:]) / np.linalg.norm(exact)) <= 1e-5


def test_rounding_of_the_square_takes_the_triangular_factor():
    values = np.concatenate([np.ones(3), np.full(3, 1e-10), np.full(10, 1e-13)])
    source = Counting(testing.matrix(800, 16, values, rng=0))
    result = lr.svd(source, 6, rng=0)
    assert result.info.method == "gram+qr"
    assert result.info.passes == source.passes == 2
    np.testing.assert_allclose(result.s, values[:6], rtol=0, atol=2e-15)
    assert errors(source.array, result)[2] <= 1e-4


def test_an_accuracy_near_rounding_takes_the_triangular_factor():
    A = testing.matrix(800, 16, 10.0 ** -np.arange(16), rng=0)
    assert lr.svd(lr.block_source(A, rows=100), 4, rng=0).info.method == "gram"
    fine = lr.svd(lr.block_source(A, rows=100), 4, accuracy=1e-13, rng=0)
    assert fine.info.method == "gram+qr"
    np.testing.assert_allclose(fine.s, 10.0 ** -np.arange(4), rtol=1e-12)


def test_residuals_that_rounding_leaves_are_not_understated():
    for seed, decay in enumerate((0.5, 1.0, 2.0)):
        A = testing.matrix(3000, 48, np.arange(1.0, 49) ** -decay, dtype="float32", rng=seed)
        result = lr.svd(lr.block_source(A, rows=512), 12, method="gram", passes=1, accuracy=1e-3, rng=0)
        exact = A.astype("float64")
        V = result.Vh.T.astype("float64")
        image = exact @ V
        U = image / np.linalg.norm(image, axis=0)
        gaps = np.linalg.norm(exact.T @ U - V * result.s, axis=0)
        assert np.all(gaps <= result.info.residuals + 20 * EPS["float32"] * result.s[0])


@pytest.mark.parametrize("method", ["gram", "fused"])
def test_a_tolerance_takes_the_fewest_triplets(method):
    A = matrix((900, 120), decay=1.5)
    s = np.linalg.svd(A, compute_uv=False)
    for tol in (0.3, 0.05):
        best = next(k for k in range(1, 121) if np.linalg.norm(s[k:]) <= tol * np.linalg.norm(s))
        result = lr.svd(lr.block_source(A, rows=100), tol=tol, method=method, rng=0)
        assert best <= len(result.s) <= best + 2
        assert errors(A, result)[0] <= tol
        assert result.info.converged


def test_a_rank_that_falls_short_of_the_tolerance_is_said():
    with pytest.warns(lr.ConvergenceWarning, match="rank reached before tol"):
        result = lr.svd(lr.block_source(matrix(TALL), rows=100), 3, tol=1e-3, rng=0)
    assert len(result.s) == 3


@pytest.mark.parametrize("method", ["gram", "fused"])
def test_errors_below_the_floor_of_a_difference_are_estimated_or_bounded(method):
    values = np.concatenate([np.linspace(2, 1, 5), np.full(35, 1e-10)])
    result = lr.svd(lr.block_source(testing.matrix(*TALL, values, rng=0), rows=100), 5, method=method, rng=0)
    truth = np.linalg.norm(values[5:]) / np.linalg.norm(values)
    assert result.info.error_kind == {"gram": "bound", "fused": "estimate"}[method]
    assert truth / 2 <= result.info.error
    if method == "fused":
        assert result.info.error <= 2 * truth


def test_a_refined_u_is_orthonormal_where_few_reads_were_allowed():
    A = testing.matrix(800, 300, np.arange(1.0, 301) ** -0.5, rng=0)
    plain = lr.svd(lr.block_source(A, rows=100), 20, method="fused", passes=2, rng=0)
    fine = lr.svd(lr.block_source(A, rows=100), 20, method="fused", passes=3, orthonormal_u=True, rng=0)
    assert errors(A, fine)[2] <= 1e-13
    assert errors(A, fine)[1] <= 1e-14  # A v = σ u holds exactly for a refined answer
    assert np.all(fine.s <= np.linalg.svd(A, compute_uv=False)[:20] * (1 + 1e-14))
    assert np.all(plain.s <= np.linalg.svd(A, compute_uv=False)[:20] * (1 + 1e-14))


@pytest.mark.parametrize("scale", [1e-200, 1e-150, 1e150, 1e200])
@pytest.mark.parametrize("method", ["gram", "fused"])
def test_extreme_scales_are_worked_on_at_a_safe_one(scale, method):
    A = matrix(TALL) * scale
    result = lr.svd(lr.block_source(A, rows=100), 4, method=method, rng=0)
    np.testing.assert_allclose(result.s / scale, np.arange(1.0, 5) ** -1, rtol=1e-12)
    U = result.U.gather()
    np.testing.assert_allclose(U.T @ U, np.eye(4), atol=1e-11)


DEGENERATE = {
    "zero": np.zeros((100, 7)),
    "constant": np.ones((100, 7)),
    "one row": np.arange(1.0, 8)[None, :],
    "one column": np.arange(1.0, 8)[:, None],
    "rank one": np.outer(np.arange(100.0), np.arange(7.0)),
    "fewer rows than columns": np.random.default_rng(0).standard_normal((4, 9)),
    "duplicated rows": np.repeat(np.random.default_rng(0).standard_normal((4, 9)), 30, axis=0),
    "zero rows": np.vstack([np.zeros((200, 5)), np.eye(5)]),
}


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("method", ["gram", "fused"])
@pytest.mark.parametrize("name", list(DEGENERATE))
def test_degenerate_data_have_the_answers_of_data_in_memory(name, method, center):
    A = DEGENERATE[name]
    k = min(3, *A.shape)
    result = lr.svd(lr.block_source(A, rows=17), k, method=method, center=center, rng=0)
    B = A - A.mean(axis=0) if center else A
    size = max(np.linalg.norm(A), 1)
    np.testing.assert_allclose(result.s, np.linalg.svd(B, compute_uv=False)[:k], rtol=0, atol=1e-7 * size)
    optimum = np.linalg.norm(np.linalg.svd(B, compute_uv=False)[k:])
    assert np.linalg.norm(B - (result.U.gather() * result.s) @ result.Vh) <= optimum + 1e-7 * size


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("method", ["gram", "fused"])
def test_data_that_are_not_finite_are_refused(bad, method):
    A = matrix(TALL)
    A[777, 3] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        lr.svd(lr.block_source(A, rows=100), 4, method=method, rng=0)


def test_integers_and_half_precision_are_promoted():
    A = np.random.default_rng(0).integers(-9, 9, (300, 12))
    np.testing.assert_allclose(
        lr.svd(lr.block_source(A, rows=50), 3, rng=0).s,
        np.linalg.svd(A.astype(float), compute_uv=False)[:3],
        rtol=1e-12,
    )
    half = lr.svd(lr.block_source(A.astype("float16"), rows=50), 3, rng=0)
    assert half.Vh.dtype == half.U.gather().dtype == np.float16
    assert half.s.dtype == np.float32


@pytest.mark.parametrize("executor", ["serial", "threads"])
@pytest.mark.parametrize("options", [{"method": "gram"}, {"method": "fused", "passes": 3, "center": True}])
def test_bits_do_not_depend_on_who_runs_the_kernels(executor, options):
    A = matrix((4000, 64), "float32")
    expected = lr.svd(lr.block_source(A, rows=300, executor="serial", prefetch=False), 8, rng=0, **options)
    result = lr.svd(lr.block_source(A, rows=300, executor=executor), 8, rng=0, **options)
    for part in ("s", "Vh"):
        assert getattr(result, part).tobytes() == getattr(expected, part).tobytes()
    assert result.U.gather().tobytes() == expected.U.gather().tobytes()


@pytest.mark.parametrize("options", [{"method": "gram"}, {"method": "fused", "passes": 3}])
def test_a_dask_array_has_the_bits_of_its_slabs_and_a_lazy_u(options):
    dask = pytest.importorskip("dask")
    array = pytest.importorskip("dask.array")
    A = matrix((4000, 64))
    expected = lr.svd(lr.block_source(A, rows=500), 8, rng=0, **options)
    data = array.from_array(A, chunks=(500, 17))
    for workers in (1, 2, 4):
        with dask.config.set(scheduler="threads", num_workers=workers):
            result = lr.svd(lr.block_source(data, rows=500), 8, rng=0, **options)
            assert result.s.tobytes() == expected.s.tobytes()
            assert result.Vh.tobytes() == expected.Vh.tobytes()
            assert isinstance(result.U, array.Array)
            np.testing.assert_array_equal(result.U.compute(), expected.U.gather())


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_torch_tensors_in_blocks_stay_torch_tensors(dtype):
    torch = pytest.importorskip("torch")
    A = matrix((600, 20), dtype)
    source = lr.block_source(torch.from_numpy(A), rows=70)
    for passes in (1, 3):
        found = lr.svd(source, 5, passes=passes)
        assert isinstance(found.s, torch.Tensor)
        np.testing.assert_allclose(found.s.numpy(), np.linalg.svd(A)[1][:5], rtol=200 * EPS[dtype])
    assert isinstance(lr.qb(source, 5).B, torch.Tensor)


def test_complex_dask_arrays_are_decomposed_rightly():
    array = pytest.importorskip("dask.array")
    A = matrix((600, 20), "complex128")
    result = lr.svd(array.from_array(A, chunks=(200, 7)), 20, rng=0)
    U = result.U.compute()
    np.testing.assert_allclose((U * result.s) @ result.Vh, A, atol=1e-13)


def test_rows_that_can_be_read_once_are_factored_in_that_read():
    A = matrix(TALL)
    rows = (A[i : i + 100] for i in range(0, len(A), 100))
    result = lr.svd(rows, 5, rng=0)
    assert (result.info.method, result.info.passes) == ("qr", 1)
    np.testing.assert_allclose(result.s, np.arange(1.0, 6) ** -1, rtol=1e-13)
    once = Counting(A, once=True)
    with pytest.warns(lr.ConvergenceWarning, match="no reads left"):
        assert lr.svd(once, 5, method="fused", rng=0).info.passes == once.passes == 1
    with pytest.raises(ValueError, match="read once"):
        lr.svd(Counting(A, once=True), 5, passes=2, rng=0)
    with pytest.raises(ValueError, match="rank=30"):
        lr.svd(iter([np.ones((20, 40))]), 30, rng=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "dense"}, "'auto', 'gram', 'fused'"),
        ({"passes": 0}, "passes"),
        ({"passes": 1, "orthonormal_u": True}, "at least 2"),
        ({"resume": True}, "checkpoint"),
        ({"rank": 99}, "rank"),
    ],
)
def test_arguments_that_do_not_fit_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        lr.svd(lr.block_source(matrix(TALL), rows=100), **{"rank": 4, "rng": 0} | options)


@pytest.mark.parametrize("options", [{"passes": 2}, {"orthonormal_u": True}, {"checkpoint": "x.npz"}, {"resume": True}])
def test_arguments_for_data_in_blocks_are_refused_for_arrays(options):
    with pytest.raises(ValueError, match=r"blocks only.*block_source"):
        lr.svd(matrix(TALL), 4, **options)


def test_falling_short_of_the_accuracy_warns_unless_the_reads_were_limited():
    A = testing.matrix(600, 300, np.arange(1.0, 301) ** -0.3, rng=0)
    with pytest.warns(lr.ConvergenceWarning, match="maxiter=1 reached"):
        lr.svd(lr.block_source(A, rows=100), 10, method="fused", maxiter=1, rng=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert lr.svd(lr.block_source(A, rows=100), 10, method="fused", passes=2, rng=0).info.converged is False


def test_a_warm_start_saves_reads():
    A = testing.matrix(600, 200, np.arange(1.0, 201) ** -0.7, rng=0)
    source = lr.block_source(A, rows=100)
    first = lr.svd(source, 8, method="fused", rng=0)
    again = lr.svd(source, 8, method="fused", init=first, rng=1)
    assert again.info.passes <= first.info.passes
    np.testing.assert_allclose(again.s, first.s, rtol=1e-9)


def test_results_are_operators_and_can_be_saved(tmp_path):
    A = matrix(TALL)
    result = lr.svd(lr.block_source(A, rows=100), 40, rng=0)
    np.testing.assert_allclose(result @ np.eye(40), A, atol=1e-10)
    result.save(tmp_path / "r.npz")
    np.testing.assert_array_equal(lr.load(tmp_path / "r.npz").U, result.U.gather())


def test_long_rows_take_the_iteration_and_short_ones_the_gram_matrix():
    long = testing.matrix(30, block_svd._SHORTEST + 1, np.arange(1.0, 31) ** -1, rng=0)
    assert lr.svd(lr.block_source(long, rows=10), 3, rng=0).info.method == "fused"
    assert lr.svd(lr.block_source(matrix(TALL), rows=100), 3, rng=0).info.method == "gram"
