"""
Landmarks of a kernel
=====================

Randomly pivoted Cholesky chooses digits of which the others are combinations in the space of a Gaussian
kernel. Where most of the data are alike, here ones with a few other digits among them, uniform landmarks miss
what is rare; the trace that is left says how much.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import lowrank_la as lr

digits = load_digits()
rare = np.concatenate([np.flatnonzero(digits.target == k)[:4] for k in range(10) if k != 1])
X = digits.data[np.concatenate([np.flatnonzero(digits.target == 1), rare])] / 16.0


def gaussian(x, y):
    squares = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1)[None, :] - 2 * x @ y.T
    return np.exp(-squares / 8.0)


K = lr.KernelMatrix(X, gaussian, diag=1.0)
ranks = [5, 10, 20, 40, 60, 80]
pivoted = [lr.rpcholesky(K, k, rng=0).info.error for k in ranks]


def left_by_uniform(k):
    chosen = np.random.default_rng(0).choice(len(X), k, replace=False)
    C = K.take_cols(chosen)
    root = np.linalg.cholesky(C[chosen] + 1e-10 * np.eye(k))
    return 1.0 - (np.linalg.solve(root, C.T) ** 2).sum() / len(X)


figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4), layout="constrained", width_ratios=(1, 1.3))
left.semilogy(ranks, pivoted, "o-", label="randomly pivoted Cholesky")
left.semilogy(ranks, [left_by_uniform(k) for k in ranks], "o-", label="uniform landmarks")
left.set(xlabel="landmarks", ylabel="share of the trace not explained")
left.legend()
indices = lr.rpcholesky(K, 40, rng=0).indices
framed = np.pad(X[indices].reshape(4, 10, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=np.nan)
right.imshow(framed.transpose(0, 2, 1, 3).reshape(40, 100), cmap="gray_r")
right.set(title="the first 40 landmarks", xticks=[], yticks=[])
print(f"{lr.rpcholesky(K, 40, rng=0).info.entries} entries of {len(X) ** 2} were computed")
