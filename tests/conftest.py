"""The backend fixture: every array library and device that a test runs on."""

import importlib.util
from functools import lru_cache

import array_api_strict
import hypothesis
import pytest
from backends import make_backend

hypothesis.settings.register_profile(
    "lowrank_la",
    derandomize=True,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("lowrank_la")

_STRICT_DEVICES = array_api_strict.__array_namespace_info__().devices()


def _parameters():
    yield pytest.param(("numpy", "cpu"), id="numpy")
    for device in _STRICT_DEVICES:
        name = str(device).split("'")[1]
        yield pytest.param(("strict", device), id=f"strict-{name}")
    absent = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
    yield pytest.param(("torch", "cpu"), id="torch", marks=absent)
    yield pytest.param(("torch", "cuda"), id="torch-cuda", marks=[absent, pytest.mark.gpu])
    yield pytest.param(("cupy", None), id="cupy", marks=pytest.mark.gpu)


@pytest.fixture(params=list(_parameters()))
def backend(request):
    """Every library and device in turn."""
    made = make_backend(*request.param)
    yield made
    made.check_untouched()


@lru_cache
def _has_cuda():
    for name in ("torch", "cupy"):
        if importlib.util.find_spec(name) is not None:
            module = importlib.import_module(name)
            if module.cuda.is_available():
                return True
    return False


def pytest_collection_modifyitems(items):
    """Skip tests marked gpu where there is none."""
    if any(item.get_closest_marker("gpu") for item in items) and not _has_cuda():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))
