"""Frequent Directions: its bounds, its levels of precision, and what larger buffers do."""

import numpy as np
import pytest
from streaming import streams

import lowrank_la as lr
from lowrank_la import _backend as be


def rows(kind="decaying", n=600, d=40, dtype="float64", seed=0):
    return streams.rows_of(kind, n, d, dtype, np.random.default_rng(seed))


def sketched(A, size, batch=73, **options):
    stream = lr.FrequentDirections(size, **options)
    for part in be.fixed_partition(A.shape[0], batch):
        stream.partial_fit(A[part, :])
    return stream.result()


def gap(A, found):
    """Eigenvalues of what the sketch leaves out of the Gram matrix."""
    B = found.B.astype(A.dtype)
    return np.linalg.eigvalsh(A.conj().T @ A - B.conj().T @ B)


@pytest.mark.parametrize("buffer", [11, 20, 35, 300])
@pytest.mark.parametrize("kind", ["decaying", "flat", "rotating", "sorted up", "sorted down", "heavy rows"])
def test_the_gram_matrix_is_known_up_to_delta(kind, buffer):
    A = rows(kind)
    found, energy = sketched(A, 10, buffer=buffer), np.linalg.norm(A) ** 2
    w = gap(A, found)
    assert w[0] >= -1e-12 * energy
    assert w[-1] <= found.delta
    assert 11 * found.delta <= (energy - np.linalg.norm(found.B) ** 2) * (1 + 1e-6)
    tail = np.linalg.svd(A, compute_uv=False) ** 2
    for k in range(11):
        assert found.delta <= tail[k:].sum() / (11 - k) * (1 + 1e-6)
        V = found.Vh[:k].T
        assert np.linalg.norm(A - A @ V @ V.T) ** 2 <= tail[k:].sum() + k * found.delta + 1e-9 * energy


def test_a_larger_buffer_gives_a_smaller_bound():
    A = rows("flat", 3000)
    deltas = [sketched(A, 10, buffer=buffer).delta for buffer in (11, 20, 80, 640)]
    assert deltas == sorted(deltas, reverse=True)
    assert deltas[-1] < 0.6 * deltas[0]


@pytest.mark.parametrize("kind", ["decaying", "flat"])
def test_the_robust_form_halves_the_error(kind):
    A = rows(kind)
    found = sketched(A, 10, robust=True)
    assert found.shift == found.delta / 2
    assert np.abs(gap(A, found) - found.shift).max() <= found.delta / 2 * (1 + 1e-9)
    np.testing.assert_allclose(found.s**2, np.linalg.norm(found.B, axis=1) ** 2 + found.shift, rtol=1e-12)


@pytest.mark.parametrize("robust", [False, True])
def test_the_true_singular_values_lie_in_their_bounds(robust):
    A = rows("decaying")
    found, true = sketched(A, 10, robust=robust), np.linalg.svd(rows("decaying"), compute_uv=False)[:10]
    assert (found.error_bounds[0] <= true).all()
    assert (found.error_bounds[1] >= true).all()
    assert (found.error_bounds[0] <= found.s).all()
    assert (found.s <= found.error_bounds[1]).all()


@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128", "complex64"])
def test_a_matrix_whose_rank_fits_is_kept_whole(dtype):
    A = rows("exact rank", dtype=dtype)
    found = sketched(A, 5)
    energy = np.linalg.norm(A) ** 2
    assert found.delta <= 1e-5 * energy if dtype.endswith(("32", "64")) and dtype != "float64" else 1e-11 * energy
    wide = A.astype(np.complex128)
    assert np.abs(gap(wide, found)).max() <= 1e4 * np.finfo(dtype).eps * energy
    assert found.info.method == "rows"


@pytest.mark.parametrize(
    ("kind", "dtype", "method"),
    [
        ("flat", "float32", "single"),
        ("flat", "float64", "double"),
        ("steep", "float32", "double"),
        ("exact rank", "float64", "rows"),
    ],
)
def test_squares_are_formed_in_the_precision_that_they_need(kind, dtype, method):
    assert sketched(rows(kind, dtype=dtype), 10, buffer=100).info.method == method


def test_merged_sketches_keep_the_bounds():
    A = rows("flat", 900)
    parts = [lr.FrequentDirections(10).partial_fit(part) for part in np.split(A, 9)]
    whole = parts[0]
    for part in parts[1:]:
        whole.merge(part)
    found = whole.result()
    w = gap(A, found)
    assert w[0] >= -1e-12 * np.linalg.norm(A) ** 2
    assert w[-1] <= found.delta <= np.linalg.norm(A) ** 2 / 11 * (1 + 1e-9)


def test_merging_without_adding_the_bounds_would_be_wrong():
    A = rows("rotating", 900)
    parts = [lr.FrequentDirections(10).partial_fit(part) for part in np.split(A, 3)]
    alone = max(part.result().delta for part in parts)
    found = parts[0].merge(parts[1]).merge(parts[2]).result()
    assert alone < gap(A, found)[-1] <= found.delta


def test_weights_multiply_the_squares_of_the_rows():
    A, w = rows(), np.random.default_rng(1).random(600)
    found = lr.FrequentDirections(8).partial_fit(A, weights=w).result()
    heavy = lr.FrequentDirections(8).partial_fit(np.sqrt(w)[:, None] * A).result()
    np.testing.assert_allclose(found.s, heavy.s, rtol=1e-12)


def test_every_backend_gives_the_same_answer(backend):
    A = rows(n=90, d=12, dtype=backend.nearest("float64"))
    here = sketched(A, 4, buffer=20)
    there = sketched(backend.asarray(A), 4, buffer=20)
    eps = np.finfo(A.dtype).eps
    assert backend.holds(there.B)
    np.testing.assert_allclose(backend.to_numpy(there.s), here.s, rtol=0, atol=100 * eps * here.s[0])
    assert there.delta == pytest.approx(here.delta, rel=1e4 * float(eps))


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_rows_of_any_scale_are_taken(scale):
    plain, scaled = sketched(rows(), 6), sketched(rows() * scale, 6)
    np.testing.assert_allclose(scaled.s / scale, plain.s, rtol=1e-10)
    assert scaled.delta / scale / scale == pytest.approx(plain.delta, rel=1e-9)


@pytest.mark.parametrize("A", [np.zeros((9, 4)), np.ones((9, 4)), np.ones((1, 4)), np.eye(2, 4)])
def test_degenerate_streams_have_defined_answers(A):
    found = sketched(A, 3)
    assert np.abs(gap(A, found)).max() <= 1e-13 * 36
    assert found.delta <= 1e-11


@pytest.mark.parametrize(
    ("options", "error"),
    [({"size": 0}, ValueError), ({"size": 2.0}, TypeError), ({"size": 5, "buffer": 5}, ValueError),
     ({"size": 5, "robust": 1}, TypeError)],
)  # fmt: skip
def test_options_out_of_range_are_refused(options, error):
    with pytest.raises(error):
        lr.FrequentDirections(**options)


def test_more_rows_than_columns_are_refused():
    with pytest.raises(ValueError, match="at most the number of columns, 3"):
        lr.FrequentDirections(4).partial_fit(np.ones((2, 3)))


@pytest.mark.parametrize(("d", "buffer"), [(60, 20), (60, 35), (15, 40)])
def test_a_first_block_from_which_nothing_is_taken_costs_no_level(d, buffer):
    A = rows("flat", d=d)
    for batch in (1, 10, 600):
        found = sketched(A, 10, batch, buffer=buffer)
        assert found.info.method == "double"
        assert found.delta > 0
    few = sketched(A[:10], 10, buffer=buffer)
    assert few.delta <= 1e-12 * np.linalg.norm(A) ** 2
    np.testing.assert_allclose(few.B.T @ few.B, A[:10].T @ A[:10], rtol=0, atol=1e-12)


def test_the_sketch_of_half_precision_rows_does_not_overflow():
    A = (900 * (np.random.default_rng(0).standard_normal((20000, 6)) + np.eye(1, 6))).astype("float16")
    found = lr.FrequentDirections(4).partial_fit(A).result()
    assert found.B.dtype == np.float32
    assert found.Vh.dtype == np.float16
    assert np.abs(found.B).max() > np.finfo("float16").max
    w = gap(A.astype("float64"), found)
    assert w[0] >= -found.info.rounding
    assert w[-1] <= found.delta
