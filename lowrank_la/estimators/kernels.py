"""Kernels of two sets of points by name, on any array library."""

from functools import partial

import numpy as np
from sklearn.metrics.pairwise import PAIRWISE_KERNEL_FUNCTIONS, pairwise_kernels

from .. import _backend as be


def kernel_function(kernel, X, named, further):
    """Function of two arrays of points: the kernel called `kernel`, or the callable itself, with its parameters."""
    if callable(kernel):
        return partial(kernel, **named, **further) if named or further else kernel
    known = {**named, **further}
    if kernel in _KERNELS:
        allowed = _PARAMETERS[kernel]
        foreign = sorted(set(further) - set(allowed))
        if foreign:
            raise ValueError(f"kernel_params holds {foreign} which kernel={kernel!r} does not have; it has {allowed}")
        chosen = {"gamma": 1.0 / X.shape[1], "coef0": 1.0, "degree": 3.0} | known
        return partial(_KERNELS[kernel], **{name: chosen[name] for name in allowed})
    if kernel not in PAIRWISE_KERNEL_FUNCTIONS:
        names = sorted({*_KERNELS, *PAIRWISE_KERNEL_FUNCTIONS})
        raise ValueError(f"kernel must be a function or one of {names}, got {kernel!r}")
    if not isinstance(X, np.ndarray):
        raise ValueError(f"kernel={kernel!r} is for NumPy arrays; on other libraries there are {sorted(_KERNELS)}")
    return partial(pairwise_kernels, metric=kernel, filter_params=True, **known)


def _squared_distances(X, Y):
    xp = be.namespace(X)
    squares = xp.sum(X**2, axis=1)[:, None] + xp.sum(Y**2, axis=1)[None, :]
    return xp.clip(squares - 2 * be.matmul(X, Y.T), min=0.0)


def _rbf(X, Y, gamma):
    centre = be.namespace(X).mean(Y, axis=0)[None, :]  # distances far from the origin would lose their digits
    return be.namespace(X).exp(-gamma * _squared_distances(X - centre, Y - centre))


def _linear(X, Y):
    return be.matmul(X, Y.T)


def _polynomial(X, Y, gamma, coef0, degree):
    return (gamma * be.matmul(X, Y.T) + coef0) ** degree


def _sigmoid(X, Y, gamma, coef0):
    return be.namespace(X).tanh(gamma * be.matmul(X, Y.T) + coef0)


def _cosine(X, Y):
    return be.matmul(_normalised(X), _normalised(Y).T)


def _normalised(X):
    xp = be.namespace(X)
    size = xp.sqrt(xp.sum(X**2, axis=1))
    return X / xp.where(size > 0, size, xp.ones_like(size))[:, None]


_KERNELS = {
    "rbf": _rbf,
    "linear": _linear,
    "poly": _polynomial,
    "polynomial": _polynomial,
    "sigmoid": _sigmoid,
    "cosine": _cosine,
}
_PARAMETERS = {
    "rbf": ("gamma",),
    "linear": (),
    "poly": ("gamma", "coef0", "degree"),
    "polynomial": ("gamma", "coef0", "degree"),
    "sigmoid": ("gamma", "coef0"),
    "cosine": (),
}
