"""Scattered data of smooth functions of several variables."""

import numpy as np


def synthetic(seed, coordinates=90, data=675):
    """The experiment of the paper: noisy cells of a grid to learn from, clean ones to test on."""
    generator = np.random.default_rng(seed)
    axes = [np.sort(generator.uniform(size=coordinates)) for _ in range(2)]
    i, j = np.divmod(generator.permutation(coordinates**2)[: 2 * data], coordinates)
    x = np.stack([axes[0][i], axes[1][j]], axis=1)
    f = (
        np.sin(2 * np.pi * x[:, 0]) ** 2
        * np.cos(2 * np.pi * x[:, 0])
        * np.exp(-2 * x[:, 1])
        * np.sin(1.5 * np.pi * x[:, 1])
    )
    return x[:data], f[:data] + 0.01 * generator.standard_normal(data), x[data:], f[data:]


def waves(count=60, order=3, seed=0, noise=0.05):
    generator = np.random.default_rng(seed)
    x = generator.integers(0, 7, (count, order)) / 7.0
    y = np.prod(np.cos(3 * x), axis=1) + 0.5 * np.prod(np.sin(4 * x), axis=1)
    return x, y + noise * generator.standard_normal(count)
