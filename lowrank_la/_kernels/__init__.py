"""Compiled inner loops on bare arrays; `lookup` is the only door."""

from importlib import import_module

_NUMPY_KERNELS = {
    "philox_words": "philox",
    "philox_uniform": "philox",
    "philox_gaussian": "philox",
    "philox_signs": "philox",
    "philox_integers": "philox",
    "csr_matmat": "csr",
    "csr_rmatmat": "csr",
    "csr_normal": "csr",
    "hash_rows": "hashing",
    "scan_proposals": "determinantal",
    "projection_draws": "determinantal",
    "bernoulli_until": "determinantal",
}


def lookup(name, host):
    """Kernel called `name` for arrays that live on `host`, or None.

    Numba is imported when the first kernel is asked for.

    Parameters
    ----------
    name : str
    host : str
        Kind of the array namespace, such as ``"numpy"`` or ``"cupy"``.

    Returns
    -------
    callable or None
    """
    if host != "numpy" or name not in _NUMPY_KERNELS:
        return None
    module = import_module(f"{__name__}.numba.{_NUMPY_KERNELS[name]}")
    return getattr(module, name)
