"""
A function from as few values as it has coefficients
====================================================

Weighted least squares with ten polynomials: at volume-rescaled points little more than ten values are enough,
at independent ones many more are needed.
"""

import matplotlib.pyplot as plt
import numpy as np

import lowrank_la as lr


def f(x):
    return 1.0 / (1.0 + 25.0 * x**2)


basis, grid = lr.Legendre(10), np.linspace(-1.0, 1.0, 801)
sizes, seeds = [10, 12, 15, 20, 30, 50], range(40)
best = np.linalg.lstsq(basis(grid), f(grid), rcond=None)[0]
least = np.sqrt(np.mean((basis(grid) @ best - f(grid)) ** 2))
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")


def draws(size, method):
    """One result a seed, the most accurate first, and their errors over the least."""
    found = [lr.weighted_lstsq(basis, f, size, method=method, rng=seed) for seed in seeds]
    errors = [np.sqrt(np.mean((basis(grid) @ each.coefficients - f(grid)) ** 2)) / least for each in found]
    order = np.argsort(errors)
    return [found[i] for i in order], np.asarray(errors)[order]


for method, label in (("iid", "independent"), ("volume_rescaled", "volume-rescaled")):
    left.plot(sizes, [np.median(draws(size, method)[1]) for size in sizes], "o-", label=label)
left.set(xlabel="values of the function", ylabel="median error over the least", yscale="log")
left.legend()
result = draws(12, "volume_rescaled")[0][len(seeds) // 2]
right.plot(grid, f(grid), label="function")
right.plot(grid, basis(grid) @ result.coefficients, label="ten polynomials from twelve values")
right.plot(result.points, f(result.points), "ko", markersize=4)
right.set(title="the median of forty draws", ylim=(-0.1, 1.35))
right.legend()
