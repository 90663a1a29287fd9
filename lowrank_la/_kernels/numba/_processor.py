"""What the processor has for which kernels are compiled."""

from llvmlite import binding
from numba.core import config


def has(feature):
    """Whether that processor has a feature: this one, unless Numba is told to compile for another."""
    if config.CPU_NAME not in (None, "host", binding.get_host_cpu_name()) or config.CPU_FEATURES is not None:
        return f"+{feature}" in (config.CPU_FEATURES or "").split(",")
    return bool(binding.get_host_cpu_features().get(feature, False))
