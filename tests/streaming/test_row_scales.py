"""The top eigenvector of rows of any scale, and of one column: answers, and numbers in the units of the rows."""

import numpy as np
import pytest
from streaming import row_streams

import lowrank_la as lr

ORDERS = ("random", "arbitrary")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e-150, 1e-20, 1e20, 1e150, 1e160, 1e300])
@pytest.mark.parametrize("order", ORDERS)
def test_the_scale_of_the_rows_does_not_matter(order, scale):
    A, v = row_streams.spiked(64, "random")
    result = lr.TopEigenvector(order, rng=0).partial_fit(A * scale).result()
    assert result.status == ("light" if order == "random" else "rate")
    assert row_streams.squared_correlation(result.v, v) > 0.99


@pytest.mark.parametrize("order", ORDERS)
def test_rows_that_are_suddenly_far_longer_take_over(order):
    A, v = row_streams.spiked(64, "random")
    tiny = 1e-150 * np.random.default_rng(5).standard_normal((500, 64))
    result = lr.TopEigenvector(order, rng=0).partial_fit(tiny).partial_fit(A).partial_fit(tiny).result()
    assert row_streams.squared_correlation(result.v, v) > 0.99


def test_quotients_are_told_in_the_units_of_the_rows_or_overflow_honestly():
    A, _ = row_streams.spiked(64, "random")
    plain = lr.TopEigenvector("random", rng=0).partial_fit(A).result().info.light_quotient
    for scale in (2.0**400, 2.0**-400):
        told = lr.TopEigenvector("random", rng=0).partial_fit(A * scale).result().info.light_quotient
        assert abs(told / scale**2 / plain - 1.0) < 1e-12
    assert lr.TopEigenvector("random", rng=0).partial_fit(A * 1e200).result().info.light_quotient == np.inf


@pytest.mark.parametrize("count", [1, 2, 3, 5, 200])
@pytest.mark.parametrize("order", ORDERS)
def test_rows_of_one_column_always_have_an_answer(order, count):
    result = lr.TopEigenvector(order, rng=0).partial_fit(np.full((count, 1), -3.0)).result()
    assert abs(result.v[0]) == 1.0
    assert result.info.converged


@pytest.mark.parametrize("estimator", [*(lr.TopEigenvector(order, rng=0) for order in ORDERS), lr.OjaPCA(2, rng=0)])
def test_nan_that_was_let_pass_is_no_answer_and_leaves_the_state_unharmed(estimator):
    A, _ = row_streams.spiked(64, "random")
    estimator = estimator.copy().partial_fit(A[:640])
    before, bad = estimator.state_dict(), A[640:1280].copy()
    bad[300, 3] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        estimator.partial_fit(bad, check_finite=False)
    assert row_streams.same_bits(before, estimator.state_dict())
