"""What `ridge_nystrom` promises: an error below the ridge from about as many landmarks as there are dimensions."""

import numpy as np
import pytest
import scipy.sparse
from factor.oracles import eps, relative_error

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la import testing
from lowrank_la.skeleton.ridge_nystrom import _Landmarks

METHODS = ("recursive", "bless")


def kernel_matrix(n=300, seed=0):
    x = np.random.default_rng(seed).standard_normal(n)
    return np.exp(-2.0 * (x[:, None] - x[None, :]) ** 2)


def scores(K, ridge):
    return np.diag(np.linalg.solve(K + ridge * np.eye(len(K)), K))


def landmarks(K, indices, probabilities):
    made = _Landmarks(lr.as_operator(K), np.diag(K).real.copy(), None, be.resolve_rng(0))
    made.indices, made.probabilities = np.asarray(indices), np.asarray(probabilities)
    return made


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_all_points_as_landmarks_give_the_exact_scores(dtype):
    K = testing.hermitian(40, testing.spectra["exponential_medium"](40), dtype=dtype, rng=1)
    found = landmarks(K, range(40), np.ones(40)).scores(np.arange(40), 0.01)
    np.testing.assert_allclose(found, scores(K, 0.01).real, rtol=0, atol=1e-11)


def test_fewer_landmarks_never_show_a_score_below_the_true_one():
    K = kernel_matrix(60)
    for size in (1, 5, 20):
        found = landmarks(K, range(size), np.ones(size)).scores(np.arange(60), 0.1)
        assert np.all(found >= scores(K, 0.1) - 1e-11)


@pytest.mark.parametrize("method", METHODS)
def test_the_spectral_error_is_within_the_ridge(method):
    K = kernel_matrix()
    for ridge in (1.0, 0.1):
        for seed in range(10):
            F, _ = lr.ridge_nystrom(K, ridge, method=method, rng=seed)
            values = np.linalg.eigvalsh(K - F @ F.T)
            assert values.min() >= -1e-8
            assert values.max() <= ridge


@pytest.mark.parametrize("method", METHODS)
def test_the_number_of_landmarks_follows_the_effective_dimension(method):
    K = kernel_matrix(400)
    for ridge in (1.0, 0.1):
        dimension = scores(K, ridge).sum()
        sizes, found = zip(
            *(
                (r.indices.shape[0], r.info.dimension)
                for r in (lr.ridge_nystrom(K, ridge, method=method, rng=s) for s in range(8))
            ),
            strict=True,
        )
        assert np.mean(sizes) <= 4.0 * dimension * np.log(dimension / 0.1)
        assert 0.5 * dimension <= np.mean(found) <= 4.0 * dimension


@pytest.mark.parametrize("method", METHODS)
def test_landmarks_find_a_small_cluster_that_uniform_ones_miss(method):
    x = np.concatenate([np.random.default_rng(0).normal(0, 0.1, 990), np.random.default_rng(1).normal(50, 0.1, 10)])
    K = np.exp(-0.5 * (x[:, None] - x[None, :]) ** 2)
    for seed in range(5):
        assert (lr.ridge_nystrom(K, 0.5, method=method, rng=seed).indices >= 990).any()


@pytest.mark.parametrize("method", METHODS)
def test_every_backend_gives_the_same_factor(backend, method):
    host = kernel_matrix(100)
    for dtype in set(backend.dtypes) & {"float32", "float64"}:
        K = host.astype(dtype)
        ours, reference = (lr.ridge_nystrom(A, 0.3, method=method, rng=3) for A in (backend.asarray(K), K))
        assert backend.holds(ours.F)
        np.testing.assert_array_equal(backend.to_numpy(ours.indices), reference.indices)
        atol = 1e3 * eps(dtype) ** 0.5
        np.testing.assert_allclose(
            backend.to_numpy(ours @ backend.asarray(np.ones(100, dtype))),
            reference @ np.ones(100, dtype),
            rtol=0,
            atol=atol * 100,
        )


def test_other_inputs_give_the_factor_of_the_array():
    x = np.random.default_rng(0).standard_normal(120)

    def gaussian(a, b):
        return np.exp(-2.0 * (a[:, None] - b[None, :]) ** 2)

    K = gaussian(x, x)
    known = lr.ridge_nystrom(K, 0.2, rng=1)
    for given in (
        lr.KernelMatrix(x, gaussian, diag=1.0),
        scipy.sparse.csr_array(K),
        lr.operator(lambda X: K @ X, None, K.shape, K.dtype),
    ):
        r = lr.ridge_nystrom(given, 0.2, rng=1)
        np.testing.assert_array_equal(r.indices, known.indices)
        assert relative_error(K, r.F @ r.F.T) == pytest.approx(relative_error(K, known.F @ known.F.T), rel=1e-3)


def test_the_error_is_the_relative_trace_error():
    K = kernel_matrix()
    r = lr.ridge_nystrom(K, 5.0, rng=0)
    assert r.info.error == pytest.approx(np.trace(K - r.F @ r.F.T) / np.trace(K), rel=1e-9)


def test_a_zero_matrix_and_a_single_point_are_answered():
    assert lr.ridge_nystrom(np.zeros((3, 3)), 1.0, rng=0).info.error == 0.0
    np.testing.assert_allclose(lr.ridge_nystrom(np.array([[4.0]]), 1.0, rng=0).F, [[2.0]], rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_duplicate_points_are_landmarks_without_harm(method):
    x = np.repeat(np.linspace(0, 1, 20), 10)
    K = np.exp(-10.0 * (x[:, None] - x[None, :]) ** 2)
    F, indices = lr.ridge_nystrom(K, 0.1, method=method, rng=0)
    assert len(set(indices.tolist())) == len(indices)
    assert np.linalg.norm(K - F @ F.T, 2) <= 0.1


@pytest.mark.parametrize("method", METHODS)
def test_of_duplicates_that_hardly_count_a_single_one_is_kept(backend, method):
    for seed in range(5):
        r = lr.ridge_nystrom(
            backend.asarray(np.ones((300, 300), np.float32)), 1e5, method=method, budget=1e-3, rng=seed
        )
        assert r.indices.shape == (1,)
        np.testing.assert_array_equal(r.info.probabilities, [1.0])
    sizes = [
        lr.ridge_nystrom(np.ones((200, 200)) / 200, 1 / 1.01, method=method, rng=s).indices.size for s in range(20)
    ]
    assert np.mean(sizes) <= 10


def clusters(count, size):
    return np.kron(np.eye(count), np.full((size, size), 1.0 / size))


@pytest.mark.parametrize("method", METHODS)
def test_clusters_whose_eigenvalue_is_barely_above_the_ridge_are_mostly_found(method):
    missed = sum(
        len(set((lr.ridge_nystrom(clusters(10, 40), 1 / 1.01, method=method, rng=seed).indices // 40).tolist())) < 10
        for seed in range(40)
    )
    assert missed <= 12  # the default budget of "recursive" for "bless" as well misses one in four draws of five


def test_the_budget_of_the_theorem_finds_every_cluster():
    K, ridge, clustered = clusters(10, 40), 1 / 1.01, []
    dimension = scores(K, ridge).sum()
    for seed in range(20):
        F, indices = lr.ridge_nystrom(K, ridge, budget=16 * np.log(32 * dimension), rng=seed)
        clustered.append(len(set((indices // 40).tolist())))
        assert np.linalg.norm(K - F @ F.T, 2) <= ridge
    assert min(clustered) == 10


@pytest.mark.parametrize("method", METHODS)
def test_single_precision_near_its_largest_number_and_half_precision_are_answered(method):
    x = np.linspace(0, 1, 600)
    K = np.exp(-10.0 * (x[:, None] - x[None, :]) ** 2)
    large = (K * 1e36).astype(np.float32)
    r = lr.ridge_nystrom(large, 1e35, method=method, rng=0)
    F = r.F.astype(np.float64) / 1e18
    assert np.linalg.norm(K - F @ F.T, 2) <= 0.1
    assert r.info.error == pytest.approx(np.trace(K - F @ F.T) / 600, abs=100 * eps("float32"))
    half = K.astype(np.float16)
    F = lr.ridge_nystrom(half, 1.0, method=method, rng=0).F.astype(np.float64)
    assert np.linalg.norm(half - F @ F.T, 2) <= 1.0


def spoiled(entry):
    K = kernel_matrix(150)
    K[:, 70] = K[70, :] = entry
    K[70, 70] = 1.0
    return K


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("K", "message"),
    [
        (spoiled(np.nan), "NaN or infinite"),
        (spoiled(np.inf), "NaN or infinite"),
        (spoiled(5.0), "positive semidefinite"),
        (kernel_matrix() - 0.5 + 0.5 * np.eye(300), "positive semidefinite"),
        (kernel_matrix() + np.triu(np.full((300, 300), 0.3), 1), "not Hermitian"),
    ],
)
def test_kernels_that_have_no_factor_are_refused(K, message, method):
    for seed in range(5):
        with pytest.raises(ValueError, match=message):
            lr.ridge_nystrom(K, 0.01, method=method, rng=seed)


@pytest.mark.parametrize(
    ("K", "options", "error", "name"),
    [
        (np.eye(3), {"ridge": 0.0}, ValueError, "ridge"),
        (np.eye(3), {"ridge": None}, TypeError, "ridge"),
        (np.eye(3), {"ridge": 1.0, "budget": -1}, ValueError, "budget"),
        (np.eye(3), {"ridge": 1.0, "method": "uniform"}, ValueError, "method"),
        (-np.eye(3), {"ridge": 1.0}, ValueError, "positive semidefinite"),
        (np.full((3, 3), np.nan), {"ridge": 1.0}, ValueError, "NaN"),
        (np.ones((2, 3)), {"ridge": 1.0}, ValueError, "square"),
        (np.ones((0, 0)), {"ridge": 1.0}, ValueError, "empty"),
    ],
)
def test_arguments_are_checked_by_name(K, options, error, name):
    with pytest.raises(error, match=name):
        lr.ridge_nystrom(K, **options)
