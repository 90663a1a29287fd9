"""
Pixels worth keeping
====================

An interpolative decomposition chooses pixels of which the others are linear combinations: features that keep
their meaning.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

import lowrank_la as lr

X = load_digits().data
counts = [2, 4, 8, 16, 24, 32, 48]
chosen = {k: lr.interpolative(X, k, rng=0) for k in counts}
figure, panels = plt.subplots(1, 4, figsize=(12, 3.1), layout="constrained")
for axes, k in zip(panels, (8, 16, 32), strict=False):
    indices, coefficients = chosen[k]
    axes.imshow((X[7][indices] @ coefficients).reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
    axes.scatter(indices % 8, indices // 8, marker="s", s=60, facecolors="none", edgecolors="tab:red")
    axes.set(title=f"a digit from {k} of its pixels", xticks=[], yticks=[])
panels[3].plot(counts, [chosen[k].info.error for k in counts], "o-", label="pixels")
panels[3].plot(counts, [lr.svd(X, k).info.error for k in counts], "o-", label="svd")
panels[3].set(xlabel="number", ylabel="relative error")
panels[3].legend()
