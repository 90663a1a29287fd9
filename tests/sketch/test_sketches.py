"""One contract for every sketch."""

import re

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from strategies import LAYOUTS, lay_out, random_array

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la._backend import hashing
from lowrank_la.sketch import khatri_rao


def of_two_factors(d, n, *args, **options):
    """A Khatri-Rao sketch whose `n` columns are split as evenly as may be."""
    first = next((k for k in range(int(max(n, 1) ** 0.5), 0, -1) if n % k == 0), 1)
    return lr.sketch.KhatriRao(d, (first, n // first), *args, **options)


SKETCHES = {
    "gaussian": lr.sketch.Gaussian,
    "rademacher": lr.sketch.Rademacher,
    "sparse_sign": lr.sketch.SparseSign,
    "sparse_sign_3": lambda *args, **kwargs: lr.sketch.SparseSign(*args, nnz=3, **kwargs),
    "count_sketch": lr.sketch.CountSketch,
    "srht": lr.sketch.SRHT,
    "fastfood": lr.sketch.Fastfood,
    "khatri_rao": of_two_factors,
    "khatri_rao_of_one": lr.sketch.KhatriRao,
}
OF_INDEPENDENT_ROWS = ("gaussian", "rademacher", "khatri_rao", "khatri_rao_of_one")
OF_WHOLE_ROWS = ("srht", "fastfood", "khatri_rao", "khatri_rao_of_one")
LONG = {"count_sketch": 800, "khatri_rao": 400}


@pytest.fixture(params=SKETCHES)
def make(request):
    return SKETCHES[request.param]


def close(got, expected, dtype="float64", factor=100.0):
    scale = np.max(np.abs(expected), initial=1.0)
    return got.shape == expected.shape and np.max(np.abs(got - expected), initial=0.0) <= factor * be.eps(dtype) * scale


@pytest.mark.parametrize("dtype", [None, "complex128"])
def test_the_gram_matrix_is_the_identity_on_average(make, dtype):
    d, n, draws = 11, 6, 600
    total = sum(S.conj().T @ S for S in (make(d, n, rng, dtype=dtype).todense() for rng in range(draws)))
    assert np.max(np.abs(total / draws - np.eye(n))) < 6 / np.sqrt(d * draws / 2)


@pytest.mark.parametrize("dtype", [None, "complex128"])
@pytest.mark.parametrize("name", SKETCHES)
@pytest.mark.parametrize("coherent", [False, True])
def test_a_subspace_keeps_its_lengths(name, coherent, dtype):
    n, k, d = 300, 5, LONG.get(name, 100)
    V = np.eye(n)[:, :k] if coherent else np.linalg.qr(random_array((n, k), "float64"))[0]
    for rng in range(20):
        s = np.linalg.svd(SKETCHES[name](d, n, rng, dtype=dtype).apply(V), compute_uv=False)
        assert 0.4 < s[-1] <= s[0] < 1.6


@given(low=st.integers(0, 49), high=st.integers(0, 50))
def test_a_block_of_columns_is_part_of_the_whole(low, high):
    for make in SKETCHES.values():
        S = make(13, 50, 1)
        block = S.block(slice(low, max(low, high)))
        np.testing.assert_array_equal(block, S.todense()[:, low : max(low, high)])


@pytest.mark.parametrize("name", [name for name in SKETCHES if name not in OF_WHOLE_ROWS])
def test_a_longer_sketch_begins_with_the_shorter_one(name):
    make = SKETCHES[name]
    np.testing.assert_array_equal(make(13, 70, 1).todense()[:, :50], make(13, 50, 1).todense())


@pytest.mark.parametrize("name", OF_INDEPENDENT_ROWS)
def test_rows_can_be_added_to_a_sketch_of_independent_rows(name):
    few, many = (np.sqrt(d) * SKETCHES[name](d, 40, 1).todense() for d in (5, 9))
    assert close(few, many[:5])


def test_the_same_key_gives_the_same_sketch_and_others_do_not(make):
    S = make(8, 30, 1).todense()
    np.testing.assert_array_equal(make(8, 30, be.resolve_rng(1)).todense(), S)
    assert not np.array_equal(make(8, 30, 2).todense(), S)


def test_it_is_the_same_matrix_on_every_backend(make, backend):
    dtype = backend.nearest("float64")
    there = make(9, 20, 4).todense(backend.xp, backend.device, dtype)
    assert backend.holds(there)
    np.testing.assert_array_equal(backend.to_numpy(there), make(9, 20, 4).todense(dtype=dtype))


@pytest.mark.parametrize("drawn_as", [None, "complex128"])
def test_products_agree_with_the_dense_matrix_on_every_backend(make, backend, drawn_as):
    S = make(9, 40, 4, dtype=drawn_as)
    D = S.todense()
    for dtype in backend.dtypes:
        if drawn_as and be.dtype_name(be.complex_dtype(backend.xp, dtype)) not in backend.dtypes:
            continue
        a, b = random_array((40, 3), dtype, 1), random_array((4, 40), dtype, 2)
        for got, expected in (
            (S.apply(backend.asarray(a)), D @ a),
            (S.rapply(backend.asarray(b)), b @ D.conj().T),
            (S.apply(backend.asarray(a[:, 0])), D @ a[:, 0]),
            (S.rapply(backend.asarray(b[0])), b[0] @ D.conj().T),
        ):
            assert backend.holds(got)
            assert be.eps(got.dtype) == be.eps(dtype)
            assert close(backend.to_numpy(got), expected, dtype)


def test_rapply_is_the_adjoint_of_apply(make):
    for drawn_as in (None, "complex128"):
        S, A = make(9, 40, 4, dtype=drawn_as), random_array((40, 6), "complex128")
        assert close(S.rapply(A.conj().T), S.apply(A).conj().T)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_memory_layout_is_read_and_left_alone(make, layout):
    A = lay_out(random_array((60, 10), "float64"), layout)
    before = A.copy()
    assert close(make(9, 60, 4).apply(A), make(9, 60, 4).todense() @ A)
    assert close(make(9, 10, 4).rapply(A), A @ make(9, 10, 4).todense().T)
    np.testing.assert_array_equal(A, before)


@pytest.mark.parametrize("layout", ["csr", "csc", "coo"])
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_sparse_matrices_are_sketched(make, layout, dtype):
    A = random_array((60, 30), dtype) * (np.random.default_rng(0).random((60, 30)) < 0.2)
    sparse, S, T = scipy.sparse.coo_array(A).asformat(layout), make(9, 60, 4), make(9, 30, 4)
    assert close(S.apply(sparse), S.todense() @ A, dtype)
    assert close(T.rapply(sparse), A @ T.todense().T, dtype)


def test_operators_are_sketched_by_their_products(make):
    U, V = random_array((60, 2), "complex128", 1), random_array((30, 2), "complex128", 2)
    op, A = lr.LowRank(U, None, V.conj().T), U @ V.conj().T
    S, T = make(9, 60, 4), make(9, 30, 4)
    assert close(S.apply(op), S.todense() @ A)
    assert close(T.rapply(op), A @ T.todense().T)


def test_results_do_not_depend_on_how_the_sketch_is_cut(make, monkeypatch):
    A, S = random_array((60, 10), "float64"), make(40, 60, 4)
    op = lr.operator(lambda X: A @ X, lambda Y: A.T @ Y, A.shape, A.dtype)
    expected = [S.apply(A), S.apply(op)]
    monkeypatch.setattr(lr.sketch.base, "_BLOCK_ENTRIES", 100)
    monkeypatch.setattr(khatri_rao, "_ENTRIES", 100)
    monkeypatch.setattr(hashing, "_ROWS", 7)
    monkeypatch.setattr(hashing, "_TWIN_ENTRIES", 100)
    for got, want in zip([S.apply(A), S.apply(op)], expected, strict=True):
        assert close(got, want)


@pytest.mark.parametrize("nnz", [1, 2, 5, 13])
@pytest.mark.parametrize("d", [13, 20])
def test_sparse_signs_have_one_entry_in_each_band(nnz, d):
    S = lr.sketch.SparseSign(d, 200, 3, nnz=nnz).todense()
    assert np.all((S != 0).sum(axis=0) == nnz)
    assert np.allclose(np.abs(S[S != 0]), nnz**-0.5, rtol=4e-16)
    sizes = [(d + s) // nnz for s in reversed(range(nnz))]
    for low, size in zip(np.cumsum([0, *sizes[:-1]]), sizes, strict=True):
        assert np.all((S[low : low + size] != 0).sum(axis=0) == 1)


def test_a_sketch_shorter_than_its_default_density_is_full():
    assert np.all(lr.sketch.SparseSign(3, 10, 0).todense() != 0)


@pytest.mark.parametrize("bad", [0, 6, -1])
def test_the_density_lies_between_one_and_the_length(bad):
    with pytest.raises(ValueError, match="nnz"):
        lr.sketch.SparseSign(5, 10, 0, nnz=bad)


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 5)])
def test_shapes_are_positive(make, size):
    with pytest.raises(ValueError, match="must be"):
        make(*size)


def test_sizes_that_do_not_fit_are_refused(make):
    S = make(4, 10, 0)
    with pytest.raises(ValueError, match="10 rows"):
        S.apply(np.ones((9, 2)))
    with pytest.raises(ValueError, match="10 columns"):
        S.rapply(np.ones((2, 9)))
    with pytest.raises(ValueError, match="contiguous"):
        S.block(slice(0, 10, 2))


def test_half_precision_and_integers_are_promoted(make):
    S = make(4, 10, 0)
    whole = np.arange(20).reshape(10, 2)
    assert S.apply(whole).dtype == np.float64
    assert S.apply(whole.astype("float16")).dtype == np.float32
    assert close(S.apply(whole), S.todense() @ whole)


def test_a_torch_generator_draws_one_sketch_too(make):
    torch = pytest.importorskip("torch")
    S = make(6, 50, torch.Generator().manual_seed(1))
    D = S.todense(be.namespace(torch.zeros(1)), "cpu")
    A = torch.eye(50, dtype=torch.float64)
    assert close(S.apply(A).numpy(), D.numpy())
    assert close(S.rapply(A).numpy(), D.numpy().T)
    assert close(S.apply(A.numpy()), D.numpy())


def test_a_sketch_names_its_shape_and_key(make):
    assert re.search(r"\(4, (10|\(2, 5\)), rng=Key\(0x", repr(make(4, 10, 0)))
