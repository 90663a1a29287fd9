"""
Rows that keep arriving
=======================

Digits arrive in batches. The incremental SVD keeps a small state; its answer after all of them is that of the
whole matrix, and Frequent Directions, in less memory still, comes with a bound that holds for every order.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import lowrank_la as lr

X = load_digits().data
exact = np.linalg.svd(X, compute_uv=False)
stream, frequent = lr.IncrementalSVD(8), lr.FrequentDirections(16)
seen, bound, true = [], [], []
for start in range(0, len(X), 100):
    stream.partial_fit(X[start : start + 100])
    frequent.partial_fit(X[start : start + 100])
    B, delta = frequent.result().B, frequent.result().delta
    part = X[: start + 100]
    seen.append(len(part))
    size = np.linalg.norm(part) ** 2
    bound.append(delta / size)
    true.append(np.linalg.norm(part.T @ part - B.T @ B, 2) / size)
result = stream.result()
print("largest relative difference of a singular value:", np.abs(result.s / exact[:8] - 1).max())

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
lr.plot.spectrum(result, left)
left.set_title("singular values of the stream, with their bounds")
right.plot(seen, bound, "o-", label="certificate of Frequent Directions")
right.plot(seen, true, "k--", label="true error")
right.set(xlabel="rows seen", ylabel="‖AᵀA − BᵀB‖ over ‖A‖²_F", ylim=(0, None))
right.legend()
