"""Kernels keep their machine code on disk where there is a place for it, and work where there is none."""

import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numba
import numpy as np
import pytest

import lowrank_la
from lowrank_la._kernels.numba import _jit

PROGRAM = """
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import numpy as np
    from lowrank_la import _kernels
    for name in _kernels._NUMPY_KERNELS:
        assert _kernels.lookup(name, "numpy") is not None
    counters = np.arange(12, dtype=np.uint64).reshape(4, 3)
    _kernels.lookup("philox_words", "numpy")(counters, np.uint64(1), np.uint64(2), 3)
print(_kernels.__file__, *counters[:2].ravel())
print(*(f"{w.category.__name__}: {w.message}" for w in caught), sep="\\n")
"""


def run_copy(folder, home, **environment):
    """Numbers and warnings of the program, with the copy of the package in `folder` and `home` for a home folder."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("NUMBA_", "PYTHON", "XDG_"))}
    places = {"PYTHONPATH": str(folder), "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    environment = {**kept, "PYTHONDONTWRITEBYTECODE": "1", **places, **environment}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, env=environment, cwd=folder
    )
    assert (done.returncode, done.stderr) == (0, "")
    first, *rest = done.stdout.splitlines()
    assert first.startswith(str(folder))
    return first.split()[1:], [line for line in rest if line]


@pytest.fixture
def nowhere(tmp_path):
    """A copy of the package beside which, and a home in which, nobody can write: plain files stand where folders go."""
    package = Path(lowrank_la.__file__).parent
    shutil.copytree(package, tmp_path / "lowrank_la", ignore=shutil.ignore_patterns("__pycache__", "data"))
    (tmp_path / "lowrank_la" / "_kernels" / "numba" / "__pycache__").write_text("")
    (tmp_path / "home").write_text("")
    return tmp_path


def test_a_place_that_can_not_be_written_costs_one_warning_and_no_answer(nowhere):
    words, warned = run_copy(nowhere, nowhere / "home")
    assert len(words) == 6
    assert len(warned) == 1
    assert warned[0].startswith("RuntimeWarning: compiled kernels can't be kept")
    assert "NUMBA_CACHE_DIR" in warned[0]
    (nowhere / "kept").mkdir()
    again, warned = run_copy(nowhere, nowhere / "home", NUMBA_CACHE_DIR=str(nowhere / "kept"))
    assert (again, warned) == (words, [])
    assert any((nowhere / "kept").rglob("*.nbi"))


def twice(x):
    return 2 * x


@pytest.fixture
def no_cache(monkeypatch):
    """Numba as it is where no folder can be written to."""
    compiler = numba.njit

    def njit(cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function 'twice': no locator available for file 'x.py'")
        return compiler(**options)

    monkeypatch.setattr(_jit, "numba", SimpleNamespace(njit=njit))
    _jit._warn_of_compilation.cache_clear()
    yield
    _jit._warn_of_compilation.cache_clear()


def test_kernels_compile_without_a_cache_and_say_so_once(no_cache):
    with pytest.warns(RuntimeWarning, match="set NUMBA_CACHE_DIR"):
        compiled = _jit.jit(twice)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        also = _jit.jit(inline=True)(twice)
    assert np.array_equal(compiled(np.arange(3.0)), [0, 2, 4])
    assert also(2.0) == 4.0


def test_other_failures_of_the_compiler_are_not_hidden(monkeypatch):
    def njit(**options):
        raise RuntimeError("something else")

    monkeypatch.setattr(_jit, "numba", SimpleNamespace(njit=njit))
    with pytest.raises(RuntimeError, match="something else"):
        _jit.jit(twice)
