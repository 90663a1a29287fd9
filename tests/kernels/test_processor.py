"""Kernels are made for the processor that Numba is told to compile for."""

import pytest
from llvmlite import binding
from numba.core import config

from lowrank_la._kernels.numba._processor import has


@pytest.mark.parametrize(
    ("name", "features", "expected"),
    [
        (None, "+avx2,-avx512f", False),
        (None, "+avx512f", True),
        ("generic", None, False),
        ("generic", "+avx512f", True),
    ],
)
def test_what_numba_is_told_counts(name, features, expected, monkeypatch):
    monkeypatch.setattr(config, "CPU_NAME", name)
    monkeypatch.setattr(config, "CPU_FEATURES", features)
    assert has("avx512f") is expected


def test_else_this_processor_counts(monkeypatch):
    monkeypatch.setattr(config, "CPU_NAME", None)
    monkeypatch.setattr(config, "CPU_FEATURES", None)
    for feature, there in binding.get_host_cpu_features().items():
        assert has(feature) is there
