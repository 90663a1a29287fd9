"""Arrays of any library as arrays of NumPy."""

import numpy as np


def to_host(x):
    """NumPy array of an array of any library, by the methods it offers for that."""
    if isinstance(x, np.ndarray):
        return x
    for method in ("detach", "resolve_conj", "cpu", "get"):
        x = getattr(x, method)() if hasattr(x, method) else x
    if hasattr(x, "to_device") and hasattr(x, "__array_namespace__"):
        x = x.to_device(x.__array_namespace__().__array_namespace_info__().default_device())
    if str(getattr(x, "dtype", "")).endswith("bfloat16"):
        x = x.float()
    return np.asarray(x)
