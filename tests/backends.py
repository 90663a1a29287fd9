"""Array libraries and devices for tests, and the way to and from them."""

from dataclasses import dataclass, field

import array_api_strict
import numpy as np
import pytest

from lowrank_la import _backend as be

DTYPES = ("float32", "float64", "complex64", "complex128")


@dataclass(frozen=True)
class Backend:
    """One array library on one device, and the way to and from it.

    Attributes
    ----------
    name : str
        numpy, strict, torch or cupy.
    xp, device
        Namespace and device, as arrays report it.
    dtypes : tuple of str
        Names of the real and complex floating dtypes that the device has.
    """

    name: str
    xp: object
    device: object
    dtypes: tuple
    _given: list = field(default_factory=list)

    def asarray(self, a, dtype=None):
        """Array with the contents of the NumPy array `a`, in the closest dtype that the device has.

        Nobody may write to it: NumPy arrays are read-only, and the others are compared when the test ends.
        """
        host = np.array(a, dtype=dtype)
        host = host.astype(self.nearest(host.dtype.name), copy=False)
        host.flags.writeable = False
        x = be.from_numpy(host, self.xp, self.device)
        if x is not host:
            self._given.append((x, host))
        return x

    def to_numpy(self, x):
        """Host copy of `x`."""
        return be.to_numpy(x)

    def dtype(self, name):
        """The dtype of the namespace with that name."""
        return getattr(self.xp, name)

    def nearest(self, name):
        """`name`, or the single-precision name where the device has no double."""
        single = {"float64": "float32", "complex128": "complex64", "int64": "int32"}
        available = name in self.dtypes or name not in ("float64", "complex128")
        if name == "int64":
            available = "int64" in self._integers()
        return name if available else single[name]

    def _integers(self):
        return self.xp.__array_namespace_info__().dtypes(device=self.device, kind="integral")

    def holds(self, x):
        """Whether `x` is an array of this library on this device."""
        return be.is_array(x) and be.namespace(x) is self.xp and be.device(x) == self.device

    def check_untouched(self):
        """AssertionError if an array that was given out has changed."""
        for x, host in self._given:
            np.testing.assert_array_equal(be.to_numpy(x), host, err_msg="the input was modified")


def make_backend(name, device):
    """`Backend` for the library `name`."""
    if name == "strict":
        xp = array_api_strict
        available = tuple(xp.__array_namespace_info__().dtypes(device=device))
        return Backend(name, xp, device, tuple(d for d in DTYPES if d in available))
    module = pytest.importorskip("numpy" if name == "numpy" else name)
    like = module.zeros(1) if device is None or name == "numpy" else module.zeros(1, device=device)
    return Backend(name, be.namespace(like), be.device(like), DTYPES)
