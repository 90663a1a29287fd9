"""The compiled filter and adjoint recursion against their portable twins."""

import numpy as np
import pytest

from lowrank_la import _backend as be
from lowrank_la._backend import state_space
from lowrank_la.tensors import matern

NAMES = ("values", "spread", "slope", "bend")


def problem(smoothness, nodes, channels, rng=0):
    generator = np.random.default_rng(rng)
    places = np.sort(generator.uniform(size=nodes))
    L = generator.standard_normal((nodes, channels, max(1, channels - 1)))
    precision, shift = L @ L.transpose(0, 2, 1), generator.standard_normal((nodes, channels))
    precision[nodes // 2], shift[nodes // 2] = 0.0, 0.0  # a place without data
    return *matern.chain(smoothness, 0.3, 1.7, places), precision, shift


@pytest.mark.parametrize("smoothness", matern.SMOOTHNESS)
@pytest.mark.parametrize(("nodes", "channels"), [(1, 1), (2, 3), (17, 1), (17, 4)])
def test_kernel_and_twin_agree(smoothness, nodes, channels):
    data = problem(smoothness, nodes, channels)
    kernel, twin = be.filter_states(*data), state_space.filter_twin(*data)
    assert kernel.evidence == pytest.approx(twin.evidence, abs=1e-12 * nodes)
    ours, _, _ = be.smooth_states(kernel, data[0])
    theirs = state_space.smooth_twin(twin)
    for name in NAMES:
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=0, atol=1e-12)


def test_every_library_gives_the_same_states(backend):
    data = problem(1.5, 9, 2)
    given = [backend.asarray(x) for x in data]
    found, _, _ = be.smooth_states(be.filter_states(*given), given[0])
    expected, _, _ = be.smooth_states(be.filter_states(*data), data[0])
    eps = be.eps(given[0].dtype)
    for name in NAMES:
        part = getattr(found, name)
        assert backend.holds(part)
        np.testing.assert_allclose(backend.to_numpy(part), getattr(expected, name), rtol=0, atol=2000 * eps)
