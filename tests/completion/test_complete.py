"""`complete`: every kind of input, every backend, and what its answers say about themselves."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse
from completion.matrices import places, relative_error, sampled

import lowrank_la as lr
from lowrank_la import _backend as be


@pytest.fixture(scope="module")
def problem():
    """A 90×70 matrix of rank 3 and a third of its entries."""
    return sampled(90, 70, 3, 4.0, condition=4.0)


def product(result):
    U, V = (be.to_numpy(x) for x in result)
    return U @ V.conj().T


def sparse(A, given, layout="csr"):
    rows, columns, values = given
    return scipy.sparse.coo_array((values, (rows, columns)), shape=A.shape).asformat(layout)


def with_nan(A, given):
    known = np.full(A.shape, np.nan, A.dtype)
    known[given[0], given[1]] = given[2]
    return known


def test_a_matrix_of_known_rank_is_recovered(problem):
    A, given = problem
    result = lr.complete(given, 3, shape=A.shape, tol=1e-12, rng=0)
    assert relative_error(result, A) <= 1e-10
    assert result.info.converged
    assert result.info.method == "altmin"
    assert result.info.train_error <= 1e-12
    assert result.info.error <= 1e-10
    assert result.info.history[-1] <= 1.01e-12


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_every_dtype_is_recovered_in_its_precision(dtype):
    A, given = sampled(90, 70, 3, 4.0, dtype, condition=4.0)
    eps = be.eps(A.dtype)
    result = lr.complete(given, 3, shape=A.shape, tol=30 * eps, rng=0)
    assert relative_error(result, A) <= 1e3 * eps
    assert result.U.dtype == result.V.dtype == A.dtype


def test_backends_agree(backend):
    for dtype in backend.dtypes:
        A, given = sampled(40, 30, 2, 5.0, dtype, condition=3.0)
        reference = lr.complete(given, 2, shape=A.shape, rng=0, tol=100 * be.eps(A.dtype))
        result = lr.complete(
            tuple(backend.asarray(x) for x in given), 2, shape=A.shape, rng=0, tol=100 * be.eps(A.dtype)
        )
        assert backend.holds(result.U)
        assert result.U.dtype == backend.dtype(dtype)
        limit = 3e3 * be.eps(A.dtype) * np.linalg.norm(A)
        assert np.linalg.norm(product(result) - product(reference)) <= limit
        assert result.info.method == reference.info.method


@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "lil", "dok"])
def test_every_sparse_layout_is_read(problem, layout):
    A, given = problem
    reference = lr.complete(given, 3, shape=A.shape, rng=0)
    S = sparse(A, given, layout)
    before = S.toarray()
    result = lr.complete(S, 3, rng=0)
    np.testing.assert_array_equal(result.U, reference.U)
    np.testing.assert_array_equal(S.toarray(), before)


def test_torch_sparse_tensors_are_read(problem):
    torch = pytest.importorskip("torch")
    A, given = problem
    S = torch.sparse_coo_tensor(np.vstack(given[:2]), torch.as_tensor(given[2]), A.shape)
    for tensor in (S, S.coalesce().to_sparse_csr()):
        assert relative_error(lr.complete(tensor, 3, rng=0), A) <= 1e-5


def test_unsorted_rows_are_read(problem):
    A, given = problem
    S = sparse(A, given)
    shuffled = S.copy()
    for i in range(A.shape[0]):
        row = slice(S.indptr[i], S.indptr[i + 1])
        shuffled.indices[row], shuffled.data[row] = S.indices[row][::-1], S.data[row][::-1]
    np.testing.assert_array_equal(lr.complete(shuffled, 3, rng=0).U, lr.complete(S, 3, rng=0).U)


def test_dense_data_with_nan_a_mask_or_a_masked_array_are_read(problem, backend):
    A, given = problem
    known = with_nan(A, given)
    mask = ~np.isnan(known)
    reference = lr.complete(given, 3, shape=A.shape, rng=0)
    filled = np.where(mask, known, 7.0)
    inputs = [backend.asarray(known), (backend.asarray(filled), backend.asarray(mask))]
    if backend.name == "numpy":
        inputs += [np.ma.MaskedArray(filled, ~mask), known.tolist()]
    single = backend.nearest("float64") == "float32"
    for observed in inputs:
        found = product(lr.complete(observed, 3, rng=0))
        assert np.linalg.norm(found - product(reference)) <= (1e-4 if single else 1e-6) * np.linalg.norm(A)


def test_stored_zeros_are_observations():
    A, given = sampled(60, 50, 2, 6.0)
    A[:, 7] = 0.0
    rows, columns, values = given
    values = np.where(columns == 7, 0.0, values)
    result = lr.complete(sparse(A, (rows, columns, values)), 2, rng=0, tol=1e-10)
    assert np.linalg.norm(product(result)[:, 7]) <= 1e-8 * np.linalg.norm(A)


def test_arrays_of_the_caller_are_left_alone(problem):
    A, given = problem
    S = sparse(A, given)
    copies = S.data.copy(), S.indices.copy(), S.indptr.copy()
    for array in (S.data, S.indices, S.indptr):
        array.flags.writeable = False
    init = lr.complete(S, 3, rng=0)
    kept = init.U.copy(), init.V.copy()
    lr.complete(S, 3, rng=1, init=init, tol=1e-10)
    for array, copy in zip((S.data, S.indices, S.indptr, *init), (*copies, *kept), strict=True):
        np.testing.assert_array_equal(array, copy)


def test_weights_pick_the_entries_that_count(problem):
    A, (rows, columns, values) = problem
    generator = np.random.default_rng(0)
    bad = generator.random(values.size) < 0.05
    spoilt, weights = np.where(bad, 50.0, values), np.where(bad, 0.0, generator.random(values.size) + 0.5)
    result = lr.complete((rows, columns, spoilt), 3, shape=A.shape, weights=weights, rng=0, tol=1e-10, holdout=0)
    assert relative_error(result, A) <= 1e-8
    known, matrix = with_nan(A, (rows, columns, spoilt)), np.zeros(A.shape)
    matrix[rows, columns] = weights
    again = lr.complete(known, 3, weights=matrix, rng=0, tol=1e-10, holdout=0)
    assert np.linalg.norm(product(again) - product(result)) <= 1e-8 * np.linalg.norm(A)


def test_each_row_and_column_can_have_its_own_regularization(problem):
    A, given = problem
    options = {"shape": A.shape, "rng": 0, "tol": 1e-12}
    same = lr.complete(given, 3, regularization=0.1, **options)
    each = lr.complete(given, 3, regularization=(np.full(90, 0.1), np.full(70, 0.1)), **options)
    assert np.linalg.norm(product(same) - product(each)) <= 1e-10 * np.linalg.norm(A)
    heavy = np.full(90, 0.1)
    heavy[4] = 1e6
    result = lr.complete(given, 3, regularization=(heavy, 0.1), **options)
    assert np.linalg.norm(result.U[4]) <= 1e-3 * np.linalg.norm(result.U[5])


def test_noise_is_not_called_converged_unless_tol_allows_it():
    A, (rows, columns, values) = sampled(150, 120, 3, 8.0)
    generator = np.random.default_rng(1)
    noise = 0.01 * generator.standard_normal(values.size)
    with pytest.warns(lr.ConvergenceWarning, match="noise"):
        result = lr.complete((rows, columns, values + noise), 3, shape=A.shape, rng=0)
    assert not result.info.converged
    count, size = values.size, np.linalg.norm(A) / np.sqrt(A.size)
    oracle = 0.01 * np.sqrt(3 * sum(A.shape) / count) / size
    assert relative_error(result, A) <= 1.5 * oracle
    assert lr.complete((rows, columns, values + noise), 3, shape=A.shape, rng=0, tol=0.02 / size).info.converged


def test_too_few_entries_are_not_called_converged():
    A, given = sampled(60, 50, 4, 1.3)
    with pytest.warns(lr.ConvergenceWarning, match=r"fewer|kept back|falls|reached"):
        result = lr.complete(given, 7, shape=A.shape, rng=0, method="altmin")
    assert not result.info.converged
    with pytest.raises(lr.ConvergenceError):
        lr.complete(given, 7, shape=A.shape, rng=0, method="altmin", on_failure="raise")


@pytest.mark.parametrize(("rank", "condition"), [(1, 1.0), (4, 1.0), (6, 30.0)])
def test_the_rank_is_found(rank, condition):
    A, given = sampled(120, 100, rank, 5.0, condition=condition)
    result = lr.complete(given, shape=A.shape, rng=0)
    assert result.U.shape == (120, rank)
    assert relative_error(result, A) <= 1e-4
    assert result.info.rank_by_holdout == rank


def test_the_rank_is_found_in_noise():
    A, (rows, columns, values) = sampled(150, 120, 4, 8.0)
    values = values + 0.1 * np.std(values) * np.random.default_rng(2).standard_normal(values.size)
    with pytest.warns(lr.ConvergenceWarning):
        result = lr.complete((rows, columns, values), shape=A.shape, rng=0)
    assert result.U.shape[1] == 4


@pytest.mark.parametrize("seed", range(4))
def test_too_large_a_rank_still_recovers(seed):
    A, given = sampled(150, 120, 3, 8.0, seed=seed)
    result = lr.complete(given, 5, shape=A.shape, rng=seed)
    assert result.info.converged
    assert result.info.numerical_rank == 3
    assert result.U.shape == (150, 5)
    assert relative_error(result, A) <= 1e-4


def test_answers_predict_unpack_multiply_and_are_saved(problem, tmp_path):
    A, given = problem
    result = lr.complete(given, 3, shape=A.shape, tol=1e-12, rng=0)
    U, V = result
    np.testing.assert_allclose(result.predict([0, 5], [3, 60]), A[[0, 5], [3, 60]], atol=1e-8)
    np.testing.assert_allclose(result @ np.eye(70), U @ V.T, atol=1e-12)
    with pytest.raises(IndexError, match="0…89"):
        result.predict([90], [0])
    with pytest.raises(ValueError, match="one length"):
        result.predict([1, 2], [0])
    result.save(tmp_path / "x.npz")
    np.testing.assert_array_equal(lr.load(tmp_path / "x.npz").predict([3], [4]), result.predict([3], [4]))


def test_the_svd_of_the_answer_is_one(problem):
    A, given = problem
    result = lr.complete(given, 3, shape=A.shape, tol=1e-12, rng=0)
    U, s, Vh = result.svd()
    np.testing.assert_allclose((U * s) @ Vh, product(result), atol=1e-9)
    np.testing.assert_allclose(U.T @ U, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(s, np.linalg.svd(A, compute_uv=False)[:3], rtol=1e-9)


def test_new_rows_are_folded_in(problem, backend):
    A, given = problem
    dtype = backend.nearest("float64")
    tol = 100 * be.eps(np.dtype(dtype))
    result = lr.complete(tuple(backend.asarray(x) for x in given), 3, shape=A.shape, tol=tol, rng=0)
    new = np.random.default_rng(5).standard_normal((4, 90)) @ A
    rows, columns = places(4, 70, 120, 3)
    known = with_nan(new, (rows, columns, new[rows, columns]))
    known[3] = np.nan
    factors = backend.to_numpy(result.transform(backend.asarray(known)))
    found = factors @ backend.to_numpy(result.V).T
    assert np.linalg.norm(found[:3] - new[:3]) <= 1e5 * be.eps(np.dtype(dtype)) * np.linalg.norm(new)
    assert not factors[3].any()


def test_a_warm_start_takes_fewer_sweeps(problem):
    A, given = problem
    cold = lr.complete(given, 3, shape=A.shape, rng=0, tol=1e-8)
    warm = lr.complete(given, 3, shape=A.shape, rng=0, tol=1e-10, init=cold)
    assert warm.info.iterations < cold.info.iterations
    assert relative_error(warm, A) <= 1e-8


def test_the_callback_sees_every_sweep_and_stops(problem):
    A, given = problem
    seen = []
    with pytest.warns(lr.ConvergenceWarning, match="callback"):
        result = lr.complete(
            given, 3, shape=A.shape, rng=0, callback=lambda state: seen.append(state.residual) or len(seen) == 3
        )
    assert seen == result.info.history
    assert result.info.iterations == 3


def test_nothing_of_the_size_of_the_matrix_is_formed():
    m, n, k = 3000, 2500, 8
    A, given = sampled(m, n, k, 5.0)
    rows, columns, values = given
    S = scipy.sparse.csr_array((values, (rows, columns)), shape=(m, n))
    S.sort_indices()
    lr.complete(given, k, shape=A.shape, rng=0)  # kernels are compiled, for either type of index
    lr.complete(S, k, rng=0)
    del A
    for observed, options in (((rows, columns, values), {"shape": (m, n)}), (S, {})):
        tracemalloc.start()
        lr.complete(observed, k, rng=0, **options)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= 24 * values.size + 4 * 8 * k * (m + n) + 3e5


@pytest.mark.parametrize("options", [{"bias": True}, {"confidence": 2.0}, {"nonneg": True}])
def test_nothing_of_the_size_of_the_matrix_is_formed_for_other_models(options):
    m, n, k = 3000, 2500, 4
    generator = np.random.default_rng(0)
    S = scipy.sparse.random_array((m, n), density=0.01, rng=generator, format="csr")
    S.sort_indices()
    options = {"rng": 0, "regularization": 0.1, "maxiter": 3, **options}
    with pytest.warns(lr.ConvergenceWarning):
        lr.complete(S, k, **options)  # kernels are compiled
    tracemalloc.start()
    with pytest.warns(lr.ConvergenceWarning):
        lr.complete(S, k, **options)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 64 * S.nnz + 12 * 8 * k * (m + n) + 3e5
