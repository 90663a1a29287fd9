"""What the sub-gradient method reads off the data, and the products behind it."""

import numpy as np
import pytest
from robust.sensing import sensed, target

from lowrank_la import _backend as be
from lowrank_la.robust.measurements import DenseMeasurement, FunctionMeasurement, PairedMeasurement
from lowrank_la.robust.rank_one import RankOneMeasurement
from lowrank_la.robust.reading import read_measurements
from lowrank_la.robust.schedule import Schedule, count_above_noise, median_ratio, schedule_for, start_from


def test_the_weighted_median_minimises_the_sum_of_absolute_residuals():
    generator = np.random.default_rng(0)
    for size in (1, 2, 7, 50):
        y, a = generator.standard_normal((2, size))
        best = min(np.sum(np.abs(y - t * a)) for t in y / a)
        assert np.sum(np.abs(y - median_ratio(y, a) * a)) <= best * (1 + 1e-12)
    assert median_ratio(np.ones(3), np.zeros(3)) == 0.0


@pytest.mark.parametrize("shape", [(20, 20), (40, 15), (200, 200)])
def test_noise_alone_shows_no_direction_and_signals_are_counted(shape):
    for seed in range(10):
        noise = np.random.default_rng(seed).standard_normal(shape)
        assert count_above_noise(np.linalg.svd(noise)[1], np.linalg.norm(noise), shape) == 0
        Z = noise + 3.0 * np.sqrt(max(shape)) * target(*shape, (1.0, 1.0, 0.9), seed)
        assert count_above_noise(np.linalg.svd(Z)[1], np.linalg.norm(Z), shape) == 3


def test_the_schedule_lets_the_weakest_direction_grow_by_what_it_needs():
    X = target(20, 20, (1.0, 0.8, 0.6), symmetric=True)
    A, y = sensed(X, 2000, 0.1)
    measurement = DenseMeasurement.of(A)
    image = measurement.adjoint(np.sign(y) / y.size).symmetrized()
    start = start_from(image, measurement, y, 5, True, be.resolve_rng(0))
    assert start.count == 3
    assert 0.5 <= start.size * float(start.values[0]) <= 1.5
    schedule = schedule_for(start, 1e-9, 0.5)
    growth = sum(schedule.step(t) for t in range(schedule.steps(1e-9))) * start.weakest
    assert 1.15 * np.log(1e9) <= growth <= 1.35 * np.log(1e9)
    assert schedule.step(schedule.steps(1e-9)) <= 1e-9


def test_a_schedule_has_at_least_one_step():
    assert Schedule(1e-3, 0.9).steps(0.5) >= 1


def dense(m, n, count, kind):
    """A measurement of each kind, and the array that it stands for."""
    generator = np.random.default_rng(0)
    A = generator.standard_normal((count, m, n))
    if kind == "dense":
        return DenseMeasurement.of(A), A
    if kind == "functions":
        flat = A.reshape(count, -1)
        y = np.zeros(count)
        return FunctionMeasurement(lambda X: flat @ X.ravel(), lambda z: (z @ flat).reshape(m, n), (m, n), y), A
    if kind == "entries":
        rows, cols = np.divmod(np.sort(generator.permutation(m * n)[:count]), n)
        A = np.zeros((count, m, n))
        A[np.arange(count), rows, cols] = 1.0
        return read_measurements((rows, cols), np.ones(count), (m, n), False, True)[0], A
    x, w = generator.standard_normal((count, m)), generator.standard_normal((count, n))
    made, A = RankOneMeasurement(x, w), x[:, :, None] * w[:, None, :]
    return (PairedMeasurement(made), A[0:-1:2] - A[1::2]) if kind == "pairs" else (made, A)


@pytest.mark.parametrize("kind", ["dense", "functions", "entries", "rank one", "pairs"])
def test_measurements_and_their_adjoints_are_those_of_the_array(kind):
    m, n, count = 7, 6, 31
    measurement, A = dense(m, n, count, kind)
    generator = np.random.default_rng(1)
    U, V, z = (generator.standard_normal(size) for size in ((m, 3), (n, 3), A.shape[0]))
    assert measurement.count == A.shape[0]
    np.testing.assert_allclose(measurement.forward(U, V), np.einsum("pij,ij->p", A, U @ V.T), rtol=0, atol=1e-12)
    Z, image = np.einsum("p,pij->ij", z, A), measurement.adjoint(z)
    for made, exact in ((image, Z), (image.symmetrized(), (Z + Z.T) / 2)) if m == n else ((image, Z),):
        np.testing.assert_allclose(made.times(V), exact @ V, rtol=0, atol=1e-11)
        np.testing.assert_allclose(made.adjoint_times(U), exact.T @ U, rtol=0, atol=1e-11)
        assert abs(made.norm / np.linalg.norm(exact) - 1.0) <= 0.5
    y = generator.standard_normal(A.shape[0])
    residual, both = measurement.residual_image(U, V, y, np.sign)
    np.testing.assert_allclose(residual, measurement.forward(U, V) - y, rtol=0, atol=1e-12)
    np.testing.assert_allclose(both.times(V), measurement.adjoint(np.sign(residual)).times(V), rtol=0, atol=1e-11)
    left, values, right = image.leading(2, False, be.resolve_rng(0))
    np.testing.assert_allclose(values, np.linalg.svd(Z)[1][:2], rtol=1e-10)
    np.testing.assert_allclose(be.matmul(Z, right), left * values, rtol=0, atol=1e-9)


def test_the_image_of_entries_is_the_gradient_of_a_loss_on_the_support():
    generator = np.random.default_rng(0)
    rows, cols = np.divmod(np.sort(generator.permutation(42)[:20]), 6)
    measurement, y, _ = read_measurements((rows, cols), generator.standard_normal(20), (7, 6), False, True)
    U, V, D = (generator.standard_normal(size) for size in ((7, 2), (6, 2), (7, 2)))

    def loss(U):
        return np.sum(np.log(np.cosh((U @ V.T)[rows, cols] - y)))

    z, image = measurement.residual_image(U, V, y, np.tanh)
    observed, h = measurement.observed, 1e-5
    gradient = image.times(V)
    np.testing.assert_array_equal(z, observed.dots(U, V) - y)
    np.testing.assert_array_equal(gradient, observed.times(np.tanh(z), V))
    slope = (loss(U + h * D) - loss(U - h * D)) / (2 * h)
    assert abs(np.sum(gradient * D) - slope) <= 100 * h**2
