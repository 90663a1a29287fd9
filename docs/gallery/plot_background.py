"""
What stands still and what moves
================================

A sequence made from a photograph: the light changes, a dark square crosses. As rows of a matrix the still
part has rank one, and the square is a sparse error of every frame. (The sequence is made, not filmed.)
"""

import matplotlib.pyplot as plt
import numpy as np

import lowrank_la as lr

picture = lr.datasets.photograph()[::3, ::3]
(m, n), frames, side = picture.shape, 60, 16
generator = np.random.default_rng(0)
light = 1.0 + 0.2 * np.sin(np.linspace(0.0, 6.0, frames))
film = light[:, None, None] * picture + 0.005 * generator.standard_normal((frames, m, n))
for t in range(frames):
    row, column = (m - side) // 2 + int(0.3 * m * np.sin(t / 7)), int((n - side) * t / (frames - 1))
    film[t, row : row + side, column : column + side] = 0.0
result = lr.robust_pca(film.reshape(frames, -1), 1, tol=1e-2, rng=0)
plain = lr.svd(film.reshape(frames, -1), 1, rng=0)
t = 30
panels = {
    "one frame": film[t],
    "svd: a shadow of its way": (plain.U[t] * plain.s @ plain.Vh).reshape(m, n),
    "robust_pca: the background": (result.U[t] * result.s @ result.Vh).reshape(m, n),
    "and what moves": np.abs(result.S.toarray()[t].reshape(m, n)),
}
figure, axes = plt.subplots(1, 4, figsize=(12, 2.7), layout="constrained")
for ax, (title, image) in zip(axes, panels.items(), strict=True):
    ax.imshow(image, cmap="gray", vmin=0, vmax=1)
    ax.set(title=title, xticks=[], yticks=[])
