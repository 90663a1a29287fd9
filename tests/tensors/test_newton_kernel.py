"""The Newton kernel as a sum of Gaussians."""

import numpy as np
import pytest

import lowrank_la as lr
from lowrank_la.tensors.newton_kernel import _best_step, _relative_error


def dense(kernel):
    weights, (a, b, c) = kernel
    return np.einsum("r,ir,jr,kr->ijk", weights, a, b, c, optimize=True)


def distances(n, centre=(0.0, 0.0, 0.0)):
    x = (2 * np.arange(n) + 1 - n) / n
    return np.sqrt(sum((g - a) ** 2 for g, a in zip(np.meshgrid(x, x, x, indexing="ij"), centre, strict=True)))


@pytest.mark.parametrize("tol", [1e-3, 1e-7, 1e-11])
def test_the_kernel_is_met_on_the_grid_to_the_tolerance(tol):
    kernel, r = lr.newton_kernel(24, tol=tol), distances(24)
    far = r >= 2 / 24
    assert np.max(np.abs(dense(kernel) * r - 1.0)[far]) <= 1.01 * tol
    assert kernel.info.error <= tol


@pytest.mark.parametrize(
    ("n", "terms", "error"), [(256, 26, 4.9e-6), (256, 31, 1.9e-7), (1024, 31, 5.3e-6), (1024, 50, 2.8e-10)]
)
def test_numbers_of_terms_give_the_known_errors(n, terms, error):
    assert lr.newton_kernel(n, terms=terms).info.error <= 1.01 * error


def test_the_least_number_of_terms_is_taken():
    kernel = lr.newton_kernel(64, tol=1e-6)
    assert _best_step(2 / 64, 2 * np.sqrt(3.0), kernel.info.terms - 1)[2] > 1e-6


def test_a_step_that_is_off_misses_the_tolerance():
    radii = np.geomspace(2 / 64, 2 * np.sqrt(3.0), 400)
    kernel = lr.newton_kernel(64, tol=1e-6)
    assert all(_relative_error(radii, f * kernel.info.step, kernel.info.terms) > 1e-6 for f in (0.9, 1.1))


def test_long_and_short_range_add_up_and_the_long_one_is_smooth():
    kernel = lr.newton_kernel(20, tol=1e-6)
    long, short = kernel.long_range(), kernel.short_range()
    whole = dense(kernel)
    np.testing.assert_allclose(dense(long) + dense(short), whole, rtol=0, atol=1e-14 * whole.max())
    assert long.exponents.shape[0] == -(-kernel.exponents.shape[0] // 2) - 3
    assert long.exponents[-1] < short.exponents[0]


def test_charges_add_up_their_potentials():
    centers, charges = np.array([[0.1, -0.2, 0.3], [-0.5, 0.4, 0.0]]), np.array([2.0, -1.0])
    kernel = lr.newton_kernel(16, tol=1e-8, centers=centers, charges=charges)
    expected = sum(q / distances(16, a) for q, a in zip(charges, centers, strict=True))
    far = np.minimum(*(distances(16, a) for a in centers)) > 2 / 16
    np.testing.assert_allclose(dense(kernel)[far], expected[far], rtol=1e-6, atol=1e-7)
    assert kernel.long_range(3).weights.shape == (6,)


def test_a_box_of_other_size_and_cells():
    kernel = lr.newton_kernel((10, 12, 14), [(0.0, 10.0), (-6.0, 6.0), (0.0, 28.0)], tol=1e-8)
    x, y, z = 0.5 + np.arange(10), -5.5 + np.arange(12), 1.0 + 2 * np.arange(14)
    r = np.sqrt(x[:, None, None] ** 2 + y[:, None] ** 2 + z**2)
    np.testing.assert_allclose((dense(kernel) * r)[r > 1.0], 1.0, rtol=0, atol=2e-8)


def test_the_library_of_the_centers_is_that_of_the_result(backend):
    kernel = lr.newton_kernel(8, tol=1e-4, centers=backend.asarray(np.zeros((1, 3))))
    assert all(backend.holds(part) for part in (kernel.weights, *kernel.factors))
    host = lr.newton_kernel(8, tol=1e-4)
    np.testing.assert_allclose(backend.to_numpy(kernel.factors[0]), host.factors[0], rtol=0, atol=1e-5)


def test_results_survive_a_file(tmp_path):
    kernel = lr.newton_kernel(8, tol=1e-4)
    kernel.save(tmp_path / "k.npz")
    np.testing.assert_array_equal(lr.load(tmp_path / "k.npz").factors[2], kernel.factors[2])
    assert "Hackbusch" in lr.cite(kernel)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n": 0}, "n must be at least 1"),
        ({"n": (4, 4)}, "one number of cells or three"),
        ({"tol": 2.0}, "tol must lie in"),
        ({"terms": 0}, "terms must be between"),
        ({"domain": [(1.0, 0.0)] * 3}, "low < high"),
        ({"centers": np.zeros((2, 2))}, "centers must have shape"),
        ({"centers": np.full((1, 3), np.nan)}, "centers holds NaN"),
        ({"charges": np.ones(2)}, "charges must have shape"),
    ],
)
def test_bad_arguments_are_named(options, match):
    with pytest.raises(ValueError, match=match):
        lr.newton_kernel(**({"n": 8, "tol": 1e-3} | options))


@pytest.mark.parametrize("center", [(20.0, 0.0, 0.0), (2.0, -3.0, 1.5), (0.5, 0.5, 40.0)])
def test_centers_outside_of_the_box_have_the_error_that_is_told(center):
    kernel = lr.newton_kernel(12, tol=1e-6, centers=[center])
    axis = (2.0 * np.arange(12) + 1 - 12) / 12
    x, y, z = (axis - c for c in center)
    r = np.sqrt(x[:, None, None] ** 2 + y[:, None] ** 2 + z**2)
    assert np.max(np.abs(dense(kernel) * r - 1.0)) <= 1.1 * kernel.info.error <= 1.1e-6


def test_parts_of_the_kernel_do_not_claim_its_error():
    kernel = lr.newton_kernel(8, tol=1e-4)
    for part in (kernel.long_range(3), kernel.short_range(3)):
        assert part.info.error is None
        assert part.info.terms == part.exponents.shape[0]
    with pytest.raises(ValueError, match="terms=2 or more"):
        lr.newton_kernel(8, terms=1).long_range()


def test_charges_of_another_library_are_moved_to_the_centers():
    torch = pytest.importorskip("torch")
    kernel = lr.newton_kernel(6, tol=1e-3, charges=torch.tensor([2.0]))
    np.testing.assert_array_equal(kernel.weights, 2.0 * lr.newton_kernel(6, tol=1e-3).weights)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"charges": [1j]}, TypeError, "charges must be real"),
        ({"centers": [[1j, 0, 0]]}, TypeError, "centers must be real"),
        ({"centers": np.zeros((0, 3))}, ValueError, r"shape \(N, 3\)"),
        ({"centers": [["a", "b", "c"]]}, TypeError, "centers must hold numbers"),
        ({"domain": (0.0, 1e-200)}, ValueError, "choose other units"),
    ],
)
def test_centers_charges_and_boxes_that_have_no_kernel_are_named(options, error, match):
    with pytest.raises(error, match=match):
        lr.newton_kernel(8, tol=1e-3, **options)
