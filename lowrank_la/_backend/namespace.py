"""One array library from another: namespaces, devices and the way to and from the host."""

from importlib import import_module

import array_api_compat
import array_api_compat.numpy
import numpy as np

_KINDS = {
    "array_api_compat.numpy": "numpy",
    "array_api_compat.cupy": "cupy",
    "array_api_compat.torch": "torch",
    "array_api_strict": "strict",
    "jax.numpy": "jax",
}


def namespace(*arrays):
    """Array API namespace shared by `arrays`."""
    if all(type(x) is np.ndarray for x in arrays):
        return array_api_compat.numpy
    return array_api_compat.array_namespace(*arrays)


def kind(xp):
    """Name of the library behind `xp`: numpy, cupy, torch, strict, jax or other."""
    return _KINDS.get(xp.__name__, "other")


def named_namespace(dtype, device=None, owner=None):
    """Namespace that a dtype, a device or the class of an object belongs to; NumPy when nothing says otherwise."""
    modules = {_library(type(dtype)), _library(dtype), _library(type(device))}
    modules |= {_library(base) for base in type(owner).__mro__} if owner is not None else set()
    for library, name in (("torch", "array_api_compat.torch"), ("array_api_strict",) * 2, ("jax", "jax.numpy")):
        if library in modules:
            return import_module(name)
    return import_module("array_api_compat.cupy" if modules & {"cupy", "cupyx"} else "array_api_compat.numpy")


def _library(x):
    return getattr(x, "__module__", "").split(".")[0]


def is_array(x):
    """Whether `x` is an array of a supported library."""
    return array_api_compat.is_array_api_obj(x)


def dense_array(x, name):
    """`x` as an array of its library, nested lists as one of NumPy; TypeError for anything else."""
    if isinstance(x, list | tuple):
        x = np.asarray(x)
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name} must not be a masked array: fill the missing entries first")
    if str(getattr(x, "layout", "torch.strided")) != "torch.strided":
        raise TypeError(f"{name} must be a dense array, got a tensor of layout {x.layout}: pass {name}.to_dense()")
    if not is_array(x) or kind(namespace(x)) == "other":
        raise TypeError(f"{name} must be an array of NumPy, CuPy, torch or JAX, got {type(x).__name__}")
    return x


def device(x):
    """Device that holds the array `x`."""
    return array_api_compat.device(x)


def to_numpy(x):
    """Host copy (or view, where memory is shared) of an array of any namespace."""
    if isinstance(x, np.ndarray):
        return x
    if array_api_compat.is_torch_array(x):
        return x.detach().resolve_conj().resolve_neg().cpu().numpy()
    if array_api_compat.is_cupy_array(x):
        return x.get()
    if hasattr(x, "__array_namespace__") and kind(namespace(x)) == "strict":
        xp = namespace(x)
        return np.asarray(x.to_device(xp.Device("CPU_DEVICE")))
    return np.asarray(x)


def from_numpy(a, xp, device=None, dtype=None):
    """Array of namespace `xp` on `device` with the contents of the NumPy array `a`."""
    if kind(xp) == "numpy":
        return a if dtype is None or a.dtype == dtype else a.astype(dtype)
    if dtype is None:
        dtype = getattr(xp, a.dtype.name)
    return xp.asarray(np.ascontiguousarray(a), dtype=dtype, device=device, copy=True)


def synchronize(x):
    """Wait for the device of `x` (nothing to do on the host)."""
    xp = namespace(x)
    if kind(xp) == "torch" and x.device.type == "cuda":
        import torch

        torch.cuda.synchronize(x.device)
    elif kind(xp) == "cupy":
        x.device.synchronize()


def on_accelerator(xp, device):
    """Whether arrays of `xp` on `device` live on a GPU or its like."""
    name = kind(xp)
    return name == "cupy" or (name == "torch" and getattr(device, "type", "cpu") != "cpu")
