"""Functions to approximate by Chebyshev-Tucker forms, and places to try them at."""

import warnings

import numpy as np

import lowrank_la as lr

CUBE = [(-1.0, 1.0)] * 3
ANALYTIC = {
    "Gaussian": lambda x: np.exp(-np.sum(x**2, axis=1)),
    "Runge": lambda x: 1.0 / (1.0 + np.sum(x**2, axis=1)),
    "steep Runge": lambda x: 1.0 / (1.0 + 9.0 * np.sum(x**2, axis=1)),
    "hyperbolic tangent": lambda x: np.tanh(np.sum(x, axis=1)),
    "hyperbolic secant squared": lambda x: np.cosh(np.sum(x, axis=1)) ** -2,
    "wave": lambda x: np.cos(15.0 * x[:, 0] * x[:, 1] + x[:, 2]),
}


def random_points(count, order, rng=1):
    return np.random.default_rng(rng).uniform(-1.0, 1.0, (count, order))


def centres(n):
    return (2 * np.arange(n) + 1 - n) / n


def quietly(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        return lr.ChebTuck.fit(*args, **options)
