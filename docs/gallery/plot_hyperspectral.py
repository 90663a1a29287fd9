"""
A hyperspectral cube, compressed and explained
==============================================

The Indian Pines scene: 145 × 145 pixels in 200 bands. A Tucker decomposition to a relative error keeps few columns a
mode; its error is known without forming the approximation.
"""

import matplotlib.pyplot as plt
import numpy as np
from tensorly.datasets import load_indian_pines

import lowrank_la as lr

cube = np.asarray(load_indian_pines().tensor, dtype=float)
results = {tol: lr.tucker(cube, tol=tol, rng=0) for tol in (0.1, 0.05, 0.02)}
band = 120
figure, panels = plt.subplots(1, 4, figsize=(12, 3.1), layout="constrained")
low, high = np.quantile(cube[:, :, band], [0.01, 0.99])
panels[0].imshow(cube[:, :, band], vmin=low, vmax=high)
panels[0].set_title(f"band {band} of {cube.shape[2]}")
for axes, (tol, result) in zip(panels[1:], results.items(), strict=True):
    left, right, spectra = result.factors
    picture = np.einsum("abc,ia,jb,c->ij", result.core, left, right, spectra[band], optimize=True)
    numbers = result.core.size + sum(factor.size for factor in result.factors)
    axes.imshow(picture, vmin=low, vmax=high)
    axes.set_title(f"tol={tol}: 1/{cube.size // numbers} of the numbers")
    print(f"tol={tol}: ranks {result.core.shape}, error {result.info.error:.4f} ({result.info.error_kind})")
for axes in panels:
    axes.set(xticks=[], yticks=[])

# %%
# The columns of the third factor are spectra: the scene is made of few of them.

figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
axes.plot(results[0.05].factors[2])
axes.set(xlabel="band", title="spectra that span the scene at tol=0.05")
