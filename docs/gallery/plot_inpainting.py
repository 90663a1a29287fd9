"""
Half of a photograph
====================

Half of the pixels are hidden, and the others complete them. The error that the result reports comes from
pixels that were kept back; here the truth is at hand to compare with.
"""

import matplotlib.pyplot as plt
import numpy as np

import lowrank_la as lr

A = lr.datasets.photograph()[::2, ::2]
hidden = np.random.default_rng(0).random(A.shape) < 0.5
result = lr.complete(np.where(hidden, np.nan, A), 40, regularization=1.5, tol=1e-4, rng=0, on_failure="warn")
completed = result.U @ result.V.T
missed = np.linalg.norm((completed - A)[hidden]) / np.linalg.norm(A[hidden])
print(f"reported {result.info.error:.3f} ({result.info.error_kind}), true error on hidden pixels {missed:.3f}")

figure, panels = plt.subplots(1, 3, figsize=(12, 3.1), layout="constrained")
shown = {"half of the pixels": np.where(hidden, 0, A), "completed": np.where(hidden, completed, A), "original": A}
for axes, (title, picture) in zip(panels, shown.items(), strict=True):
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
    axes.set(title=title, xticks=[], yticks=[])
