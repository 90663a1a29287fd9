"""A compiled update of a small factor, against the same in NumPy."""

import numpy as np
import pytest

from lowrank_la import _kernels
from lowrank_la.tensors import cp_als
from lowrank_la.tensors.cp_als import Sweeps
from lowrank_la.tensors.dimension_tree import source_of
from lowrank_la.tensors.tensor import as_tensor


def sweeps_of(x, factors, count):
    tensor = as_tensor(x)
    state = Sweeps(tensor, source_of(tensor), factors)
    return [state.sweep() for _ in range(count)], state


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "rank"), [((10, 10, 10), 4), ((3, 7), 2), ((5, 4, 3, 6), 3), ((1, 9, 2), 1)])
def test_sweeps_are_those_of_plain_updates(shape, rank, dtype, monkeypatch):
    generator = np.random.default_rng(0)
    x = generator.standard_normal(shape).astype(dtype)
    start = [generator.standard_normal((n, rank)).astype(dtype) for n in shape]
    errors, state = sweeps_of(x, start, 8)
    monkeypatch.setattr(cp_als, "_COMPILED", 0)
    plain, expected = sweeps_of(x, start, 8)
    assert state.kernel is not None
    assert expected.kernel is None
    bound = 1e-10 if dtype == "float64" else 2e-3
    np.testing.assert_allclose(errors, plain, atol=bound)
    for one, two in zip(state.factors, expected.factors, strict=True):
        np.testing.assert_allclose(one, two, atol=bound)
    np.testing.assert_allclose(state.weights, expected.weights, rtol=bound)


@pytest.mark.parametrize("same", [True, False])
def test_singular_equations_are_left_to_the_plain_update(same):
    generator = np.random.default_rng(1)
    x, factor = generator.standard_normal((6, 5, 4)), generator.standard_normal((4, 3))
    factor[:, 2] = factor[:, 1] if same else 0.0
    start = [generator.standard_normal((n, 3)) for n in (6, 5)] + [factor]
    start[1][:, 2] = start[1][:, 1]
    errors, state = sweeps_of(x, start, 5)
    assert all(np.isfinite(factor).all() for factor in state.factors)
    assert np.all(np.diff(errors) <= 1e-12)


def test_what_is_returned_are_the_moments_of_the_model():
    generator = np.random.default_rng(2)
    B, root = generator.standard_normal((7, 3)), generator.standard_normal((9, 3))
    root /= np.linalg.norm(root, axis=0)
    gamma = root.T @ root
    unit, size, gram = np.empty((7, 3)), np.empty(3), np.empty((3, 3))
    found, inner, square, mass = _kernels.lookup("als_update", "numpy")(B, gamma, 1e-15, unit, size, gram)
    A = np.linalg.solve(gamma, B.T).T
    assert found
    np.testing.assert_allclose(unit * size, A, rtol=1e-12)
    np.testing.assert_allclose(gram, unit.T @ unit, rtol=1e-12)
    np.testing.assert_allclose([inner, square], [(A * B).sum(), (A.T @ A * gamma).sum()], rtol=1e-12)
    assert mass >= square
    assert not _kernels.lookup("als_update", "numpy")(B, np.ones((3, 3)), 1e-12, unit, size, gram)[0]
