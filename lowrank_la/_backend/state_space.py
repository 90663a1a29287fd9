"""Filter and smoother of several processes that share one state-space model.

The recursion over nodes is sequential and its matrices are small, so it runs on the host: compiled for every library
whose arrays can be had there, and by the portable twin otherwise. What crosses is as large as the pseudo-observations.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _kernels
from .namespace import device, from_numpy, kind, namespace, to_numpy

_ON_HOST = ("numpy", "torch", "cupy")


@dataclass(frozen=True)
class Filtered:
    """The filtered states of D nodes, S state components, R channels; `evidence` is a float.

    `mean` (D, S), `covariance` (D, S, S); `gains` (D, S, R), `weights` (D, R), `curvature` (D, R, R) and `A` (D, s, s)
    are for the way back.
    """

    A: Any
    mean: Any
    covariance: Any
    gains: Any
    weights: Any
    curvature: Any
    evidence: float


@dataclass(frozen=True)
class Smoothed:
    """Smoothed `values` (D, R) with `spread` (D, R, R), and the adjoint state `slope` (D, S), `bend` (D, S, S)."""

    values: Any
    spread: Any
    slope: Any
    bend: Any


def filter_states(A, Q, precision, shift):
    """Condition R stationary processes on factors ``exp(shift·u - u·precision·u / 2)`` of their values u at D nodes.

    Parameters
    ----------
    A, Q : arrays, shapes (D, s, s)
        Transition from the node before and its noise; zeros and the stationary covariance at the first node.
    precision : array, shape (D, R, R)
        Symmetric positive semidefinite, singular or zero too.
    shift : array, shape (D, R)

    Returns
    -------
    Filtered
        On the host for the libraries that go there; `smooth_states` takes it.
    """
    xp = namespace(A, precision)
    if kind(xp) not in _ON_HOST:
        return filter_twin(A, Q, precision, shift)
    A, Q, precision, shift = map(_plain, (A, Q, precision, shift))
    D, s, R = A.shape[0], A.shape[1], shift.shape[1]
    S = s * R
    out = [np.empty(shape, A.dtype) for shape in ((D, S), (D, S, S), (D, S, R), (D, R), (D, R, R))]
    evidence = _kernels.lookup("filter_states", "numpy")(A, Q, precision, shift, *out)
    mean, covariance, gains, weights, curvature = out
    return Filtered(A, mean, covariance, gains, weights, curvature, float(evidence))


def smooth_states(filtered, like):
    """`Smoothed` from `Filtered`, and the filtered mean and covariance, all in the library of `like`."""
    if kind(namespace(like)) not in _ON_HOST:
        return smooth_twin(filtered), filtered.mean, filtered.covariance
    D, S = filtered.mean.shape
    R = filtered.weights.shape[1]
    out = [np.empty(shape, filtered.A.dtype) for shape in ((D, R), (D, R, R), (D, S), (D, S, S))]
    parts = (filtered.A, filtered.mean, filtered.covariance, filtered.gains, filtered.weights, filtered.curvature)
    _kernels.lookup("smooth_states", "numpy")(*parts, *out)
    move = (namespace(like), device(like))
    return Smoothed(*(from_numpy(x, *move) for x in out)), *(from_numpy(x, *move) for x in parts[1:3])


def _plain(x):
    """A C-contiguous NumPy array that kernels take, writable or a copy."""
    x = np.ascontiguousarray(to_numpy(x))
    return x if x.flags.writeable else x.copy()


def filter_twin(A, Q, precision, shift):
    """`filter_states` from array-API operations alone."""
    xp = namespace(A, precision)
    R, dtype = shift.shape[1], A.dtype
    eye = xp.eye(R, dtype=dtype, device=device(A))
    S = A.shape[1] * R
    m, P = xp.zeros(S, dtype=dtype, device=device(A)), xp.zeros((S, S), dtype=dtype, device=device(A))
    found, evidence = [], 0.0
    for i in range(A.shape[0]):
        step = _expanded(A[i, ...], eye)
        m, P = step @ m, step @ P @ step.mT + _expanded(Q[i, ...], eye)
        L, eta, mu, C = precision[i, ...], shift[i, :], m[:R], P[:R, :R]
        pull = eta - L @ mu
        B = eye + L @ C
        weights = xp.linalg.solve(B, pull[:, None])[:, 0]
        curvature = _symmetric(xp.linalg.solve(B, L))
        evidence += 0.5 * float(xp.sum((eta + pull) * mu) + xp.sum(pull * (C @ weights)))
        evidence -= 0.5 * float(xp.linalg.slogdet(B).logabsdet)
        gains = P[:, :R]
        m = m + gains @ weights
        P = _symmetric(P - gains @ curvature @ gains.mT)
        found.append((m, P, gains, weights, curvature))
    mean, covariance, gains, weights, curvature = (xp.stack(list(parts)) for parts in zip(*found, strict=True))
    return Filtered(A, mean, covariance, gains, weights, curvature, evidence)


def smooth_twin(filtered):
    """`smooth_states` from array-API operations alone."""
    A = filtered.A
    xp = namespace(A)
    D, S = filtered.mean.shape
    R = filtered.weights.shape[1]
    eye, whole = (xp.eye(n, dtype=A.dtype, device=device(A)) for n in (R, S))
    g, G = xp.zeros_like(filtered.mean[0, :]), xp.zeros_like(filtered.covariance[0, ...])
    H = whole[:R, :]
    found = []
    for i in range(D - 1, -1, -1):
        P = filtered.covariance[i, ...]
        values = (filtered.mean[i, :] - P @ g)[:R]
        spread = _symmetric(P - P @ G @ P)[:R, :R]
        through = whole - filtered.gains[i, ...] @ filtered.curvature[i, ...] @ H
        g = through.mT @ g - H.mT @ filtered.weights[i, :]
        G = _symmetric(through.mT @ G @ through + H.mT @ filtered.curvature[i, ...] @ H)
        found.append((values, spread, g, G))
        step = _expanded(A[i, ...], eye)
        g, G = step.mT @ g, step.mT @ G @ step
    return Smoothed(*(xp.stack(list(parts)) for parts in zip(*reversed(found), strict=True)))


def _expanded(matrix, eye):
    """Kronecker product of a matrix (s, s) with the identity of the channels."""
    xp, n = namespace(matrix), matrix.shape[0] * eye.shape[0]
    return xp.reshape(matrix[:, None, :, None] * eye[None, :, None, :], (n, n))


def _symmetric(P):
    return 0.5 * (P + P.mT)
