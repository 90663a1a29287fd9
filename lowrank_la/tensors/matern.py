"""Matérn processes as linear stochastic differential equations of their value and scaled derivatives."""

import math

import numpy as np

from .. import _backend as be
from . import chebyshev

SMOOTHNESS = (0.5, 1.5, 2.5)
# With derivative number j divided by rateʲ the transition over a time z / rate is exp(-z) Σ_j Nʲ zʲ / j!
# with N nilpotent, and the stationary covariance is free of scales too.
_NILPOTENT = {
    0.5: np.zeros((1, 1)),
    1.5: np.array([[1.0, 1.0], [-1.0, -1.0]]),
    2.5: np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [-1.0, -3.0, -2.0]]),
}
_STATIONARY = {
    0.5: np.ones((1, 1)),
    1.5: np.eye(2),
    2.5: np.array([[1.0, 0.0, -1.0 / 3.0], [0.0, 1.0 / 3.0, 0.0], [-1.0 / 3.0, 0.0, 1.0]]),
}


def states(smoothness):
    """Number of state components of one process."""
    return _STATIONARY[smoothness].shape[0]


def transitions(smoothness, length_scale, steps):
    """Transition matrices (p, s, s) over the non-negative times `steps` (p,)."""
    xp = be.namespace(steps)
    z = (steps * (math.sqrt(2.0 * smoothness) / length_scale))[:, None, None]
    nilpotent = chebyshev.like(_NILPOTENT[smoothness], steps)
    power = chebyshev.like(np.eye(states(smoothness)), steps)
    total = power[None, :, :] + 0.0 * z
    for j in range(1, states(smoothness)):
        power = power @ nilpotent
        total = total + power[None, :, :] * (z**j / math.factorial(j))
    return total * xp.exp(-z)


def stationary(smoothness, variance, like):
    """Stationary covariance (s, s) in the library of `like`."""
    return chebyshev.like(_STATIONARY[smoothness] * variance, like)


def noises(A, P):
    """Covariances (p, s, s) of the noise on the way, ``P - A P Aᵀ``."""
    xp = be.namespace(A)
    Q = P[None, :, :] - xp.matmul(xp.matmul(A, P[None, :, :]), A.mT)
    return 0.5 * (Q + Q.mT)


def chain(smoothness, length_scale, variance, nodes):
    """``A, Q`` (D, s, s) along ascending `nodes` (D,), in the form that `be.filter_states` takes."""
    xp = be.namespace(nodes)
    A = transitions(smoothness, length_scale, nodes[1:] - nodes[:-1])
    P = stationary(smoothness, variance, nodes)
    first = xp.zeros_like(P)[None, :, :]
    return xp.concat([first, A], axis=0), xp.concat([P[None, :, :], noises(A, P)], axis=0)


def covariance(smoothness, length_scale, variance, distance):
    """Covariance of two values at a `distance`."""
    xp = be.namespace(distance)
    z = distance * (math.sqrt(2.0 * smoothness) / length_scale)
    polynomial = {0.5: 1.0 + 0.0 * z, 1.5: 1.0 + z, 2.5: 1.0 + z + z * z / 3.0}[smoothness]
    return variance * polynomial * xp.exp(-z)
