"""What is told before a pass is what the pass does."""

import warnings

import dask.array
import h5py
import numpy as np
import pytest
from backend.fresh_process import require_done
from blocks.slab_kernels import Instrumented, added, matrix, normal
from factor.slab_data import Counting
from hypothesis import given
from hypothesis import strategies as st
from strategies import dtypes, seeds, shapes

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la import testing
from lowrank_la.blocks import Span, map_reduce, plan
from lowrank_la.blocks.plan import TELLING
from lowrank_la.factor import block_svd


def test_reads_and_bytes_are_those_of_the_passes():
    source = Instrumented(matrix(1000, 16), 100)
    told = plan(source, 3)
    for _ in range(told.passes):
        map_reduce(source, normal, added, broadcast=(np.ones((16, 2)),))
    assert source.reads == told.passes * told.slabs
    assert told.bytes == 3 * source.array.nbytes
    assert source.most * told.slab_bytes <= told.peak_memory


def test_the_text_names_source_passes_bytes_and_memory():
    text = str(plan(lr.block_source(iter([matrix(100, 16)]), rows=10), 1, state_bytes=10**6))
    assert "IteratorSource(?×16, float64" in text
    assert "1 pass(es) over an unknown number of slab(s) of at most 1.28 kB: unknown" in text
    text = str(plan(lr.block_source(dask.array.ones((10**9, 10), chunks=(10**7, 10)))))
    assert "DaskSource(1000000000×10, float64, executor 'dask')" in text
    assert "100 slab(s) of at most 800 MB: 80 GB" in text
    assert "peak memory 800 MB for each thread of a worker" in text


def test_chunks_that_slabs_share_are_counted_as_often_as_they_are_decoded(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("a", data=matrix(100, 16), chunks=(30, 16))
        row = 16 * 8
        assert plan(lr.block_source(dataset, rows=30)).bytes == 100 * row
        assert plan(lr.block_source(dataset, rows=45)).bytes == (60 + 60 + 10) * row
        assert plan(lr.block_source(dataset, rows=10)).bytes == (9 * 30 + 10) * row


def test_views_of_memory_take_none():
    assert plan(lr.block_source(matrix(100, 16)), 5).peak_memory == 0


def test_passes_are_checked():
    with pytest.raises(ValueError, match="passes must be at most 1"):
        plan(lr.block_source(iter([matrix(5, 2)])), 2)
    with pytest.raises(ValueError, match="passes must be at least 1"):
        plan(lr.block_source(matrix(5, 2)), passes=0)
    with pytest.raises(TypeError, match="given twice"):
        plan(lr.block_source(matrix(5, 2)), 1, passes=2)
    with pytest.raises(TypeError, match="rank: arguments of a function"):
        plan(lr.block_source(matrix(5, 2)), rank=2)


SPECTRA = {
    "slow": lambda k: np.arange(1.0, k + 1) ** -1,
    "steep": lambda k: 10.0 ** (-np.arange(k) / 3),
    "short of rank": lambda k: (np.arange(k) <= k // 4) * 1.0,
    "flat": np.ones,
}
spectra = st.sampled_from(sorted(SPECTRA))
tolerances = st.sampled_from([None, 0.3, 1e-2, 1e-6, 1e-12])


def within(told, number):
    """Whether `number` is what was told."""
    return number in told if isinstance(told, Span) else number == told


def most(told):
    """The largest number that was told."""
    return told.most if isinstance(told, Span) else told


def check(A, rows, function, *arguments, once=False, **options):
    """The reads that a source counts, and those of the answer, are those told before any was made."""
    source = Counting(A, rows, once=once)
    told = plan(source, function, *arguments, **options)
    assert source.rows_read == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = function(source, *arguments, **options)
    of_zeros = told.rescaling if result.info.reason == "the matrix is zero" else 0
    assert within(told.passes, source.passes) or (of_zeros and source.passes <= most(told.passes) + of_zeros)
    assert source.passes == result.info.passes
    assert source.rows_read * source.row_bytes <= most(told.bytes) + of_zeros * source.bytes_per_pass
    return told


@given(
    shape=shapes(1, 60), dtype=dtypes(), spectrum=spectra, seed=seeds(), tol=tolerances, once=st.booleans(),
    method=st.sampled_from(["auto", "gram", "fused"]), passes=st.sampled_from([None, 1, 2, 3, 6]),
    accuracy=st.sampled_from([1e-3, 1e-6, 1e-12]), orthonormal=st.booleans(), center=st.booleans(),
    maxiter=st.sampled_from([None, 1, 4]),
)  # fmt: skip
def test_the_reads_of_singular_triplets_are_told(
    shape, dtype, spectrum, seed, tol, once, method, passes, accuracy, orthonormal, center, maxiter
):
    A = testing.matrix(*shape, SPECTRA[spectrum](min(shape)), dtype=dtype, rng=seed)
    if once:
        passes, orthonormal = None, False
    options = {
        "rank": None if tol and seed % 2 else 1 + seed % min(shape), "tol": tol, "accuracy": accuracy,
        "method": "auto" if once and tol else method, "passes": None if passes is None else passes + orthonormal,
        "orthonormal_u": orthonormal, "center": center, "maxiter": maxiter,
    }  # fmt: skip
    check(A, 17, lr.svd, once=once, rng=seed, **options)


@given(shape=shapes(1, 60), dtype=dtypes(), spectrum=spectra, seed=seeds(), tol=tolerances, power=st.integers(0, 3))
def test_the_reads_of_a_basis_are_told(shape, dtype, spectrum, seed, tol, power):
    A = testing.matrix(*shape, SPECTRA[spectrum](min(shape)), dtype=dtype, rng=seed)
    check(A, 17, lr.qb, None if tol else 1 + seed % min(shape), tol=tol, power=power, rng=seed)


@given(
    n=st.integers(1, 60), dtype=dtypes(), spectrum=spectra, seed=seeds(), which=st.sampled_from(["LM", "LA", "SA"]),
    maxiter=st.sampled_from([None, 1, 4]),
)  # fmt: skip
def test_the_reads_of_eigenpairs_are_told(n, dtype, spectrum, seed, which, maxiter):
    A = testing.hermitian(n, SPECTRA[spectrum](n), dtype=dtype, rng=seed)
    check(A, 17, lr.eigh, 1 + seed % n, which=which, maxiter=maxiter, rng=seed)


@given(
    shape=shapes(1, 60), dtype=dtypes(), spectrum=spectra, seed=seeds(), method=st.sampled_from(["auto", "lsqr"]),
    columns=st.sampled_from([None, 3]), ridge=st.sampled_from([0.0, 1e-3]), maxiter=st.sampled_from([None, 1, 2, 9]),
)  # fmt: skip
def test_the_reads_of_least_squares_are_told(shape, dtype, spectrum, seed, method, columns, ridge, maxiter):
    A = testing.matrix(*shape, SPECTRA[spectrum](min(shape)), dtype=dtype, rng=seed)
    b = np.random.default_rng(seed).standard_normal(shape[:1] if columns is None else (shape[0], columns))
    check(A, 17, lr.lstsq, b, method=method, ridge=ridge, maxiter=maxiter, rng=seed)


@given(shape=shapes(1, 60), dtype=dtypes(), spectrum=spectra, seed=seeds(), ranked=st.booleans())
def test_the_reads_of_leverage_scores_are_told(shape, dtype, spectrum, seed, ranked):
    A = testing.matrix(*shape, SPECTRA[spectrum](min(shape)), dtype=dtype, rng=seed)
    check(A, 17, lr.leverage_scores, rank=1 + seed % min(shape) if ranked else None, rng=seed)


@given(
    shape=st.lists(st.integers(1, 12), min_size=2, max_size=4), rank=st.sampled_from([None, 1, 3, 12]), tol=tolerances,
    smooth=st.booleans(), seed=seeds(),
)  # fmt: skip
def test_the_reads_of_a_tucker_decomposition_are_told(shape, rank, tol, smooth, seed):
    X = 1.0 / (1.0 + sum(np.indices(shape))) if smooth else np.random.default_rng(seed).standard_normal(shape)
    if rank is None and tol is None:
        tol = 0.1
    modes = None if seed % 3 else (seed % len(shape),)
    check(X, 5, lr.tucker, rank and min(rank, shape[modes[0]] if modes else max(shape)), tol=tol, modes=modes)


def test_what_the_data_leave_open_and_what_they_do_not():
    tall, wide = lr.block_source(matrix(500, 40), rows=100), lr.block_source(np.ones((30, 3000)), rows=10)
    assert plan(tall, lr.svd, 5).passes == Span(1, 2)
    assert plan(tall, lr.svd, 5, orthonormal_u=True).passes == Span(2, 3)
    assert plan(tall, lr.svd, 5, passes=1).passes == 1
    assert plan(wide, lr.svd, 5, passes=2).passes == 2
    assert plan(wide, lr.svd, 5, maxiter=20).passes == Span(2, 23)
    assert plan(tall, lr.qb, 5).passes == 2
    assert plan(tall, lr.leverage_scores).passes == Span(2, 3)
    assert plan(tall, lr.lstsq, np.ones(500), maxiter=1).passes == 2
    assert plan(tall, lr.tucker, rank=(4, 40)).passes == Span(1, 2)
    assert plan(lr.block_source(iter([matrix(9, 4)])), lr.svd, 2).passes == 1


@pytest.mark.parametrize("scale", [0.0, 1e-180, 1e180])
def test_reads_at_a_scale_whose_squares_leave_the_range_are_told_apart(scale):
    A = testing.hermitian(40, np.arange(1.0, 41) ** -1, rng=0) * scale
    for function, argument in ((lr.svd, 4), (lr.eigh, 4), (lr.qb, 1), (lr.lstsq, np.ones(40)), (lr.tucker, 4)):
        source = Counting(A, 9)
        told = plan(source, function, argument)
        assert function(source, argument).info.passes == source.passes <= most(told.passes) + told.rescaling


def test_the_method_is_chosen_by_the_code_that_the_function_runs(monkeypatch):
    source = Counting(matrix(300, 40), 64)
    assert plan(source, lr.svd, 5, passes=1) != plan(source, lr.svd, 5, passes=1, method="fused")
    monkeypatch.setattr(block_svd, "_SHORTEST", 10)
    assert plan(source, lr.svd, 5, passes=1) == plan(source, lr.svd, 5, passes=1, method="fused")
    assert lr.svd(source, 5).info.method == "fused"


def test_the_text_names_the_function_and_a_range_of_reads():
    text = str(plan(lr.block_source(matrix(1000, 16), rows=100), lr.svd, 5))
    assert text.startswith("svd of ArraySource(1000×16, float64")
    assert "1 to 2 pass(es) over 10 slab(s) of at most 12.8 kB: 128 kB to 256 kB" in text
    text = str(plan(lr.block_source(dask.array.ones((10**9, 10), chunks=(10**7, 10))), lr.svd, 5))
    assert "80 GB to 160 GB" in text
    assert "for each thread of a worker" in text
    assert "in this process" in text
    assert "unknown" in str(plan(lr.block_source(iter([matrix(100, 16)]), rows=10), lr.svd, 5))


def test_functions_that_do_not_tell_are_refused_by_those_that_do():
    source = lr.block_source(matrix(50, 4))
    for function in (lr.cur, lr.tall_qr, lr.IncrementalSVD, len):
        with pytest.raises(TypeError, match="eigh, leverage_scores, lstsq, qb, svd, tucker"):
            plan(source, function)
    telling = [name for name in be.SUPPORT if hasattr(getattr(lr, name), "__lowrank_demand__")]
    assert tuple(sorted(telling)) == TELLING
    assert all(be.SUPPORT[name].blocks for name in telling)


@pytest.mark.parametrize(
    ("function", "arguments", "options"),
    [
        (lr.svd, (), {"rnk": 3}),
        (lr.svd, (), {}),
        (lr.svd, (50,), {}),
        (lr.svd, (3.0,), {}),
        (lr.svd, (3,), {"method": "dense"}),
        (lr.svd, (3,), {"orthonormal_u": True, "passes": 1}),
        (lr.svd, (3,), {"init": np.ones((7, 1))}),
        (lr.eigh, (3,), {}),
        (lr.qb, (3,), {"sketch": lr.sketch.SRHT}),
        (lr.qb, (3,), {"power": -1}),
        (lr.lstsq, (np.ones(3),), {}),
        (lr.lstsq, (np.ones(50),), {"method": "cholesky"}),
        (lr.leverage_scores, (), {"rank": 2, "ridge": 1.0}),
        (lr.leverage_scores, (), {"ridge": -1.0}),
        (lr.leverage_scores, (), {"method": "sketched"}),
        (lr.tucker, (), {}),
        (lr.tucker, (3,), {"method": "hooi"}),
        (lr.tucker, (3,), {"modes": (5,)}),
    ],
)
def test_arguments_are_refused_as_the_function_refuses_them(function, arguments, options):
    source = lr.block_source(matrix(50, 4), rows=20)
    with pytest.raises((TypeError, ValueError)) as expected:
        function(source, *arguments, **options)
    with pytest.raises(expected.type) as found:
        plan(source, function, *arguments, **options)
    assert str(found.value) == str(expected.value)


def test_arguments_that_are_missing_or_unknown_are_named():
    source = lr.block_source(matrix(50, 4))
    for function, options, named in ((lr.eigh, {}, "rank"), (lr.lstsq, {}, "b"), (lr.svd, {"rnk": 3}, "rnk")):
        with pytest.raises(TypeError, match=rf"^{function.__name__}\(\) .*'{named}'$"):
            plan(source, function, **options)


def test_data_that_can_be_read_once_are_refused_by_functions_that_read_more_often():
    for function, arguments in ((lr.qb, (2,)), (lr.leverage_scores, ()), (lr.lstsq, (np.ones(5),)), (lr.tucker, (2,))):
        with pytest.raises(ValueError, match="read once"):
            plan(lr.block_source(iter([matrix(5, 4)])), function, *arguments)


@pytest.mark.parametrize(
    ("call", "shape", "dtype"),
    [
        ("lr.svd, 20", (20000, 200), "float32"),
        ("lr.svd, 20, accuracy=1e-13, center=True", (20000, 200), "float64"),
        ("lr.svd, 20, method='fused'", (20000, 200), "float32"),
        ("lr.svd, tol=1e-9, method='fused'", (2000, 200), "float64"),
        ("lr.qb, 50", (20000, 200), "complex64"),
        ("lr.lstsq, np.ones((20000, 5))", (20000, 200), "float64"),
        ("lr.leverage_scores", (20000, 200), "float32"),
        ("lr.eigh, 10", (1000, 1000), "float64"),
        ("lr.tucker, 30", (200, 80, 60), "float64"),
        ("lr.tucker, None, tol=1e-2", (100, 40, 30), "float32"),
    ],
)
def test_no_more_memory_is_taken_than_was_told(call, shape, dtype, tmp_path):
    """By what NumPy allocates in a fresh process; the pages of the map are none of it, and so are not counted here."""
    A = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    np.save(tmp_path / "a.npy", (A + A.T) / 2 if "eigh" in call else A / (1 + np.arange(shape[-1])))
    require_done(f"""
        import tracemalloc
        import numpy as np, lowrank_la as lr
        from lowrank_la.blocks import plan
        source = lr.block_source(np.load({str(tmp_path / "a.npy")!r}, mmap_mode="r"), rows={shape[0] // 10})
        def asked(function, *arguments, **options):
            return function, arguments, options
        function, arguments, options = asked({call})
        told = plan(source, function, *arguments, **options)
        function(source, *arguments, **options)  # modules and compiled kernels come with the first call
        tracemalloc.start()
        function(source, *arguments, **options)
        taken = tracemalloc.get_traced_memory()[1]
        slabs = (told.threads + 2) * told.slab_bytes
        assert taken <= told.peak_memory - slabs, (taken, told.peak_memory, slabs)
        print("done")
    """)
