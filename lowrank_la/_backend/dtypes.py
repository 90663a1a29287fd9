"""Precision policy: half is factored in single, integers are promoted, complex stays complex."""

from ._names import dtype_name as dtype_name

_COMPUTE = {"float16": "float32", "bfloat16": "float32"}
_REAL = {"complex64": "float32", "complex128": "float64"}
_COMPLEX = {"float32": "complex64", "float64": "complex128"}
_FLOATS = ("float32", "float64", "complex64", "complex128")
_EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}


def is_half(dtype):
    """Whether `dtype` is float16 or bfloat16."""
    return dtype_name(dtype) in _COMPUTE


def is_complex(dtype):
    """Whether `dtype` is complex64 or complex128."""
    return dtype_name(dtype) in _REAL


def compute_dtype(xp, dtype, device=None):
    """Dtype of `xp` in which data of `dtype` is factored.

    Half precision becomes float32, booleans and integers the widest real type of the device.
    """
    name = dtype_name(dtype)
    if name in _FLOATS:
        return getattr(xp, name)
    if name in _COMPUTE:
        return xp.float32
    if name.startswith(("int", "uint", "bool")):
        return widest_real(xp, device)
    raise TypeError(
        f"numbers of dtype {name} can't be worked with: give float16, bfloat16, float32, float64, complex64, "
        "complex128 or integers"
    )


def widest_real(xp, device=None):
    """float64 where the device has it, else float32."""
    info = getattr(xp, "__array_namespace_info__", None)
    if info is None:
        return xp.float64
    return info().dtypes(device=device, kind="real floating").get("float64", xp.float32)


def real_dtype(xp, dtype):
    """Real dtype of the precision of `dtype`."""
    name = dtype_name(dtype)
    return getattr(xp, _REAL.get(name, name))


def complex_dtype(xp, dtype):
    """Complex dtype of the precision of `dtype`."""
    name = dtype_name(dtype)
    return getattr(xp, _COMPLEX.get(name, name))


def single_dtype(xp, dtype):
    """Single precision dtype, real or complex as `dtype` is."""
    return xp.complex64 if is_complex(dtype) else xp.float32


def is_double(dtype):
    """Whether `dtype` is float64 or complex128."""
    return dtype_name(dtype) in ("float64", "complex128")


def eps(dtype):
    """Machine epsilon of `dtype` (of its real part when complex) as a Python float."""
    name = dtype_name(dtype)
    return _EPS[_REAL.get(name, name)]


def itemsize(dtype):
    """Bytes of one number of `dtype`."""
    name = dtype_name(dtype)
    return 1 if name == "bool" else int("".join(filter(str.isdigit, name))) // 8


def widest_integer(xp, device=None):
    """``(dtype, bits)`` of the widest signed integers of the device."""
    found = xp.__array_namespace_info__().dtypes(device=device, kind="signed integer")
    return (xp.int64, 64) if "int64" in found else (xp.int32, 32)


def widest_like(xp, dtype, device=None):
    """The widest dtype of the device that is real or complex as `dtype` is."""
    real = widest_real(xp, device)
    return complex_dtype(xp, real) if is_complex(dtype) else real
