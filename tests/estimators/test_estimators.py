"""The estimators give what the functions behind them give, in the namespace of the data, and fit into pipelines."""

import pickle

import numpy as np
import pytest
import scipy.sparse

pytest.importorskip("sklearn")
from sklearn import decomposition, model_selection, pipeline
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, Ridge

import lowrank_la as lr
from lowrank_la import estimators, testing


def data(m=120, n=30, rng=0):
    values = np.geomspace(100.0, 0.1, n)
    return testing.matrix(m, n, values, rng=rng) + np.linspace(-3.0, 3.0, n)


def agree_up_to_sign(a, b, atol):
    signs = np.sign(np.sum(a * b, axis=1, keepdims=True))
    np.testing.assert_allclose(a, signs * b, rtol=0, atol=atol)


@pytest.mark.parametrize("whiten", [False, True])
def test_pca_is_the_exact_one(whiten):
    X = data()
    ours = estimators.PCA(5, whiten=whiten, random_state=0).fit(X)
    exact = decomposition.PCA(5, whiten=whiten, svd_solver="full").fit(X)
    agree_up_to_sign(ours.components_, exact.components_, 1e-9)
    for name in ("explained_variance_", "explained_variance_ratio_", "singular_values_", "mean_", "noise_variance_"):
        np.testing.assert_allclose(getattr(ours, name), getattr(exact, name), rtol=1e-9, atol=1e-12)
    plain = decomposition.PCA(5, svd_solver="full").fit(X)  # whitening changes coordinates, not the model of the data
    np.testing.assert_allclose(ours.get_covariance(), plain.get_covariance(), rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours.score_samples(X), plain.score_samples(X), rtol=1e-8)
    assert ours.score(X) == pytest.approx(plain.score(X))
    back, expected = ours.inverse_transform(ours.transform(X)), exact.inverse_transform(exact.transform(X))
    np.testing.assert_allclose(back, expected, rtol=0, atol=1e-8)
    np.testing.assert_allclose(ours.fit_transform(X), ours.transform(X), rtol=0, atol=1e-8)


def test_a_share_of_the_variance_is_reached_with_as_few_components_as_exactly():
    X = data()
    for share in (0.5, 0.9, 0.999):
        ours, exact = estimators.PCA(share).fit(X), decomposition.PCA(share, svd_solver="full").fit(X)
        assert ours.n_components_ == exact.n_components_
        assert ours.explained_variance_ratio_.sum() >= share * (1 - 1e-12)


@pytest.mark.parametrize("name", ["PCA", "TruncatedSVD", "IncrementalPCA"])
def test_sparse_data_gives_what_dense_data_gives(name):
    X = np.where(np.random.default_rng(0).random((200, 40)) < 0.1, data(200, 40), 0.0)
    make = getattr(estimators, name)
    dense, sparse = make(4).fit(X), make(4).fit(scipy.sparse.csr_array(X))
    np.testing.assert_allclose(sparse.singular_values_, dense.singular_values_, rtol=1e-9)
    np.testing.assert_allclose(
        np.abs(sparse.transform(scipy.sparse.csr_array(X))), np.abs(dense.transform(X)), rtol=0, atol=1e-6
    )


def test_truncated_svd_is_the_exact_one():
    X = data()
    ours = estimators.TruncatedSVD(4, random_state=0).fit(X)
    exact = decomposition.TruncatedSVD(4, algorithm="arpack", random_state=0).fit(X)
    agree_up_to_sign(ours.components_, exact.components_, 1e-8)
    np.testing.assert_allclose(ours.explained_variance_ratio_, exact.explained_variance_ratio_, rtol=1e-8)


@pytest.mark.parametrize("batch_size", [1, 7, 120, None])
def test_incremental_pca_is_the_exact_one_for_any_batches(batch_size):
    X = data()
    ours = estimators.IncrementalPCA(5, batch_size=batch_size).fit(X)
    exact = decomposition.PCA(5, svd_solver="full").fit(X)
    agree_up_to_sign(ours.components_, exact.components_, 1e-7)
    for name in ("explained_variance_", "explained_variance_ratio_", "mean_", "noise_variance_"):
        np.testing.assert_allclose(getattr(ours, name), getattr(exact, name), rtol=1e-6, atol=1e-9)
    assert ours.n_samples_seen_ == 120


def test_a_refused_batch_leaves_the_estimator_as_it_was():
    ours = estimators.IncrementalPCA(2).partial_fit(data())
    before = ours.components_.copy()
    with pytest.raises(ValueError, match="NaN"):
        ours.partial_fit(np.full((3, 30), np.nan))
    np.testing.assert_array_equal(ours.partial_fit(data()[:1]).n_samples_seen_, 121)
    assert before.shape == ours.components_.shape


@pytest.mark.parametrize("kernel", ["rbf", "linear", "poly", "polynomial", "sigmoid", "cosine", "laplacian"])
@pytest.mark.filterwarnings("ignore::lowrank_la.exceptions.RankWarning")
def test_kernels_are_those_of_scikit_learn_and_their_features_reproduce_them(kernel):
    from sklearn.metrics.pairwise import pairwise_kernels

    X = np.random.default_rng(1).standard_normal((60, 3)) / 3
    K = pairwise_kernels(X, metric=kernel)
    if kernel == "sigmoid":
        pytest.skip("not positive semidefinite")
    found = estimators.Nystroem(kernel, n_components=60, random_state=0).fit(X)
    Z = found.transform(X)
    np.testing.assert_allclose(Z @ Z.T, K, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(found.components_, X[found.component_indices_])


def test_fewer_landmarks_are_nearly_as_good_as_the_best_factor():
    X = np.random.default_rng(2).standard_normal((300, 4))
    found = estimators.Nystroem(n_components=80, gamma=0.1, random_state=0).fit(X)
    K = np.exp(-0.1 * ((X[:, None] - X[None]) ** 2).sum(-1))
    Z = found.transform(X)
    best = np.linalg.eigvalsh(K)[:-80].sum()
    assert np.trace(K - Z @ Z.T) <= 10 * best
    assert found.info_.error == pytest.approx(np.trace(K - Z @ Z.T) / 300, rel=1e-4)


def test_missing_entries_are_filled_and_known_ones_stay():
    truth = testing.matrix(80, 40, np.asarray([5.0, 3.0, 2.0]), rng=3)
    X = np.where(np.random.default_rng(3).random(truth.shape) < 0.5, truth, np.nan)
    model = estimators.MatrixCompletion(3, random_state=0)
    filled = model.fit_transform(X)
    np.testing.assert_array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])
    assert np.linalg.norm(filled - truth) < 1e-4 * np.linalg.norm(truth)
    fresh = np.where(np.arange(40) % 3 == 0, np.nan, truth[:5])
    assert np.linalg.norm(model.transform(fresh) - truth[:5]) < 1e-4 * np.linalg.norm(truth[:5])


def test_gross_errors_do_not_turn_the_components():
    truth = testing.matrix(100, 60, np.asarray([9.0, 5.0]), rng=4)
    generator = np.random.default_rng(4)
    wrong = generator.random(truth.shape) < 0.05
    model = estimators.RobustPCA(2, random_state=0).fit(truth + np.where(wrong, 10.0, 0.0))
    V = np.linalg.svd(truth)[2][:2]
    np.testing.assert_allclose(np.linalg.svd(model.components_ @ V.T)[1], 1.0, atol=1e-6)
    assert model.result_.S.nnz == np.count_nonzero(wrong)


def test_the_columns_chosen_span_the_others():
    X = data(90, 20)
    model = estimators.ColumnSelector(8, random_state=0).fit(X)
    error = np.linalg.norm(X - X[:, model.indices_] @ model.coefficients_) / np.linalg.norm(X)
    assert error == pytest.approx(model.info_.error, rel=1e-6)
    np.testing.assert_array_equal(model.transform(X), X[:, np.sort(model.indices_)])
    assert scipy.sparse.issparse(model.transform(scipy.sparse.csr_array(X)))


@pytest.mark.parametrize("name", estimators.__all__)
@pytest.mark.filterwarnings("ignore::lowrank_la.exceptions.RankWarning")
def test_arrays_of_other_libraries_stay_in_theirs(name, backend):
    X = data(60, 8)
    if name == "MatrixCompletion":
        X = testing.matrix(60, 8, np.asarray([3.0, 1.0]), rng=1)
        X[np.random.default_rng(0).random(X.shape) < 0.2] = np.nan
    width = {"ColumnSelector": "n_features_to_select"}.get(name, "n_components")
    options = {"batch_size": 10} if name == "IncrementalPCA" else {"random_state": 0}
    if name == "RobustPCA":
        X = testing.matrix(60, 8, np.asarray([3.0, 1.0]), rng=1)
    host = getattr(estimators, name)(**{width: 2}, **options).fit(X)
    there = getattr(estimators, name)(**{width: 2}, **options).fit(backend.asarray(X))
    Z = there.transform(backend.asarray(X))
    assert backend.holds(Z)
    close = 1e-9 if str(Z.dtype).endswith("64") else 2e-3
    expected = host.transform(X)
    assert np.linalg.norm(backend.to_numpy(Z) - expected) <= close * np.linalg.norm(expected)


def test_a_fit_with_one_library_refuses_another():
    torch = pytest.importorskip("torch")
    model = estimators.PCA(2).fit(data())
    with pytest.raises(TypeError, match="fitted with numpy"):
        model.transform(torch.asarray(data()))
    with pytest.raises(ValueError, match="expecting 30 features"):
        estimators.PCA(2).fit(torch.asarray(data())).transform(torch.asarray(data()[:, :5]))


def test_a_pipeline_and_a_grid_search_run():
    X, y = load_digits(return_X_y=True)
    X = X[:400]
    y = y[:400]
    steps = pipeline.make_pipeline(estimators.PCA(10, random_state=0), LogisticRegression(max_iter=2000))
    search = model_selection.GridSearchCV(steps, {"pca__n_components": [5, 20]}, cv=3).fit(X, y)
    assert search.best_params_ == {"pca__n_components": 20}
    assert search.best_score_ > 0.85
    named = pipeline.make_pipeline(estimators.ColumnSelector(20), estimators.TruncatedSVD(5), Ridge())
    assert named.fit(X, y).predict(X).shape == (400,)


def test_names_of_the_coordinates_are_told():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(data(), columns=[f"c{j}" for j in range(30)])
    out = estimators.PCA(2).set_output(transform="pandas").fit_transform(X)
    assert list(out.columns) == ["pca0", "pca1"]
    chosen = estimators.ColumnSelector(3).set_output(transform="pandas").fit(X)
    assert list(chosen.transform(X).columns) == list(chosen.get_feature_names_out())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: estimators.PCA(31).fit(data()),
            r"must lie in 1…min\(n_samples, n_features\) = 30, got 31",
        ),
        (lambda: estimators.PCA("mle").fit(data()), "n_components must be a positive integer, a share"),
        (lambda: estimators.PCA(1.5).fit(data()), "n_components"),
        (lambda: estimators.PCA(svd_solver="randomized").fit(data()), "svd_solver must be one of 'auto'.*'randomized'"),
        (lambda: estimators.TruncatedSVD(algorithm="arpack").fit(data()), "algorithm must be one of 'auto'.*'arpack'"),
        (lambda: estimators.PCA(2, n_oversamples=-1).fit(data()), "n_oversamples must be at least 0, got -1"),
        (lambda: estimators.IncrementalPCA(31).partial_fit(data()), "1…n_features = 30, got 31"),
        (lambda: estimators.ColumnSelector(0).fit(data()), "n_features_to_select must be"),
        (lambda: estimators.Nystroem("rbff").fit(data()), "kernel must be a function or one of"),
        (lambda: estimators.Nystroem(gamma="a").fit(data()), "gamma must be a number"),
        (lambda: estimators.Nystroem(kernel_params={"x": 1}).fit(data()), "kernel_params holds"),
    ],
)
def test_wrong_parameters_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_fitted_estimator_can_be_pickled():
    for model in (estimators.PCA(2), estimators.IncrementalPCA(2)):
        model.fit(data())
        again = pickle.loads(pickle.dumps(model))  # noqa: S301
        np.testing.assert_array_equal(again.transform(data()), model.transform(data()))


def test_the_answer_is_that_of_the_function():
    X = data()
    np.testing.assert_array_equal(estimators.TruncatedSVD(3, random_state=7).fit(X).components_, lr.svd(X, 3, rng=7).Vh)
