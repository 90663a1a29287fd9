"""The package is light to import and its public names are all there."""

import importlib.util
import re
import subprocess
import sys
from importlib import metadata

import pytest

import lowrank_la as lr
from lowrank_la import versions

HEAVY = ("numba", "torch", "cupy", "jax", "dask", "matplotlib", "sklearn", "scipy", "typer", "pandas")


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_the_package_imports_nothing_heavy():
    done = run(f"import lowrank_la, sys; print(sorted(set({HEAVY!r}) & set(sys.modules)))")
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_a_small_decomposition_imports_no_other_array_library():
    code = (
        "import sys, lowrank_la as lr; lr.svd([[3.0, 0.0], [0.0, 4.0]], 1); "
        "print(sorted({'torch', 'cupy', 'jax', 'dask', 'matplotlib', 'sklearn', 'typer'} & set(sys.modules)))"
    )
    done = run(code)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.mark.parametrize("name", lr.__all__)
def test_every_public_name_loads_alone_in_a_fresh_process(name):
    done = run(f"from lowrank_la import {name}; assert {name} is not None")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_public_names_are_listed_once_and_in_order():
    lazy = {*lr._HOME, *lr._SUBMODULES, "__version__"}
    assert sorted(lazy) == sorted(lr.__all__)
    assert list(lr.__all__) == sorted(lr.__all__)
    assert set(lr.__all__) <= set(dir(lr))


def test_the_packages_beside_the_public_names_load_by_name():
    done = run("import lowrank_la as lr; print(lr.estimators.PCA.__name__, lr.blocks.plan.__name__)")
    assert (done.stdout.split(), done.stderr) == (["PCA", "plan"], "")
    assert {"blocks", "estimators"} <= set(dir(lr))
    assert not {"TYPE_CHECKING", "annotations"} & set(dir(lr))


def test_the_lazy_names_are_those_that_type_checkers_see():
    source = importlib.util.find_spec("lowrank_la").loader.get_source("lowrank_la")
    block = source.partition("if TYPE_CHECKING:")[2].partition("__version__ =")[0]
    names = {name.strip() for line in block.splitlines() if line for name in line.partition("import ")[2].split(",")}
    assert names == {*lr._HOME, *lr._SUBMODULES}


@pytest.mark.parametrize("name", ["svds", "randomized_svd", "__wrapped__", "typo"])
def test_an_unknown_name_is_an_attribute_error_that_names_it(name):
    with pytest.raises(AttributeError, match=f"'lowrank_la' has no attribute '{name}'"):
        getattr(lr, name)


def test_a_star_import_brings_the_public_names():
    done = run("from lowrank_la import *; print(svd.__name__, as_operator.__name__)")
    assert done.stdout.split() == ["svd", "as_operator"]


def test_the_installed_version_is_that_of_the_package():
    try:
        installed = metadata.version("lowrank_la")
    except metadata.PackageNotFoundError:
        pytest.skip("the package is not installed")
    assert installed == lr.__version__


def test_show_versions_names_python_and_numpy(capsys):
    lr.show_versions()
    printed = capsys.readouterr().out
    assert printed.startswith("lowrank_la ")
    assert lr.__version__ in printed.splitlines()[0]
    assert "python" in printed
    assert "numpy" in printed
    assert "array-api-compat" in printed
    assert re.search(r"^blas +\S", printed, re.MULTILINE)


def test_the_blas_is_named_without_threadpoolctl(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    assert "as NumPy was built" in versions.versions()["blas"]


def test_errors_and_warnings_can_be_caught_by_builtin_classes():
    assert issubclass(lr.ConvergenceError, RuntimeError)
    assert issubclass(lr.ConvergenceWarning, UserWarning)
    assert issubclass(lr.RankWarning, UserWarning)
    assert issubclass(lr.CapabilityError, TypeError)
