"""The estimators keep the conventions of scikit-learn, all of them."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("sklearn")
from sklearn.utils.estimator_checks import parametrize_with_checks

from lowrank_la import estimators

# The checks fit data of 30 rows and less, some of them of rank one: shortfalls are warned of, as they should be.
pytestmark = [
    pytest.mark.filterwarnings("ignore::lowrank_la.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::lowrank_la.exceptions.RankWarning"),
]


@parametrize_with_checks([getattr(estimators, name)() for name in estimators.__all__])
def test_estimators_pass_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


ARRAY_API = """
import warnings
from sklearn.utils.estimator_checks import check_array_api_input
from lowrank_la import estimators
warnings.simplefilter("ignore")
for name in estimators.__all__:
    check_array_api_input(name, getattr(estimators, name)(), array_namespace="array_api_strict")
print("all agree")
"""


def test_estimators_give_the_same_for_other_array_libraries_by_the_check_of_scikit_learn():
    """In a process of its own: scikit-learn asks for an environment variable that SciPy reads when it is imported."""
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    run = subprocess.run(
        [sys.executable, "-c", ARRAY_API], env=environment, capture_output=True, text=True, check=False
    )
    assert "all agree" in run.stdout, run.stderr
