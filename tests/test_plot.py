"""Pictures show what results hold."""

from types import SimpleNamespace

import numpy as np
import pytest

import lowrank_la as lr
from lowrank_la.results import Info, Result

pytest.importorskip("matplotlib")
from matplotlib.figure import Figure


def svd_of(A, rank, mean=None):
    U, s, Vh = np.linalg.svd(A, full_matrices=False)
    parts = {"U": U[:, :rank], "s": s[:rank], "Vh": Vh[:rank], "mean": mean, "info": Info(error=0.25)}
    return SimpleNamespace(**parts)


@pytest.fixture
def A():
    return np.random.default_rng(0).standard_normal((12, 9))


def test_the_spectrum_is_drawn_on_a_logarithmic_axis(A):
    result = svd_of(A, 4)
    ax = lr.plot.spectrum(result)
    assert ax.get_yscale() == "log"
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), result.s)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [1, 2, 3, 4])
    assert ax.get_title() == "rank 4, relative error 0.25"


def test_the_spectrum_of_eigenvalues_shows_their_magnitudes():
    ax = lr.plot.spectrum(SimpleNamespace(w=np.array([-3.0, 2.0, 0.0]), V=np.eye(3), info=Info()))
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [3.0, 2.0, np.nan])
    assert ax.get_ylabel() == "|eigenvalue|"


def test_the_spectrum_is_drawn_on_given_axes(A):
    ax = Figure().subplots()
    assert lr.plot.spectrum(svd_of(A, 2), ax) is ax


def test_a_result_without_values_is_refused():
    with pytest.raises(TypeError, match="singular values or eigenvalues"):
        lr.plot.spectrum(Result())


def test_matrix_and_approximation_share_their_grey_scale(A):
    result = svd_of(A, 3)
    left, right = lr.plot.approximation(A, result)
    np.testing.assert_array_equal(left.images[0].get_array(), A)
    np.testing.assert_allclose(right.images[0].get_array(), (result.U * result.s) @ result.Vh)
    assert left.images[0].get_clim() == right.images[0].get_clim() == (A.min(), A.max())


def test_the_mean_is_added_to_a_centred_approximation(A):
    mean = A.mean(axis=0)
    _, right = lr.plot.approximation(A, svd_of(A - mean, 9, mean=mean))
    np.testing.assert_allclose(right.images[0].get_array(), A, atol=1e2 * np.finfo(float).eps)


def test_eigenvectors_are_drawn_as_the_matrix_they_stand_for(A):
    K = A @ A.T
    w, V = np.linalg.eigh(K)
    _, right = lr.plot.approximation(K, SimpleNamespace(w=w, V=V, info=Info()))
    np.testing.assert_allclose(right.images[0].get_array(), K, atol=1e3 * np.finfo(float).eps * w.max())


def test_complex_matrices_and_single_axes_are_refused(A):
    with pytest.raises(ValueError, match="real matrices"):
        lr.plot.approximation(A + 1j, svd_of(A, 1))
    with pytest.raises(ValueError, match="pair of axes"):
        lr.plot.approximation(A, svd_of(A, 1), Figure().subplots(1, 3))


@pytest.mark.parametrize("kind", ["dense", "complex", "other"])
def test_an_overview_is_written_for_any_matrix(kind, A, tmp_path):
    data = {"dense": A, "complex": A + 1j, "other": object()}[kind]
    lr.plot.write_overview(data, svd_of(A, 3), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_tensors_of_torch_are_drawn(A):
    torch = pytest.importorskip("torch")
    result = svd_of(A, 3)
    result.s = torch.asarray(result.s)
    np.testing.assert_array_equal(lr.plot.spectrum(result).lines[0].get_ydata(), result.s.numpy())


def test_bounds_of_the_values_are_drawn_as_a_band(A):
    stream = lr.IncrementalSVD(3).partial_fit(A)
    ax = stream.result().plot()
    assert len(ax.collections) == 1
    lower, upper = ax.collections[0].get_paths()[0].vertices[:, 1].min(), stream.result().error_bounds[1, 0]
    assert lower <= stream.result().s[-1] <= upper


def test_the_error_against_the_rank_is_that_of_the_leading_triplets(A):
    result = lr.svd(A, 4, rng=0)
    s = np.linalg.svd(A)[1]
    expected = [np.sqrt((s[k:] ** 2).sum() / (s**2).sum()) for k in range(5)]
    np.testing.assert_allclose(lr.plot.error_against_rank(result).lines[0].get_ydata(), expected, rtol=1e-10)
    with pytest.raises(ValueError, match="not known"):
        lr.plot.error_against_rank(SimpleNamespace(s=s, info=Info()))
    with pytest.raises(TypeError, match="singular values"):
        lr.plot.error_against_rank(lr.qb(A, 2))


def test_the_columns_of_both_factors_are_drawn(A):
    result = lr.svd(A, 3, rng=0)
    left, right = lr.plot.factors(result, count=2)
    assert (len(left.lines), len(right.lines)) == (2, 2)
    np.testing.assert_array_equal(right.lines[1].get_ydata(), result.Vh[1])
    with pytest.raises(TypeError, match="factors"):
        lr.plot.factors(lr.leverage_scores(A))
    with pytest.raises(TypeError, match="LeverageResult has no picture"):
        lr.leverage_scores(A).plot()


def test_the_factors_of_a_completed_matrix_are_drawn(A):
    result = lr.complete(A[:, :2] @ A[:2], 2, rng=0)
    left, right = result.plot()
    np.testing.assert_array_equal(left.lines[0].get_ydata(), result.U[:, 0])
    np.testing.assert_array_equal(right.lines[1].get_ydata(), result.V[:, 1])


def test_a_phase_diagram_shows_the_line_of_one_half():
    share = np.linspace(0, 1, 12).reshape(3, 4)
    ax = lr.plot.phase_diagram([1, 2, 3, 4], [0.1, 0.2, 0.3], share)
    assert len(ax.collections) == 2
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["half of them succeed"]
    with pytest.raises(ValueError, match=r"shape .*\(2, 4\), got \(3, 4\)"):
        lr.plot.phase_diagram([1, 2, 3, 4], [0.1, 0.2], share)
