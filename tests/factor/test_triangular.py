"""The estimated condition of a triangular factor."""

import numpy as np
import pytest
from factor.oracles import eps
from strategies import random_array

from lowrank_la import testing
from lowrank_la.factor.triangular import estimated_condition


@pytest.mark.parametrize("condition", [1.0, 1e3, 1e9])
def test_the_estimate_is_within_a_factor_two_below_the_condition(condition, backend):
    A = testing.matrix(80, 60, np.geomspace(1.0, 1.0 / condition, 60), rng=1)
    R = backend.asarray(np.linalg.qr(A, mode="r"))
    estimate = estimated_condition(R)
    if condition * eps(R.dtype) < 0.01:
        assert condition / 2 <= estimate <= condition * (1 + 100 * condition * eps(R.dtype))
    else:
        assert estimate > 1e5


def test_a_singular_factor_has_no_finite_condition():
    R = np.triu(random_array((8, 8), "float64", 2))
    R[4, 4] = 0.0
    assert estimated_condition(R) == np.inf
