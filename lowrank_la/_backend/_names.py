"""The name of a dtype, whichever library it comes from."""

from functools import lru_cache


def dtype_name(dtype):
    """'float64' for ``numpy.float64``, ``numpy.dtype('f8')``, ``torch.float64`` and their like."""
    return dtype if isinstance(dtype, str) else _name(type(dtype), dtype)


@lru_cache(maxsize=256)
def _name(_kind, dtype):
    # The kind keeps dtypes of two libraries with equal hashes from being compared: array_api_strict warns about that.
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or str(dtype)
    return name.rsplit(".", 1)[-1]
